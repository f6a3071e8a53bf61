/* SPDX-License-Identifier: MIT */
/* What upscale/ itself needs of an engine beyond the public API. */
#pragma once

#include <stdint.h>

#include "base/pool.h"
#include "pique/engine.h"
#include "upscale/devices.h"

/* One picture may need several passes, each with line buffers of its own while packed weights and
 * threads are shared: a stream is those line buffers. Rows are float, interleaved channels.
 * Thread-safety: one call at a time over all streams of an engine. */
struct pq_stream;

enum { PQ_MAX_BATCH = 8 }; /* pictures of one size in one inference */

/* frames pictures of width x height. memory_bytes: budget of this stream, 0: the engine's. The
 * caller closes it before the engine. PIQUE_ENOMEM where one row at a time is over the budget.
 * Whole maps that are over it go through a scratch file; PIQUE_ENOSPC where that cannot be had. */
int pq_stream_open(pique_engine *engine, int frames, int width, int height, uint64_t memory_bytes,
                   struct pq_stream **out, pique_error *err);

/* Statistics over a whole picture (backend/backend.h). */
struct pq_given;
/* A stream to which the statistics are given, so that it needs no whole maps; `given` is borrowed
 * as long as it lives, and may be NULL for a stream that only tells its size.
 * PIQUE_EUNSUPPORTED where the network depends on the whole picture in another way, too. */
int pq_stream_open_given(pique_engine *engine, int frames, int width, int height,
                         uint64_t memory_bytes, const struct pq_given *given,
                         struct pq_stream **out, pique_error *err);
/* The statistics of a stream from which all rows have come; pq_stream_free_given() them. */
int pq_stream_statistics(const struct pq_stream *stream, struct pq_given **out, pique_error *err);
void pq_stream_free_given(struct pq_given **given);
/* Whether rows come out only after all have gone in, and how much of the work is done, 0 to 1. */
bool pq_stream_is_whole(const struct pq_stream *stream);
double pq_stream_share(const struct pq_stream *stream);
/* Rows done of all that it computes; where a step adds none, it stands still. */
int64_t pq_stream_rows(const struct pq_stream *stream);
void pq_stream_close(struct pq_stream **stream);
/* Input rows it takes at a time (the band), and the most output rows that one step yields. */
int pq_stream_band(const struct pq_stream *stream);
int pq_stream_max_out(const struct pq_stream *stream);
/* One step: `count` more input rows go in (0 once all are in), *got finished output rows come out
 * into out (frames x max_out rows). data of `in` is read, of `out` written; both PIQUE_SAMPLE_F32.
 * After the last input row call with count 0 until all output rows are out. A stream that failed
 * can only be closed, since nobody knows which rows the device has taken. */
int pq_stream_step(struct pq_stream *stream, const pique_rows *in, int count, const pique_rows *out,
                   int *got, pique_error *err);
void pq_stream_output_size(const struct pq_stream *stream, int *width, int *height);
/* Bytes that such a stream takes, with the rows that one step reads and writes: with the smallest
 * band (*least), and with the band that it would choose under the budget (*wanted; *least where
 * even that is beyond it). */
int pq_stream_bytes(const pique_engine *engine, int frames, int width, int height,
                    uint64_t memory_bytes, uint64_t *least, uint64_t *wanted, pique_error *err);

/* The engines of a chain of models, in the order in which a picture goes through them. The first
 * one's threads, allocator, memory budget, cancel token and listener are those of the whole. */
struct pq_engines {
    pique_engine *const *list; /* borrowed */
    int count;                 /* at least 1 */
};

/* An engine on one device: of options that are checked, with one name in `device`. first: whose
 * other device it is, or NULL. */
int pq_engine_open_on(const pique_model *model, const pique_engine_options *o, pique_engine *first,
                      pique_engine **out, pique_error *err);

const pique_model *pq_engine_model(const pique_engine *engine);
struct pq_pool *pq_engine_pool(pique_engine *engine);
const pique_allocator *pq_engine_allocator(const pique_engine *engine); /* NULL: the C library */
uint64_t pq_engine_memory_budget(const pique_engine *engine);           /* bytes, never 0 */
/* PIQUE_ECANCELED with a sentence where the token is set, else 0. */
int pq_engine_check_cancel(const pique_engine *engine, pique_error *err);
/* Deliver an event to the engine's callback, if any. Where there are several devices, it begins
 * with the name of the engine's. */
void pq_engine_note(pique_engine *engine, enum pique_event_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same of all of its devices: without a name. */
void pq_engine_tell(pique_engine *engine, enum pique_event_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void pq_engine_progress(pique_engine *engine, uint64_t done, uint64_t total);
