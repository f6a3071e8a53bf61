/* SPDX-License-Identifier: MIT */
/* The convolution of 3 x 3 taps, stride 1, as F(4x4, 3x3): Winograd's minimal filtering (Lavin and
 * Gray 2016), which takes 36 products for 16 pixels where the direct sum takes 144.
 *
 * A tile is 4 x 4 pixels of the result, made of 6 x 6 of the input, d. With the filters g
 *
 *     result = A' [ sum over c of (G g[c] G') * (B' d[c] B) ] A         * element by element
 *
 * The points are 0, +-sqrt(1/2), +-sqrt(2) and infinity. With 0, +-1, +-2 and infinity factors
 * would reach 8 instead of 2 sqrt 2, and so would what is lost where they cancel.
 *
 *     B'd:   d0 - 5/2 d2 + d4                      A'm:   m0 + (m1 + m2) + (m3 + m4)
 *            (d4 - 2 d2) +- sqrt(1/2) (d3 - 2 d1)         r/2 (m1 - m2) + r (m3 - m4)    r = sqrt 2
 *            (d4 - d2/2) +- sqrt(2) (d3 - d1/2)           1/2 (m1 + m2) + 2 (m3 + m4)
 *            d1 - 5/2 d3 + d5                             r/4 (m1 - m2) + 2r (m3 - m4) + m5
 *
 * Filters are transformed in double and rounded once. Of every other step the order and the
 * roundings are those of pq_winograd_c(), at every level: rows first, then columns; a sum over the
 * channels begins with 0 and takes them in order, by fma. A lane is an output channel, or an input
 * channel while the input is transformed. So a pixel's bits depend on where its tile lies, which
 * the grid of a layer fixes, and on nothing else.
 *
 * What lies beyond the picture, or beyond what a direct convolution reads, is zero and not read. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/conv.h"

enum {
    PQ_WINOGRAD_TILE = 4,  /* pixels of a side */
    PQ_WINOGRAD_READ = 6,  /* of the input's */
    PQ_WINOGRAD_TILES = 48 /* that one call computes at most */
};

struct pq_winograd_args {
    const struct pq_conv_part *parts; /* of the input; tiles of row r read rows 4 r .. 4 r + 5 */
    int part_count;                   /* 1 .. PQ_CONV_PARTS */
    int left;                         /* pixel x reads columns x - left .. x - left + 2 */
    int width;                        /* of the result; columns -left .. width + 1 - left exist */
    int blocks;                       /* output channels / 16, rounded up */
    const float *weights;             /* packed, at a multiple of 64 bytes */
    const int16_t *words;             /* instead of them (winograd16.h), likewise */
    const float *factors;             /* of the words; blocks * 16 */
    const float *bias;                /* blocks * 16 */
    const float *slopes;              /* blocks * 16, or NULL for no activation */
    const float *const *residual;     /* rows that are added to, 4 a row of tiles, or NULL */
    int residual_stride;              /* floats, at least blocks * 16 */
    float scale;                      /* of what is added to them */
    float *const *out;                /* rows of the result likewise; NULL: one that is not there */
    int out_stride;                   /* floats, a multiple of 16, at least blocks * 16 */
    int tile0, tile1;                 /* tiles to compute, counted row by row */
    float *scratch; /* pq_winograd_scratch() or pq_winograd16_scratch() floats, at a multiple of 64
                       bytes */
    /* Instead of residual and out: rows of halves, or NULL; see winograd16.h. */
    const uint16_t *const *half_residual;
    uint16_t *const *half_out;
};

#define PQ_WINOGRAD_FN(name) void name(const struct pq_winograd_args *a)
typedef PQ_WINOGRAD_FN(pq_winograd_fn);

pq_winograd_fn pq_winograd_c; /* the reference; struct pq_wide has those of the levels */

/* Tiles of a row, of which the last may be cut off. */
static inline int pq_winograd_across(int width)
{
    return width / PQ_WINOGRAD_TILE + (width % PQ_WINOGRAD_TILE != 0);
}

/* Whether a row of the result is. */
static inline bool pq_winograd_is_there(const struct pq_winograd_args *a, int row)
{
    return a->half_out ? a->half_out[row] != NULL : a->out[row] != NULL;
}

/* Channels of all parts. */
static inline int pq_winograd_channels(const struct pq_winograd_args *a)
{
    int channels = 0;
    for (int i = 0; i < a->part_count; i++)
        channels += a->parts[i].channels;
    return channels;
}

/* The most tiles of a call, on this machine: their transformed input has to stay in the second
 * cache beside the weights. The floats of scratch memory for so many. */
int pq_winograd_tiles(int out_channels, int in_channels);
size_t pq_winograd_scratch(int out_channels, int in_channels);
/* For another number of tiles. */
size_t pq_winograd_scratch_of(int tiles, int in_channels);

/* Floats that packed weights take. */
size_t pq_winograd_packed_size(int out_channels, int in_channels);
/* Transform and pack weights [out][in][3][3] into packed: [group][36][c][blocks of the group][16],
 * groups and lanes as of pq_conv_pack(). */
void pq_winograd_pack(const float *weights, int out_channels, int in_channels, float *packed);
