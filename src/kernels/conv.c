/* SPDX-License-Identifier: MIT */
/* The reference of the direct convolution, its packing, and the choice of a variant. */
#include "kernels/conv.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"
#if defined(__x86_64__)
#include "kernels/x86/conv.h"
#elif defined(__aarch64__)
#include "kernels/arm/conv.h"
#endif

enum { LANES = PQ_CONV_LANES };

size_t pq_conv_packed_size(int out_channels, int in_channels, int taps)
{
    size_t lanes = ((size_t)out_channels + LANES - 1) / LANES * LANES;
    return lanes * (size_t)in_channels * (size_t)taps;
}

/* The taps of one input channel lie side by side in the file, and the lanes of one group in what is
 * packed; so this goes channel by channel, and both stay in the first cache. */
void pq_conv_pack(const float *weights, int out_channels, int in_channels, int taps, float *packed)
{
    int blocks = (out_channels + LANES - 1) / LANES;
    for (int first = 0; first < blocks; first += PQ_CONV_GROUP) {
        int lanes = PQ_MIN(blocks - first, PQ_CONV_GROUP) * LANES;
        size_t tap_step = (size_t)in_channels * (size_t)lanes;
        for (int c = 0; c < in_channels; c++, packed += lanes) {
            for (int lane = 0; lane < lanes; lane++) {
                int o = first * LANES + lane;
                size_t at = ((size_t)o * (size_t)in_channels + (size_t)c) * (size_t)taps;
                for (int tap = 0; tap < taps; tap++)
                    packed[(size_t)tap * tap_step + (size_t)lane] =
                        o < out_channels ? weights[at + (size_t)tap] : 0.0f;
            }
        }
        packed += tap_step * (size_t)(taps - 1);
    }
}

/* One block of lanes of one pixel. step: floats from one tap-and-channel to the next. */
static void conv_lanes(const struct pq_conv_args *a, int x, const float *w, int step, int block)
{
    float sum[LANES];
    memcpy(sum, a->bias + block * LANES, sizeof sum);
    for (int ky = 0; ky < a->kernel_h; ky++) {
        for (int kx = 0; kx < a->kernel_w; kx++) {
            const ptrdiff_t at = (ptrdiff_t)x * a->step + kx * a->dilation - a->left;
            for (int i = 0; i < a->part_count; i++) {
                const struct pq_conv_part *part = &a->parts[i];
                const float *in = part->rows[ky] + at * part->stride;
                for (int c = 0; c < part->channels; c++, w += step) {
                    for (int lane = 0; lane < LANES; lane++)
                        sum[lane] = fmaf(in[c], w[lane], sum[lane]);
                }
            }
        }
    }
    if (a->slopes) {
        const float *slopes = a->slopes + block * LANES;
        for (int lane = 0; lane < LANES; lane++)
            sum[lane] = sum[lane] < 0.0f ? sum[lane] * slopes[lane] : sum[lane];
    }
    if (a->residual) {
        const float *residual = a->residual + (ptrdiff_t)x * a->residual_stride + block * LANES;
        for (int lane = 0; lane < LANES; lane++)
            sum[lane] = residual[lane] + a->scale * sum[lane];
    }
    memcpy(a->out + (ptrdiff_t)x * a->out_stride + block * LANES, sum, sizeof sum);
}

void pq_conv_row_c(const struct pq_conv_args *a)
{
    const float *w = a->weights;
    for (int first = 0; first < a->blocks; first += PQ_CONV_GROUP) {
        int count = PQ_MIN(a->blocks - first, PQ_CONV_GROUP);
        int step = count * LANES;
        for (int x = a->x0; x < a->x1; x++) {
            for (int b = 0; b < count; b++)
                conv_lanes(a, x, w + b * LANES, step, first + b);
        }
        w += (size_t)step * pq_conv_products(a);
    }
}

pq_conv_fn *pq_conv_row(int cpu_level)
{
#if defined(__x86_64__)
    if (cpu_level >= PQ_CPU_AVX512)
        return pq_conv_row_avx512;
    if (cpu_level >= PQ_CPU_AVX2)
        return pq_conv_row_avx2;
#elif defined(__aarch64__)
    if (cpu_level == PQ_CPU_NEON)
        return pq_conv_row_neon;
#endif
    (void)cpu_level;
    return pq_conv_row_c;
}
