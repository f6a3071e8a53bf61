/* SPDX-License-Identifier: MIT */
/* The args of trials of convolutions, for tests that know what a sum should come to. */
#pragma once

#include "kernels/conv.h"
#include "kernels/winograd.h"

enum {
    PQ_TRIAL_KERNEL = 7,     /* the largest, a side */
    PQ_TRIAL_TILE_ROWS = 16, /* rows of a result that is made in tiles, at most */
    PQ_TRIAL_TILE_INPUT = PQ_TRIAL_TILE_ROWS + PQ_WINOGRAD_READ - PQ_WINOGRAD_TILE
};

/* Of "convolution". */
struct pq_trial_conv {
    struct pq_conv_args args;
    struct pq_conv_part parts[PQ_CONV_PARTS];
    const float *rows[PQ_CONV_PARTS][PQ_TRIAL_KERNEL];
    float *plain; /* weights [out][in][taps] */
    int in_channels, out_channels;
};

/* Of "winograd" and "winograd-int16". */
struct pq_trial_winograd {
    struct pq_winograd_args args;
    struct pq_conv_part parts[PQ_CONV_PARTS];
    const float *rows[PQ_CONV_PARTS][PQ_TRIAL_TILE_INPUT];
    const float *residual[PQ_TRIAL_TILE_ROWS];
    float *residuals;               /* all of them */
    float *out[PQ_TRIAL_TILE_ROWS]; /* each GUARD floats behind what is `row` floats long */
    float *data[PQ_CONV_PARTS][PQ_TRIAL_TILE_INPUT]; /* rows, from a pixel of NaN before them on */
    /* Halves that stand in for all rows of a part, and of the residual; NULL where these are
     * floats. The floats are rounded before a call. */
    uint16_t *halves[PQ_CONV_PARTS], *half_residual;
    const uint16_t *half_rows[PQ_CONV_PARTS][PQ_TRIAL_TILE_INPUT];
    const uint16_t *half_residual_rows[PQ_TRIAL_TILE_ROWS];
    uint16_t *half_out[PQ_TRIAL_TILE_ROWS];
    float *plain;   /* weights [out][in][3][3] */
    int16_t *words; /* what they are packed to in 16 bits */
    float *factors;
    double *work;
    int in_channels, out_channels, across, rows_made, first_row, last_row;
    bool added; /* to a residual */
    size_t row; /* values of a row of the result, with a guard at both ends */
};

/* Pack the words, also once more behind a change of `plain`. */
void pq_trial_winograd_pack(struct pq_trial_winograd *w);
