/* SPDX-License-Identifier: MIT */
/* Pictures with alpha, and grey ones, as graph/graph.h says: an item is a value of the result.
 *
 *     cuda_channels, cuda_flatten, cuda_row_opaque, cuda_bleed_sums, cuda_bleed, cuda_alpha
 *
 * Sums are taken in the order of upscale/bleed.c. */
#include "backend/cuda/kernels/kernel.h"
#include "graph/place.h"
#include "kernels/colour.h"

CUDA_INLINE float channels_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const int64_t at = cuda_offset(&a->in[0], i->frame, i->y, i->x);
    const int from = a->pick[i->c];
    if (from == PQ_PICK_ONE)
        return 1.0f;
    if (from != PQ_PICK_LUMA)
        return cuda_get(&a->in[0], at + from);
    float rgb[3];
    for (int c = 0; c < 3; c++)
        rgb[c] = cuda_get(&a->in[0], at + c);
    return pq_luma(rgb);
}
CUDA_VALUE_KERNEL(cuda_channels, channels_value)

CUDA_INLINE float flatten_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const float v = cuda_value(&a->in[0], i->frame, i->y, i->x, i->c);
    const float alpha = cuda_value(&a->in[0], i->frame, i->y, i->x, 3);
    return alpha < 1.0f ? pq_over(v, alpha, a->background[i->c]) : v;
}
CUDA_VALUE_KERNEL(cuda_flatten, flatten_value)

CUDA_INLINE float row_opaque_value(const struct cuda_args *a, const struct cuda_item *i)
{
    for (int x = 0; x < a->in[0].width; x++) {
        if (!(cuda_value(&a->in[0], i->frame, i->y, x, 3) >= 1.0f))
            return 0.0f;
    }
    return 1.0f;
}
CUDA_VALUE_KERNEL(cuda_row_opaque, row_opaque_value)

/* ---- colours for what nobody sees ---- */

/* 2^-|d|, from that of d - 1. */
CUDA_INLINE float next_power(float power, int d)
{
    return d <= 0 ? power * 2.0f : power * 0.5f;
}

enum { FIRST_EXPONENT = PQ_BLEED_REACH + 1 };
CUDA_INLINE float power_before_first(void)
{
    return 1.0f / (float)((int64_t)1 << FIRST_EXPONENT);
}

/* Alpha first, then what it weighs. */
CUDA_INLINE float bleed_sums_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const struct cuda_map *in = &a->in[0];
    float sum = 0.0f, power = power_before_first();
    for (int d = -PQ_BLEED_REACH; d <= PQ_BLEED_REACH; d++) {
        power = next_power(power, d);
        if (i->x + d < 0 || i->x + d >= in->width)
            continue;
        const int64_t at = cuda_offset(in, i->frame, i->y, i->x + d);
        const float alpha = cuda_get(in, at + 3);
        sum += power * (i->c == 0 ? alpha : alpha * cuda_get(in, at + i->c - 1));
    }
    return sum;
}
CUDA_VALUE_KERNEL(cuda_bleed_sums, bleed_sums_value)

CUDA_INLINE float bleed_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const struct cuda_map *sums = &a->in[0];
    const float own = cuda_value(&a->in[1], i->frame, i->y, i->x, i->c);
    if (i->c == 3 || cuda_value(&a->in[1], i->frame, i->y, i->x, 3) > 0.0f)
        return own;
    float weight = 0.0f, colour = 0.0f, power = power_before_first();
    for (int d = -PQ_BLEED_REACH; d <= PQ_BLEED_REACH; d++) {
        power = next_power(power, d);
        if (i->y + d < 0 || i->y + d >= sums->height)
            continue;
        const int64_t at = cuda_offset(sums, i->frame, i->y + d, i->x);
        weight += power * cuda_get(sums, at);
        colour += power * cuda_get(sums, at + 1 + i->c);
    }
    return weight > 0.0f ? colour / weight : own;
}
CUDA_VALUE_KERNEL(cuda_bleed, bleed_value)

/* ---- behind a network ---- */

/* Whether the pixels around the one under (x, y) have one alpha. */
CUDA_INLINE bool is_even(const struct cuda_map *in, int frame, int64_t y, int64_t x, float *alpha)
{
    const int64_t reach = PQ_EVEN_REACH;
    const int64_t top = y > reach ? y - reach : 0, left = x > reach ? x - reach : 0;
    const int64_t bottom = y + reach < in->height ? y + reach : in->height - 1;
    const int64_t right = x + reach < in->width ? x + reach : in->width - 1;
    *alpha = cuda_value(in, frame, y, x, 3);
    for (int64_t v = top; v <= bottom; v++) {
        for (int64_t u = left; u <= right; u++) {
            if (cuda_value(in, frame, v, u, 3) != *alpha)
                return false;
        }
    }
    return true;
}

CUDA_INLINE float alpha_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const struct cuda_map *from = &a->in[1], *in = &a->in[2];
    if (i->c < 3)
        return pq_clip01(cuda_value(&a->in[0], i->frame, i->y, i->x, i->c));
    float alpha;
    if (is_even(in, i->frame, pq_source_of(i->y, in->height, a->out.height),
                pq_source_of(i->x, in->width, a->out.width), &alpha))
        return pq_clip01(alpha);
    const int64_t at = cuda_offset(from, i->frame, i->y, i->x);
    float v[4];
    for (int c = 0; c < 4; c++)
        v[c] = c < from->channels ? cuda_get(from, at + c) : 0.0f;
    return pq_clip01(from->channels == 4 ? v[3] : from->channels == 3 ? pq_luma(v) : v[0]);
}
CUDA_VALUE_KERNEL(cuda_alpha, alpha_value)
