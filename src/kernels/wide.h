/* SPDX-License-Identifier: MIT */
/* Kernels that are one source at every level, compiled once for each instruction set: plain loops
 * that the compiler vectorises, and lanes (wide/lanes.h) where sums have to stay in registers. They
 * write each step as they want it rounded (explicit fma, sums over lanes as PQ_WIDE_LANES partial
 * sums that are added in one fixed order), so all levels give the same bits.
 *
 * Strides are floats from one pixel (or token) to the next; widths are pixels. Nothing is read or
 * written beyond `channels` of a pixel. No function allocates or fails. out may be in, but where it
 * is said otherwise.
 *
 * exp, erf and tanh are ours (kernels/curve.h). */
#pragma once

#include <stddef.h>

#include "kernels/winograd.h"
#include "tensor/range.h"

enum { PQ_WIDE_LANES = 16 };

/* One value in, one out, on all channels of a row. */
#define PQ_CURVE_FN(name)                                                                          \
    void name(const float *in, int in_stride, int width, int channels, float *out, int out_stride)
typedef PQ_CURVE_FN(pq_curve_fn);

/* Values to the nearest that a 16-bit type can hold, ties to even; NaN stays. */
#define PQ_ROUND_FN(name) void name(float *values, size_t count)
typedef PQ_ROUND_FN(pq_round_fn);

/* A convolution of each channel with itself (groups = channels):
 *     sum = bias;  for ky, kx:  sum = fma(in[ky][x step + kx dilation - left], w[ky][kx], sum) */
struct pq_depthwise_args {
    const float *const *rows; /* kernel_h pointers, each to the pixel x = 0 of an input row, with
                                 as many readable pixels around as the taps reach */
    int in_stride;
    int kernel_h, kernel_w;
    int step, dilation, left; /* across; rows are chosen by the caller */
    int channels;
    const float *weights; /* [kernel_h][kernel_w][channels] */
    const float *bias;    /* [channels] */
    float *out;           /* pixel x = 0 of the output row; not in */
    int out_stride;
    int x0, x1; /* pixels to compute */
};

/* The largest, or the mean, of a window; the mean divides by the number of taps. */
struct pq_pool_args {
    const float *const *rows; /* kernel_h pointers, as above; a NULL row lies outside of the picture
                                 and does not count for the largest, and as zero for the mean */
    int in_stride, in_width;  /* columns outside of 0 .. in_width-1 are outside likewise */
    int kernel_h, kernel_w, step, left;
    int channels;
    float *out;
    int out_stride, out_width;
};

/* Softmax attention of one head over the tokens of one window:
 *     s[i][j] = sum over c of (scale q[i][c]) k[j][c] + bias[i][j]
 *     out[i] = sum over j of exp(s[i][j] - max s[i]) v[j] / sum over j of exp(s[i][j] - max s[i])
 */
struct pq_attention_args {
    int queries, keys, dim; /* tokens, tokens, channels of the head */
    const float *q, *k, *v;
    int q_stride, k_stride, v_stride;
    float scale;
    const float *bias; /* [queries][keys], or NULL */
    float *out;        /* not q, k or v */
    int out_stride;
    float *scratch; /* pq_attention_scratch(), best at a multiple of 64 bytes */
};
enum { PQ_ATTENTION_QUERIES = 8 }; /* that are worked on at a time */
static inline size_t pq_attention_scratch(int queries, int keys, int dim)
{
    (void)queries;
    size_t lanes = ((size_t)keys + PQ_WIDE_LANES - 1) / PQ_WIDE_LANES * PQ_WIDE_LANES;
    return lanes * ((size_t)dim + PQ_ATTENTION_QUERIES) + (size_t)dim * PQ_ATTENTION_QUERIES;
}

/* Attention among the channels of one head over the tokens of one window:
 *     q, k divided by max(their norm over the tokens, 1e-12)
 *     a[i][j] = softmax over j of temperature sum over t of q[t][i] k[t][j]
 *     out[t][i] = sum over j of a[i][j] v[t][j] */
struct pq_channel_attention_args {
    int tokens, dim;
    const float *q, *k, *v;
    int q_stride, k_stride, v_stride;
    float temperature;
    float *out; /* not q, k or v */
    int out_stride;
    float *scratch; /* pq_channel_attention_scratch() */
};
static inline size_t pq_channel_attention_scratch(int dim)
{
    return (size_t)dim * ((size_t)dim + 4);
}

/* out[r][n] = sum over s, in order from 0, each step fma(a[r][s], b[s][n], sum). Rows of a are
 * a_row floats apart and its steps a_step; those of b b_step; columns of b and out are neighbours.
 */
struct pq_product {
    int rows, steps, columns;
    const float *a;
    ptrdiff_t a_row, a_step;
    const float *b;
    ptrdiff_t b_step;
    float *out; /* neither a nor b */
    ptrdiff_t out_row;
};

struct pq_wide {
    pq_curve_fn *sigmoid;   /* 1 / (1 + exp(-x)) */
    pq_curve_fn *silu;      /* x sigmoid(x) */
    pq_curve_fn *gelu;      /* x/2 (1 + erf(x / sqrt 2)) */
    pq_curve_fn *gelu_tanh; /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    pq_curve_fn *mish;      /* x tanh(log(1 + exp(x))) */
    pq_curve_fn *tanh;
    pq_curve_fn *softplus; /* log(1 + exp(x)), x where x > 20 */

    void (*depthwise)(const struct pq_depthwise_args *a);
    void (*max_pool)(const struct pq_pool_args *a);
    void (*mean_pool)(const struct pq_pool_args *a);

    /* Each pixel to mean 0 and variance 1 over its channels, then times gamma plus beta. */
    void (*layer_norm)(const float *in, int in_stride, int width, int channels, const float *gamma,
                       const float *beta, float eps, float *out, int out_stride);
    /* Each pixel divided by sqrt(mean of squares over channels + eps), times gamma plus beta. */
    void (*rms_norm)(const float *in, int in_stride, int width, int channels, const float *gamma,
                     const float *beta, float eps, float *out, int out_stride);

    /* To sums[c] and, where not NULL, squares[c]: over the pixels of a row, from the left, in
     * double. */
    void (*row_sums)(const float *in, int in_stride, int width, int channels, double *sums,
                     double *squares);
    /* gram[h][i][j] = sum over x of q[x][h dim + i] k[x][h dim + j], in double; qq and kk, [heads x
     * dim], are the sums of squares. All are written, not added to. */
    void (*row_gram)(const float *q, int q_stride, const float *k, int k_stride, int width,
                     int heads, int dim, double *gram, double *qq, double *kk);
    /* out[h dim + i] = sum over j of matrix[h][j][i] in[h dim + j]; out is not in. */
    void (*mix)(const float *in, int in_stride, int width, int heads, int dim, const float *matrix,
                float *out, int out_stride);

    void (*product)(const struct pq_product *p);
    void (*attention)(const struct pq_attention_args *a);
    void (*channel_attention)(const struct pq_channel_attention_args *a);

    pq_round_fn *round_f16; /* from 65520 on infinite */
    pq_round_fn *round_bf16;

    /* The nearest half (tensor/f16.h) of each value. out: neither in nor a part of it. */
    void (*halves)(const float *values, size_t count, uint16_t *out);
    /* The value of each half. out: neither in nor a part of it. */
    void (*floats)(const uint16_t *halves, size_t count, float *out);

    /* The samples (kernels/samples.h) of each value. out: neither in nor a part of it. */
    void (*samples8)(const float *values, size_t count, uint8_t *out);
    void (*samples16)(const float *values, size_t count, uint16_t *out);
    /* Widen what was seen of each channel by so many pixels, which have no gaps. */
    void (*look)(const float *in, int pixels, int channels, struct pq_range *range);

    pq_winograd_fn *winograd;   /* kernels/winograd.h */
    pq_winograd_fn *winograd16; /* kernels/winograd16.h, which chooses among more levels */

    /* Multiply-adds in registers alone, so many rounds of them: how many additions and
     * multiplications that was. What the level could do at most is that by its time. */
    double (*peak)(long rounds);
};

/* That of a level (enum pq_cpu_level); pq_wide_c is the reference. */
extern const struct pq_wide pq_wide_c;
const struct pq_wide *pq_wide(int cpu_level);
