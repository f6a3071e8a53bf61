/* SPDX-License-Identifier: MIT */
/* Where the sums of Winograd's convolutions lie between their products and the transform of the
 * output. */
#pragma once

#include "kernels/wide/lanes.h"
#include "kernels/winograd.h"

enum {
    TILE = PQ_WINOGRAD_TILE,
    READ = PQ_WINOGRAD_READ,
    POINTS = READ * READ,
    BLOCK = PQ_CONV_LANES,
    GROUP = PQ_CONV_GROUP * BLOCK
};

#if defined(__AVX512F__)

/* [36][tile][block][16] */
enum { SUMS_TILE = GROUP, SUMS_BLOCK = BLOCK };

/* Floats from one point to the next, of a call of so many tiles. */
static inline size_t sums_point(int tiles)
{
    return (size_t)tiles * GROUP + BLOCK;
}

#else

/* [tile][block][36][16], so that all distances are constants: with fewer registers the transform of
 * the output is bound by how many instructions it takes, and 36 addresses are a third of them. A
 * line to spare keeps tiles out of each other's sets of the first cache. */
enum { SUMS_BLOCK = POINTS * BLOCK, SUMS_TILE = PQ_CONV_GROUP * SUMS_BLOCK + BLOCK };

static inline size_t sums_point(int tiles)
{
    (void)tiles;
    return BLOCK;
}

#endif

/* Floats from those of a tile at a point to the b-th LANES lanes of another, t tiles on. */
LANES_INLINE ptrdiff_t sum_at(int t, int b)
{
    return (ptrdiff_t)t * SUMS_TILE + b * LANES / BLOCK * SUMS_BLOCK + b * LANES % BLOCK;
}

/* Floats of all, at every level. */
static inline size_t sums_size(int tiles)
{
    return (size_t)tiles * (POINTS * GROUP + BLOCK) + POINTS * BLOCK;
}
