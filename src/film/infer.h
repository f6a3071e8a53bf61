/* SPDX-License-Identifier: MIT */
/* The stage of the pipeline that computes: frames become batches, in order; each is computed in one
 * inference on whichever device is free, and goes on in order. What a batch is does not depend on
 * the devices, nor does what it becomes. */
#pragma once

#include "base/queue.h"
#include "film/film.h"

struct pq_infer;

struct pq_infer_setup {
    struct pq_film *film;
    void *user;
    /* The next item of a computed batch, which it takes; one call at a time. */
    int (*hand_on)(void *user, struct pq_item *item, pique_error *err);
    /* The first failure of all, from any thread: cancel the queue, wake hand_on. */
    void (*stop)(void *user, const pique_error *why);
};
int pq_infer_new(const struct pq_infer_setup *setup, struct pq_infer **out, pique_error *err);
void pq_infer_free(struct pq_infer **infer);

/* All items of the queue, on all devices. */
int pq_infer_serve(struct pq_infer *infer, struct pq_queue *queue, pique_error *err);
/* One item, or NULL: there are no more; on this thread, one device at a time. */
int pq_infer_put(struct pq_infer *infer, struct pq_item *item, pique_error *err);

/* In which devices worked, summed over all of them. */
double pq_infer_seconds(const struct pq_infer *infer);
