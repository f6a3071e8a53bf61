/* SPDX-License-Identifier: MIT */
/* A PNG made by hand, without a library that would refuse what a test wants wrong. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct raw_png {
    uint32_t width, height;
    int bit_depth, colour_type;
    const unsigned char *palette; /* RGB triples, or NULL */
    size_t palette_entries;
    const unsigned char *transparency; /* tRNS, or NULL */
    size_t transparency_size;
    const unsigned char *rows; /* rows as they are packed, without filter bytes */
    size_t row_bytes;
    uint32_t rows_there; /* how many of them follow; the header may say another number */
};

void put_raw_png(const char *path, const struct raw_png *png);
