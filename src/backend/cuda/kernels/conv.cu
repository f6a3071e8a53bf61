/* SPDX-License-Identifier: MIT */
/* Convolutions in fp32, direct: the reference of the device, for every shape there is.
 *
 *     cuda_conv        16 output channels of a pixel: out.stride / 16 items a pixel
 *     cuda_depthwise   a value
 *
 * Weights of cuda_conv are packed [block][ky][kx][c][16], with zeros past the last output channel,
 * and its result has a stride of whole blocks; those of cuda_depthwise are [ky][kx][channels]. */
#include <math.h>
#include <stddef.h>

#include "backend/cuda/kernels/kernel.h"

enum { CONV_LANES = 16 };

/* Adds what one tap contributes; w moves on past its weights. */
CUDA_INLINE const float *add_tap(const struct cuda_args *a, const struct cuda_item *i, int64_t y,
                                 int64_t x, const float *w, float sum[CONV_LANES])
{
    const int parts = a->inputs - a->residual;
    for (int k = 0; k < parts; k++) {
        const struct cuda_map *in = &a->in[k];
        const bool inside = y >= 0 && x >= 0 && y < in->height && x < in->width;
        const int64_t from = inside ? cuda_offset(in, i->frame, y, x) : 0;
        for (int c = 0; c < in->channels; c++, w += CONV_LANES) {
            const float value = inside ? cuda_get(in, from + c) : 0.0f;
            for (int lane = 0; lane < CONV_LANES; lane++)
                sum[lane] = fmaf(value, w[lane], sum[lane]);
        }
    }
    return w;
}

/* What the activation and the residual make of a sum, lane by lane. */
CUDA_INLINE void finish(const struct cuda_args *a, const struct cuda_item *i, const float *sum)
{
    const int first = i->c * CONV_LANES;
    const struct cuda_map *residual = &a->in[a->residual ? a->inputs - 1 : 0];
    const int64_t at = a->residual ? cuda_offset(residual, i->frame, i->y, i->x) + first : 0;
    const int64_t to = cuda_offset(&a->out, i->frame, i->y, i->x) + first;
    for (int lane = 0; lane < CONV_LANES; lane++) {
        float v = sum[lane];
        if (a->slopes)
            v = v < 0.0f ? v * a->slopes[first + lane] : v;
        if (a->residual) /* it may have no lanes past its channels */
            v = first + lane < a->out.channels ? cuda_get(residual, at + lane) + a->scale * v
                                               : 0.0f;
        cuda_put(&a->out, to + lane, v);
    }
}

CUDA_INLINE void conv_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.stride / CONV_LANES);
    int channels = 0;
    for (int k = 0; k < a->inputs - a->residual; k++)
        channels += a->in[k].channels;
    const float *w =
        a->weights + (int64_t)i.c * a->ver.kernel * a->hor.kernel * channels * CONV_LANES;
    float sum[CONV_LANES];
    for (int lane = 0; lane < CONV_LANES; lane++)
        sum[lane] = a->bias[i.c * CONV_LANES + lane];
    for (int ky = 0; ky < a->ver.kernel; ky++) {
        const int64_t y = i.y * a->ver.stride - a->ver.before + ky * a->ver.dilation;
        for (int kx = 0; kx < a->hor.kernel; kx++) {
            const int64_t x = (int64_t)i.x * a->hor.stride - a->hor.before + kx * a->hor.dilation;
            w = add_tap(a, &i, y, x, w, sum);
        }
    }
    finish(a, &i, sum);
}
CUDA_KERNEL(cuda_conv, conv_at)

CUDA_INLINE float depthwise_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const struct cuda_map *in = &a->in[0];
    const float *w = a->weights + i->c;
    float sum = a->bias[i->c];
    for (int ky = 0; ky < a->ver.kernel; ky++) {
        const int64_t y = i->y * a->ver.stride - a->ver.before + ky * a->ver.dilation;
        for (int kx = 0; kx < a->hor.kernel; kx++, w += a->out.channels) {
            const int64_t x = (int64_t)i->x * a->hor.stride - a->hor.before + kx * a->hor.dilation;
            const bool inside = y >= 0 && x >= 0 && y < in->height && x < in->width;
            sum = fmaf(inside ? cuda_value(in, i->frame, y, x, i->c) : 0.0f, *w, sum);
        }
    }
    return sum;
}
CUDA_VALUE_KERNEL(cuda_depthwise, depthwise_value)
