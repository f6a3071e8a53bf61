/* SPDX-License-Identifier: MIT */
/* Norms over the channels of a pixel; an item is a pixel. Sums are 16 partial sums, the i-th of
 * channels i, i + 16, ..., added as the kernels of the processor add them. */
#include <math.h>

#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/kernels/lanes.h"

CUDA_INLINE float mean_of(const float *in, int channels)
{
    struct cuda_lanes sum = cuda_lanes_zero();
    for (int c = 0; c < channels; c += CUDA_LANES) {
        for (int i = 0; i < CUDA_LANES; i++)
            sum.v[i] += c + i < channels ? in[c + i] : 0.0f;
    }
    return cuda_lanes_sum(&sum) / (float)channels;
}

/* The sum of the squares of in - mean. */
CUDA_INLINE float squares_of(const float *in, int channels, float mean)
{
    struct cuda_lanes sum = cuda_lanes_zero();
    for (int c = 0; c < channels; c += CUDA_LANES) {
        for (int i = 0; i < CUDA_LANES; i++) {
            const float d = c + i < channels ? in[c + i] - mean : 0.0f;
            sum.v[i] = fmaf(d, d, sum.v[i]);
        }
    }
    return cuda_lanes_sum(&sum);
}

/* A pixel from mean `mean` to mean 0, its squares to mean 1, then times gamma plus beta. */
CUDA_INLINE void norm_of(const struct cuda_args *a, const struct cuda_item *i, const float *in,
                         float mean)
{
    const int channels = a->out.channels;
    const float factor = 1.0f / sqrtf(squares_of(in, channels, mean) / (float)channels + a->eps);
    float *out = cuda_result_of(a, i);
    for (int c = 0; c < channels; c++)
        out[c] = fmaf((in[c] - mean) * factor, a->weights[c], a->bias[c]);
}

CUDA_INLINE void layer_norm_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, 1);
    const float *in = cuda_input(a, 0, i.frame, i.y, i.x);
    norm_of(a, &i, in, mean_of(in, a->out.channels));
}
CUDA_KERNEL(cuda_layer_norm, layer_norm_at)

CUDA_INLINE void rms_norm_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, 1);
    norm_of(a, &i, cuda_input(a, 0, i.frame, i.y, i.x), 0.0f);
}
CUDA_KERNEL(cuda_rms_norm, rms_norm_at)
