/* SPDX-License-Identifier: MIT */
/* Some rows of one operation, while they are computed. */
#pragma once

#include "backend/cpu/run.h"

struct cpu_job {
    struct cpu_run *run;
    const struct cpu_program *program;
    const struct pq_op *op;
    const struct cpu_step *step;
    pq_round_fn *round; /* NULL: the result stays as it is */
    int i;              /* of the operation */
    int64_t y0, y1;     /* rows of each frame */
    int64_t parts;      /* tasks that share a row, or a row of windows */
    int rows;           /* rows, or rows of windows, of each frame */
    int64_t first;      /* task of those that are shared out now */
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

static inline int cpu_stride(const struct cpu_job *job)
{
    return job->run->rings[job->i].stride;
}

static inline int cpu_width(const struct cpu_job *job)
{
    return (int)job->run->base.lines[job->i].width;
}

/* One row of a frame into out. */
typedef void cpu_row_fn(const struct cpu_job *job, int frame, int64_t y, float *out);

/* global.c */
cpu_row_fn cpu_row_sums, cpu_mean, cpu_group_norm, cpu_row_gram, cpu_gram_softmax, cpu_mix,
    cpu_given;
/* tokens.c */
cpu_row_fn cpu_constant, cpu_tokens_linear, cpu_tokens_unit, cpu_look_up, cpu_blend, cpu_row_exp,
    cpu_row_shares, cpu_tokens_update;
/* sort.c */
cpu_row_fn cpu_category, cpu_row_counts, cpu_order, cpu_rank, cpu_pick;
/* sample.c */
cpu_row_fn cpu_bicubic, cpu_bilinear, cpu_pad, cpu_crop, cpu_pool, cpu_dysample;
