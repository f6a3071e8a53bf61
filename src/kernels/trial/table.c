/* SPDX-License-Identifier: MIT */
/* Kernels that have variants. Moves and resampling (kernels/pixel.h) are one function at every
 * level, so there is nothing to compare them with but their definitions, in tests/kernels. */
#include "base/alloc.h"
#include "kernels/trial/rows.h"

#define ROW(name) .prepare = pq_trial_##name##_prepare, .run = pq_trial_##name##_run

const struct pq_trial_kernel pq_trial_kernels[] = {
    {"convolution", ROW(conv)},
    {"winograd", ROW(winograd), .writes = pq_trial_winograd_writes},
    {"winograd-int16", ROW(winograd), .writes = pq_trial_winograd_writes, .which = 1},
    {"depthwise", ROW(depthwise)},
    {"product", ROW(product)},
    {"attention", ROW(attention)},
    {"channel-attention", ROW(channel_attention)},
    {"mix", ROW(mix)},
    {"row-gram", ROW(gram)},
    {"row-sums", ROW(sums), .moves = true},
    {"layer-norm", ROW(norm), .moves = true},
    {"rms-norm", ROW(norm), .moves = true, .which = 1},
    {"max-pool", ROW(pool), .moves = true},
    {"mean-pool", ROW(pool), .moves = true, .which = 1},
    {"sigmoid", ROW(curve), .moves = true, .which = PQ_TRIAL_SIGMOID},
    {"silu", ROW(curve), .moves = true, .which = PQ_TRIAL_SILU},
    {"gelu", ROW(curve), .moves = true, .which = PQ_TRIAL_GELU},
    {"gelu-tanh", ROW(curve), .moves = true, .which = PQ_TRIAL_GELU_TANH},
    {"mish", ROW(curve), .moves = true, .which = PQ_TRIAL_MISH},
    {"tanh", ROW(curve), .moves = true, .which = PQ_TRIAL_TANH},
    {"softplus", ROW(curve), .moves = true, .which = PQ_TRIAL_SOFTPLUS},
    {"round-fp16", ROW(round), .moves = true},
    {"round-bf16", ROW(round), .moves = true, .which = 1},
    {"halves", ROW(halves), .moves = true},
    {"floats", ROW(halves), .moves = true, .which = 1},
    {"samples8", ROW(samples), .moves = true, .which = 8},
    {"samples16", ROW(samples), .moves = true, .which = 16},
    {"look", ROW(look), .moves = true},
};
const size_t pq_trial_kernel_count = PQ_COUNT(pq_trial_kernels);
