/* SPDX-License-Identifier: MIT */
/* What was seen of some values: of a channel of a piece of a picture, say. */
#pragma once

#include <math.h>

#include "base/inline.h"

struct pq_range {
    float low, high; /* low > high: no value yet */
    int bad;         /* not 0: some value was not a finite number, and low and high say nothing */
};

PQ_INLINE struct pq_range pq_range_of_nothing(void)
{
    struct pq_range r;
    r.low = INFINITY;
    r.high = -INFINITY;
    r.bad = 0;
    return r;
}

PQ_INLINE void pq_range_join(struct pq_range *range, const struct pq_range *more)
{
    range->low = more->low < range->low ? more->low : range->low;
    range->high = more->high > range->high ? more->high : range->high;
    range->bad |= more->bad;
}
