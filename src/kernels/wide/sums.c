/* SPDX-License-Identifier: MIT */
/* Sums over the pixels of a row, in double and in the order of pixels, for statistics of a whole
 * picture; and what is done with those of channel attention. The product of two floats is exact in
 * double, so each step rounds once. */
#include "kernels/wide/functions.h"

void PQ_WIDE(row_sums)(const float *in, int in_stride, int width, int channels, double *sums,
                       double *squares)
{
    for (int c = 0; c < channels; c++)
        sums[c] = 0.0;
    for (int c = 0; squares && c < channels; c++)
        squares[c] = 0.0;
    for (int x = 0; x < width; x++, in += in_stride) {
        for (int c = 0; c < channels; c++)
            sums[c] += (double)in[c];
        for (int c = 0; squares && c < channels; c++)
            squares[c] += (double)in[c] * (double)in[c];
    }
}

void PQ_WIDE(row_gram)(const float *q, int q_stride, const float *k, int k_stride, int width,
                       int heads, int dim, double *gram, double *qq, double *kk)
{
    const int channels = heads * dim;
    for (ptrdiff_t i = 0; i < (ptrdiff_t)channels * dim; i++)
        gram[i] = 0.0;
    for (int c = 0; c < channels; c++)
        qq[c] = kk[c] = 0.0;
    for (int x = 0; x < width; x++, q += q_stride, k += k_stride) {
        for (int c = 0; c < channels; c++) {
            qq[c] += (double)q[c] * (double)q[c];
            kk[c] += (double)k[c] * (double)k[c];
        }
        double *row = gram;
        for (int c = 0; c < channels; c++, row += dim) {
            const float *keys = k + c / dim * dim;
            for (int j = 0; j < dim; j++)
                row[j] += (double)q[c] * (double)keys[j];
        }
    }
}

void PQ_WIDE(mix)(const float *in, int in_stride, int width, int heads, int dim,
                  const float *matrix, float *out, int out_stride)
{
    for (int h = 0; h < heads; h++) {
        PQ_WIDE(product)
        (&(struct pq_product){.rows = width,
                              .steps = dim,
                              .columns = dim,
                              .a = in + h * dim,
                              .a_row = in_stride,
                              .a_step = 1,
                              .b = matrix + (ptrdiff_t)h * dim * dim,
                              .b_step = dim,
                              .out = out + h * dim,
                              .out_row = out_stride});
    }
}
