/* SPDX-License-Identifier: MIT */
/* Kernels on made-up input: each variant against the scalar reference, bit for bit, and against the
 * clock. The table is in table.c, a row a kernel; whoever adds a kernel adds its row, and tests,
 * `pique kernels` and the program's users all have it.
 *
 * A trial is one call: from a seed a row's prepare() makes sizes, odd ones above all, and values,
 * in every third also infinities, NaN and numbers that are too small; or, to be timed, the shape
 * that networks have. Pixels of the result lie between guards in memory full of a pattern, and so
 * do scratch memory and sums, so that every write outside shows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/rng.h"

enum { PQ_TRIAL_GUARD = 64, PQ_TRIAL_BUFFERS = 112, PQ_TRIAL_BIG = 8 };

struct pq_trial;

struct pq_trial_kernel {
    const char *name;
    bool moves; /* its rate is told in bytes, not in operations */
    int which;  /* of several kernels that are tried alike */
    /* Makes args, memory and shape. Memory may be NULL where trial.failed says so. */
    void (*prepare)(struct pq_trial *t);
    /* The one call, at t->level. */
    void (*run)(const struct pq_trial *t);
    /* Whether float i of out may be written; NULL: it follows from first, end, stride and channels.
     */
    bool (*writes)(const struct pq_trial *t, size_t i);
};

extern const struct pq_trial_kernel pq_trial_kernels[];
extern const size_t pq_trial_kernel_count;
/* NULL: there is none of that name. */
const struct pq_trial_kernel *pq_trial_find(const char *name);

struct pq_trial {
    const struct pq_trial_kernel *kernel;
    int level; /* enum pq_cpu_level */
    struct rng rng;
    bool extreme; /* not only ordinary values */
    bool zeros;   /* of both signs, but for what is extreme */
    bool timed;   /* a shape for the clock; nothing odd */

    void *args;     /* what run() calls with */
    char shape[96]; /* of what is timed: "3x3, 64 to 64 channels" */
    double work;    /* of a call: multiplications and additions, or bytes that move */
    bool failed;    /* memory ran out */

    float *out; /* PQ_TRIAL_GUARD floats, the result, PQ_TRIAL_GUARD floats */
    size_t out_floats;
    int first, end, stride, channels; /* pixels of the result that are written */
    uint16_t *half_out; /* where run() writes halves instead, as many; or NULL. Those that it wrote
                           become floats in out */
    double *sums;       /* likewise between guards; or NULL */
    size_t sum_count, sums_written; /* guards included; without */
    float *scratch;                 /* its first float; or NULL */
    size_t scratch_floats;

    void *buffers[PQ_TRIAL_BUFFERS], *big[PQ_TRIAL_BIG];
    int buffer_count, big_count;
};

/* Prepare a call. The caller frees it, whatever is returned. @return 0 or PIQUE_ENOMEM. */
int pq_trial_make(struct pq_trial *t, const struct pq_trial_kernel *kernel, int level,
                  uint64_t seed, bool timed, pique_error *err);
void pq_trial_run(const struct pq_trial *t);
void pq_trial_free(struct pq_trial *t);

/* Cases `first` .. first + count - 1 at a level against the reference.
 * @return 0; PIQUE_EINTERNAL a sentence that says which case, and where the first difference is;
 *         PIQUE_ENOMEM. */
int pq_trial_check(const struct pq_trial_kernel *kernel, int level, uint64_t first, int count,
                   pique_error *err);
/* Operations or bytes a second of a level, the best of many short stretches within about so many
 * seconds; `shape`, at least 96 bytes, may be NULL. */
int pq_trial_time(const struct pq_trial_kernel *kernel, int level, double seconds, double *rate,
                  char *shape, pique_error *err);

/* ---- for the rows ---- */

/* 0 .. n-1, or what a timed shape has. */
int pq_trial_below(struct pq_trial *t, int n);
int pq_trial_size(struct pq_trial *t, int timed, int random);
/* Memory of just this size, so that a sanitizer sees what is read beyond; the other at a multiple
 * of 64 bytes. */
void *pq_trial_memory(struct pq_trial *t, size_t bytes);
void *pq_trial_big(struct pq_trial *t, size_t bytes);
float *pq_trial_values(struct pq_trial *t, size_t n);
float pq_trial_value(struct pq_trial *t);
/* `width` pixels, the last one only as long as its channels. */
float *pq_trial_pixels(struct pq_trial *t, int width, int stride, int channels);
/* The same with so many pixels before the one that is returned. */
float *pq_trial_pixels_around(struct pq_trial *t, int before, int width, int stride, int channels);
/* Room for pixels first .. end-1 of `width`; what is before, behind and between is not written. */
float *pq_trial_result(struct pq_trial *t, int width, int stride, int channels, int first, int end);
/* The same room for halves, which pq_trial_result() has been called for. */
uint16_t *pq_trial_half_result(struct pq_trial *t);
double *pq_trial_sums(struct pq_trial *t, size_t n, size_t written);
float *pq_trial_scratch(struct pq_trial *t, size_t n);
/* A number of channels that vectors do not like; a stride for them. */
int pq_trial_channels(struct pq_trial *t);
int pq_trial_stride(struct pq_trial *t, int channels);
void pq_trial_shape(struct pq_trial *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
