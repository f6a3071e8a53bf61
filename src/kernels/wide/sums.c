/* SPDX-License-Identifier: MIT */
/* Sums over the pixels of a row, in double and in the order of pixels, for statistics of a whole
 * picture; and what is done with those of channel attention. The product of two floats is exact in
 * double, so each step rounds once. */
#include "kernels/wide/doubles.h"
#include "kernels/wide/functions.h"

/* Sums of a gram matrix that stay in registers over a row: ROWS x BLOCKS x DOUBLES. */
#if defined(__AVX512F__)
enum { ROWS = 4, BLOCKS = 4 };
#elif defined(__AVX2__) || defined(PQ_WIDE_NEON)
enum { ROWS = 4, BLOCKS = 1 };
#else
enum { ROWS = 1, BLOCKS = 1 };
#endif

void PQ_WIDE(row_sums)(const float *in, int in_stride, int width, int channels, double *sums,
                       double *squares)
{
    for (int x = 0; x < width; x++, in += in_stride) {
        for (int c = 0; c < channels; c++)
            sums[c] += (double)in[c];
        for (int c = 0; squares && c < channels; c++)
            squares[c] += (double)in[c] * (double)in[c];
    }
}

struct gram {
    const float *q, *k; /* of one head */
    int q_stride, k_stride, width, dim;
    double *out; /* [dim][dim] */
};

/* Rows i .. i+rows-1, columns j .. j+n-1 with n <= blocks DOUBLES. */
LANES_INLINE void gram_tile(const struct gram *g, int i, int j, int n, const int rows,
                            const int blocks)
{
    struct doubles sum[ROWS * BLOCKS];
    UNROLLED_FOR (s, rows * blocks)
        sum[s] = doubles_set(0.0f);
    const float *q = g->q + i, *k = g->k + j;
    for (int x = 0; x < g->width; x++, q += g->q_stride, k += g->k_stride) {
        struct doubles keys[BLOCKS];
        UNROLLED_FOR (b, blocks)
            keys[b] = doubles_load(k + b * DOUBLES, n - b * DOUBLES);
        UNROLLED_FOR (r, rows) {
            const struct doubles value = doubles_set(q[r]);
            UNROLLED_FOR (b, blocks)
                sum[r * blocks + b] = doubles_add_product(value, keys[b], sum[r * blocks + b]);
        }
    }
    UNROLLED_FOR (r, rows) {
        UNROLLED_FOR (b, blocks)
            doubles_store(g->out + (ptrdiff_t)(i + r) * g->dim + j + b * DOUBLES, n - b * DOUBLES,
                          sum[r * blocks + b]);
    }
}

static void gram_of_head(const struct gram *g)
{
    enum { COLUMNS = BLOCKS * DOUBLES };
    for (int j = 0; j < g->dim; j += COLUMNS) {
        const int n = g->dim - j < COLUMNS ? g->dim - j : COLUMNS;
        int i = 0;
        if (n > (BLOCKS - 1) * DOUBLES) {
            for (; i + ROWS <= g->dim; i += ROWS)
                gram_tile(g, i, j, n, ROWS, BLOCKS);
        }
        for (; i < g->dim; i++) {
            for (int at = 0; at < n; at += DOUBLES)
                gram_tile(g, i, j + at, n - at < DOUBLES ? n - at : DOUBLES, 1, 1);
        }
    }
}

void PQ_WIDE(row_gram)(const float *q, int q_stride, const float *k, int k_stride, int width,
                       int heads, int dim, double *gram, double *qq, double *kk)
{
    const int channels = heads * dim;
    for (int c = 0; c < channels; c++)
        qq[c] = kk[c] = 0.0;
    for (int x = 0; x < width; x++) {
        const float *q_pixel = q + (ptrdiff_t)x * q_stride, *k_pixel = k + (ptrdiff_t)x * k_stride;
        for (int c = 0; c < channels; c++) {
            qq[c] += (double)q_pixel[c] * (double)q_pixel[c];
            kk[c] += (double)k_pixel[c] * (double)k_pixel[c];
        }
    }
    for (int h = 0; h < heads; h++)
        gram_of_head(&(struct gram){.q = q + h * dim,
                                    .k = k + h * dim,
                                    .q_stride = q_stride,
                                    .k_stride = k_stride,
                                    .width = width,
                                    .dim = dim,
                                    .out = gram + (ptrdiff_t)h * dim * dim});
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
