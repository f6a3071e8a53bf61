/* SPDX-License-Identifier: MIT */
/* What travels through the pipeline: an item is a place in the film, a result is what stands there.
 * Frames that are alike share one result. */
#pragma once

#include <stdatomic.h>

#include "film/video.h"

/* Counted: one for each item, and one for the list of results that may still be reused. Written by
 * the stage that has it, which hands it on through a queue. */
struct pq_result {
    atomic_int count;
    const struct pq_video_io *io;
    struct pq_image in;       /* the picture that is computed from; freed once it is */
    struct pq_frame *decoded; /* whose planes `in` has, where it has none of its own */
    struct pq_image out;      /* what was computed; freed once nobody needs it */
    struct pq_frame *frame;   /* the same for the encoder; `out` may have its planes */
    uint64_t hash;            /* of what is written */
    char *picture;            /* a file that holds it already; or NULL */
    int key;                  /* of a fallback that computed it (made.h); 0: the film's own */
    bool journaled;           /* it came from a journal, and is in it */
};

struct pq_item {
    int64_t index; /* from 0 over the whole film */
    int64_t pts, duration;
    struct pq_frame *frame; /* as decoded, until it is converted */
    struct pq_image source; /* where source frames are kept as pictures */
    struct pq_result *result;
    bool fresh;      /* its result is computed for it, not taken from an earlier one */
    uint64_t batch;  /* in which it was computed, or with which it came */
    bool batch_ends; /* it is the last of its batch */
};

int pq_result_new(const struct pq_video_io *io, struct pq_result **out, pique_error *err);
struct pq_result *pq_result_ref(struct pq_result *result);
void pq_result_unref(struct pq_result **result);

int pq_item_new(struct pq_item **out, pique_error *err);
void pq_item_free(const struct pq_video_io *io, struct pq_item *item);
/* Bytes that it holds and nobody else does. */
uint64_t pq_item_bytes(const struct pq_item *item);
uint64_t pq_frame_bytes(const struct pq_frame *frame);
/* XXH3-64 over the samples of a frame or a picture, rows from the top. */
uint64_t pq_frame_hash(const struct pq_frame *frame);
uint64_t pq_image_hash(const struct pq_image *image);
