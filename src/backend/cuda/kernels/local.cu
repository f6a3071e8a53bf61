/* SPDX-License-Identifier: MIT */
/* One pixel after another: an item is a value of the result, but where it is said otherwise.
 *
 *     cuda_load, cuda_store    between the map of the network's input, or result, and the rows that
 *                              come in or go out, which are a map without anything between pixels
 */
#include "backend/cuda/kernels/kernel.h"
#include "kernels/curve.h"

CUDA_INLINE void load_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    cuda_result_of(a, &i)[i.c] = cuda_pixel(&a->in[0], i.frame, i.y - a->y0, i.x)[i.c];
}
CUDA_KERNEL(cuda_load, load_at)

CUDA_INLINE void store_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    cuda_pixel(&a->out, i.frame, i.y - a->y0, i.x)[i.c] = cuda_input(a, 0, i.frame, i.y, i.x)[i.c];
}
CUDA_KERNEL(cuda_store, store_at)

CUDA_INLINE void add_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    cuda_result_of(a, &i)[i.c] = cuda_input(a, 0, i.frame, i.y, i.x)[i.c] +
                                 a->scale * cuda_input(a, 1, i.frame, i.y, i.x)[i.c];
}
CUDA_KERNEL(cuda_add, add_at)

CUDA_INLINE void mul_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const int c = a->in[1].channels < a->out.channels ? 0 : i.c; /* one for all */
    cuda_result_of(a, &i)[i.c] =
        cuda_input(a, 0, i.frame, i.y, i.x)[i.c] * cuda_input(a, 1, i.frame, i.y, i.x)[c];
}
CUDA_KERNEL(cuda_mul, mul_at)

CUDA_INLINE void affine_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const float *factors = a->weights, *terms = a->bias;
    if (a->inputs == 2) {
        factors = cuda_input(a, 1, i.frame, i.y, i.x);
        terms = factors + a->out.channels;
    }
    cuda_result_of(a, &i)[i.c] =
        cuda_input(a, 0, i.frame, i.y, i.x)[i.c] * factors[i.c] + terms[i.c];
}
CUDA_KERNEL(cuda_affine, affine_at)

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

CUDA_INLINE void act_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const float v = cuda_input(a, 0, i.frame, i.y, i.x)[i.c];
    float *out = cuda_result_of(a, &i) + i.c;
    if (a->act_kind == PQ_ACT_LEAKY)
        *out = v < 0.0f ? v * a->slopes[i.c] : v;
    else
        *out = curve(a, v);
}
CUDA_KERNEL(cuda_act, act_at)

CUDA_INLINE void concat_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    int k = 0, c = i.c;
    while (c >= a->in[k].channels)
        c -= a->in[k++].channels;
    cuda_result_of(a, &i)[i.c] = cuda_input(a, k, i.frame, i.y, i.x)[c];
}
CUDA_KERNEL(cuda_concat, concat_at)

CUDA_INLINE void slice_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    cuda_result_of(a, &i)[i.c] = cuda_input(a, 0, i.frame, i.y, i.x)[a->first + i.c];
}
CUDA_KERNEL(cuda_slice, slice_at)

CUDA_INLINE void pixel_shuffle_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const int f = a->factor, dy = (int)(i.y % f), dx = i.x % f;
    const int c = a->by_place ? (dy * f + dx) * a->out.channels + i.c : (i.c * f + dy) * f + dx;
    cuda_result_of(a, &i)[i.c] = cuda_input(a, 0, i.frame, i.y / f, i.x / f)[c];
}
CUDA_KERNEL(cuda_pixel_shuffle, pixel_shuffle_at)

CUDA_INLINE void pixel_unshuffle_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const int f = a->factor, channels = a->in[0].channels;
    const int place = a->by_place ? i.c / channels : i.c % (f * f);
    const int c = a->by_place ? i.c % channels : i.c / (f * f);
    cuda_result_of(a, &i)[i.c] =
        cuda_input(a, 0, i.frame, i.y * f + place / f, (int64_t)i.x * f + place % f)[c];
}
CUDA_KERNEL(cuda_pixel_unshuffle, pixel_unshuffle_at)

CUDA_INLINE void nearest_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    cuda_result_of(a, &i)[i.c] = cuda_input(a, 0, i.frame, i.y / a->factor, i.x / a->factor)[i.c];
}
CUDA_KERNEL(cuda_nearest, nearest_at)
