/* SPDX-License-Identifier: MIT */
/* Sixteen floats in whatever registers the level has, and what is done with them. Every function
 * does to each lane what its scalar form does, with one rounding, so all levels give the same bits.
 *
 * Plain loops over short arrays would say the same, and element by element the compiler makes good
 * code of them (curves.c); but gcc does not keep the sums of a block of outputs in registers over a
 * loop that it has vectorised. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernels/wide.h"
#include "tensor/f16.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define UNROLLED_FOR(i, count) _Pragma("GCC unroll 32") for (int i = 0; i < (count); i++)
#define LANES_INLINE           static inline __attribute__((always_inline))

/* What a function does to each of the registers v[i] of its result, of which there are `count`. */
#define LANES_EACH(type, count, name, parameters, expression)                                      \
    LANES_INLINE type name parameters                                                              \
    {                                                                                              \
        type r;                                                                                    \
        UNROLLED_FOR (i, count)                                                                    \
            r.v[i] = expression;                                                                   \
        return r;                                                                                  \
    }

/* Where the registers of a level are smaller, a file may work on fewer lanes at a time. */
#if !defined(PQ_LANES)
#define PQ_LANES PQ_WIDE_LANES
#endif
enum { LANES = PQ_LANES };

#if defined(PQ_WIDE_NEON)
#include "kernels/arm/lanes_neon.h"
#elif defined(__AVX512F__)

struct lanes {
    __m512 v;
};
struct lanes_mask {
    __mmask16 m;
};

/* The first n lanes, all where n is more than there are. */
LANES_INLINE struct lanes_mask lanes_first(int n)
{
    return (struct lanes_mask){(__mmask16)(n >= LANES ? 0xffff : (1 << n) - 1)};
}

LANES_INLINE struct lanes lanes_set(float x)
{
    return (struct lanes){_mm512_set1_ps(x)};
}

LANES_INLINE struct lanes lanes_load(const float *p)
{
    return (struct lanes){_mm512_loadu_ps(p)};
}

/* Lanes outside of the mask are zero; their memory is not touched. */
LANES_INLINE struct lanes lanes_load_some(struct lanes_mask k, const float *p)
{
    return (struct lanes){_mm512_maskz_loadu_ps(k.m, p)};
}

LANES_INLINE void lanes_store(float *p, struct lanes a)
{
    _mm512_storeu_ps(p, a.v);
}

LANES_INLINE void lanes_store_some(struct lanes_mask k, float *p, struct lanes a)
{
    _mm512_mask_storeu_ps(p, k.m, a.v);
}

/* Halves (tensor/f16.h), and the nearest of them. */
LANES_INLINE struct lanes lanes_load_halves(const uint16_t *p)
{
    return (struct lanes){_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p))};
}

LANES_INLINE void lanes_store_halves(uint16_t *p, struct lanes a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}

/* Zero outside of the mask. */
LANES_INLINE struct lanes lanes_keep(struct lanes_mask k, struct lanes a)
{
    return (struct lanes){_mm512_maskz_mov_ps(k.m, a.v)};
}

/* a b + c, rounded once */
LANES_INLINE struct lanes lanes_fma(struct lanes a, struct lanes b, struct lanes c)
{
    return (struct lanes){_mm512_fmadd_ps(a.v, b.v, c.v)};
}

/* a b - c, likewise */
LANES_INLINE struct lanes lanes_fma_less(struct lanes a, struct lanes b, struct lanes c)
{
    return (struct lanes){_mm512_fmsub_ps(a.v, b.v, c.v)};
}

LANES_INLINE struct lanes lanes_add(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm512_add_ps(a.v, b.v)};
}

LANES_INLINE struct lanes lanes_sub(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm512_sub_ps(a.v, b.v)};
}

LANES_INLINE struct lanes lanes_mul(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm512_mul_ps(a.v, b.v)};
}

LANES_INLINE struct lanes lanes_div(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm512_div_ps(a.v, b.v)};
}

/* a < 0 ? a * slope : a */
LANES_INLINE struct lanes lanes_slope(struct lanes a, struct lanes slope)
{
    __mmask16 below = _mm512_cmp_ps_mask(a.v, _mm512_setzero_ps(), _CMP_LT_OQ);
    return (struct lanes){_mm512_mask_mul_ps(a.v, below, a.v, slope.v)};
}

/* a > most or a is NaN ? a : most; so a NaN stays. */
LANES_INLINE struct lanes lanes_larger(struct lanes a, struct lanes most)
{
    __mmask16 take =
        _mm512_cmp_ps_mask(a.v, most.v, _CMP_GT_OQ) | _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
    return (struct lanes){_mm512_mask_mov_ps(most.v, take, a.v)};
}

#elif defined(__AVX2__)

enum { OCTET = 8, OCTETS = LANES / OCTET };

struct lanes {
    __m256 v[OCTETS];
};
struct lanes_mask {
    __m256i m[OCTETS];
};

#define EACH_OCTET(name, parameters, expression)                                                   \
    LANES_EACH(struct lanes, OCTETS, name, parameters, expression)

LANES_INLINE struct lanes_mask lanes_first(int n)
{
    const __m256i count = _mm256_set1_epi32(n), at = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    struct lanes_mask k;
    UNROLLED_FOR (i, OCTETS)
        k.m[i] = _mm256_cmpgt_epi32(count, _mm256_add_epi32(at, _mm256_set1_epi32(OCTET * i)));
    return k;
}

LANES_INLINE __m256 slope_8(__m256 a, __m256 slope)
{
    __m256 below = _mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_LT_OQ);
    return _mm256_blendv_ps(a, _mm256_mul_ps(a, slope), below);
}

LANES_INLINE __m256 larger_8(__m256 a, __m256 most)
{
    __m256 take =
        _mm256_or_ps(_mm256_cmp_ps(a, most, _CMP_GT_OQ), _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    return _mm256_blendv_ps(most, a, take);
}

EACH_OCTET(lanes_set, (float x), _mm256_set1_ps(x))
EACH_OCTET(lanes_load, (const float *p), _mm256_loadu_ps(p + OCTET * i))
EACH_OCTET(lanes_load_some, (struct lanes_mask k, const float *p),
           _mm256_maskload_ps(p + OCTET * i, k.m[i]))
EACH_OCTET(lanes_keep, (struct lanes_mask k, struct lanes a),
           _mm256_and_ps(a.v[i], _mm256_castsi256_ps(k.m[i])))
EACH_OCTET(lanes_fma, (struct lanes a, struct lanes b, struct lanes c),
           _mm256_fmadd_ps(a.v[i], b.v[i], c.v[i]))
EACH_OCTET(lanes_fma_less, (struct lanes a, struct lanes b, struct lanes c),
           _mm256_fmsub_ps(a.v[i], b.v[i], c.v[i]))
EACH_OCTET(lanes_add, (struct lanes a, struct lanes b), _mm256_add_ps(a.v[i], b.v[i]))
EACH_OCTET(lanes_sub, (struct lanes a, struct lanes b), _mm256_sub_ps(a.v[i], b.v[i]))
EACH_OCTET(lanes_mul, (struct lanes a, struct lanes b), _mm256_mul_ps(a.v[i], b.v[i]))
EACH_OCTET(lanes_div, (struct lanes a, struct lanes b), _mm256_div_ps(a.v[i], b.v[i]))
EACH_OCTET(lanes_slope, (struct lanes a, struct lanes slope), slope_8(a.v[i], slope.v[i]))
EACH_OCTET(lanes_larger, (struct lanes a, struct lanes most), larger_8(a.v[i], most.v[i]))

LANES_INLINE void lanes_store(float *p, struct lanes a)
{
    UNROLLED_FOR (i, OCTETS)
        _mm256_storeu_ps(p + OCTET * i, a.v[i]);
}

LANES_INLINE void lanes_store_some(struct lanes_mask k, float *p, struct lanes a)
{
    UNROLLED_FOR (i, OCTETS)
        _mm256_maskstore_ps(p + OCTET * i, k.m[i], a.v[i]);
}

EACH_OCTET(lanes_load_halves, (const uint16_t *p),
           _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p + i)))

LANES_INLINE void lanes_store_halves(uint16_t *p, struct lanes a)
{
    UNROLLED_FOR (i, OCTETS)
        _mm_storeu_si128((__m128i *)p + i, _mm256_cvtps_ph(a.v[i], _MM_FROUND_TO_NEAREST_INT));
}

#else

struct lanes {
    float v[LANES];
};
struct lanes_mask {
    int n;
};

LANES_INLINE struct lanes_mask lanes_first(int n)
{
    return (struct lanes_mask){n < LANES ? n : LANES};
}

/* One expression of the lane i for each. */
#define EACH_LANE(name, parameters, expression)                                                    \
    LANES_INLINE struct lanes name parameters {                                                    \
        struct lanes r;                                                                            \
        for (int i = 0; i < LANES; i++)                                                            \
            r.v[i] = expression;                                                                   \
        return r;                                                                                  \
    }

EACH_LANE(lanes_set, (float x), x)
EACH_LANE(lanes_load, (const float *p), p[i])
EACH_LANE(lanes_load_some, (struct lanes_mask k, const float *p), i < k.n ? p[i] : 0.0f)
EACH_LANE(lanes_keep, (struct lanes_mask k, struct lanes a), i < k.n ? a.v[i] : 0.0f)
EACH_LANE(lanes_fma, (struct lanes a, struct lanes b, struct lanes c), fmaf(a.v[i], b.v[i], c.v[i]))
EACH_LANE(lanes_add, (struct lanes a, struct lanes b), a.v[i] + b.v[i])
EACH_LANE(lanes_sub, (struct lanes a, struct lanes b), a.v[i] - b.v[i])
EACH_LANE(lanes_mul, (struct lanes a, struct lanes b), a.v[i] * b.v[i])
EACH_LANE(lanes_div, (struct lanes a, struct lanes b), a.v[i] / b.v[i])
EACH_LANE(lanes_slope, (struct lanes a, struct lanes slope),
          a.v[i] < 0.0f ? a.v[i] * slope.v[i] : a.v[i])
EACH_LANE(lanes_larger, (struct lanes a, struct lanes most),
          a.v[i] > most.v[i] || a.v[i] != a.v[i] ? a.v[i] : most.v[i])

LANES_INLINE void lanes_store(float *p, struct lanes a)
{
    for (int i = 0; i < LANES; i++)
        p[i] = a.v[i];
}

LANES_INLINE void lanes_store_some(struct lanes_mask k, float *p, struct lanes a)
{
    for (int i = 0; i < k.n; i++)
        p[i] = a.v[i];
}

EACH_LANE(lanes_load_halves, (const uint16_t *p), pq_f16_to_f32(p[i]))

LANES_INLINE void lanes_store_halves(uint16_t *p, struct lanes a)
{
    for (int i = 0; i < LANES; i++)
        p[i] = pq_f32_to_f16(a.v[i]);
}

#endif

#if !defined(PQ_WIDE_NEON)

/* The sum of all lanes: i and i + 8 first, then i and i + 4, i + 2, i + 1. */
LANES_INLINE float lanes_sum(struct lanes a)
{
    float v[LANES];
    lanes_store(v, a);
    UNROLLED_FOR (i, 8)
        v[i] += v[i + 8];
    UNROLLED_FOR (i, 4)
        v[i] += v[i + 4];
    return (v[0] + v[2]) + (v[1] + v[3]);
}

/* The largest of all lanes; NaN where one is. */
LANES_INLINE float lanes_most(struct lanes a)
{
    float v[LANES];
    lanes_store(v, a);
    for (int half = LANES / 2; half; half /= 2) {
        for (int i = 0; i < half; i++)
            v[i] = v[i + half] > v[i] || v[i + half] != v[i + half] ? v[i + half] : v[i];
    }
    return v[0];
}

#endif
