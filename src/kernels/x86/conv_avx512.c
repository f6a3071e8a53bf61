/* SPDX-License-Identifier: MIT */
/* The direct convolution in AVX-512: a block of lanes is one register.
 *
 * The inner kernel keeps `count` blocks of `pixels` neighbouring pixels in registers, 24 sums in
 * all, and for each tap and input channel loads `count` weight vectors, which all pixels share, and
 * broadcasts one value a pixel, which all blocks share: 24 multiply-adds for 4 + 6 loads at 64
 * channels, so that both FMA ports stay busy.
 *
 * gcc keeps an array in registers only if every loop that touches it is unrolled in full; hence the
 * pragma on each of them. */
#include "kernels/x86/conv.h"

#include <immintrin.h>

#include "base/alloc.h"

enum { LANES = PQ_CONV_LANES };

#define UNROLLED_FOR(i, count) _Pragma("GCC unroll 32") for (int i = 0; i < (count); i++)

static inline __attribute__((always_inline)) void conv_pixels(const struct pq_conv_args *a,
                                                              const float *w, int first, int x,
                                                              const int count, const int pixels)
{
    __m512 sum[24];
    UNROLLED_FOR (p, pixels) {
        UNROLLED_FOR (b, count)
            sum[p * count + b] = _mm512_loadu_ps(a->bias + (first + b) * LANES);
    }
    const int run = pq_conv_run(a), runs = a->kernel_h * a->kernel_w / run;
    for (int at = 0, ky = 0, kx = 0; at < runs; at++) {
        for (int i = 0; i < a->part_count; i++) {
            const ptrdiff_t stride = a->parts[i].stride;
            const float *in = a->parts[i].rows[ky] +
                              ((ptrdiff_t)x * a->step + kx * a->dilation - a->left) * stride;
            const ptrdiff_t pixel = stride * a->step;
            const float *end = in + (ptrdiff_t)run * a->parts[i].channels;
            for (; in < end; in++, w += count * LANES) {
                __m512 weight[PQ_CONV_GROUP];
                UNROLLED_FOR (b, count)
                    weight[b] = _mm512_load_ps(w + b * LANES);
                UNROLLED_FOR (p, pixels) {
                    __m512 value = _mm512_set1_ps(in[p * pixel]);
                    UNROLLED_FOR (b, count)
                        sum[p * count + b] = _mm512_fmadd_ps(value, weight[b], sum[p * count + b]);
                }
            }
        }
        kx = kx + run == a->kernel_w ? 0 : kx + run;
        ky += kx == 0;
    }
    float *out = a->out + (ptrdiff_t)x * a->out_stride + first * LANES;
    UNROLLED_FOR (p, pixels) {
        UNROLLED_FOR (b, count) {
            __m512 v = sum[p * count + b];
            if (a->slopes) {
                __m512 slope = _mm512_loadu_ps(a->slopes + (first + b) * LANES);
                __mmask16 below = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ);
                v = _mm512_mask_mul_ps(v, below, v, slope);
            }
            if (a->residual) {
                const float *residual =
                    a->residual + (ptrdiff_t)(x + p) * a->residual_stride + (first + b) * LANES;
                v = _mm512_add_ps(_mm512_loadu_ps(residual),
                                  _mm512_mul_ps(v, _mm512_set1_ps(a->scale)));
            }
            _mm512_store_ps(out + (ptrdiff_t)p * a->out_stride + b * LANES, v);
        }
    }
}

static inline __attribute__((always_inline)) void conv_group(const struct pq_conv_args *a,
                                                             const float *w, int first,
                                                             const int count, const int pixels)
{
    int x = a->x0;
    for (; x + pixels <= a->x1; x += pixels)
        conv_pixels(a, w, first, x, count, pixels);
    for (; x + 2 <= a->x1; x += 2)
        conv_pixels(a, w, first, x, count, 2);
    if (x < a->x1)
        conv_pixels(a, w, first, x, count, 1);
}

void pq_conv_row_avx512(const struct pq_conv_args *a)
{
    const float *w = a->weights;
    for (int first = 0; first < a->blocks; first += PQ_CONV_GROUP) {
        int count = PQ_MIN(a->blocks - first, PQ_CONV_GROUP);
        switch (count) {
        case 1:
            conv_group(a, w, first, 1, 24);
            break;
        case 2:
            conv_group(a, w, first, 2, 12);
            break;
        case 3:
            conv_group(a, w, first, 3, 8);
            break;
        default:
            conv_group(a, w, first, 4, 6);
            break;
        }
        w += (size_t)(count * LANES) * pq_conv_products(a);
    }
}
