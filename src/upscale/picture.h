/* SPDX-License-Identifier: MIT */
/* One picture on its way from a file to a file, for the two that take them: picture.c alone,
 * pictures.c several at a time. */
#pragma once

#include "upscale/crew.h"
#include "upscale/output.h"
#include "upscale/plan.h"

/* Start with the first four; the rest is zero. */
struct pq_picture_job {
    const struct pq_engines *engines;
    pique_engine *engine; /* the first of them: threads, memory, cancel, events */
    const char *src, *dst;
    const char *name; /* of src, for messages */
    const struct pq_picture_io *io;
    struct pq_plan plan;
    struct pq_row_source *source;
    bool used; /* the source is not at its top */
    struct pq_row_sink *sink;
    struct pq_output *output;
    bool written;                    /* dst is there */
    const struct pq_engines *shared; /* those for which the plan shared out the memory; or NULL */
    bool has_other; /* another device does what this one cannot: it isn't asked twice */
    bool silent;    /* others are done at the same time: how far it is tells nobody anything */
    int devices;    /* on which it was tried */
    pique_picture_report report;
};

/* Open and decide everything. Whatever is returned, pq_picture_close() it. After PIQUE_ENOMEM it
 * may be placed on another device. */
int pq_picture_open(struct pq_picture_job *job, const pique_picture_options *options,
                    pique_error *err);
/* What comes next is computed on a device of the crew. PIQUE_ENOMEM: that one has no memory for it.
 */
int pq_picture_place(struct pq_picture_job *job, struct pq_crew *crew, int device,
                     pique_error *err);
/* Alone, twice where the first result is refused. */
int pq_picture_run(struct pq_picture_job *job, pique_error *err);
/* `count` pictures of one size and as many planes once, in one inference; share: bytes of each
 * pass. Those that were written are marked, whatever is returned. */
int pq_picture_attempt(struct pq_picture_job *const *jobs, int count, const uint64_t *share,
                       pique_error *err);
void pq_picture_close(struct pq_picture_job *job);
/* Of a job that was written. */
void pq_picture_report(struct pq_picture_job *job, pique_picture_report *report, double seconds);
