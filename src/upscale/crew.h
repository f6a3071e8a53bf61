/* SPDX-License-Identifier: MIT */
/* A job on several devices, as pieces of work: batches of frames, or of pictures.
 *
 *     form -> run on whichever device is free -> deliver
 *       1        device 0, 1, 2 ...                 in the order in which they were formed
 *
 * A device that fails is lost and gets no more; a result that is refused, or for which a device has
 * no memory, is left to the others. Where none is left that computes alike, the fallback takes over
 * if there is one. Each such step is told. What a piece becomes depends on none of this, but for
 * what a fallback of another numeric key computed.
 *
 * Thread-safety: one pq_crew_do() or pq_crew_run() at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "upscale/station.h"

struct pq_crew;

struct pq_crew_setup {
    const struct pq_engines *engines; /* borrowed as long as the crew lives */
    bool one_size; /* pieces take one memory: a device without room for one has none for any */
};
int pq_crew_open(const struct pq_crew_setup *setup, struct pq_crew **out, pique_error *err);
void pq_crew_close(struct pq_crew **crew);

/* Devices, the fallback among them. */
int pq_crew_count(const struct pq_crew *crew);
const struct pq_station *pq_crew_station(const struct pq_crew *crew, int device);
/* Whether one device does all, as long as it can: pieces come to it in order. */
bool pq_crew_is_alone(const struct pq_crew *crew);
/* The one that is asked first. */
int pq_crew_first(struct pq_crew *crew);
/* Those that still work at the same time; at least 1. */
int pq_crew_working(struct pq_crew *crew);
/* A device turned out to have no room for any piece. True where another has, which is told. */
bool pq_crew_leave_out(struct pq_crew *crew, int device, const pique_error *why);
/* Tell that the fallback is all that is left, where earlier jobs have lost the others. */
void pq_crew_tell(struct pq_crew *crew);
/* Whether what fails on this device goes to another one of the same key: then it isn't tried twice
 * there. */
bool pq_crew_has_other(struct pq_crew *crew, int device);
/* Pieces that went on to another device so far. */
int pq_crew_moved(struct pq_crew *crew);

/* Does a piece on a device. After PIQUE_EDEVICE or PIQUE_ENOMEM it may be asked again with another;
 * whatever else is returned ends it. */
typedef int pq_crew_run_fn(void *user, void *piece, int device, pique_error *err);

/* One piece on the calling thread, on the first device that can. */
int pq_crew_do(struct pq_crew *crew, pq_crew_run_fn *run, void *user, void *piece,
               pique_error *err);

struct pq_crew_work {
    void *user;
    /* The next piece, or NULL: there are no more. One call at a time. */
    int (*form)(void *user, void **piece, pique_error *err);
    pq_crew_run_fn *run; /* as many at a time as there are devices, each on its own */
    /* One call at a time, in the order of form; it takes the piece, whatever it returns. */
    int (*deliver)(void *user, void *piece, pique_error *err);
    /* No device can do it. 0: it is delivered all the same. NULL: that ends the job. */
    int (*give_up)(void *user, void *piece, const pique_error *why, pique_error *err);
    void (*drop)(void *user, void *piece); /* of a job that ended early */
    /* The job ends early: wake form and deliver. From any thread; may be NULL. */
    void (*stop)(void *user, const pique_error *why);
};

/* All pieces, on all devices. The first failure ends it. */
int pq_crew_run(struct pq_crew *crew, const struct pq_crew_work *work, pique_error *err);
