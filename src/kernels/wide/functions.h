/* SPDX-License-Identifier: MIT */
/* What the files of this folder offer to table.c, under names that tell the level. Each file is
 * compiled once for each level, with PQ_WIDE_TABLE the name of that level's table. */
#pragma once

#include "kernels/wide.h"

#ifndef PQ_WIDE_TABLE
#define PQ_WIDE_TABLE pq_wide_c
#endif
#define PQ_WIDE_JOIN_(table, name) table##_##name
#define PQ_WIDE_JOIN(table, name)  PQ_WIDE_JOIN_(table, name)
/* depthwise -> pq_wide_avx2_depthwise */
#define PQ_WIDE(name) PQ_WIDE_JOIN(PQ_WIDE_TABLE, name)

extern const struct pq_wide PQ_WIDE_TABLE;

pq_curve_fn PQ_WIDE(sigmoid), PQ_WIDE(silu), PQ_WIDE(gelu), PQ_WIDE(gelu_tanh), PQ_WIDE(mish),
    PQ_WIDE(tanh), PQ_WIDE(softplus);

void PQ_WIDE(depthwise)(const struct pq_depthwise_args *a);
void PQ_WIDE(max_pool)(const struct pq_pool_args *a);
void PQ_WIDE(mean_pool)(const struct pq_pool_args *a);

void PQ_WIDE(layer_norm)(const float *in, int in_stride, int width, int channels,
                         const float *gamma, const float *beta, float eps, float *out,
                         int out_stride);
void PQ_WIDE(rms_norm)(const float *in, int in_stride, int width, int channels, const float *gamma,
                       const float *beta, float eps, float *out, int out_stride);

void PQ_WIDE(row_sums)(const float *in, int in_stride, int width, int channels, double *sums,
                       double *squares);
void PQ_WIDE(row_gram)(const float *q, int q_stride, const float *k, int k_stride, int width,
                       int heads, int dim, double *gram, double *qq, double *kk);
void PQ_WIDE(mix)(const float *in, int in_stride, int width, int heads, int dim,
                  const float *matrix, float *out, int out_stride);

void PQ_WIDE(attention)(const struct pq_attention_args *a);
void PQ_WIDE(channel_attention)(const struct pq_channel_attention_args *a);

pq_round_fn PQ_WIDE(round_f16), PQ_WIDE(round_bf16);
void PQ_WIDE(halves)(const float *values, size_t count, uint16_t *out);
void PQ_WIDE(floats)(const uint16_t *halves, size_t count, float *out);

void PQ_WIDE(samples8)(const float *values, size_t count, uint8_t *out);
void PQ_WIDE(samples16)(const float *values, size_t count, uint16_t *out);
void PQ_WIDE(look)(const float *in, int pixels, int channels, struct pq_range *range);

void PQ_WIDE(product)(const struct pq_product *p);

double PQ_WIDE(peak)(long rounds);

pq_winograd_fn PQ_WIDE(winograd), PQ_WIDE(winograd16); /* of levels with registers */
