/* SPDX-License-Identifier: MIT */
/* Sums that the kernels of the processor take as 16 partial ones (PQ_WIDE_LANES), in their order.
 */
#pragma once

#include "backend/cuda/kernels/kernel.h"

enum { CUDA_LANES = 16 };

struct cuda_lanes {
    float v[CUDA_LANES];
};

CUDA_INLINE struct cuda_lanes cuda_lanes_zero(void)
{
    struct cuda_lanes a;
    for (int i = 0; i < CUDA_LANES; i++)
        a.v[i] = 0.0f;
    return a;
}

/* i and i + 8 first, then i and i + 4, i + 2, i + 1: lanes_sum(). */
CUDA_INLINE float cuda_lanes_sum(struct cuda_lanes *a)
{
    for (int i = 0; i < 8; i++)
        a->v[i] += a->v[i + 8];
    for (int i = 0; i < 4; i++)
        a->v[i] += a->v[i + 4];
    return (a->v[0] + a->v[2]) + (a->v[1] + a->v[3]);
}
