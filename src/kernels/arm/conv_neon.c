/* SPDX-License-Identifier: MIT */
/* The direct convolution in NEON: a block of lanes is four registers, and 24 sums, of 6 pixels and
 * one block, are kept in registers; weights and the values of pixels share the other eight. A
 * multiply-add takes one lane of a register as a factor of all four, so a pixel's value is loaded
 * and not broadcast. See x86/conv_avx512.c for the pragma. */
#include "kernels/arm/conv.h"

#include <arm_neon.h>

#include "base/alloc.h"

enum { LANES = PQ_CONV_LANES, QUAD = 4, QUADS = LANES / QUAD, PIXELS = 6 };

#define UNROLLED_FOR(i, count) _Pragma("GCC unroll 32") for (int i = 0; i < (count); i++)

/* step: floats from one tap-and-channel to the next. */
static inline __attribute__((always_inline)) void conv_pixels(const struct pq_conv_args *a,
                                                              const float *w, int step, int block,
                                                              int x, const int pixels)
{
    float32x4_t sum[PIXELS * QUADS];
    UNROLLED_FOR (p, pixels) {
        UNROLLED_FOR (q, QUADS)
            sum[p * QUADS + q] = vld1q_f32(a->bias + block * LANES + q * QUAD);
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
                float32x4_t weight[QUADS];
                UNROLLED_FOR (q, QUADS)
                    weight[q] = vld1q_f32(w + q * QUAD);
                UNROLLED_FOR (p, pixels) {
                    const float value = in[p * pixel];
                    UNROLLED_FOR (q, QUADS)
                        sum[p * QUADS + q] = vfmaq_n_f32(sum[p * QUADS + q], weight[q], value);
                }
            }
        }
        kx = kx + run == a->kernel_w ? 0 : kx + run;
        ky += kx == 0;
    }
    float *out = a->out + (ptrdiff_t)x * a->out_stride + block * LANES;
    UNROLLED_FOR (p, pixels) {
        UNROLLED_FOR (q, QUADS) {
            const int lane = block * LANES + q * QUAD;
            float32x4_t v = sum[p * QUADS + q];
            if (a->slopes)
                v = vbslq_f32(vcltzq_f32(v), vmulq_f32(v, vld1q_f32(a->slopes + lane)), v);
            if (a->residual) {
                const float *residual =
                    a->residual + (ptrdiff_t)(x + p) * a->residual_stride + lane;
                v = vaddq_f32(vld1q_f32(residual), vmulq_n_f32(v, a->scale));
            }
            vst1q_f32(out + (ptrdiff_t)p * a->out_stride + q * QUAD, v);
        }
    }
}

void pq_conv_row_neon(const struct pq_conv_args *a)
{
    const float *w = a->weights;
    for (int first = 0; first < a->blocks; first += PQ_CONV_GROUP) {
        int count = PQ_MIN(a->blocks - first, PQ_CONV_GROUP), step = count * LANES;
        for (int b = 0; b < count; b++) {
            int x = a->x0;
            for (; x + PIXELS <= a->x1; x += PIXELS)
                conv_pixels(a, w + b * LANES, step, first + b, x, PIXELS);
            for (; x + 2 <= a->x1; x += 2)
                conv_pixels(a, w + b * LANES, step, first + b, x, 2);
            if (x < a->x1)
                conv_pixels(a, w + b * LANES, step, first + b, x, 1);
        }
        w += (size_t)step * pq_conv_products(a);
    }
}
