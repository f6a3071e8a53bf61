/* SPDX-License-Identifier: MIT */
/* One value in, one out. The loops below hold no branch, so the compiler makes vectors of them. */
#include <string.h>

#include "kernels/curve.h"
#include "kernels/wide/functions.h"

enum { LANES = PQ_WIDE_LANES };

/* A row of a curve. The lanes pass through an array of their own, so that the compiler need not ask
 * whether out is in. */
#define CURVE_ROW(name, curve)                                                                     \
    static inline void name##_lanes(const float *in, float *out)                                   \
    {                                                                                              \
        float v[LANES];                                                                            \
        memcpy(v, in, sizeof v);                                                                   \
        for (int i = 0; i < LANES; i++)                                                            \
            v[i] = curve(v[i]);                                                                    \
        memcpy(out, v, sizeof v);                                                                  \
    }                                                                                              \
    PQ_CURVE_FN(PQ_WIDE(name))                                                                     \
    {                                                                                              \
        for (int x = 0; x < width; x++, in += in_stride, out += out_stride) {                      \
            int c = 0;                                                                             \
            for (; c + LANES <= channels; c += LANES)                                              \
                name##_lanes(in + c, out + c);                                                     \
            if (c < channels) {                                                                    \
                float rest[LANES] = {0};                                                           \
                size_t size = (size_t)(channels - c) * sizeof *rest;                               \
                memcpy(rest, in + c, size);                                                        \
                name##_lanes(rest, rest);                                                          \
                memcpy(out + c, rest, size);                                                       \
            }                                                                                      \
        }                                                                                          \
    }

static inline float silu(float x)
{
    return x * pq_sigmoid(x);
}

CURVE_ROW(sigmoid, pq_sigmoid)
CURVE_ROW(silu, silu)
CURVE_ROW(gelu, pq_gelu)
CURVE_ROW(gelu_tanh, pq_gelu_tanh)
CURVE_ROW(mish, pq_mish)
CURVE_ROW(tanh, pq_tanh)
CURVE_ROW(softplus, pq_softplus)
