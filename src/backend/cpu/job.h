/* SPDX-License-Identifier: MIT */
/* Some rows of one operation, a piece of a step, as tasks.
 *
 * A task is one row of one frame; of a convolution, a stretch of its pixels or tiles; of attention,
 * one head of one window. Tasks of a job write disjoint memory. They are counted from the first
 * frame to the last, from its first row to its last, and from the first part of a row to its
 * last; so that pixels further up are made by earlier tasks, and in a row those further left. */
#pragma once

#include "backend/cpu/run.h"

enum cpu_deed { CPU_COMPUTES, CPU_TAKES, CPU_GIVES };

struct cpu_job {
    struct cpu_run *run;
    const struct cpu_program *program;
    const struct pq_op *op;
    const struct cpu_step *step;
    pq_round_fn *round; /* NULL: the result stays as it is */
    enum cpu_deed deed;
    const struct cpu_end *end; /* where rows come from or go to; or NULL. Rows that are computed go
                                  there straight, past the line buffers */
    const struct cpu_job *before; /* the last one of the same operation in this step; or NULL */
    int i;                        /* of the operation */
    int64_t y0, y1;               /* rows of each frame */
    int rows;                     /* rows, or rows of windows, of each frame */
    int64_t parts;                /* tasks that share a row, or a row of windows */
    int64_t tiles;                /* of a convolution in tiles: those of a task, but the last */
    int64_t at, tasks;            /* the first of its tasks among those of the step; how many */
    int64_t idle;                 /* tasks of the step that have to be done before it may write */
};

/* Values of the result, about to be read by others: as the device stores them. */
static inline void cpu_stored(const struct cpu_job *job, float *values, size_t count)
{
    if (job->round)
        job->round(values, count);
}

static inline int cpu_frames(const struct cpu_job *job)
{
    return job->run->base.geometry.frames;
}

static inline const struct pq_line *cpu_input_line(const struct cpu_job *job, int k)
{
    return &job->run->base.lines[job->op->in[k]];
}

static inline const struct cpu_ring *cpu_input_ring(const struct cpu_job *job, int k)
{
    return &job->run->rings[job->op->in[k]];
}

/* Row y of input k; a row of zeros where it lies outside of the picture. */
static inline const float *cpu_input_row(const struct cpu_job *job, int k, int frame, int64_t y)
{
    const struct cpu_ring *ring = cpu_input_ring(job, k);
    if (y < 0 || y >= cpu_input_line(job, k)->height)
        return job->run->zeros + (ptrdiff_t)ring->pad * ring->stride;
    return cpu_ring_row(ring, cpu_frames(job), frame, y);
}

/* The same of an input whose rows are halves. */
static inline const uint16_t *cpu_input_halves(const struct cpu_job *job, int k, int frame,
                                               int64_t y)
{
    const struct cpu_ring *ring = cpu_input_ring(job, k);
    if (y < 0 || y >= cpu_input_line(job, k)->height)
        return (const uint16_t *)job->run->zeros + (ptrdiff_t)ring->pad * ring->stride;
    return cpu_ring_halves(ring, cpu_frames(job), frame, y);
}

static inline int cpu_stride(const struct cpu_job *job)
{
    return job->run->rings[job->i].stride;
}

static inline int cpu_width(const struct cpu_job *job)
{
    return (int)job->run->base.lines[job->i].width;
}

/* compute.c: tasks of rows [y0, y1) of operation i. */
void cpu_job_plan(struct cpu_job *job, struct cpu_run *run, int i, int64_t y0, int64_t y1);
/* One of its tasks. scratch: the thread's own. */
void cpu_job_task(const struct cpu_job *job, int64_t task, float *scratch);
/* needs.c: how many of a step's tasks, from the first on, have to be done before this one. */
int64_t cpu_job_needs(const struct cpu_job *job, int64_t task);

/* Whether its tasks are rows of the result, each made by itself; and one of those into `row`. */
bool cpu_is_by_rows(const struct pq_op *op);
void cpu_compute_row(const struct cpu_job *job, int frame, int64_t y, float *row);

/* One row of a frame into out. */
typedef void cpu_row_fn(const struct cpu_job *job, int frame, int64_t y, float *out);

/* widen.c; and of all but sums, where the result's rows are halves, into its line buffer. */
cpu_row_fn cpu_pointwise, cpu_row_sums;
void cpu_pointwise_in_halves(const struct cpu_job *job, int frame, int64_t y);
/* global.c */
cpu_row_fn cpu_mean, cpu_group_norm, cpu_row_gram, cpu_gram_softmax, cpu_mix, cpu_given;
/* tokens.c */
cpu_row_fn cpu_constant, cpu_tokens_linear, cpu_tokens_unit, cpu_look_up, cpu_blend, cpu_row_exp,
    cpu_row_shares, cpu_tokens_update;
/* sort.c */
cpu_row_fn cpu_category, cpu_row_counts, cpu_order, cpu_rank, cpu_pick;
/* sample.c */
cpu_row_fn cpu_bicubic, cpu_bilinear, cpu_pad, cpu_pool, cpu_dysample;
