/* SPDX-License-Identifier: MIT */
/* What the journals of an unfinished segment hold, in the order in which it is needed again. */
#pragma once

#include "film/film.h"

struct pq_replay;

/* The journals of a segment; *out is NULL where there are none. */
int pq_replay_open(struct pq_film *film, int segment, struct pq_replay **out, pique_error *err);
void pq_replay_close(struct pq_replay **replay);
/* The finished frame of that index, which rises from call to call; *out is NULL where the journals
 * have it not. */
int pq_replay_find(struct pq_replay *replay, int64_t index, struct pq_frame **out,
                   pique_error *err);
int64_t pq_replay_taken(const struct pq_replay *replay);
