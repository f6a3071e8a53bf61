/* SPDX-License-Identifier: MIT */
/* Attention, direct: the reference of the device, for windows and runs of every shape. Inputs are
 * queries, keys and values; a head has out.channels / heads channels.
 *
 *     cuda_attention         a head of a pixel: heads items a pixel; weights, where there is a
 *                            table of biases, are [heads][table_rows]
 *     cuda_run_attention     a head of a pixel; `multiple` is the run
 *     cuda_channel_matrix    a column of the matrix of a window and head: cuda_channel_items();
 *                            scratch as cuda_channel_scratch() says
 *     cuda_channel_apply     a value, from what cuda_channel_matrix left for the same rows
 *
 * Scores are computed twice, once to find the largest, once for their exponentials, so that nothing
 * is kept of a key; the values are added up in the result. The one sum that is split is that of the
 * exponentials: 16 partial sums, the i-th of keys i, i + 16, ... */
#include <math.h>
#include <stddef.h>

#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/kernels/lanes.h"
#include "backend/cuda/kernels/windows.h"
#include "kernels/curve.h"

/* ---- a query ---- */

/* One head of one pixel, on its way through its keys. */
struct cuda_query {
    const float *q;
    float *out;
    int frame, channel, dim; /* of the map; the first of the head; of the head */
    float largest;           /* score */
};

CUDA_INLINE struct cuda_query query_of(const struct cuda_args *a, const struct cuda_item *i)
{
    struct cuda_query q;
    q.frame = i->frame;
    q.dim = cuda_head_size(a);
    q.channel = i->c * q.dim;
    q.q = cuda_pixel(&a->in[0], i->frame, i->y, i->x) + q.channel;
    q.out = cuda_result_of(a, i) + q.channel;
    q.largest = -INFINITY;
    for (int c = 0; c < q.dim; c++)
        q.out[c] = 0.0f;
    return q;
}

/* Pixel (x, y) of the keys or values; NULL: outside of the picture, where there are zeros. */
CUDA_INLINE const float *token_at(const struct cuda_args *a, const struct cuda_query *q, int k,
                                  int64_t y, int64_t x)
{
    const struct cuda_map *in = &a->in[k];
    const bool inside = y >= 0 && x >= 0 && y < in->height && x < in->width;
    return inside ? cuda_pixel(in, q->frame, y, x) + q->channel : NULL;
}

/* bias: NULL where there is none. */
CUDA_INLINE float score_of(const struct cuda_args *a, const struct cuda_query *q, const float *key,
                           const float *bias)
{
    float score = 0.0f;
    for (int c = 0; c < q->dim; c++)
        score = fmaf(a->attention.scale * q->q[c], key ? key[c] : 0.0f, score);
    return bias ? score + *bias : score;
}

/* NaN stays. */
CUDA_INLINE void compare_score(struct cuda_query *q, float score)
{
    q->largest = score > q->largest || score != score ? score : q->largest;
}

/* What key j contributes to the result and to the sum of exponentials. */
CUDA_INLINE void add_value(const struct cuda_query *q, int j, float score, const float *value,
                           struct cuda_lanes *sum)
{
    const float e = pq_exp(score - q->largest);
    sum->v[j % CUDA_LANES] += e;
    for (int c = 0; c < q->dim; c++)
        q->out[c] = fmaf(e, value ? value[c] : 0.0f, q->out[c]);
}

CUDA_INLINE void divide_by_sum(const struct cuda_query *q, struct cuda_lanes *sum)
{
    const float by = cuda_lanes_sum(sum);
    for (int c = 0; c < q->dim; c++)
        q->out[c] = q->out[c] / by;
}

/* ---- in windows ---- */

/* One axis of a window of keys: tokens t = 0 .. count-1 are the pixels first + t step, and stand at
 * place place + t of the full window. */
struct cuda_span {
    int64_t first, step;
    int count, place;
};

/* Window n, with what it reaches over that of the queries. */
CUDA_INLINE struct cuda_span span_of(const struct cuda_args *a, bool hor, int64_t n)
{
    const struct pq_attention *w = &a->attention;
    const int64_t extent = hor ? a->out.width : a->out.height;
    const int size = hor ? a->key_width : a->key_height;
    const int reach = ((hor ? w->key_width : w->key_height) - size) / 2;
    struct cuda_span s;
    if (w->grid) {
        s.first = n;
        s.step = extent / size;
        s.count = size;
        s.place = 0;
        return s;
    }
    const int64_t begin = (hor ? a->key_shift_x : a->key_shift_y) + n * size - reach;
    int64_t first = begin, end = begin + size + 2 * reach;
    if (!reach) {
        const int64_t padded =
            w->multiple ? pq_ceil_div(extent, w->multiple) * w->multiple : extent;
        const int64_t last = padded / (w->fold > 1 ? w->fold : 1);
        first = first > 0 ? first : 0;
        end = end < last ? end : last;
    }
    s.first = first;
    s.step = 1;
    s.count = (int)(end - first);
    s.place = (int)(first - begin);
    return s;
}

/* The keys of a query, and their biases. */
struct cuda_keys {
    struct cuda_span y, x;
    const int32_t *index; /* [key_height][key_width]; NULL: no biases */
    const float *table;   /* of the head */
};

/* Where the query at `at` of an axis stands in its window. */
CUDA_INLINE int64_t place_of(const struct cuda_args *a, bool hor, int64_t at)
{
    const struct pq_attention *w = &a->attention;
    if (w->grid)
        return hor ? at / (a->out.width / w->width) : at / (a->out.height / w->height);
    return hor ? pq_floor_mod(at - w->shift_x, w->width) : pq_floor_mod(at - w->shift_y, w->height);
}

CUDA_INLINE struct cuda_keys keys_of(const struct cuda_args *a, const struct cuda_item *i)
{
    const struct pq_attention *w = &a->attention;
    struct cuda_keys k;
    k.y = span_of(a, false, cuda_window_of(a, false, i->y));
    k.x = span_of(a, true, cuda_window_of(a, true, i->x));
    k.index = NULL;
    k.table = NULL;
    if (a->index) {
        const int64_t query = place_of(a, false, i->y) * w->width + place_of(a, true, i->x);
        k.index = a->index + query * w->key_height * w->key_width;
        k.table = a->weights + i->c * a->table_rows;
    }
    return k;
}

/* All keys in order: without a sum scores are compared, with one values are added. */
CUDA_INLINE void over_keys(const struct cuda_args *a, const struct cuda_keys *k,
                           struct cuda_query *q, struct cuda_lanes *sum)
{
    for (int ty = 0; ty < k->y.count; ty++) {
        const int64_t y = k->y.first + ty * k->y.step;
        const int32_t *index = k->index;
        if (index)
            index += (k->y.place + ty) * a->attention.key_width + k->x.place;
        for (int tx = 0; tx < k->x.count; tx++) {
            const int64_t x = k->x.first + tx * k->x.step;
            const float *bias = index ? k->table + index[tx] : NULL;
            const float score = score_of(a, q, token_at(a, q, 1, y, x), bias);
            if (sum)
                add_value(q, ty * k->x.count + tx, score, token_at(a, q, 2, y, x), sum);
            else
                compare_score(q, score);
        }
    }
}

CUDA_INLINE void attention_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->attention.heads);
    const struct cuda_keys k = keys_of(a, &i);
    struct cuda_query q = query_of(a, &i);
    struct cuda_lanes sum = cuda_lanes_zero();
    over_keys(a, &k, &q, NULL);
    over_keys(a, &k, &q, &sum);
    divide_by_sum(&q, &sum);
}
CUDA_KERNEL(cuda_attention, attention_at)

/* ---- in runs ---- */

/* The keys of a run in order, as above. Pixels are counted row by row; behind the last one of all
 * they come back. */
CUDA_INLINE void over_run(const struct cuda_args *a, int64_t first, int run, struct cuda_query *q,
                          struct cuda_lanes *sum)
{
    const int64_t width = a->out.width, all = width * a->out.height;
    for (int j = 0; j < run; j++) {
        const int64_t n = first + j < all ? first + j : 2 * all - 1 - (first + j);
        const int64_t y = n / width, x = n % width;
        const float score = score_of(a, q, token_at(a, q, 1, y, x), NULL);
        if (sum)
            add_value(q, j, score, token_at(a, q, 2, y, x), sum);
        else
            compare_score(q, score);
    }
}

CUDA_INLINE void run_attention_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->attention.heads);
    const int64_t all = (int64_t)a->out.width * a->out.height;
    const int run = (int)(a->multiple < all ? a->multiple : all);
    const int64_t first = (i.y * a->out.width + i.x) / run * run;
    struct cuda_query q = query_of(a, &i);
    struct cuda_lanes sum = cuda_lanes_zero();
    over_run(a, first, run, &q, NULL);
    over_run(a, first, run, &q, &sum);
    divide_by_sum(&q, &sum);
}
CUDA_KERNEL(cuda_run_attention, run_attention_at)

/* ---- among channels ---- */

/* The matrix [j][i] of window (wx, wy), which are counted from the first of the launch. */
CUDA_INLINE float *matrix_of(const struct cuda_args *a, int frame, int64_t wy, int64_t wx, int head)
{
    const int64_t dim = cuda_head_size(a);
    int64_t n = (frame * cuda_windows(a, false) + wy) * cuda_windows(a, true) + wx;
    n = n * a->attention.heads + head;
    return a->scratch + n * dim * dim;
}

/* The tokens of a window: those of channel attention are the same pixels of all inputs. */
struct cuda_tokens {
    struct cuda_span y, x;
    int frame;
};

/* Sums over the tokens: channel i of the map `left` times channel j of `right`, and its square. */
CUDA_INLINE float over_tokens(const struct cuda_tokens *t, const struct cuda_map *left, int i,
                              const struct cuda_map *right, int j, float *squares)
{
    float products = 0.0f;
    *squares = 0.0f;
    for (int ty = 0; ty < t->y.count; ty++) {
        const int64_t y = t->y.first + ty * t->y.step;
        const float *l = cuda_pixel(left, t->frame, y, t->x.first) + i;
        const float *r = cuda_pixel(right, t->frame, y, t->x.first) + j;
        for (int tx = 0; tx < t->x.count; tx++) {
            products = fmaf(*r, *l, products);
            *squares = fmaf(*r, *r, *squares);
            l += t->x.step * left->stride;
            r += t->x.step * right->stride;
        }
    }
    return products;
}

CUDA_INLINE float norm_of_squares(float squares)
{
    const float norm = sqrtf(squares);
    return norm < 1e-12f ? 1e-12f : norm;
}

/* exp(column - most), divided by their sum */
CUDA_INLINE void softmax_column(float *column, int dim, float most)
{
    float sum = 0.0f;
    for (int64_t j = 0; j < dim; j++) {
        column[j * dim] = pq_exp(column[j * dim] - most);
        sum += column[j * dim];
    }
    for (int64_t j = 0; j < dim; j++)
        column[j * dim] = column[j * dim] / sum;
}

/* Channel i of the queries with all channels j of the keys. */
CUDA_INLINE void matrix_column(const struct cuda_args *a, const struct cuda_tokens *t, int head,
                               int i, float *column)
{
    const struct cuda_map *q = &a->in[0], *k = &a->in[1];
    const int dim = cuda_head_size(a), first = head * dim;
    float squares, most = -INFINITY;
    over_tokens(t, q, first + i, q, first + i, &squares);
    const float q_norm = norm_of_squares(squares);
    for (int j = 0; j < dim; j++) {
        const float product = over_tokens(t, q, first + i, k, first + j, &squares);
        const float score = a->weights[head] * ((product / q_norm) / norm_of_squares(squares));
        most = score > most ? score : most; /* NaN shows in the sum */
        column[(int64_t)j * dim] = score;
    }
    softmax_column(column, dim, most);
}

CUDA_INLINE void channel_matrix_at(const struct cuda_args *a, int64_t at)
{
    const int64_t high = cuda_windows(a, false), wide = cuda_windows(a, true);
    const int dim = cuda_head_size(a), c = (int)(at % a->out.channels);
    const int64_t window = at / a->out.channels, wy = window / wide % high, wx = window % wide;
    struct cuda_tokens t;
    t.frame = (int)(window / wide / high);
    t.y = span_of(a, false, cuda_first_window(a, false) + wy);
    t.x = span_of(a, true, cuda_first_window(a, true) + wx);
    matrix_column(a, &t, c / dim, c % dim, matrix_of(a, t.frame, wy, wx, c / dim) + c % dim);
}
CUDA_KERNEL(cuda_channel_matrix, channel_matrix_at)

CUDA_INLINE void channel_apply_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const int dim = cuda_head_size(a), head = i.c / dim;
    const int64_t wy = cuda_window_of(a, false, i.y) - cuda_first_window(a, false);
    const int64_t wx = cuda_window_of(a, true, i.x) - cuda_first_window(a, true);
    const float *matrix = matrix_of(a, i.frame, wy, wx, head) + i.c % dim;
    const float *v = cuda_pixel(&a->in[2], i.frame, i.y, i.x) + head * dim;
    float sum = 0.0f;
    for (int j = 0; j < dim; j++)
        sum = fmaf(v[j], matrix[(int64_t)j * dim], sum);
    cuda_result_of(a, &i)[i.c] = sum;
}
CUDA_KERNEL(cuda_channel_apply, channel_apply_at)
