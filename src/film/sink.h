/* SPDX-License-Identifier: MIT */
/* The end of the pipeline: finished frames, in order, into the running segment, which is sealed
 * when it is full; and who listens is told what another process can read. */
#pragma once

#include "film/film.h"

struct pq_sink;

/* From this frame on, which begins a segment. */
int pq_sink_new(struct pq_film *film, int64_t first, struct pq_sink **out, pique_error *err);
/* The next item, which is borrowed. */
int pq_sink_put(struct pq_sink *sink, struct pq_item *item, pique_error *err);
/* There are no more: the last segment is sealed. */
int pq_sink_end(struct pq_sink *sink, pique_error *err);
/* What is not sealed is left behind as it is, for a later run or nobody. &{NULL} is fine. */
void pq_sink_close(struct pq_sink **sink);
