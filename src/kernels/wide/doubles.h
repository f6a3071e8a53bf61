/* SPDX-License-Identifier: MIT */
/* Eight doubles in whatever registers the level has, made of floats. A product of two floats is
 * exact in double, so it does not matter whether a level fuses it with the addition. */
#pragma once

#include "kernels/wide/lanes.h"

enum { DOUBLES = 8 };

#if defined(__AVX512F__)

struct doubles {
    __m512d v;
};

/* The first n lanes; zero past them, and their memory is not touched. */
LANES_INLINE struct doubles doubles_load(const float *p, int n)
{
    const __mmask8 k = (__mmask8)(n >= DOUBLES ? 0xff : (1 << n) - 1);
    return (struct doubles){_mm512_cvtps_pd(_mm256_maskz_loadu_ps(k, p))};
}

LANES_INLINE void doubles_store(double *p, int n, struct doubles a)
{
    _mm512_mask_storeu_pd(p, (__mmask8)(n >= DOUBLES ? 0xff : (1 << n) - 1), a.v);
}

LANES_INLINE struct doubles doubles_set(float x)
{
    return (struct doubles){_mm512_cvtps_pd(_mm256_set1_ps(x))};
}

/* a b + c where a b is exact */
LANES_INLINE struct doubles doubles_add_product(struct doubles a, struct doubles b,
                                                struct doubles c)
{
    return (struct doubles){_mm512_fmadd_pd(a.v, b.v, c.v)};
}

#elif defined(__AVX2__)

struct doubles {
    __m256d lo, hi;
};

LANES_INLINE struct doubles doubles_load(const float *p, int n)
{
    __m256 v = n >= DOUBLES ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, lanes_first(n).m[0]);
    return (struct doubles){_mm256_cvtps_pd(_mm256_castps256_ps128(v)),
                            _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
}

LANES_INLINE void doubles_store(double *p, int n, struct doubles a)
{
    double v[DOUBLES];
    _mm256_storeu_pd(v, a.lo);
    _mm256_storeu_pd(v + 4, a.hi);
    for (int i = 0; i < DOUBLES && i < n; i++)
        p[i] = v[i];
}

LANES_INLINE struct doubles doubles_set(float x)
{
    __m256d v = _mm256_cvtps_pd(_mm_set1_ps(x));
    return (struct doubles){v, v};
}

LANES_INLINE struct doubles doubles_add_product(struct doubles a, struct doubles b,
                                                struct doubles c)
{
    return (struct doubles){_mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi)};
}

#elif defined(PQ_WIDE_NEON)

struct doubles {
    float64x2_t v[DOUBLES / 2];
};

LANES_INLINE struct doubles doubles_load(const float *p, int n)
{
    struct doubles r;
    UNROLLED_FOR (i, DOUBLES / QUAD) {
        const float32x4_t v = quad_load_some(n - i * QUAD, p + i * QUAD);
        r.v[2 * i] = vcvt_f64_f32(vget_low_f32(v));
        r.v[2 * i + 1] = vcvt_high_f64_f32(v);
    }
    return r;
}

LANES_INLINE void doubles_store(double *p, int n, struct doubles a)
{
    UNROLLED_FOR (i, DOUBLES / 2) {
        if (n - 2 * i >= 2)
            vst1q_f64(p + 2 * i, a.v[i]);
        else if (n - 2 * i == 1)
            vst1q_lane_f64(p + 2 * i, a.v[i], 0);
    }
}

LANES_INLINE struct doubles doubles_set(float x)
{
    struct doubles r;
    UNROLLED_FOR (i, DOUBLES / 2)
        r.v[i] = vdupq_n_f64((double)x);
    return r;
}

LANES_INLINE struct doubles doubles_add_product(struct doubles a, struct doubles b,
                                                struct doubles c)
{
    struct doubles r;
    UNROLLED_FOR (i, DOUBLES / 2)
        r.v[i] = vfmaq_f64(c.v[i], a.v[i], b.v[i]);
    return r;
}

#else

struct doubles {
    double v[DOUBLES];
};

LANES_INLINE struct doubles doubles_load(const float *p, int n)
{
    struct doubles r;
    for (int i = 0; i < DOUBLES; i++)
        r.v[i] = i < n ? (double)p[i] : 0.0;
    return r;
}

LANES_INLINE void doubles_store(double *p, int n, struct doubles a)
{
    for (int i = 0; i < DOUBLES && i < n; i++)
        p[i] = a.v[i];
}

LANES_INLINE struct doubles doubles_set(float x)
{
    struct doubles r;
    for (int i = 0; i < DOUBLES; i++)
        r.v[i] = (double)x;
    return r;
}

LANES_INLINE struct doubles doubles_add_product(struct doubles a, struct doubles b,
                                                struct doubles c)
{
    struct doubles r;
    for (int i = 0; i < DOUBLES; i++)
        r.v[i] = a.v[i] * b.v[i] + c.v[i];
    return r;
}

#endif
