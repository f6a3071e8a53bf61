/* SPDX-License-Identifier: MIT */
/* A device that runs graphs: one table of functions, and nothing above it knows which.
 *
 *     compile(graph)     weights packed, a kernel chosen for each operation  -> program
 *     begin(geometry)    line buffers for a batch of pictures of one size    -> run
 *     step(rows)         a band of rows in, the rows that it finishes out
 *
 * A program serves any number of runs, one step at a time over all of them. Backends check nothing
 * that the callers (pq_program_*, pq_run_*) have checked: those are the only way in. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/spare.h"
#include "graph/place.h"
#include "graph/plan.h"
#include "pique/engine.h"

struct pq_program; /* a compiled graph */
struct pq_run;     /* its line buffers for one batch */

struct pq_device_options {
    const char *id;                   /* "cpu"; NULL for the best */
    enum pique_precision precision;   /* one that the device has; auto: its own choice */
    struct pq_pool *pool;             /* borrowed as long as the program lives */
    struct pq_spare *spare;           /* likewise; may be NULL */
    struct pq_log *log;               /* borrowed; may be NULL */
    const pique_allocator *allocator; /* borrowed; may be NULL */
};

/* Rows of a step: float, interleaved channels, without padding between pixels. */
struct pq_band {
    float *data;                        /* row 0 of frame 0 */
    ptrdiff_t row_stride, frame_stride; /* floats */
};

/* A picture in the host's memory: planes as a graph's `in` or `out` says, or those of their rows
 * that a step takes and may yield. */
struct pq_picture {
    void *data[PQ_SAMPLE_PLANES];
    int64_t first; /* the row of the graph's input, or result, that data begins with */
    ptrdiff_t stride[PQ_SAMPLE_PLANES]; /* bytes */
};

/* The samples of such pictures where a graph itself begins and ends with rows of floats: planes and
 * depth of a layout count; of one plane, or one a channel. */
struct pq_sampling {
    struct pq_sample_layout in, out;
    bool look; /* keep what goes in and comes out for pq_run_seen(), as pass 1 */
};

/* What a backend fills in. Every entry is needed, but those of whole pictures, `follow` and `how`.
 */
struct pq_backend {
    const char *name;
    /* Input rows of a step beyond which it gains nothing. */
    int highest_band;
    /* And below which it takes no less memory. */
    int lowest_band;
    /* Whether its memory is not the host's: others take of it, too, and it may have less room than
     * it said. */
    bool own_memory;
    /* The precision tiers of a device, bit 1 << enum pique_precision each; 0: no such device. id is
     * name, or begins with it and ':'. */
    unsigned (*tiers)(const char *id);
    /* Whether this backend can run the operation; reason says why not. */
    bool (*supports)(const struct pq_op *op, const char **reason);
    /* graph is borrowed as long as the program lives. */
    int (*compile)(const struct pq_graph *graph, const struct pq_device_options *options,
                   struct pq_program **out, pique_error *err);
    void (*release)(struct pq_program *program);
    /* Backend, tier, version of the algorithm table, kernel set. */
    const char *(*numeric_key)(const struct pq_program *program);
    /* Bytes of line buffers for a geometry whose lines are given; PIQUE_ENOMEM where that is more
     * than memory can address. */
    int (*memory)(const struct pq_program *program, const struct pq_geometry *geometry,
                  const struct pq_line *lines, size_t *bytes, pique_error *err);
    int (*begin)(struct pq_program *program, const struct pq_geometry *geometry,
                 const struct pq_line *lines, bool on_disk, struct pq_run **out, pique_error *err);
    /* A run like `before`, behind it in its memory (pq_run_follow); *out stays NULL where that
     * cannot be yet. NULL where the device takes no pictures, or gains nothing. */
    int (*follow)(struct pq_run *before, struct pq_run **out, pique_error *err);
    void (*end)(struct pq_run *run);
    /* Take `count` input rows of every frame; write the output rows that this step finishes, at
     * most pq_run_max_out(), and their number. */
    int (*step)(struct pq_run *run, const struct pq_band *in, int count, const struct pq_band *out,
                int *got, pique_error *err);
    /* Of a graph whose ends are planes, a step: rows of the pictures in, one for each frame, and
     * those that are finished into `out`; *got: how many of the graph's result. NULL where the
     * device takes no pictures. */
    int (*advance)(struct pq_run *run, const struct pq_picture *in, const struct pq_picture *out,
                   int *got, pique_error *err);
    /* Have a run that has just begun take and give samples; NULL where only a graph can ask for
     * that. */
    int (*sample)(struct pq_run *run, const struct pq_sampling *sampling, pique_error *err);
    /* Once such a run has finished: what was seen of what went into a pass, or came out of it:
     * [row of tiles][column][frame][channel]. Of one that samples, also before: the rows of tiles
     * that are out. */
    const struct pq_range *(*seen)(const struct pq_run *run, int pass, bool out);
    /* What a statistic (pq_op_is_statistic) came to for a frame, once its row is done: one float a
     * channel into out. */
    int (*statistic)(const struct pq_run *run, int op, int frame, float *out, pique_error *err);
    /* The algorithm of an operation where there are several, else "". NULL where the device does
     * not tell what operations take (pq_program.times). */
    const char *(*how)(const struct pq_program *program, int op);
    /* Bytes of memory that a device says are free for line buffers; 0 where it does not tell. */
    uint64_t (*free_memory)(const char *id);
    /* The i-th device of this backend; false past the end. */
    bool (*describe)(size_t i, pique_device_info *info);
};

/* What an operation has taken, of all runs of a program. */
struct pq_op_time {
    double seconds;
    uint64_t pixels; /* of its result */
};

/* The head of every backend's program and run; a backend's own struct begins with it. */
struct pq_program {
    const struct pq_backend *backend;
    const struct pq_graph *graph;
    const struct pq_grid *grids; /* one an operation: rows that kernels compute together; or NULL */
    struct pq_op_time *times;    /* likewise, added to by steps; NULL while nothing is measured */
};

/* The statistics of a finished run, for a graph to which they are given (pq_graph_given). */
struct pq_given {
    int count, frames; /* operations of the graph that yielded them; pictures of its batch */
    float **values;    /* one an operation: frames x channels, or NULL */
};

struct pq_run {
    struct pq_program *program;
    const struct pq_given *given; /* borrowed; NULL where the graph needs none */
    struct pq_geometry geometry;
    struct pq_line *lines; /* one an operation; owned */
    int64_t *done;         /* rows of each operation that are computed, or will be without any more
                              ado: a device may hand them out some steps later; owned */
    int64_t handed_out;    /* rows of the result */
};

/* Whether a graph's ends may be planes, with anything between them and a network (advance). */
static inline bool pq_backend_takes_pictures(const struct pq_backend *backend)
{
    return backend->advance && !backend->sample;
}

/* All backends, best first; NULL ends the list. */
extern const struct pq_backend *const pq_backends[];
/* NULL: no such device. Those that compute wrongly, round for measuring or fail on purpose are
 * found by name only ("cpu:fp16", "fault:..."). */
const struct pq_backend *pq_backend_find(const char *id);

/* Compile a graph for a device. PIQUE_EDEVICE: no such device; PIQUE_EUNSUPPORTED: names the
 * operation that it cannot run. */
int pq_program_compile(const struct pq_graph *graph, const struct pq_device_options *options,
                       struct pq_program **out, pique_error *err);
void pq_program_release(struct pq_program **program);
const char *pq_program_numeric_key(const struct pq_program *program);
/* Measure operations from now on, from 0; or no more. PIQUE_EUNSUPPORTED: the device cannot. */
int pq_program_measure(struct pq_program *program, bool on, pique_error *err);
/* Bytes that a run of this geometry takes: its line buffers, and the two bands of rows that its
 * caller holds for pq_run_step(). */
int pq_program_memory(const struct pq_program *program, const struct pq_geometry *geometry,
                      size_t *bytes, pique_error *err);

/* on_disk: the line buffers lie in a scratch file (base/scratch.h), where the device can. */
int pq_run_begin(struct pq_program *program, const struct pq_geometry *geometry, bool on_disk,
                 struct pq_run **out, pique_error *err);
/* Begin the next pictures while the last ones of `before` are on their way out, so that the device
 * does not wait: a run of the same geometry that needs no memory of its own. It may be advanced as
 * often as one likes; it takes rows in where there is room, and hands none out before all of
 * `before` are out. Each may be ended at any time. *out is NULL where `before` has rows to compute
 * yet, or the device cannot. Only for runs of pictures (pq_run_advance). */
int pq_run_follow(struct pq_run *before, struct pq_run **out, pique_error *err);
/* Before the first step: the statistics of a run of as many frames on the graph that this one's was
 * made of; borrowed as long as the run lives. */
void pq_run_give(struct pq_run *run, const struct pq_given *given);
void pq_run_end(struct pq_run **run);
/* What a finished run's statistics came to; pq_given_free() it. */
int pq_run_statistics(const struct pq_run *run, struct pq_given **out, pique_error *err);
void pq_given_free(struct pq_given **given);
/* How much of its work a run has done, 0 to 1. */
double pq_run_share(const struct pq_run *run);
/* How many rows of all operations it has done; a step that adds none is the last. */
int64_t pq_run_rows(const struct pq_run *run);
/* The most output rows that one step yields. */
int pq_run_max_out(const struct pq_run *run);
/* Input rows still to come, and whether all output rows are out. */
int64_t pq_run_missing(const struct pq_run *run);
bool pq_run_finished(const struct pq_run *run);
/* One step. count is the band, or the rows that are missing where they are fewer: sizes and
 * lifetimes of line buffers are those of the schedule that was planned. `out` has room for
 * pq_run_max_out() rows of every frame. A step may yield no row: a deep network lets a few pass
 * before the last ones come out of its end, and one with statistics over the whole picture many. */
int pq_run_step(struct pq_run *run, const struct pq_band *in, int count, const struct pq_band *out,
                int *got, pique_error *err);
/* Before the first step: pictures come and go instead of rows of floats; for pq_run_advance().
 * Samples that go in become floats, and floats that come out are clipped and rounded
 * (kernels/samples.h). PIQUE_EUNSUPPORTED where the device cannot. */
int pq_run_sample(struct pq_run *run, const struct pq_sampling *sampling, pique_error *err);
/* The same where pictures come and go whole, one for each frame; until pq_run_finished(). */
int pq_run_advance(struct pq_run *run, const struct pq_picture *in, const struct pq_picture *out,
                   pique_error *err);
/* What the device saw, once finished (struct pq_backend). */
const struct pq_range *pq_run_seen(const struct pq_run *run, int pass, bool out);
