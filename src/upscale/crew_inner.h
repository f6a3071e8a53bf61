/* SPDX-License-Identifier: MIT */
/* What the two files of the crew share. */
#pragma once

#include <pthread.h>

#include "upscale/crew.h"

struct pq_crew {
    pique_engine *engine; /* the first, whose listener is told */
    bool one_size;
    int count, fallback; /* fallback: its number, or -1 */
    struct pq_station stations[PQ_DEVICES];
    pthread_mutex_t lock; /* guards what follows */
    unsigned out;         /* devices that get no more work, a bit each */
    pique_error why;      /* of the last of them */
    int moved;
    bool told_fallback;
};

/* A piece on its way. */
struct pq_crew_job {
    struct pq_crew_job *next; /* of a list, in order */
    void *piece;
    int64_t number;
    unsigned tried;  /* devices that could not do it, a bit each */
    pique_error why; /* of the last of them */
};

/* These want the lock held. Devices of one key that work; the one for a piece that some have tried,
 * -1: there is none. */
unsigned pq_crew_alive(const struct pq_crew *crew);
int pq_crew_choose(const struct pq_crew *crew, unsigned tried);

/* These want it free. */
int pq_crew_attempt(struct pq_crew *crew, pq_crew_run_fn *run, void *user, struct pq_crew_job *job,
                    int device, pique_error *err);
/* Why no device is left for it. */
int pq_crew_refuse(struct pq_crew *crew, const struct pq_crew_job *job, pique_error *err);
