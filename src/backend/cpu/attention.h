/* SPDX-License-Identifier: MIT */
/* Attention in windows or in runs. A task is one head of one window, or of one row of pixels. */
#pragma once

#include "backend/cpu/job.h"

static inline bool cpu_is_attention(const struct pq_op *op)
{
    return op->kind == PQ_OP_ATTENTION || op->kind == PQ_OP_CHANNEL_ATTENTION ||
           op->kind == PQ_OP_RUN_ATTENTION;
}

/* Floats that a thread needs beside the rings for this operation. */
size_t cpu_scratch_floats(const struct pq_op *op);
/* Set job->rows and job->parts. */
void cpu_attention_plan(struct cpu_job *job);
/* Task `part` of the row'th row of windows. */
void cpu_attention_task(const struct cpu_job *job, int frame, int row, int64_t part,
                        float *scratch);
/* sort.c: the same for attention in runs, of row job->y0 + row and head `head`. */
size_t cpu_run_scratch_floats(const struct pq_op *op);
void cpu_run_attention_task(const struct cpu_job *job, int frame, int row, int head,
                            float *scratch);
