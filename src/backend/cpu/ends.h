/* SPDX-License-Identifier: MIT */
/* The rows that come into a step and go out of it: floats of a band, or samples of pictures, which
 * are converted on the way by the task that moves the row. */
#pragma once

#include <pthread.h>

#include "backend/cpu/job.h"

struct cpu_end {
    const struct pq_band *band;        /* floats; or */
    const struct pq_picture *pictures; /* samples: one a frame */
    int64_t first;                     /* the row that the band begins with */
};

/* Of a run that takes samples. */
struct cpu_sampling {
    struct pq_sampling how;
    struct pq_range *in, *out; /* what was seen: [row of tiles][column][frame][channel]; or NULL */
    pthread_mutex_t lock;      /* guards them */
};

int cpu_sample(struct pq_run *run, const struct pq_sampling *how, pique_error *err);
void cpu_sampling_free(struct cpu_sampling **sampling);
const struct pq_range *cpu_seen(const struct pq_run *run, int pass, bool out);

/* Floats that a thread needs for a row that goes in or out, of so many values. */
size_t cpu_end_floats(size_t values);
/* Row y of a frame into its line buffer. */
void cpu_take_row(const struct cpu_job *job, int frame, int64_t y, float *scratch);
/* Row y, computed, to where it goes: from its line buffer, or from `row`, which may be the scratch
 * memory's beginning. */
void cpu_give_row(const struct cpu_job *job, int frame, int64_t y, const float *row, int stride,
                  float *scratch);
