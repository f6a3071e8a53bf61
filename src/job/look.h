/* SPDX-License-Identifier: MIT */
/* Chores that look: what a file holds, and pictures of it for the page. Pictures are kept in the
 * entry's folder, so that each is made once. With the store's lock held. */
#pragma once

#include "job/runner.h"

/* Find out what the next entries hold that want it, with their thumbs; their state goes on from
 * LOOKING. For the runner, which calls it in each round. */
void pq_look_begin_some(struct pq_runner *runner);
/* End all that looks at an entry. */
void pq_look_end_of(struct pq_runner *runner, const char *id);

/* What an estimate says for these settings goes into entry->estimate. */
int pq_estimate_begin(struct pq_runner *runner, struct pq_entry *entry, const json_t *settings,
                      pique_error *err);

/* What a look tells of a file, as an entry has it; NULL: out of memory. */
json_t *pq_info_of(const json_t *told);

/* The estimate that a worker tells of with film_planned or file_planned, as an entry has it; NULL:
 * out of memory. */
json_t *pq_estimate_of(const json_t *told);

enum pq_side_of { PQ_OF_SOURCE, PQ_OF_RESULT };

enum pq_picture_state {
    PQ_PICTURE_READY,  /* *path is a PNG; pq_free() it */
    PQ_PICTURE_LATER,  /* it is being made: ask again */
    PQ_PICTURE_MISSING /* err says why */
};

/* A picture of frame number `frame`, its longest side at most `side` (0: as it is). */
enum pq_picture_state pq_look_picture(struct pq_runner *runner, struct pq_entry *entry,
                                      enum pq_side_of of, int64_t frame, int side, char **path,
                                      pique_error *err);

/* Its thumb in the same way, where looking at it made none or it is gone. */
enum pq_picture_state pq_look_thumb(struct pq_runner *runner, struct pq_entry *entry, char **path,
                                    pique_error *err);
