/* SPDX-License-Identifier: MIT */
/* A hostile model file, opened as a program would, in a process that may die of it. What is looked
 * at: it opens, or is refused with a sentence that names it; in time; in little memory; nothing
 * leaks, nothing is printed, no other file is opened, and (where the system has seccomp) nothing is
 * written, started or connected to. A model that opens must also survive a small picture. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "make_model.h"

/* What a case is made of. An ncnn model has two files; all others have first alone. */
struct hostile {
    struct bytes first, second;
    bool is_ncnn;
    bool named_bin; /* the .bin of an ncnn model is what is opened */
    /* What must come of it; a code above 0: anything. */
    int code;
    const char *says; /* part of the sentence; or NULL */
};

struct trial_limits {
    size_t memory_bytes; /* beside the size of the files, while opening */
    double open_seconds; /* of the processor */
    double flops;        /* of a small picture; a model that needs more is not run */
};
extern const struct trial_limits trial_limits;
/* A build with a sanitizer: slower, and tried with a share of the cases. */
extern const bool trial_is_sanitized;

struct trial_sums {
    long tried, opened, ran, refused;
    double slowest_open, slowest_run;
    long slowest_case;
    size_t most_memory; /* beside the file */
    long most_memory_case;
    long by_code[16];
};

/* Make the i-th case. Called in the child. */
typedef void trial_make(void *context, long i, struct hostile *out);
/* The name of the i-th case, for the report. */
typedef void trial_name(void *context, long i, char *text, size_t size);

/* Try `count` cases, shared out to some processes; number n is case n * step. A case that kills its
 * process is reported, and the next goes on in another. Returns the number of cases with a
 * complaint; the first of them stay in a folder whose name is printed. */
long trial_all(long count, long step, trial_make *make, trial_name *name, void *context,
               struct trial_sums *sums);
