/* SPDX-License-Identifier: MIT */
/* Which pixels a resized one is made of, and with what weights: the same arithmetic on the
 * processor and in the kernels of a GPU, one rounding a step. Places are along one axis, pixel
 * centres aligned; those beyond a border are for the caller to clamp. */
#pragma once

#include "base/whole.h"

/* Weights of the four taps around the position t of the way from tap 1 to tap 2; Keys 1981 with
 * a = -0.75. */
PQ_INLINE void pq_bicubic_weights(float t, float weights[4])
{
    const float a = -0.75f;
    const float d0 = t + 1.0f, d1 = t, d2 = 1.0f - t;
    weights[0] = ((a * d0 - 5.0f * a) * d0 + 8.0f * a) * d0 - 4.0f * a;
    weights[1] = ((a + 2.0f) * d1 - (a + 3.0f)) * d1 * d1 + 1.0f;
    weights[2] = ((a + 2.0f) * d2 - (a + 3.0f)) * d2 * d2 + 1.0f;
    weights[3] = 1.0f - weights[0] - weights[1] - weights[2];
}

/* Output pixel i of a resampling by num / den: its first tap, and the weights of all four. */
PQ_INLINE int64_t pq_bicubic_place(int64_t i, int num, int den, float weights[4])
{
    /* Position (i + 1/2) den/num - 1/2, as a whole part and a remainder of 2 num. */
    const int64_t twice = (2 * i + 1) * den - num, period = 2 * (int64_t)num;
    const int64_t whole = pq_floor_div(twice, period);
    pq_bicubic_weights((float)(twice - whole * period) / (float)period, weights);
    return whole - 1;
}

PQ_INLINE float pq_four_taps(const float v[4], const float w[4])
{
    return ((w[0] * v[0] + w[1] * v[1]) + w[2] * v[2]) + w[3] * v[3];
}

/* Output pixel i of `out` lies between the pixel returned, which may be -1, and the next of `in`
 * pixels, *t of the way. */
PQ_INLINE int64_t pq_bilinear_place(int64_t i, int64_t in, int64_t out, float *t)
{
    /* (i + 1/2) in/out - 1/2, as a whole part and a remainder of 2 out. */
    const int64_t twice = (2 * i + 1) * in - out, period = 2 * out;
    const int64_t first = twice < 0 ? -1 : twice / period;
    *t = (float)(twice - first * period) / (float)period;
    return first;
}

/* A place between two of `extent` pixels, borders clamped: the first of them, and the way to the
 * second. NaN goes to the border and stays in the weight. */
PQ_INLINE int64_t pq_split_place(float at, int64_t extent, float *t)
{
    const float most = (float)(extent - 1);
    at = at > most ? most : at < 0 ? 0 : at;
    int64_t first = 0;
    if (at == at)
        first = (int64_t)at < extent - 1 ? (int64_t)at : extent - 1;
    *t = at - (float)first;
    return first;
}
