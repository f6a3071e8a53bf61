/* SPDX-License-Identifier: MIT */
/* One film on its way: everything that is open for it, for the files of this folder. */
#pragma once

#include <pthread.h>

#include "film/item.h"
#include "film/job.h"
#include "film/made.h"
#include "film/pictures.h"
#include "upscale/crew.h"

enum pq_film_kind {
    PQ_FILM_FILM,     /* segments, joined into one file */
    PQ_FILM_PICTURES, /* numbered files */
    PQ_FILM_STREAM    /* y4m, or nothing: one stream that cannot be resumed */
};

struct pq_film {
    const struct pq_video_io *io;
    struct pq_engines engines;
    pique_engine *engine; /* the first: threads, memory, cancel */
    pique_film_options options;
    pique_picture_options picture;
    const char *src, *dst;
    char name[256]; /* of src, for messages */
    enum pq_film_kind kind;
    bool single; /* one frame, to a picture of that name */
    char container[16];
    struct pq_film_read read;

    struct pq_film_source *source;
    struct pq_film_encoder encoder;
    struct pq_film_writer *writer; /* NULL for numbered pictures */
    bool planes_in, planes_out;    /* picture.h */
    struct pq_crew *crew;
    struct pq_frames *on[PQ_DEVICES]; /* one a device; NULL where it is left out */
    struct pq_frames *frames;   /* of the first that works, which decides: borrowed of those */
    struct pq_frames *plain;    /* the same in R, G and B, for its size and what needs no network */
    struct pq_made made;        /* by a fallback */
    pthread_mutex_t converting; /* held while the source converts a frame */
    struct pq_frame_files files; /* of numbered pictures; pattern NULL: none */
    struct pq_frame_files kept_source, kept_result;

    struct pq_spec spec;
    struct pq_job job;
    bool has_job;
    int segment_frames;
    bool journal;

    pthread_mutex_t lock; /* guards event callbacks */
    pique_film_plan plan;
    pique_film_report report;
};

enum pq_film_purpose {
    PQ_FILM_DO,       /* with a job, where the result can be resumed */
    PQ_FILM_PLAN,     /* only to tell what would be done */
    PQ_FILM_ONE_FRAME /* dst is one picture */
};

/* open.c: everything up to the writer. film is to be closed, whatever is returned. */
int pq_film_open(struct pq_film *film, pique_engine *const *engines, size_t count, const char *src,
                 const char *dst, const pique_film_options *options, enum pq_film_purpose purpose,
                 pique_error *err);
void pq_film_close(struct pq_film *film);
/* Open the source again, at its beginning. */
int pq_film_reopen(struct pq_film *film, pique_error *err);
/* Whether the film is still wanted: PIQUE_ECANCELED where not. Waits while it is to pause. */
int pq_film_check(struct pq_film *film, pique_error *err);

/* probe.c: time, memory and disk, into film->plan. */
int pq_film_estimate(struct pq_film *film, pique_error *err);

/* Tell the listener, from whatever thread. */
void pq_film_tell(struct pq_film *film, pique_event *event);
void pq_film_note(struct pq_film *film, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void pq_film_on_note(void *film, const char *text); /* a pq_note_fn */

/* Bytes of a finished frame. */
uint64_t pq_film_result_bytes(const struct pq_film *film);
