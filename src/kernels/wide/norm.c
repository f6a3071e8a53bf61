/* SPDX-License-Identifier: MIT */
/* Norms over the channels of a pixel. Sums over channels are PQ_WIDE_LANES partial sums, lane i
 * takes channels i, i + 16, ..., added as lanes_sum() does. */
#include <math.h>

#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"

/* The channels from c on, zero past the last. */
LANES_INLINE struct lanes load_channels(const float *in, int c, int channels)
{
    return c + LANES <= channels ? lanes_load(in + c)
                                 : lanes_load_some(lanes_first(channels - c), in + c);
}

LANES_INLINE void store_channels(float *out, int c, int channels, struct lanes v)
{
    if (c + LANES <= channels)
        lanes_store(out + c, v);
    else
        lanes_store_some(lanes_first(channels - c), out + c, v);
}

/* mean = sum x / n; d = x - mean; factor = 1 / sqrt(sum fma(d, d) / n + eps);
 * out = fma(d factor, gamma, beta) */
void PQ_WIDE(layer_norm)(const float *in, int in_stride, int width, int channels,
                         const float *gamma, const float *beta, float eps, float *out,
                         int out_stride)
{
    const float count = (float)channels;
    for (int x = 0; x < width; x++, in += in_stride, out += out_stride) {
        struct lanes sum = lanes_set(0.0f), square = lanes_set(0.0f);
        for (int c = 0; c < channels; c += LANES)
            sum = lanes_add(sum, load_channels(in, c, channels));
        const struct lanes mean = lanes_set(lanes_sum(sum) / count);
        for (int c = 0; c < channels; c += LANES) {
            struct lanes d = lanes_sub(load_channels(in, c, channels), mean);
            if (c + LANES > channels)
                d = lanes_keep(lanes_first(channels - c), d);
            square = lanes_fma(d, d, square);
        }
        const struct lanes factor = lanes_set(1.0f / sqrtf(lanes_sum(square) / count + eps));
        for (int c = 0; c < channels; c += LANES) {
            struct lanes d = lanes_sub(load_channels(in, c, channels), mean);
            store_channels(out, c, channels,
                           lanes_fma(lanes_mul(d, factor), load_channels(gamma, c, channels),
                                     load_channels(beta, c, channels)));
        }
    }
}

/* factor = 1 / sqrt(sum fma(x, x) / n + eps); out = fma(x factor, gamma, beta) */
void PQ_WIDE(rms_norm)(const float *in, int in_stride, int width, int channels, const float *gamma,
                       const float *beta, float eps, float *out, int out_stride)
{
    const float count = (float)channels;
    for (int x = 0; x < width; x++, in += in_stride, out += out_stride) {
        struct lanes square = lanes_set(0.0f);
        for (int c = 0; c < channels; c += LANES) {
            struct lanes v = load_channels(in, c, channels);
            square = lanes_fma(v, v, square);
        }
        const struct lanes factor = lanes_set(1.0f / sqrtf(lanes_sum(square) / count + eps));
        for (int c = 0; c < channels; c += LANES)
            store_channels(out, c, channels,
                           lanes_fma(lanes_mul(load_channels(in, c, channels), factor),
                                     load_channels(gamma, c, channels),
                                     load_channels(beta, c, channels)));
    }
}
