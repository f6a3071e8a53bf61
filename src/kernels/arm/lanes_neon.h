/* SPDX-License-Identifier: MIT */
/* The lanes of wide/lanes.h in NEON: LANES / 4 registers of four. No instruction loads or stores
 * part of a register, so that goes lane by lane. */
#pragma once

#include <arm_neon.h>

#include "kernels/wide/lanes.h"

enum { QUAD = 4, QUADS = LANES / QUAD };

struct lanes {
    float32x4_t v[QUADS];
};
struct lanes_mask {
    int n;
};

LANES_INLINE struct lanes_mask lanes_first(int n)
{
    return (struct lanes_mask){n < LANES ? n : LANES};
}

/* ---- one register ---- */

/* The first n of four; zero past them. */
LANES_INLINE float32x4_t quad_load_some(int n, const float *p)
{
    if (n >= QUAD)
        return vld1q_f32(p);
    float32x4_t a = vdupq_n_f32(0.0f);
    if (n > 0)
        a = vld1q_lane_f32(p, a, 0);
    if (n > 1)
        a = vld1q_lane_f32(p + 1, a, 1);
    if (n > 2)
        a = vld1q_lane_f32(p + 2, a, 2);
    return a;
}

LANES_INLINE void quad_store_some(int n, float *p, float32x4_t a)
{
    if (n >= QUAD) {
        vst1q_f32(p, a);
        return;
    }
    if (n > 0)
        vst1q_lane_f32(p, a, 0);
    if (n > 1)
        vst1q_lane_f32(p + 1, a, 1);
    if (n > 2)
        vst1q_lane_f32(p + 2, a, 2);
}

LANES_INLINE float32x4_t quad_keep(int n, float32x4_t a)
{
    const int32x4_t at = {0, 1, 2, 3};
    const uint32x4_t kept = vcgtq_s32(vdupq_n_s32(n), at);
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), kept));
}

LANES_INLINE float32x4_t quad_slope(float32x4_t a, float32x4_t slope)
{
    return vbslq_f32(vcltzq_f32(a), vmulq_f32(a, slope), a);
}

/* FMAX is another: 0 is larger than -0 to it. */
LANES_INLINE float32x4_t quad_larger(float32x4_t a, float32x4_t most)
{
    const uint32x4_t take = vornq_u32(vcgtq_f32(a, most), vceqq_f32(a, a));
    return vbslq_f32(take, a, most);
}

/* ---- all of them ---- */

#define EACH_QUAD(name, parameters, expression)                                                    \
    LANES_EACH(struct lanes, QUADS, name, parameters, expression)

EACH_QUAD(lanes_set, (float x), vdupq_n_f32(x))
EACH_QUAD(lanes_load, (const float *p), vld1q_f32(p + i * QUAD))
EACH_QUAD(lanes_load_some, (struct lanes_mask k, const float *p),
          quad_load_some(k.n - i * QUAD, p + i * QUAD))
EACH_QUAD(lanes_keep, (struct lanes_mask k, struct lanes a), quad_keep(k.n - i * QUAD, a.v[i]))
EACH_QUAD(lanes_fma, (struct lanes a, struct lanes b, struct lanes c),
          vfmaq_f32(c.v[i], a.v[i], b.v[i]))
EACH_QUAD(lanes_fma_less, (struct lanes a, struct lanes b, struct lanes c),
          vfmaq_f32(vnegq_f32(c.v[i]), a.v[i], b.v[i]))
EACH_QUAD(lanes_add, (struct lanes a, struct lanes b), vaddq_f32(a.v[i], b.v[i]))
EACH_QUAD(lanes_sub, (struct lanes a, struct lanes b), vsubq_f32(a.v[i], b.v[i]))
EACH_QUAD(lanes_mul, (struct lanes a, struct lanes b), vmulq_f32(a.v[i], b.v[i]))
EACH_QUAD(lanes_div, (struct lanes a, struct lanes b), vdivq_f32(a.v[i], b.v[i]))
EACH_QUAD(lanes_slope, (struct lanes a, struct lanes slope), quad_slope(a.v[i], slope.v[i]))
EACH_QUAD(lanes_larger, (struct lanes a, struct lanes most), quad_larger(a.v[i], most.v[i]))

LANES_INLINE void lanes_store(float *p, struct lanes a)
{
    UNROLLED_FOR (i, QUADS)
        vst1q_f32(p + i * QUAD, a.v[i]);
}

LANES_INLINE void lanes_store_some(struct lanes_mask k, float *p, struct lanes a)
{
    UNROLLED_FOR (i, QUADS)
        quad_store_some(k.n - i * QUAD, p + i * QUAD, a.v[i]);
}

EACH_QUAD(lanes_load_halves, (const uint16_t *p),
          vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + i * QUAD))))

LANES_INLINE void lanes_store_halves(uint16_t *p, struct lanes a)
{
    UNROLLED_FOR (i, QUADS)
        vst1_u16(p + i * QUAD, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
}

/* Registers first, the lower half and the upper, and so on: the order of lanes.h. */
LANES_INLINE float lanes_sum(struct lanes a)
{
    UNROLLED_FOR (i, QUADS / 2)
        a.v[i] = vaddq_f32(a.v[i], a.v[i + QUADS / 2]);
    if (QUADS == 4)
        a.v[0] = vaddq_f32(a.v[0], a.v[1]);
    const float32x2_t pair = vadd_f32(vget_low_f32(a.v[0]), vget_high_f32(a.v[0]));
    return vget_lane_f32(pair, 0) + vget_lane_f32(pair, 1);
}

LANES_INLINE float lanes_most(struct lanes a)
{
    UNROLLED_FOR (i, QUADS / 2)
        a.v[i] = quad_larger(a.v[i + QUADS / 2], a.v[i]);
    if (QUADS == 4)
        a.v[0] = quad_larger(a.v[1], a.v[0]);
    a.v[0] = quad_larger(vextq_f32(a.v[0], a.v[0], 2), a.v[0]);
    a.v[0] = quad_larger(vextq_f32(a.v[0], a.v[0], 1), a.v[0]);
    return vgetq_lane_f32(a.v[0], 0);
}
