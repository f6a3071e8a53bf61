/* SPDX-License-Identifier: MIT */
/* A chain of stages, each pulling rows from the one before it.
 *
 * Between the source and the sink a picture is float rows of four planes, R, G, B and A (or three
 * without alpha), interleaved, 0..1 but not clipped, colour not premultiplied. A stage produces its
 * rows strictly from the top, keeps only the rows that it still needs, and never knows how many the
 * next stage asks for at a time; so no result depends on that number. */
#pragma once

#include "base/error.h"
#include "pique/engine.h"

struct pq_stage {
    int width, height;
    int planes; /* 3, or 4 with alpha */
    /* Large buffers of this stage and of those behind it come from here. NULL: the C library. */
    const pique_allocator *allocator;
    /* The next `rows` rows (never beyond the end) into data, width*planes floats each, one after
     * the other. A stage that failed can only be closed. */
    int (*read)(struct pq_stage *stage, int rows, float *data, pique_error *err);
    /* Frees this stage and the one that it pulls from. */
    void (*close)(struct pq_stage *stage);
};
