/* SPDX-License-Identifier: MIT */
/* The devices that compute a film's frames, and which of them a fallback made. */
#pragma once

#include "film/film.h"
#include "film/item.h"

int pq_film_open_crew(struct pq_film *film, pique_error *err);
/* Decide everything on each device, into film->plan too; a device that has no room for a frame is
 * left out where another has. film->frames, the first that works, is what decides. */
int pq_film_open_devices(struct pq_film *film, pique_error *err);
void pq_film_close_devices(struct pq_film *film);

/* The batch behind one that is computed, for a device that can begin it early. */
struct pq_film_next {
    void *user;
    /* Results that will be computed next on the same device, with room for what comes out; false:
     * there are not so many, or not yet. */
    bool (*get)(void *user, int count, struct pq_result **results);
};
/* Results on one device, as a crew wants it (upscale/crew.h): from `in` of each into its `out`.
 * next: may be NULL. */
int pq_film_compute_on(struct pq_film *film, int device, int count,
                       struct pq_result *const *results, const struct pq_film_next *next,
                       pique_error *err);
/* The same on whichever can, on this thread. */
int pq_film_compute(struct pq_film *film, int count, struct pq_result *const *results,
                    pique_error *err);

/* Sums over all devices, into the report. */
void pq_film_count_devices(struct pq_film *film);
uint64_t pq_film_inferences(const struct pq_film *film);

/* The number of the key (made.h) that a device computes with; 0: the film's own. */
int pq_film_key_of(struct pq_film *film, int device, int *key, pique_error *err);
/* What an earlier run of the job noted. */
int pq_film_load_made(struct pq_film *film, pique_error *err);
/* Note with which keys items were computed, before they are on the disk. */
int pq_film_note_made(struct pq_film *film, struct pq_item *const *items, size_t count,
                      pique_error *err);
/* Tell who listens of all that were made so. */
void pq_film_tell_made(struct pq_film *film);
