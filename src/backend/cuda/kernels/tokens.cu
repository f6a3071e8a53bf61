/* SPDX-License-Identifier: MIT */
/* A dictionary of tokens: what it yields for a pixel, and how the picture changes it. It is a
 * global tensor, one token behind another.
 *
 *     cuda_constant         a value
 *     cuda_tokens_linear    a value; weights are [in][out]
 *     cuda_tokens_unit      a token: groups items a frame
 *     cuda_look_up          a pixel
 *     cuda_blend            a value
 *     cuda_row_exp          a channel of a row: out.channels items a row
 *     cuda_row_shares       a value: out.channels items a row, as a column has one pixel a row
 *     cuda_tokens_update    a value: a channel of a token */
#include <math.h>

#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/kernels/rows.h"
#include "kernels/curve.h"

/* Values of one pixel times a column of a matrix, from the first step on. */
CUDA_INLINE float times_column(const float *row, const float *column, int64_t next, int steps)
{
    float sum = 0.0f;
    for (int s = 0; s < steps; s++)
        sum = fmaf(row[s], column[s * next], sum);
    return sum;
}

CUDA_INLINE void constant_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    cuda_result_of(a, &i)[i.c] = a->weights[i.c];
}
CUDA_KERNEL(cuda_constant, constant_at)

CUDA_INLINE void tokens_linear_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const int out = a->out.channels / a->groups, in = a->in[0].channels / a->groups;
    const int token = i.c / out, c = i.c % out;
    const float *row = cuda_pixel(&a->in[0], i.frame, 0, 0) + (int64_t)token * in;
    cuda_result_of(a, &i)[i.c] = times_column(row, a->weights + c, out, in) + a->bias[c];
}
CUDA_KERNEL(cuda_tokens_linear, tokens_linear_at)

/* From [tokens][channels] to [channels][tokens], as cuda_look_up reads it. */
CUDA_INLINE void tokens_unit_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->groups);
    const int channels = a->out.channels / a->groups;
    const float *in = cuda_pixel(&a->in[0], i.frame, 0, 0) + (int64_t)i.c * channels;
    float *out = cuda_result_of(a, &i) + i.c;
    double squares = 0;
    for (int c = 0; c < channels; c++)
        squares += (double)in[c] * (double)in[c];
    const double norm = sqrt(squares);
    const double factor = (double)a->weights[i.c] / (norm > 1e-12 ? norm : 1e-12);
    for (int c = 0; c < channels; c++)
        out[(int64_t)c * a->groups] = (float)((double)in[c] * factor);
}
CUDA_KERNEL(cuda_tokens_unit, tokens_unit_at)

/* in[0]'s pixel times column c of in[1], a matrix [channels of in[0]][channels]. */
CUDA_INLINE float multiplied(const struct cuda_args *a, const struct cuda_item *i, int c)
{
    const float *matrix = cuda_pixel(&a->in[1], i->frame, 0, 0);
    return times_column(cuda_pixel(&a->in[0], i->frame, i->y, i->x), matrix + c, a->out.channels,
                        a->groups);
}

/* The result pixel holds the scores, then their exponentials, then their shares. */
CUDA_INLINE void look_up_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, 1);
    const int tokens = a->out.channels;
    float *out = cuda_result_of(a, &i), most = 0, sum = 0;
    for (int t = 0; t < tokens; t++) {
        out[t] = multiplied(a, &i, t);
        most = t == 0 || out[t] > most ? out[t] : most;
    }
    for (int t = 0; t < tokens; t++) {
        out[t] = pq_exp(out[t] - most);
        sum += out[t];
    }
    for (int t = 0; t < tokens; t++)
        out[t] /= sum;
}
CUDA_KERNEL(cuda_look_up, look_up_at)

CUDA_INLINE void blend_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    cuda_result_of(a, &i)[i.c] = multiplied(a, &i, i.c);
}
CUDA_KERNEL(cuda_blend, blend_at)

/* ---- the mean of pixels under a softmax over all of them ---- */

/* Of a channel of a row. */
CUDA_INLINE float largest_of(const float *in, int stride, int width)
{
    float most = in[0];
    for (int x = 1; x < width; x++)
        most = in[(int64_t)x * stride] > most ? in[(int64_t)x * stride] : most;
    return most;
}

CUDA_INLINE void row_exp_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_row_item_of(a, at, a->out.channels);
    const struct cuda_map *in = &a->in[0];
    const float *from = cuda_pixel(in, i.frame, i.y, 0) + i.c;
    const float most = largest_of(from, in->stride, in->width);
    float *out = cuda_result_of(a, &i) + i.c;
    for (int x = 0; x < in->width; x++, from += in->stride, out += a->out.stride)
        *out = pq_exp(*from - most);
}
CUDA_KERNEL(cuda_row_exp, row_exp_at)

/* The sum of a channel of a row, a weight a pixel. */
CUDA_INLINE float sum_of_weights(const float *w, int stride, int width)
{
    double sum = 0;
    for (int x = 0; x < width; x++)
        sum += (double)w[(int64_t)x * stride];
    return (float)sum;
}

/* The sum over a row of weight x pixel; n: [tokens][channels] */
CUDA_INLINE float weighted_sum(const struct cuda_args *a, const struct cuda_item *i, int n)
{
    const int channels = a->out.channels / a->groups - 2;
    const float *w = cuda_pixel(&a->in[1], i->frame, i->y, 0) + n / channels;
    const float *pixel = cuda_pixel(&a->in[2], i->frame, i->y, 0) + n % channels;
    float sum = 0.0f;
    for (int x = 0; x < a->in[1].width; x++, w += a->in[1].stride, pixel += a->in[2].stride)
        sum = fmaf(*w, *pixel, sum);
    return sum;
}

/* [tokens] largest scores, [tokens] sums of weights, [tokens][channels] sums of weight x pixel */
CUDA_INLINE void row_shares_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const struct cuda_map *scores = &a->in[0], *weights = &a->in[1];
    const int tokens = a->groups, width = scores->width;
    float *out = cuda_result_of(a, &i) + i.c;
    if (i.c < tokens)
        *out = largest_of(cuda_pixel(scores, i.frame, i.y, 0) + i.c, scores->stride, width);
    else if (i.c < 2 * tokens)
        *out = sum_of_weights(cuda_pixel(weights, i.frame, i.y, 0) + i.c - tokens, weights->stride,
                              width);
    else
        *out = weighted_sum(a, &i, i.c - 2 * tokens);
}
CUDA_KERNEL(cuda_row_shares, row_shares_at)

/* The largest score of a token, of all rows. */
CUDA_INLINE float largest_score(const struct cuda_args *a, int frame, int token)
{
    float most = -INFINITY;
    for (int64_t y = 0; y < a->in[0].height; y++) {
        const float of_row = cuda_pixel(&a->in[0], frame, y, 0)[token];
        most = of_row > most ? of_row : most;
    }
    return most;
}

CUDA_INLINE void tokens_update_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const int tokens = a->groups, token = i.c / (a->out.channels / tokens);
    const float most = largest_score(a, i.frame, token);
    double sum = 0, mean = 0;
    for (int64_t y = 0; y < a->in[0].height; y++) {
        const float *from = cuda_pixel(&a->in[0], i.frame, y, 0);
        const double weight = (double)pq_exp(from[token] - most);
        sum += weight * (double)from[tokens + token];
        mean += weight * (double)from[2 * tokens + i.c];
    }
    const double keep = (double)pq_sigmoid(a->weights[token]);
    const float old = cuda_pixel(&a->in[1], i.frame, 0, 0)[i.c];
    cuda_result_of(a, &i)[i.c] = (float)(keep * (double)old + (1 - keep) * (mean / sum));
}
CUDA_KERNEL(cuda_tokens_update, tokens_update_at)
