/* SPDX-License-Identifier: MIT */
/* The convolution of one row, direct.
 *
 * Activations are rows of pixels, each pixel `stride` floats of which the first are its channels.
 * Output channels come in blocks of 16 lanes; a lane is one output channel, so every level sums an
 * output in one and the same order, with one rounding a step:
 *
 *     sum = bias;  for ky, kx, c:  sum = fma(in[ky][x step + kx dilation - left][c], w[ky][kx][c],
 * sum) sum = sum < 0 ? sum * slope : sum out = residual + scale * sum, the product rounded first
 *
 * That order depends on channels and taps alone, never on x, the band, the thread or the level.
 *
 * The input may lie in several parts, whose channels count as if they stood one behind another; so
 * networks that join channels need no copy.
 *
 * Weights are packed in groups of up to PQ_CONV_GROUP blocks, so that one walk through the taps
 * feeds all accumulators of a group:  [group][ky][kx][c][blocks of the group][16]. Lanes past the
 * last output channel are zero and yield zero; their slots in the output row exist. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PQ_CONV_LANES = 16, PQ_CONV_GROUP = 4 };

enum { PQ_CONV_PARTS = 8 };

struct pq_conv_part {
    const float *const *rows; /* kernel_h pointers, each to the pixel x = 0 of an input row, with as
                                 many readable pixels around as the taps reach */
    int stride;               /* floats from one pixel to the next */
    int channels;
    const uint16_t *const *halves; /* instead of rows, or NULL; see winograd16.h */
};

struct pq_conv_args {
    const struct pq_conv_part *parts; /* of the input */
    int part_count;                   /* 1 .. PQ_CONV_PARTS */
    int kernel_h, kernel_w;
    int step, dilation, left; /* across; rows are chosen by the caller */
    int blocks;               /* output channels / 16, rounded up */
    const float *weights;     /* packed, at a multiple of 64 bytes */
    const float *bias;        /* blocks * 16 */
    const float *slopes;      /* blocks * 16, or NULL for no activation */
    const float *residual;    /* pixel x = 0 of the row that is added to, or NULL */
    int residual_stride;      /* floats, at least blocks * 16 */
    float scale;              /* of what is added to it */
    float *out;               /* pixel x = 0 of the output row, at a multiple of 64 bytes */
    int out_stride;           /* floats, a multiple of 16, at least blocks * 16 */
    int x0, x1;               /* pixels to compute */
};

#define PQ_CONV_FN(name) void name(const struct pq_conv_args *a)
typedef PQ_CONV_FN(pq_conv_fn);

pq_conv_fn pq_conv_row_c; /* the reference */

/* The fastest variant of a level (enum pq_cpu_level). */
pq_conv_fn *pq_conv_row(int cpu_level);

/* Taps of a row whose values lie one behind another, as their weights do: all of them, or one. Of a
 * picture with three channels a kernel would else begin anew for every three products. */
static inline int pq_conv_run(const struct pq_conv_args *a)
{
    const bool joined =
        a->part_count == 1 && a->dilation == 1 && a->parts[0].stride == a->parts[0].channels;
    return joined ? a->kernel_w : 1;
}

/* Products in each sum. */
static inline size_t pq_conv_products(const struct pq_conv_args *a)
{
    size_t channels = 0;
    for (int i = 0; i < a->part_count; i++)
        channels += (size_t)a->parts[i].channels;
    return channels * (size_t)(a->kernel_h * a->kernel_w);
}

/* Floats that packed weights take. */
size_t pq_conv_packed_size(int out_channels, int in_channels, int taps);
/* Pack weights [out][in][taps] into packed, which has pq_conv_packed_size() floats. */
void pq_conv_pack(const float *weights, int out_channels, int in_channels, int taps, float *packed);
