/* SPDX-License-Identifier: MIT */
/* The direct convolution in AVX2 and FMA: a block of lanes is two registers, and 12 sums, of 6
 * pixels and one block, are kept in registers. See conv_avx512.c for the pragma. */
#include "kernels/x86/conv.h"

#include <immintrin.h>

#include "base/alloc.h"

enum { LANES = PQ_CONV_LANES, HALF = LANES / 2 };

#define UNROLLED_FOR(i, count) _Pragma("GCC unroll 32") for (int i = 0; i < (count); i++)

static inline __attribute__((always_inline)) __m256 activate(__m256 v, const float *slope)
{
    __m256 below = _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ);
    return _mm256_blendv_ps(v, _mm256_mul_ps(v, _mm256_loadu_ps(slope)), below);
}

/* step: floats from one tap-and-channel to the next. */
static inline __attribute__((always_inline)) void conv_pixels(const struct pq_conv_args *a,
                                                              const float *w, int step, int block,
                                                              int x, const int pixels)
{
    __m256 low[6], high[6];
    UNROLLED_FOR (p, pixels) {
        low[p] = _mm256_loadu_ps(a->bias + block * LANES);
        high[p] = _mm256_loadu_ps(a->bias + block * LANES + HALF);
    }
    const ptrdiff_t stride = a->in_stride;
    const int pad = (a->kernel - 1) / 2, channels = a->in_channels;
    for (int ky = 0; ky < a->kernel; ky++) {
        const float *in = a->rows[ky] + (x - pad) * stride;
        for (int kx = 0; kx < a->kernel; kx++, in += stride) {
            for (int c = 0; c < channels; c++, w += step) {
                __m256 w0 = _mm256_load_ps(w), w1 = _mm256_load_ps(w + HALF);
                UNROLLED_FOR (p, pixels) {
                    __m256 value = _mm256_broadcast_ss(in + p * stride + c);
                    low[p] = _mm256_fmadd_ps(value, w0, low[p]);
                    high[p] = _mm256_fmadd_ps(value, w1, high[p]);
                }
            }
        }
    }
    float *out = a->out + (ptrdiff_t)x * a->out_stride + block * LANES;
    UNROLLED_FOR (p, pixels) {
        __m256 v0 = low[p], v1 = high[p];
        if (a->slopes) {
            v0 = activate(v0, a->slopes + block * LANES);
            v1 = activate(v1, a->slopes + block * LANES + HALF);
        }
        _mm256_store_ps(out + (ptrdiff_t)p * a->out_stride, v0);
        _mm256_store_ps(out + (ptrdiff_t)p * a->out_stride + HALF, v1);
    }
}

void pq_conv_row_avx2(const struct pq_conv_args *a)
{
    const float *w = a->weights;
    for (int first = 0; first < a->blocks; first += PQ_CONV_GROUP) {
        int count = PQ_MIN(a->blocks - first, PQ_CONV_GROUP), step = count * LANES;
        for (int b = 0; b < count; b++) {
            int x = a->x0;
            for (; x + 6 <= a->x1; x += 6)
                conv_pixels(a, w + b * LANES, step, first + b, x, 6);
            for (; x + 2 <= a->x1; x += 2)
                conv_pixels(a, w + b * LANES, step, first + b, x, 2);
            if (x < a->x1)
                conv_pixels(a, w + b * LANES, step, first + b, x, 1);
        }
        w += (size_t)(step * a->in_channels) * (size_t)(a->kernel * a->kernel);
    }
}
