/* SPDX-License-Identifier: MIT */
/* Convolutions on the processor. */
#pragma once

#include "backend/cpu/job.h"
#include "base/whole.h"
#include "kernels/winograd.h"

enum { CPU_STRETCH = 96 }; /* pixels of a task; a multiple of every kernel's block */

/* Whether a convolution is computed as Winograd's, in tiles of PQ_WINOGRAD_TILE rows. The table by
 * which this is decided has a version, which stands in the numeric key. */
bool cpu_is_winograd(const struct cpu_mode *mode, const struct pq_op *op);
/* Whether one of those multiplies 16-bit words. */
bool cpu_is_words(const struct cpu_mode *mode, const struct pq_op *op);
/* Whether a direct one is small enough to turn rows of halves into floats for each stretch. */
bool cpu_widens(const struct pq_graph *g, int i);
/* Floats that a thread needs to compute operation i. */
size_t cpu_conv_scratch(const struct cpu_program *program, int i);

/* The row that the first tiles of a job begin with; it may lie above the picture. */
static inline int64_t cpu_first_edge(const struct cpu_job *job)
{
    const struct pq_grid grid = job->run->base.lines[job->i].grid;
    return grid.phase + pq_floor_div(job->y0 - grid.phase, PQ_WINOGRAD_TILE) * PQ_WINOGRAD_TILE;
}

/* The tiles of a frame, counted row by row. */
static inline int64_t cpu_tiles(const struct cpu_job *job)
{
    return pq_ceil_div(job->y1 - cpu_first_edge(job), PQ_WINOGRAD_TILE) *
           pq_winograd_across(cpu_width(job));
}

/* Into how many rows and parts the rows of a job are shared out. */
void cpu_conv_plan(struct cpu_job *job);
/* One part of a row of a frame: a stretch of pixels, or some tiles. */
void cpu_conv_task(const struct cpu_job *job, int frame, int row, int64_t part, float *scratch);
