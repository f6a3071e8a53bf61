/* SPDX-License-Identifier: MIT */
#include "kernels/wide/functions.h"
#include "kernels/winograd16.h"

const struct pq_wide PQ_WIDE_TABLE = {
    .sigmoid = PQ_WIDE(sigmoid),
    .silu = PQ_WIDE(silu),
    .gelu = PQ_WIDE(gelu),
    .gelu_tanh = PQ_WIDE(gelu_tanh),
    .mish = PQ_WIDE(mish),
    .tanh = PQ_WIDE(tanh),
    .softplus = PQ_WIDE(softplus),
    .depthwise = PQ_WIDE(depthwise),
    .max_pool = PQ_WIDE(max_pool),
    .mean_pool = PQ_WIDE(mean_pool),
    .layer_norm = PQ_WIDE(layer_norm),
    .rms_norm = PQ_WIDE(rms_norm),
    .row_sums = PQ_WIDE(row_sums),
    .row_gram = PQ_WIDE(row_gram),
    .mix = PQ_WIDE(mix),
    .product = PQ_WIDE(product),
    .attention = PQ_WIDE(attention),
    .channel_attention = PQ_WIDE(channel_attention),
    .round_f16 = PQ_WIDE(round_f16),
    .round_bf16 = PQ_WIDE(round_bf16),
    .halves = PQ_WIDE(halves),
    .floats = PQ_WIDE(floats),
    .samples8 = PQ_WIDE(samples8),
    .samples16 = PQ_WIDE(samples16),
    .look = PQ_WIDE(look),
    .peak = PQ_WIDE(peak),
#if defined(__AVX2__) || defined(PQ_WIDE_NEON)
    .winograd = PQ_WIDE(winograd),
    .winograd16 = PQ_WIDE(winograd16),
#else
    .winograd = pq_winograd_c,
    .winograd16 = pq_winograd16_c,
#endif
};
