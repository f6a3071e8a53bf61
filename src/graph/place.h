/* SPDX-License-Identifier: MIT */
/* Which pixel stands where beyond a border: for plans, backends and their kernels. */
#pragma once

#include "base/whole.h"
#include "graph/graph.h"
#include "tensor/range.h"

/* For a reflection at both borders without the edge, to and fro as often as it takes. */
PQ_INLINE int64_t pq_reflect(int64_t i, int64_t n)
{
    if (n == 1)
        return 0;
    const int64_t period = 2 * (n - 1);
    i = pq_floor_mod(i, period);
    return i < n ? i : period - i;
}

/* Which of n input pixels stands at i of a padded row, i counted from the first of them; -1: zero.
 */
PQ_INLINE int64_t pq_pad_source(enum pq_pad_mode mode, int64_t i, int64_t n)
{
    if (i >= 0 && i < n)
        return i;
    switch (mode) {
    case PQ_PAD_EDGE:
        return pq_clamp_place(i, n);
    case PQ_PAD_REFLECT:
        return pq_reflect(i, n);
    case PQ_PAD_MIRROR:
        i = pq_floor_mod(i, 2 * n);
        return i < n ? i : 2 * n - 1 - i;
    case PQ_PAD_WRAP:
        return pq_floor_mod(i, n);
    default:
        return -1;
    }
}

/* ---- alpha ---- */

enum {
    PQ_BLEED_REACH = 32, /* pixels on each side that give a pixel without a colour theirs */
    PQ_EVEN_REACH = 2    /* on each side, whose alpha is alike where it is kept as it is */
};

/* The input pixel under the centre of output pixel i. */
PQ_INLINE int64_t pq_source_of(int64_t i, int64_t in, int64_t out)
{
    return (2 * i + 1) * in / (2 * out);
}

/* ---- tiles of the sanity check ---- */

/* A picture is looked at in tiles of so many pixels a side of the network's result, less at the
 * right and bottom border. */
enum { PQ_TILE = 64 };

PQ_INLINE int pq_tiles_of(int64_t out)
{
    return (int)((out + PQ_TILE - 1) / PQ_TILE);
}

/* The tile whose last pixel of the input is not before pixel y; what lies under two tiles is wholly
 * under none (pq_under_tile). */
PQ_INLINE int64_t pq_tile_over(int64_t y, int64_t in, int64_t out)
{
    return y * out / in / PQ_TILE;
}

/* Along an axis, of whose `in` pixels a network makes `out`: pixels [*first, *end) of the input lie
 * wholly under tile t. With in = out: pixels of the tile itself. */
PQ_INLINE void pq_under_tile(int64_t t, int64_t in, int64_t out, int64_t *first, int64_t *end)
{
    const int64_t start = t * PQ_TILE;
    const int64_t stop = start + PQ_TILE < out ? start + PQ_TILE : out;
    *first = (start * in + out - 1) / out;
    *end = stop * in / out;
}
