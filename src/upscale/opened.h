/* SPDX-License-Identifier: MIT */
/* What an open engine is made of, for the files that make one up: engine.c opens it, stream.c runs
 * pictures through it, batch.c is the public way to do that. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "backend/backend.h"
#include "upscale/devices.h"
#include "upscale/engine.h"

/* A batch of the public API. */
struct pq_batch {
    struct pq_stream *stream;
    int in_channels, out_channels;
    int width, height; /* of the input */
    int out_width, out_height;
    int frames;
    int64_t pushed, pulled; /* rows */
    float *in, *out;        /* a band of every frame */
    int held;               /* rows in `in` that wait until their band is whole */
    int ready, taken;       /* rows in out, and how many of them were pulled */
};

struct pique_engine {
    uint64_t serial; /* no other engine of this process has it, not even one that is closed */
    const pique_model *model;
    /* Of an engine on several devices; those of the others belong to the first. */
    pique_engine *first; /* NULL: it is that itself */
    pique_engine *others[PQ_DEVICES];
    int other_count;
    bool has_fallback;          /* the last of the others */
    pthread_mutex_t event_lock; /* of the first: one event at a time */
    atomic_int failures;        /* of the device itself, not of a result */
    atomic_bool lost;           /* no more work is given to it */
    struct pq_graph *graph;     /* the network, as it is run */
    struct pq_program *program;
    struct pq_graph *given_graph; /* the same network with statistics given; NULL until asked for */
    struct pq_program *given_program;
    struct pq_framed *framed;     /* of the last pictures from files (framed.h); likewise */
    struct pq_graph *whole_graph; /* with samples at both ends (batch_whole.c); likewise */
    struct pq_program *whole_program;
    struct pq_device_options device; /* what programs are compiled for */
    char *device_id;
    bool no_scratch;
    struct pq_pool *pool;
    struct pq_spare *spare;
    bool borrowed_pool; /* of another engine, and so is spare */
    struct pq_log log;
    pique_event_fn event;
    void *event_user;
    const pique_cancel *cancel;
    pique_allocator allocator; /* size 0: the C library's */
    int band_rows;
    uint64_t memory_bytes;
    struct pq_batch batch;
};

struct pq_stream {
    pique_engine *engine;
    struct pq_run *run;
};

/* As pq_stream_open() and pq_stream_bytes(), for another program of this engine's device. */
int pq_stream_open_program(pique_engine *engine, struct pq_program *program, int frames, int width,
                           int height, uint64_t memory_bytes, struct pq_stream **out,
                           pique_error *err);
int pq_stream_program_bytes(const pique_engine *engine, const struct pq_program *program,
                            int frames, int width, int height, uint64_t memory_bytes,
                            uint64_t *least, uint64_t *wanted, pique_error *err);

/* Of a batch of pictures, by such a program between samples: a step, and all of them. */
int pq_stream_advance(struct pq_stream *stream, const struct pq_picture *in,
                      const struct pq_picture *out, pique_error *err);
int pq_stream_advance_all(struct pq_stream *stream, const struct pq_picture *in,
                          const struct pq_picture *out, pique_error *err);

/* The next batch behind one that is on its last rows (pq_run_follow); *out is NULL where that
 * cannot be, or not yet. */
int pq_stream_follow(struct pq_stream *before, struct pq_stream **out, pique_error *err);

/* A whole batch on a device that converts samples itself (batch_whole.c). */
bool pq_batch_takes_whole(const pique_engine *engine, const pique_rows *in, const pique_rows *out);
int pq_batch_run_whole(pique_engine *engine, int frames, int width, int height,
                       const pique_rows *in, const pique_rows *out, pique_error *err);
void pq_batch_drop_whole(pique_engine *engine);

/* End the batch that runs, if any (batch.c). */
void pq_batch_end(pique_engine *engine);
