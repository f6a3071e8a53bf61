/* SPDX-License-Identifier: MIT */
/* The input of Winograd's convolution at its 36 points, in floats (kernels/winograd.h). */
#pragma once

#include "kernels/wide/lanes.h"

/* Points 2 pair - 1 and 2 pair of six values; 0 and 5 for pair 0. */
LANES_INLINE void input_pair(const struct lanes d[PQ_WINOGRAD_READ], const int pair,
                             struct lanes *u, struct lanes *v)
{
    const float root = 0x1.6a09e6p+0f, half_root = 0x1.6a09e6p-1f;
    if (pair == 0) {
        *u = lanes_fma(lanes_set(-2.5f), d[2], lanes_add(d[0], d[4]));
        *v = lanes_fma(lanes_set(-2.5f), d[3], lanes_add(d[1], d[5]));
    } else {
        const struct lanes factor = lanes_set(pair == 1 ? -2.0f : -0.5f);
        const struct lanes a = lanes_fma(factor, d[2], d[4]), b = lanes_fma(factor, d[1], d[3]);
        *u = lanes_fma(lanes_set(pair == 1 ? half_root : root), b, a);
        *v = lanes_fma(lanes_set(pair == 1 ? -half_root : -root), b, a);
    }
}

LANES_INLINE int point_of(int pair, int second)
{
    return pair ? 2 * pair - 1 + second : second * (PQ_WINOGRAD_READ - 1);
}

/* A part of a tile. */
struct patch {
    const float *rows[PQ_WINOGRAD_READ]; /* the first pixel of each */
    ptrdiff_t stride;
    int columns; /* that are there */
};

/* As many channels as lanes, or as `some` has. whole: all of them, of all columns. Two rows of
 * points at a time, so that they stay in registers: the input, which is in the first cache, is read
 * three times instead. */
LANES_INLINE void input_lanes(const struct patch *p, int c, struct lanes_mask some, float *v,
                              size_t point, const bool whole)
{
    UNROLLED_FOR (pair, PQ_WINOGRAD_READ / 2) {
        struct lanes half[2][PQ_WINOGRAD_READ];
        UNROLLED_FOR (i, PQ_WINOGRAD_READ) {
            struct lanes d[PQ_WINOGRAD_READ];
            UNROLLED_FOR (row, PQ_WINOGRAD_READ) {
                const float *at = p->rows[row] + i * p->stride + c;
                if (whole)
                    d[row] = lanes_load(at);
                else
                    d[row] = i < p->columns ? lanes_load_some(some, at) : lanes_set(0.0f);
            }
            input_pair(d, pair, &half[0][i], &half[1][i]);
        }
        UNROLLED_FOR (second, 2) {
            UNROLLED_FOR (across, PQ_WINOGRAD_READ / 2) {
                struct lanes u[2];
                input_pair(half[second], across, &u[0], &u[1]);
                UNROLLED_FOR (i, 2) {
                    const int k = point_of(pair, second) * PQ_WINOGRAD_READ + point_of(across, i);
                    if (whole)
                        lanes_store(v + (size_t)k * point, u[i]);
                    else
                        lanes_store_some(some, v + (size_t)k * point, u[i]);
                }
            }
        }
    }
}

/* What is not whole is rare. */
static __attribute__((noinline)) void input_some(const struct patch *p, int c, int channels,
                                                 float *v, size_t point)
{
    input_lanes(p, c, lanes_first(channels), v, point, false);
}

/* A part of a tile whose first pixel is x and whose first row is row y. columns: that are there. */
LANES_INLINE void input_part(const struct pq_conv_part *part, ptrdiff_t y, int x, int columns,
                             float *v, const size_t point)
{
    struct patch p = {.stride = part->stride, .columns = columns};
    for (int row = 0; row < PQ_WINOGRAD_READ; row++)
        p.rows[row] = part->rows[y + row] + x * p.stride;
    int c = 0;
    for (; columns >= PQ_WINOGRAD_READ && c + LANES <= part->channels; c += LANES)
        input_lanes(&p, c, lanes_first(LANES), v + c, point, true);
    for (; c < part->channels; c += LANES)
        input_some(&p, c, part->channels - c, v + c, point);
}

/* The same of halves: some channels of all pixels become floats, once, in the first cache. */
LANES_INLINE void input_halves(const struct pq_conv_part *part, ptrdiff_t y, int x, int columns,
                               float *v, const size_t point)
{
    float d[PQ_WINOGRAD_READ][PQ_WINOGRAD_READ * LANES] __attribute__((aligned(64)));
    const ptrdiff_t stride = part->stride;
    const bool whole = columns >= PQ_WINOGRAD_READ;
    struct patch p = {.stride = LANES, .columns = columns};
    for (int row = 0; row < PQ_WINOGRAD_READ; row++)
        p.rows[row] = d[row];
    for (int c = 0; c < part->channels; c += LANES) {
        for (int row = 0; row < PQ_WINOGRAD_READ; row++) {
            const uint16_t *from = part->halves[y + row] + x * stride + c;
            if (whole) {
                UNROLLED_FOR (i, PQ_WINOGRAD_READ)
                    lanes_store(d[row] + i * LANES, lanes_load_halves(from + i * stride));
            } else {
                for (int i = 0; i < columns; i++)
                    lanes_store(d[row] + i * LANES, lanes_load_halves(from + i * stride));
            }
        }
        if (whole && c + LANES <= part->channels)
            input_lanes(&p, 0, lanes_first(LANES), v + c, point, true);
        else
            input_some(&p, 0, part->channels - c, v + c, point);
    }
}
