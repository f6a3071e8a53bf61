/* SPDX-License-Identifier: MIT */
/* Convolutions on the processor. */
#pragma once

#include "backend/cpu/job.h"

/* Whether a convolution is computed as Winograd's, in tiles of PQ_WINOGRAD_TILE rows. The table by
 * which this is decided has a version, which stands in the numeric key. */
bool cpu_is_winograd(const struct cpu_mode *mode, const struct pq_op *op);
/* Whether one of those multiplies 16-bit words. */
bool cpu_is_words(const struct cpu_mode *mode, const struct pq_op *op);
/* Floats that a thread needs to compute it. */
size_t cpu_conv_scratch(const struct cpu_mode *mode, const struct pq_op *op);

/* Into how many rows and parts the rows of a job are shared out. */
void cpu_conv_plan(struct cpu_job *job);
/* One part of a row of a frame: a stretch of pixels, or some tiles. */
void cpu_conv_task(const struct cpu_job *job, int frame, int row, int64_t part, float *scratch);
