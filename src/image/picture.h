/* SPDX-License-Identifier: MIT */
/* A picture that is being read. load.c reads what libvips reads, avload.c what it leaves blocked.
 */
#pragma once

#include <vips/vips.h>

#include "image/input.h"
#include "upscale/rows.h"

struct pq_picture {
    struct pq_row_source source; /* first, so that one is the other */
    /* One pixel that carries what is kept of the file: profile, EXIF, XMP, IPTC, resolution; the
     * orientation is already applied. NULL where there is nothing. */
    VipsImage *meta;
};

/* Take over `in`, whatever is returned. Pixels are decoded at the first read. */
int pq_vips_load(struct pq_input *in, struct pq_picture **out, pique_error *err);
int pq_av_load(struct pq_input *in, struct pq_picture **out, pique_error *err);

/* PIQUE_EFORMAT or PIQUE_ENOMEM where a size cannot be true or cannot be borne: a few bytes of file
 * must not cost gigabytes of memory. bytes: what a pixel takes; whole: decoded into memory as a
 * whole. */
int pq_check_extent(const struct pq_input *in, int64_t width, int64_t height, int bytes, bool whole,
                    pique_error *err);
