/* SPDX-License-Identifier: MIT */
/* Statistics over the whole picture. Sums are doubles, over a row from the left, over the picture
 * from the top.
 *
 *     cuda_row_sums        a sum of a row: out.channels / 2 items a row
 *     cuda_mean            a channel: out.channels items a frame
 *     cuda_group_norm      a group: groups items a frame
 *     cuda_row_gram        a sum of a row: out.channels / 2 items a row
 *     cuda_gram_softmax    a row of a head's matrix: groups dim items a frame
 *     cuda_mix             a value
 *     cuda_copy            a value of a global tensor, from in[0]
 */
#include <math.h>

#include "backend/cuda/kernels/kernel.h"
#include "kernels/curve.h"

/* Doubles lie in the pixel of a column, two floats each. */
CUDA_INLINE double *column_of(const struct cuda_args *a, const struct cuda_item *i)
{
    return (double *)(void *)cuda_result_of(a, i);
}

CUDA_INLINE void row_sums_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels / 2);
    const struct cuda_map *in = &a->in[0];
    const bool square = i.c >= in->channels;
    const float *from = cuda_pixel(in, i.frame, i.y, 0) + (square ? i.c - in->channels : i.c);
    double sum = 0;
    for (int x = 0; x < in->width; x++, from += in->stride)
        sum += square ? (double)*from * (double)*from : (double)*from;
    column_of(a, &i)[i.c] = sum;
}
CUDA_KERNEL(cuda_row_sums, row_sums_at)

/* The n-th number of a column, summed from the top. */
CUDA_INLINE double total(const struct cuda_args *a, int frame, int n)
{
    double sum = 0;
    for (int64_t y = 0; y < a->in[0].height; y++)
        sum += ((const double *)(const void *)cuda_pixel(&a->in[0], frame, y, 0))[n];
    return sum;
}

CUDA_INLINE double pixels(const struct cuda_args *a)
{
    return (double)a->like.width * (double)a->like.height;
}

CUDA_INLINE void mean_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    cuda_result_of(a, &i)[i.c] = (float)(total(a, i.frame, i.c) / pixels(a));
}
CUDA_KERNEL(cuda_mean, mean_at)

/* Factors, then terms: x factor + term = (x - mean) / sqrt(var + eps) * weight + bias. */
CUDA_INLINE void group_norm_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->groups);
    const int channels = a->out.channels / 2, size = channels / a->groups, first = i.c * size;
    const double count = pixels(a) * size;
    double sum = 0, squares = 0;
    for (int c = first; c < first + size; c++) {
        sum += total(a, i.frame, c);
        squares += total(a, i.frame, channels + c);
    }
    const double mean = sum / count, rest = squares / count - mean * mean;
    const double scale = 1 / sqrt((rest > 0 ? rest : 0) + (double)a->eps);
    float *out = cuda_result_of(a, &i);
    for (int c = first; c < first + size; c++) {
        const double factor = scale * (double)a->weights[c];
        out[c] = (float)factor;
        out[channels + c] = (float)((double)a->bias[c] - mean * factor);
    }
}
CUDA_KERNEL(cuda_group_norm, group_norm_at)

/* [head][i][j] products q_i k_j, then the squares of q, then those of k. */
CUDA_INLINE void row_gram_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels / 2);
    const struct cuda_map *q = &a->in[0], *k = &a->in[1];
    const int dim = q->channels / a->groups, products = q->channels * dim;
    const struct cuda_map *left = q, *right = k;
    int l = i.c / dim, r = i.c / (dim * dim) * dim + i.c % dim;
    if (i.c >= products) {
        const int c = i.c - products;
        left = right = c < q->channels ? q : k;
        l = r = c % q->channels;
    }
    const float *x = cuda_pixel(left, i.frame, i.y, 0) + l;
    const float *y = cuda_pixel(right, i.frame, i.y, 0) + r;
    double sum = 0;
    for (int n = 0; n < q->width; n++, x += left->stride, y += right->stride)
        sum += (double)*x * (double)*y;
    column_of(a, &i)[i.c] = sum;
}
CUDA_KERNEL(cuda_row_gram, row_gram_at)

CUDA_INLINE double column_norm(const struct cuda_args *a, int frame, int n)
{
    const double norm = sqrt(total(a, frame, n));
    return norm > 1e-12 ? norm : 1e-12;
}

/* Softmax over j of row i, left as column i: cuda_mix wants [j][i]. */
CUDA_INLINE void gram_softmax_at(const struct cuda_args *a, int64_t at)
{
    const int heads = a->groups, area = a->out.channels / heads;
    const int dim = (int)lround(sqrt((double)area));
    const struct cuda_item i = cuda_item_of(a, at, heads * dim);
    const int h = i.c / dim, row = i.c % dim, squares = heads * area;
    float *out = cuda_result_of(a, &i) + (int64_t)h * area + row, most = 0, sum = 0;
    const double qq = column_norm(a, i.frame, squares + h * dim + row);
    for (int j = 0; j < dim; j++) {
        const double kk = column_norm(a, i.frame, squares + heads * dim + h * dim + j);
        const float score = (float)(total(a, i.frame, (h * dim + row) * dim + j) / (qq * kk) *
                                    (double)a->weights[h]);
        most = j == 0 || score > most ? score : most;
        out[(int64_t)j * dim] = score;
    }
    for (int j = 0; j < dim; j++) {
        out[(int64_t)j * dim] = pq_exp(out[(int64_t)j * dim] - most);
        sum += out[(int64_t)j * dim];
    }
    for (int j = 0; j < dim; j++)
        out[(int64_t)j * dim] /= sum;
}
CUDA_KERNEL(cuda_gram_softmax, gram_softmax_at)

CUDA_INLINE void mix_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const int dim = a->out.channels / a->groups, h = i.c / dim;
    const float *in = cuda_input(a, 0, i.frame, i.y, i.x) + h * dim;
    const float *matrix = cuda_input(a, 1, i.frame, i.y, i.x) + (int64_t)h * dim * dim + i.c % dim;
    float sum = 0.0f;
    for (int j = 0; j < dim; j++)
        sum = fmaf(in[j], matrix[(int64_t)j * dim], sum);
    cuda_result_of(a, &i)[i.c] = sum;
}
CUDA_KERNEL(cuda_mix, mix_at)

CUDA_INLINE void copy_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    cuda_result_of(a, &i)[i.c] = cuda_pixel(&a->in[0], i.frame, 0, 0)[i.c];
}
CUDA_KERNEL(cuda_copy, copy_at)
