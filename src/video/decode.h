/* SPDX-License-Identifier: MIT */
/* Packets of one stream as frames of libav, in the order in which they are seen, with times that
 * rise. The result does not depend on how many processors there are. */
#pragma once

#include "video/demux.h"

/* Where frames come from: a decoder of libav, or that of libwebp. */
struct pq_frames_from {
    /* The next frame; *got is false at the end. Its pts is set and rises, its duration is 0 where
     * nothing is known. */
    int (*next)(struct pq_frames_from *from, AVFrame *frame, bool *got, pique_error *err);
    /* Go on at a frame that is at or before the tick and behind which all is as in a run from the
     * beginning. PIQUE_EUNSUPPORTED where that cannot be had; then all is to be opened anew. */
    int (*enter)(struct pq_frames_from *from, int64_t tick, pique_error *err);
    /* Go on at a frame at or before the tick, for looking at one: quicker, and from the nearest key
     * frame on. Frames before `whole_from` that no other frame needs are left out.
     * PIQUE_EUNSUPPORTED as enter(). */
    int (*near)(struct pq_frames_from *from, int64_t tick, int64_t whole_from, pique_error *err);
    void (*close)(struct pq_frames_from *from);
};

/* The decoder of the input's stream, which outlives it. Damage is told to note(). */
int pq_decoder_open(struct pq_input *input, pq_note_fn *note, void *note_user,
                    struct pq_frames_from **out, pique_error *err);
