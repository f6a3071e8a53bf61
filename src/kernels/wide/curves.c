/* SPDX-License-Identifier: MIT */
/* One value in, one out. The loops below hold no branch, so the compiler makes vectors of them. */
#include "kernels/curve.h"
#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"

/* A row of a curve. The lanes pass through an array of their own, so that the compiler need not ask
 * whether out is in. */
#define CURVE_ROW(name, curve)                                                                     \
    LANES_INLINE struct lanes name##_lanes(struct lanes a)                                         \
    {                                                                                              \
        float v[LANES];                                                                            \
        lanes_store(v, a);                                                                         \
        for (int i = 0; i < LANES; i++)                                                            \
            v[i] = curve(v[i]);                                                                    \
        return lanes_load(v);                                                                      \
    }                                                                                              \
    PQ_CURVE_FN(PQ_WIDE(name))                                                                     \
    {                                                                                              \
        const int whole = channels / LANES * LANES;                                                \
        const struct lanes_mask rest = lanes_first(channels - whole);                              \
        for (int x = 0; x < width; x++, in += in_stride, out += out_stride) {                      \
            for (int c = 0; c < whole; c += LANES)                                                 \
                lanes_store(out + c, name##_lanes(lanes_load(in + c)));                            \
            if (whole < channels)                                                                  \
                lanes_store_some(rest, out + whole,                                                \
                                 name##_lanes(lanes_load_some(rest, in + whole)));                 \
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
