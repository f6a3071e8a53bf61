/* SPDX-License-Identifier: MIT */
/* Attention among the channels of a window. The matrix is kept as [j][i], so that a lane is an
 * output channel i throughout; every sum, that of the softmax too, is in the order of tokens or of
 * channels. */
#include <math.h>

#include "kernels/curve.h"
#include "kernels/wide/functions.h"

/* 1e-12 or the norm of each channel over the tokens, whichever is larger. */
static void norms(const float *in, int stride, int tokens, int dim, float *norm)
{
    for (int c = 0; c < dim; c++)
        norm[c] = 0.0f;
    for (int t = 0; t < tokens; t++, in += stride) {
        for (int c = 0; c < dim; c++)
            norm[c] = fmaf(in[c], in[c], norm[c]);
    }
    for (int c = 0; c < dim; c++) {
        float n = sqrtf(norm[c]);
        norm[c] = n < 1e-12f ? 1e-12f : n;
    }
}

/* matrix[j][i] = softmax over j of temperature matrix[j][i] / (q_norm[i] k_norm[j]) */
static void softmax_down(const struct pq_channel_attention_args *a, const float *q_norm,
                         const float *k_norm, float *matrix, float *most, float *sum)
{
    const int dim = a->dim;
    for (int i = 0; i < dim; i++) {
        most[i] = -INFINITY;
        sum[i] = 0.0f;
    }
    float *row = matrix;
    for (int j = 0; j < dim; j++, row += dim) {
        for (int i = 0; i < dim; i++) {
            row[i] = a->temperature * ((row[i] / q_norm[i]) / k_norm[j]);
            most[i] = row[i] > most[i] ? row[i] : most[i]; /* NaN shows in the sum */
        }
    }
    row = matrix;
    for (int j = 0; j < dim; j++, row += dim) {
        for (int i = 0; i < dim; i++) {
            row[i] = pq_exp(row[i] - most[i]);
            sum[i] += row[i];
        }
    }
    row = matrix;
    for (int j = 0; j < dim; j++, row += dim) {
        for (int i = 0; i < dim; i++)
            row[i] = row[i] / sum[i];
    }
}

void PQ_WIDE(channel_attention)(const struct pq_channel_attention_args *a)
{
    const int dim = a->dim;
    float *matrix = a->scratch, *q_norm = matrix + (ptrdiff_t)dim * dim;
    float *k_norm = q_norm + dim, *most = k_norm + dim, *sum = most + dim;
    norms(a->q, a->q_stride, a->tokens, dim, q_norm);
    norms(a->k, a->k_stride, a->tokens, dim, k_norm);
    PQ_WIDE(product)
    (&(struct pq_product){.rows = dim,
                          .steps = a->tokens,
                          .columns = dim,
                          .a = a->k,
                          .a_row = 1,
                          .a_step = a->k_stride,
                          .b = a->q,
                          .b_step = a->q_stride,
                          .out = matrix,
                          .out_row = dim});
    softmax_down(a, q_norm, k_norm, matrix, most, sum);
    PQ_WIDE(product)
    (&(struct pq_product){.rows = a->tokens,
                          .steps = dim,
                          .columns = dim,
                          .a = a->v,
                          .a_row = a->v_stride,
                          .a_step = 1,
                          .b = matrix,
                          .b_step = dim,
                          .out = a->out,
                          .out_row = a->out_stride});
}
