/* SPDX-License-Identifier: MIT */
/* Pixels that come from other places: resized, padded, cropped, pooled. An item is a value of the
 * result. */
#include <math.h>

#include "backend/cuda/kernels/kernel.h"
#include "graph/place.h"
#include "kernels/taps.h"

CUDA_INLINE float bicubic_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const struct cuda_map *in = &a->in[0];
    float wy[4], wx[4], across[4];
    const int64_t y0 = pq_bicubic_place(i->y, a->rate_num, a->rate_den, wy);
    const int64_t x0 = pq_bicubic_place(i->x, a->rate_num, a->rate_den, wx);
    for (int k = 0; k < 4; k++) {
        const int64_t y = pq_clamp_place(y0 + k, in->height);
        float v[4];
        for (int j = 0; j < 4; j++)
            v[j] = cuda_value(in, i->frame, y, pq_clamp_place(x0 + j, in->width), i->c);
        across[k] = pq_four_taps(v, wx);
    }
    return pq_four_taps(across, wy);
}
CUDA_VALUE_KERNEL(cuda_bicubic, bicubic_value)

CUDA_INLINE float bilinear_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const struct cuda_map *in = &a->in[0];
    float down, across, rows[2];
    const int64_t y0 = pq_bilinear_place(i->y, in->height, a->out.height, &down);
    const int64_t x0 = pq_bilinear_place(i->x, in->width, a->out.width, &across);
    const int64_t left = pq_clamp_place(x0, in->width), right = pq_clamp_place(x0 + 1, in->width);
    for (int k = 0; k < 2; k++) {
        const int64_t y = pq_clamp_place(y0 + k, in->height);
        const float from = cuda_value(in, i->frame, y, left, i->c);
        rows[k] = from + across * (cuda_value(in, i->frame, y, right, i->c) - from);
    }
    return rows[0] + down * (rows[1] - rows[0]);
}
CUDA_VALUE_KERNEL(cuda_bilinear, bilinear_value)

CUDA_INLINE float pad_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const struct cuda_map *in = &a->in[0];
    const int64_t y = pq_pad_source(a->pad_mode, i->y - a->ver.before, in->height);
    const int64_t x = pq_pad_source(a->pad_mode, i->x - a->hor.before, in->width);
    return y < 0 || x < 0 ? 0.0f : cuda_value(in, i->frame, y, x, i->c);
}
CUDA_VALUE_KERNEL(cuda_pad, pad_value)

CUDA_INLINE float crop_value(const struct cuda_args *a, const struct cuda_item *i)
{
    return cuda_value_of(a, 0, i->frame, i->y + a->ver.before, i->x + a->hor.before, i->c);
}
CUDA_VALUE_KERNEL(cuda_crop, crop_value)

/* The largest or the sum over the taps of a window that lie inside. */
CUDA_INLINE float over_window(const struct cuda_args *a, const struct cuda_item *i, bool largest)
{
    const struct cuda_map *in = &a->in[0];
    float r = largest ? -INFINITY : 0.0f;
    for (int ky = 0; ky < a->ver.kernel; ky++) {
        const int64_t y = i->y * a->ver.stride - a->ver.before + ky;
        for (int kx = 0; kx < a->hor.kernel && y >= 0 && y < in->height; kx++) {
            const int64_t x = (int64_t)i->x * a->hor.stride - a->hor.before + kx;
            if (x < 0 || x >= in->width)
                continue;
            const float v = cuda_value(in, i->frame, y, x, i->c);
            r = !largest ? r + v : v > r || v != v ? v : r;
        }
    }
    return r;
}

CUDA_INLINE float max_pool_value(const struct cuda_args *a, const struct cuda_item *i)
{
    return over_window(a, i, true);
}
CUDA_VALUE_KERNEL(cuda_max_pool, max_pool_value)

CUDA_INLINE float mean_pool_value(const struct cuda_args *a, const struct cuda_item *i)
{
    return over_window(a, i, false) / (float)(a->ver.kernel * a->hor.kernel);
}
CUDA_VALUE_KERNEL(cuda_mean_pool, mean_pool_value)

CUDA_INLINE float dysample_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const struct cuda_map *in = &a->in[0];
    const int f = a->factor, area = a->groups * f * f, g = i->c / (a->out.channels / a->groups);
    const int place = (int)(i->y % f) * f + i->x % f + g * f * f;
    float tx, ty, rows[2];
    const int64_t x0 =
        pq_split_place((float)(i->x / f) + cuda_value_of(a, 1, i->frame, i->y / f, i->x / f, place),
                       in->width, &tx);
    const int64_t y0 = pq_split_place(
        (float)(i->y / f) + cuda_value_of(a, 1, i->frame, i->y / f, i->x / f, area + place),
        in->height, &ty);
    const int64_t right = pq_clamp_place(x0 + 1, in->width);
    for (int k = 0; k < 2; k++) {
        const int64_t y = pq_clamp_place(y0 + k, in->height);
        const float from = cuda_value(in, i->frame, y, x0, i->c);
        rows[k] = from + tx * (cuda_value(in, i->frame, y, right, i->c) - from);
    }
    return rows[0] + ty * (rows[1] - rows[0]);
}
CUDA_VALUE_KERNEL(cuda_dysample, dysample_value)
