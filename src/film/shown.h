/* SPDX-License-Identifier: MIT */
/* A picture made ready to be looked at: a piece of it, smaller, as a PNG of 8 bits. */
#pragma once

#include "pique/look.h"
#include "upscale/image.h"
#include "upscale/rows.h"

/* From rows, which are at their top and are read as far as needed, into dst. The profile of colours
 * is that of `rows` where is_file, a source of the picture module. *width and *height: of what was
 * written. */
int pq_shown_write(const struct pq_picture_io *io, struct pq_row_source *rows, bool is_file,
                   const pique_look_options *options, const char *dst, int *width, int *height,
                   pique_error *err);

/* A picture in memory as rows. Both are the caller's; nothing is to be closed. */
struct pq_shown_image {
    struct pq_row_source rows;
    const struct pq_image *image;
    int y;
};
void pq_shown_image(struct pq_shown_image *out, const struct pq_image *image);
