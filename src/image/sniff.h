/* SPDX-License-Identifier: MIT */
/* What a file is, by its first bytes. */
#pragma once

#include <stddef.h>

enum pq_kind {
    PQ_KIND_UNKNOWN,
    PQ_KIND_PNG,
    PQ_KIND_JPEG,
    PQ_KIND_WEBP,
    PQ_KIND_TIFF,
    PQ_KIND_AVIF,
    PQ_KIND_HEIF,
    PQ_KIND_JXL,
    PQ_KIND_GIF,
    PQ_KIND_BMP,
    PQ_KIND_PNM
};

enum { PQ_SNIFF_BYTES = 256 }; /* enough for every kind */

enum pq_kind pq_sniff(const unsigned char *data, size_t size);

/* "png", as pique_picture_info.format says it. */
const char *pq_kind_name(enum pq_kind kind);
