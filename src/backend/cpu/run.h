/* SPDX-License-Identifier: MIT */
/* The line buffers of a batch. */
#pragma once

#include "backend/cpu/program.h"
#include "backend/cpu/slots.h"
#include "base/scratch.h"

enum { CPU_ALIGN = 16 }; /* floats; a cache line */
static inline size_t cpu_align(size_t floats)
{
    return (floats + CPU_ALIGN - 1) / CPU_ALIGN * CPU_ALIGN;
}

/* The rows of one operation that are there; slots.h says in which slot of `data`. A row has `pad`
 * zero pixels on each side, which stand for the picture's surroundings. */
struct cpu_ring {
    float *data; /* of its stock */
    const int32_t *slots;
    size_t row_floats; /* with padding */
    int64_t rows;
    int pad, stride;
    bool halves; /* values are halves, two in the place of a float */
};

struct cpu_run {
    struct pq_run base;
    struct cpu_ring *rings; /* one an operation */
    struct cpu_slots *slots;
    float *arena;           /* all stocks, then the zero row, then each thread's scratch */
    struct pq_block block;  /* what it lies in, or */
    struct pq_scratch file; /* where memory does not hold it */
    const float *zeros;     /* a row above or below the picture */
    float *scratch;
    size_t scratch_floats, end_floats; /* of each thread; those at its end for a row on its way */
    struct cpu_sampling *sampling;     /* NULL: rows of floats come and go */
    int piece_rows;                    /* of the input */
    struct cpu_job *jobs;              /* of a step: one a piece */
    int job_count;
    const struct cpu_job **latest; /* of each operation; NULL: none in this step */
    int64_t *end;                  /* rows of each operation when the step ends */
    int64_t first;                 /* task of those that are shared out now */
};

static inline float *cpu_ring_slot(const struct cpu_ring *ring, int frames, int frame, int64_t y)
{
    const size_t row = (size_t)(y % ring->rows) * (size_t)frames + (size_t)frame;
    return ring->data + (size_t)ring->slots[row] * ring->row_floats;
}

/* The first pixel of a row of floats, and of one of halves. */
static inline float *cpu_ring_row(const struct cpu_ring *ring, int frames, int frame, int64_t y)
{
    return cpu_ring_slot(ring, frames, frame, y) + (ptrdiff_t)ring->pad * ring->stride;
}

static inline uint16_t *cpu_ring_halves(const struct cpu_ring *ring, int frames, int frame,
                                        int64_t y)
{
    return (uint16_t *)cpu_ring_slot(ring, frames, frame, y) + (ptrdiff_t)ring->pad * ring->stride;
}

int cpu_memory(const struct pq_program *program, const struct pq_geometry *geometry,
               const struct pq_line *lines, size_t *bytes, pique_error *err);
int cpu_begin(struct pq_program *program, const struct pq_geometry *geometry,
              const struct pq_line *lines, bool on_disk, struct pq_run **out, pique_error *err);
void cpu_end(struct pq_run *run);

/* Row y of a frame, about to be written for the first time: its padding is cleared, and so are
 * lanes beyond the last channel; other rows lay there before. Where rows are of halves, the result
 * is none of them: see cpu_ring_halves(). */
float *cpu_new_row(struct cpu_run *run, int i, int frame, int64_t y);

/* step.c: a step of a run, as the backend's table has it. */
int cpu_step(struct pq_run *run, const struct pq_band *in, int count, const struct pq_band *out,
             int *got, pique_error *err);
int cpu_advance(struct pq_run *run, const struct pq_picture *in, const struct pq_picture *out,
                int *got, pique_error *err);
