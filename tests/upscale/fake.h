/* SPDX-License-Identifier: MIT */
/* Neighbours for the stages under test: a picture in memory as a stage, as a row source and as a
 * row sink, and an engine whose network is a few lines of plain C. fake.c defines pq_stream_*() and
 * pq_engine_*() in place of the real ones. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* After the four that it needs. */
#include <cmocka.h>

#include "base/pool.h"
#include "upscale/engine.h"
#include "upscale/rows.h"
#include "upscale/stage.h"

/* A whole picture of floats. */
struct image {
    int width, height, planes;
    float *data;
};

struct image image_new(int width, int height, int planes);
void image_free(struct image *image);
float *image_at(const struct image *image, int x, int y);
/* Random values in 0..1; alpha 0, 1 or between in patches. The seed decides. */
struct image image_random(int width, int height, int planes, unsigned seed);

/* A stage over an image, which is borrowed. It asserts that nobody reads beyond the end. */
struct pq_stage *image_stage(const struct image *image);
/* Stages made by image_stage() that are not closed yet. */
extern int image_stages_open;

/* Read all of a stage, so many rows at a time (0: all), and close it. */
struct image drain(struct pq_stage *stage, int rows_at_a_time);
/* The same, returning the status of the first read that fails, or 0. The stage is not closed. */
int read_all(struct pq_stage *stage, int rows_at_a_time, float *data, pique_error *err);

enum fake_network {
    FAKE_NEAREST,
    FAKE_BLUR,     /* mean of 3 x 3, border repeated, then nearest */
    FAKE_CONSTANT, /* 0.5 everywhere */
    FAKE_NAN,      /* nearest, but one value is not a number */
    FAKE_LOUD,     /* nearest, of 3 x - 1: leaves 0..1 */
    FAKE_RIGHT     /* the same of the pixel at the right, border repeated */
};

struct pique_engine {
    enum fake_network network;
    int scale, channels;
    int band, lag; /* rows at a time; input rows that it sits on */
    uint64_t budget;
    struct pq_pool *pool; /* or NULL */
    const pique_allocator *allocator;
    int bad_streams;  /* so many streams use FAKE_NAN ... */
    int bad_after;    /* ... after so many good ones */
    int fail_step;    /* the N-th step fails with EDEVICE; 0: none */
    int cancel_after; /* checks until the token is set; 0: never */
    bool stuck;       /* never gives a row */
    /* What happened. */
    int streams_opened, streams_open, steps, frames;
    int notes, retries;
    uint64_t progress_done, progress_total;
    char last_note[512];
};

/* A source over 8 or 16 bit samples, borrowed. The N-th read or rewind can fail. */
struct fake_source {
    struct pq_row_source base;
    const void *samples;
    int y;
    int reads, rewinds;
    int fail_read, fail_rewind;
    bool open;
};
void fake_source_init(struct fake_source *source, const struct pq_picture_format *format,
                      const void *samples);

/* A sink that keeps what it gets. */
struct fake_sink {
    struct pq_row_sink base;
    struct pq_picture_format format;
    unsigned char *samples;
    int y;
    int writes, fail_write;
    bool fail_finish, finished, open;
};
void fake_sink_init(struct fake_sink *sink, const struct pq_picture_format *format);
