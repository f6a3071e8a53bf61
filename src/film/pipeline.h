/* SPDX-License-Identifier: MIT */
/* Frames from the source to the sink:
 *
 *     read -> convert -> infer -> finish -> hash -> write
 *
 * Each stage is a function that takes an item and hands it on, and runs on a thread of its own, or
 * on several; between two of them stands a queue that is bounded by bytes. With no_parallel the
 * same functions call one another on one thread.
 *
 *     read      decodes; numbers the frames
 *     convert   finds frames that were there before; the others become what the network takes
 *     infer     infer.h: batches of frames that must be computed, each in one inference, on as many
 *               threads as there are devices
 *     finish    results become frames of the encoder's format
 *     hash      of what the encoder gets; pq_film_hashers() threads, in order
 *     write     sink.h
 *
 * The first failure ends all of it; where devices failed, what they had computed is written. */
#pragma once

#include "film/film.h"

/* Threads of the stage `hash`, and frames that are in it at a time. */
int pq_film_hashers(void);

/* All frames from number `first`, which begins a segment, to the end. The source stands before it.
 * @return 0; PIQUE_ECANCELED; what any stage returns. */
int pq_pipeline_run(struct pq_film *film, int64_t first, pique_error *err);
