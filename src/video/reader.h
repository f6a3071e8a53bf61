/* SPDX-License-Identifier: MIT */
/* A film as frames of planes, deinterlaced where that is asked for, from any place on. */
#pragma once

#include "video/decode.h"
#include "video/deinterlace.h"

struct pq_reader {
    const struct pq_film_read *read; /* borrowed */
    struct pq_input *input;          /* NULL: WebP */
    struct pq_frames_from *from;
    struct pq_deinterlacer *deinterlacer; /* NULL: none */
    AVRational time_base;
    int64_t webp_frames;
    AVFrame *first;                     /* as decoded, kept for what it says of the film */
    bool first_due;                     /* and still to be delivered */
    bool consumed;                      /* something was delivered */
    bool ended;                         /* nothing is left for the deinterlacer */
    enum AVPixelFormat decoded, format; /* of the decoder, and of what is delivered */
    int width, height;
    int64_t skip_below; /* ticks; frames before are not delivered */
};

/* The first frame is decoded. `reader` is all zero. PIQUE_EFORMAT where there is none. */
int pq_reader_open(struct pq_reader *reader, const struct pq_film_read *read, pique_error *err);
void pq_reader_close(struct pq_reader *reader);

/* The next frame into `frame`, which is empty; *got is false at the end. */
int pq_reader_next(struct pq_reader *reader, AVFrame *frame, bool *got, pique_error *err);

/* Before or between next(): go on at a frame at or before the tick, as a run from the beginning
 * would; quickly where the film allows, else by reading all that is before. */
int pq_reader_enter(struct pq_reader *reader, int64_t tick, pique_error *err);
/* As that, but PIQUE_EUNSUPPORTED where it cannot be done quickly; then nothing else can be read.
 */
int pq_reader_jump(struct pq_reader *reader, int64_t tick, pique_error *err);
