/* SPDX-License-Identifier: MIT */
/* What was seen of some values: of a channel of a piece of a picture, say. */
#pragma once

struct pq_range {
    float low, high; /* low > high: no value yet */
    int bad;         /* not 0: some value was not a finite number, and low and high say nothing */
};
