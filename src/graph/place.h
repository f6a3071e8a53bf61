/* SPDX-License-Identifier: MIT */
/* Which pixel stands where beyond a border: for plans, backends and their kernels. */
#pragma once

#include "base/whole.h"
#include "graph/graph.h"

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
