/* SPDX-License-Identifier: MIT */
/* Frames that a fallback computed, with another numeric key than the film's: stretches of them, in
 * order, each with the key. A job keeps them in "fallback.json" beside job.json, written before
 * such frames are on the disk. Frames that it names and that are not there are computed again, and
 * then named no more: so it is right about all that are there, whenever the job was interrupted.
 *
 * Keys are numbers from 1, by the order in which they came up; 0 is the film's own. Thread-safety:
 * safe, but for new, free, load and what follows it. */
#pragma once

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { PQ_MADE_KEYS = 8 };

struct pq_stretch {
    int64_t first, last;
    int key;
};

struct pq_made {
    pthread_mutex_t lock; /* guards what follows */
    char keys[PQ_MADE_KEYS][160];
    int key_count;
    struct pq_stretch *list;
    size_t count, capacity;
};

void pq_made_init(struct pq_made *made);
void pq_made_free(struct pq_made *made);

/* The number of a key; PIQUE_EINVAL: there are too many. */
int pq_made_key(struct pq_made *made, const char *text, int *key, pique_error *err);
/* The key of a frame. */
int pq_made_find(struct pq_made *made, int64_t frame);
/* A frame has this key from now on; *changed where that is new. */
int pq_made_set(struct pq_made *made, int64_t frame, int key, bool *changed, pique_error *err);
int64_t pq_made_frames(struct pq_made *made);

/* As JSON, a list of {"first", "last", "numeric_key"}; and from it. json_decref() it; NULL: out of
 * memory. PIQUE_EFORMAT, without a sentence, where it is none. */
json_t *pq_made_to_json(struct pq_made *made);
int pq_made_from_json(struct pq_made *made, const json_t *list, pique_error *err);
