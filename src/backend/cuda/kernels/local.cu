/* SPDX-License-Identifier: MIT */
/* One pixel after another: an item is a value of the result, but where it is said otherwise.
 *
 *     cuda_load, cuda_store    between the map of the network's input, or result, and the rows that
 *                              come in or go out, which are a map without anything between pixels
 */
#include "backend/cuda/kernels/kernel.h"
#include "kernels/curve.h"

CUDA_INLINE float load_value(const struct cuda_args *a, const struct cuda_item *i)
{
    return cuda_value(&a->in[0], i->frame, i->y - a->y0, i->x, i->c);
}
CUDA_VALUE_KERNEL(cuda_load, load_value)

/* Of the result row y0 comes first. */
CUDA_INLINE void store_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    cuda_put(&a->out, cuda_offset(&a->out, i.frame, i.y - a->y0, i.x) + i.c,
             cuda_value_of(a, 0, i.frame, i.y, i.x, i.c));
}
CUDA_KERNEL(cuda_store, store_at)

CUDA_INLINE float sum_value(const struct cuda_args *a, const struct cuda_item *i)
{
    return cuda_value_of(a, 0, i->frame, i->y + a->ver.before, i->x + a->hor.before, i->c) +
           a->scale * cuda_value_of(a, 1, i->frame, i->y, i->x, i->c);
}
CUDA_VALUE_KERNEL(cuda_add, sum_value)

CUDA_INLINE float mul_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const int c = a->in[1].channels < a->out.channels ? 0 : i->c; /* one for all */
    return cuda_value_of(a, 0, i->frame, i->y, i->x, i->c) *
           cuda_value_of(a, 1, i->frame, i->y, i->x, c);
}
CUDA_VALUE_KERNEL(cuda_mul, mul_value)

CUDA_INLINE float affine_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const float value = cuda_value_of(a, 0, i->frame, i->y, i->x, i->c);
    if (a->inputs == 1)
        return value * a->weights[i->c] + a->bias[i->c];
    return value * cuda_value_of(a, 1, i->frame, i->y, i->x, i->c) +
           cuda_value_of(a, 1, i->frame, i->y, i->x, a->out.channels + i->c);
}
CUDA_VALUE_KERNEL(cuda_affine, affine_value)

CUDA_INLINE float curve(const struct cuda_args *a, float v)
{
    switch (a->act_kind) {
    case PQ_ACT_SILU:
        return v * pq_sigmoid(v);
    case PQ_ACT_SIGMOID:
        return pq_sigmoid(v);
    case PQ_ACT_GELU:
        return pq_gelu(v);
    case PQ_ACT_GELU_TANH:
        return pq_gelu_tanh(v);
    case PQ_ACT_MISH:
        return pq_mish(v);
    case PQ_ACT_TANH:
        return pq_tanh(v);
    case PQ_ACT_SOFTPLUS:
        return pq_softplus(v);
    case PQ_ACT_CLIP:
        v = v < a->low ? a->low : v;
        return v > a->high ? a->high : v;
    default:
        return v;
    }
}

CUDA_INLINE float act_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const float v = cuda_value_of(a, 0, i->frame, i->y, i->x, i->c);
    if (a->act_kind == PQ_ACT_LEAKY)
        return v < 0.0f ? v * a->slopes[i->c] : v;
    return curve(a, v);
}
CUDA_VALUE_KERNEL(cuda_act, act_value)

CUDA_INLINE float concat_value(const struct cuda_args *a, const struct cuda_item *i)
{
    int k = 0, c = i->c;
    while (c >= a->in[k].channels)
        c -= a->in[k++].channels;
    return cuda_value_of(a, k, i->frame, i->y, i->x, c);
}
CUDA_VALUE_KERNEL(cuda_concat, concat_value)

CUDA_INLINE float slice_value(const struct cuda_args *a, const struct cuda_item *i)
{
    return cuda_value_of(a, 0, i->frame, i->y, i->x, a->first + i->c);
}
CUDA_VALUE_KERNEL(cuda_slice, slice_value)

CUDA_INLINE float pixel_shuffle_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const int f = a->factor, dy = (int)(i->y % f), dx = i->x % f;
    const int c = a->by_place ? (dy * f + dx) * a->out.channels + i->c : (i->c * f + dy) * f + dx;
    return cuda_value_of(a, 0, i->frame, i->y / f, i->x / f, c);
}
CUDA_VALUE_KERNEL(cuda_pixel_shuffle, pixel_shuffle_value)

CUDA_INLINE float pixel_unshuffle_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const int f = a->factor, channels = a->in[0].channels;
    const int place = a->by_place ? i->c / channels : i->c % (f * f);
    const int c = a->by_place ? i->c % channels : i->c / (f * f);
    return cuda_value_of(a, 0, i->frame, i->y * f + place / f, (int64_t)i->x * f + place % f, c);
}
CUDA_VALUE_KERNEL(cuda_pixel_unshuffle, pixel_unshuffle_value)

CUDA_INLINE float nearest_value(const struct cuda_args *a, const struct cuda_item *i)
{
    return cuda_value_of(a, 0, i->frame, i->y / a->factor, i->x / a->factor, i->c);
}
CUDA_VALUE_KERNEL(cuda_nearest, nearest_value)
