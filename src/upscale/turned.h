/* SPDX-License-Identifier: MIT */
/* A picture in memory as a stage, as it is or in one of the eight ways that take a square to
 * itself. */
#pragma once

#include <stddef.h>

#include "upscale/stage.h"

/* Bits of a turn, in the order in which they act on where a pixel of the turned picture lies in the
 * picture itself. 0 is the picture as it is. */
enum { PQ_TRANSPOSE = 4, PQ_MIRROR_X = 1, PQ_MIRROR_Y = 2, PQ_TURNS = 8 };

/* Where pixel x, y of a turned picture lies in the picture of width x height. */
static inline size_t pq_turned_place(int turn, int width, int height, int x, int y)
{
    int u = turn & PQ_TRANSPOSE ? y : x, v = turn & PQ_TRANSPOSE ? x : y;
    if (turn & PQ_MIRROR_X)
        u = width - 1 - u;
    if (turn & PQ_MIRROR_Y)
        v = height - 1 - v;
    return (size_t)v * (size_t)width + (size_t)u;
}

struct pq_planes {
    const float *data; /* borrowed as long as the stage lives */
    int width, height, planes;
    const pique_allocator *allocator; /* of the stages behind it; or NULL */
};

int pq_turned_stage(const struct pq_planes *picture, int turn, struct pq_stage **out,
                    pique_error *err);
