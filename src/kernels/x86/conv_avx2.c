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
    const int run = pq_conv_run(a), runs = a->kernel_h * a->kernel_w / run;
    for (int at = 0, ky = 0, kx = 0; at < runs; at++) {
        for (int i = 0; i < a->part_count; i++) {
            const ptrdiff_t stride = a->parts[i].stride;
            const float *in = a->parts[i].rows[ky] +
                              ((ptrdiff_t)x * a->step + kx * a->dilation - a->left) * stride;
            const ptrdiff_t pixel = stride * a->step;
            const float *end = in + (ptrdiff_t)run * a->parts[i].channels;
            for (; in < end; in++, w += step) {
                __m256 w0 = _mm256_load_ps(w), w1 = _mm256_load_ps(w + HALF);
                UNROLLED_FOR (p, pixels) {
                    __m256 value = _mm256_broadcast_ss(in + p * pixel);
                    low[p] = _mm256_fmadd_ps(value, w0, low[p]);
                    high[p] = _mm256_fmadd_ps(value, w1, high[p]);
                }
            }
        }
        kx = kx + run == a->kernel_w ? 0 : kx + run;
        ky += kx == 0;
    }
    float *out = a->out + (ptrdiff_t)x * a->out_stride + block * LANES;
    UNROLLED_FOR (p, pixels) {
        __m256 v0 = low[p], v1 = high[p];
        if (a->slopes) {
            v0 = activate(v0, a->slopes + block * LANES);
            v1 = activate(v1, a->slopes + block * LANES + HALF);
        }
        if (a->residual) {
            const float *residual =
                a->residual + (ptrdiff_t)(x + p) * a->residual_stride + block * LANES;
            const __m256 scale = _mm256_set1_ps(a->scale);
            v0 = _mm256_add_ps(_mm256_loadu_ps(residual), _mm256_mul_ps(v0, scale));
            v1 = _mm256_add_ps(_mm256_loadu_ps(residual + HALF), _mm256_mul_ps(v1, scale));
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
        w += (size_t)step * pq_conv_products(a);
    }
}
