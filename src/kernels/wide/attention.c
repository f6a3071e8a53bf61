/* SPDX-License-Identifier: MIT */
/* Attention among the tokens of a window. Keys are turned once, so that a lane is a key where
 * scores are summed; where values are, a lane is a channel. The one sum over lanes is that of the
 * exponentials: PQ_WIDE_LANES partial sums, lane j takes keys j, j + 16, ..., added as lanes_sum()
 * does. */
#include <math.h>

#include "kernels/curve.h"
#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"

enum { QUERIES = PQ_ATTENTION_QUERIES }; /* that are worked on at a time */

/* [token][channel] -> [channel][key], zero past the last key. */
static void turn_keys(const struct pq_attention_args *a, int lanes, float *turned)
{
    for (int c = 0; c < a->dim; c++) {
        for (int j = a->keys; j < lanes; j++)
            turned[(ptrdiff_t)c * lanes + j] = 0.0f;
    }
    for (int j = 0; j < a->keys; j++) {
        const float *k = a->k + (ptrdiff_t)j * a->k_stride;
        for (int c = 0; c < a->dim; c++)
            turned[(ptrdiff_t)c * lanes + j] = k[c];
    }
}

/* scores -> exp(scores - largest), zero past the last key; their sum. */
static float softmax_row(float *scores, const float *bias, int keys, int lanes)
{
    const int whole = keys / LANES * LANES;
    const struct lanes_mask rest = lanes_first(keys - whole);
    struct lanes most = lanes_set(-INFINITY);
    for (int j = 0; j < whole; j += LANES) {
        struct lanes s = lanes_load(scores + j);
        if (bias) {
            s = lanes_add(s, lanes_load(bias + j));
            lanes_store(scores + j, s);
        }
        most = lanes_larger(s, most);
    }
    float largest = lanes_most(most);
    for (int j = whole; j < keys; j++) {
        if (bias)
            scores[j] += bias[j];
        largest = scores[j] > largest || scores[j] != scores[j] ? scores[j] : largest;
    }
    struct lanes sum = lanes_set(0.0f);
    for (int j = 0; j < lanes; j += LANES) {
        float e[LANES];
        for (int i = 0; i < LANES; i++)
            e[i] = pq_exp(scores[j + i] - largest);
        struct lanes v = lanes_load(e);
        if (j == whole)
            v = lanes_keep(rest, v);
        lanes_store(scores + j, v);
        sum = lanes_add(sum, v);
    }
    return lanes_sum(sum);
}

/* Some queries from i0 on. q: scaled, [queries][dim]; scores: [queries][lanes]. */
static void attend(const struct pq_attention_args *a, int i0, int count, int lanes,
                   const float *turned, float *q, float *scores)
{
    for (int i = 0; i < count; i++) {
        const float *from = a->q + (ptrdiff_t)(i0 + i) * a->q_stride;
        for (int c = 0; c < a->dim; c++)
            q[i * a->dim + c] = a->scale * from[c];
    }
    PQ_WIDE(product)
    (&(struct pq_product){.rows = count,
                          .steps = a->dim,
                          .columns = lanes,
                          .a = q,
                          .a_row = a->dim,
                          .a_step = 1,
                          .b = turned,
                          .b_step = lanes,
                          .out = scores,
                          .out_row = lanes});
    float sums[QUERIES];
    for (int i = 0; i < count; i++) {
        const float *bias = a->bias ? a->bias + (ptrdiff_t)(i0 + i) * a->keys : NULL;
        sums[i] = softmax_row(scores + (ptrdiff_t)i * lanes, bias, a->keys, lanes);
    }
    float *out = a->out + (ptrdiff_t)i0 * a->out_stride;
    PQ_WIDE(product)
    (&(struct pq_product){.rows = count,
                          .steps = a->keys,
                          .columns = a->dim,
                          .a = scores,
                          .a_row = lanes,
                          .a_step = 1,
                          .b = a->v,
                          .b_step = a->v_stride,
                          .out = out,
                          .out_row = a->out_stride});
    for (int i = 0; i < count; i++, out += a->out_stride) {
        for (int c = 0; c < a->dim; c++)
            out[c] = out[c] / sums[i];
    }
}

void PQ_WIDE(attention)(const struct pq_attention_args *a)
{
    const int lanes = (a->keys + LANES - 1) / LANES * LANES;
    float *turned = a->scratch;
    float *scores = turned + (ptrdiff_t)lanes * a->dim;
    float *q = scores + (ptrdiff_t)lanes * QUERIES;
    turn_keys(a, lanes, turned);
    for (int i = 0; i < a->queries; i += QUERIES) {
        int left = a->queries - i;
        attend(a, i, left < QUERIES ? left : QUERIES, lanes, turned, q, scores);
    }
}
