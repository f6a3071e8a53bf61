/* SPDX-License-Identifier: MIT */
/* What the files of this folder offer to table.c. */
#pragma once

#include "kernels/trial/trial.h"

#define PQ_TRIAL_ROW(name)                                                                         \
    void pq_trial_##name##_prepare(struct pq_trial *t);                                            \
    void pq_trial_##name##_run(const struct pq_trial *t)

PQ_TRIAL_ROW(conv);
PQ_TRIAL_ROW(winograd);
bool pq_trial_winograd_writes(const struct pq_trial *t, size_t i);
PQ_TRIAL_ROW(depthwise);
PQ_TRIAL_ROW(pool);  /* which: 0 the largest, 1 the mean */
PQ_TRIAL_ROW(curve); /* which: enum pq_trial_curve */
PQ_TRIAL_ROW(norm);  /* which: 0 layer norm, 1 RMS norm */
PQ_TRIAL_ROW(sums);
PQ_TRIAL_ROW(gram);
PQ_TRIAL_ROW(mix);
PQ_TRIAL_ROW(product);
PQ_TRIAL_ROW(attention);
PQ_TRIAL_ROW(channel_attention);
PQ_TRIAL_ROW(round);   /* which: 0 fp16, 1 bf16 */
PQ_TRIAL_ROW(halves);  /* which: 0 of floats, 1 sums of two rows of them */
PQ_TRIAL_ROW(samples); /* which: bits */
PQ_TRIAL_ROW(look);

enum pq_trial_curve {
    PQ_TRIAL_SIGMOID,
    PQ_TRIAL_SILU,
    PQ_TRIAL_GELU,
    PQ_TRIAL_GELU_TANH,
    PQ_TRIAL_MISH,
    PQ_TRIAL_TANH,
    PQ_TRIAL_SOFTPLUS
};
