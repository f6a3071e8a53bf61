/* SPDX-License-Identifier: MIT */
/* The words of wide/words.h in NEON, four lanes a register. No instruction sums products of
 * neighbouring words; one multiplies half a register by a word, and adds that to four sums. So the
 * weights of four lanes lie as the halves of a register (PQ_WINOGRAD16_RUN), and a pair of words of
 * the input is two factors of all lanes. In the loop over pairs that is 48 of 60 instructions for
 * 192 products, as gcc 12 makes them, and no sum leaves its register. */
#pragma once

#include "kernels/winograd16.h"

#if !defined(PQ_LANES)
#define PQ_LANES 4
#endif
#include "kernels/wide/words.h"

/* A register is as many lanes, and a run of words half of it. */
_Static_assert((int)LANES == QUAD && (int)PQ_WINOGRAD16_RUN == QUAD, "");

/* What words_set() makes is a pair alone, whose register the compiler then loads and no more. */
struct words {
    int32x4_t v;
    int16x4_t pair;
};

LANES_INLINE struct words words_zero(void)
{
    return (struct words){.v = vdupq_n_s32(0)};
}

/* p: the first words of four lanes, then the second ones. */
LANES_INLINE struct words words_load(const void *p)
{
    return (struct words){.v = vreinterpretq_s32_s16(vld1q_s16(p))};
}

/* Four pairs, one behind the other. */
LANES_INLINE void words_store(void *p, struct words a)
{
    vst1q_s32(p, a.v);
}

LANES_INLINE struct words words_set(const int32_t *p)
{
    return (struct words){.pair = vcreate_s16((uint32_t)*p)};
}

LANES_INLINE struct words words_dot(struct words sum, struct words a, struct words b)
{
    const int16x8_t weights = vreinterpretq_s16_s32(a.v);
    const int32x4_t first = vmlal_lane_s16(sum.v, vget_low_s16(weights), b.pair, 0);
    return (struct words){.v = vmlal_high_lane_s16(first, weights, b.pair, 1)};
}

LANES_INLINE struct lanes words_float(struct words a)
{
    return (struct lanes){{vcvtq_f32_s32(a.v)}};
}

LANES_INLINE struct words words_pair(struct lanes first, struct lanes second)
{
    const int32x4_t low = vreinterpretq_s32_f32(first.v[0]);
    return (struct words){.v = vsliq_n_s32(low, vreinterpretq_s32_f32(second.v[0]), 16)};
}

/* FABS clears the sign of a NaN, too. */
LANES_INLINE struct words words_most(struct words most, struct lanes a)
{
    return (struct words){.v = vmaxq_s32(most.v, vreinterpretq_s32_f32(vabsq_f32(a.v[0])))};
}

LANES_INLINE void words_largest(const struct words *a, const int count, uint32_t *out)
{
    UNROLLED_FOR (i, count / 4) {
        const int32x4_t ab = vpmaxq_s32(a[4 * i].v, a[4 * i + 1].v);
        const int32x4_t cd = vpmaxq_s32(a[4 * i + 2].v, a[4 * i + 3].v);
        vst1q_u32(out + 4 * i, vreinterpretq_u32_s32(vpmaxq_s32(ab, cd)));
    }
}
