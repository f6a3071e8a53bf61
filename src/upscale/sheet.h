/* SPDX-License-Identifier: MIT */
/* What a sheet is, for the two files that make one: sheet.c fills it, layout.c writes it. */
#pragma once

#include "pique/sheet.h"
#include "upscale/rows.h"

struct pq_cell {
    unsigned char *samples; /* cell_width x cell_height, RGB, 8 bit */
    char *label;            /* or NULL */
};

struct pique_sheet {
    const struct pq_picture_io *io;
    struct pq_row_source *source; /* open to the end, for its colour profile */
    char *name;                   /* of it, for messages */
    pique_sheet_options options;
    pique_sheet_info info;
    float *piece; /* width x height, RGB */
    struct pq_cell cells[PIQUE_SHEET_PICTURES];
    size_t count;
};
