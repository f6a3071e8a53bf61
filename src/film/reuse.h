/* SPDX-License-Identifier: MIT */
/* Frames that were there before.
 *
 * A film of drawings shows each of them two or three times, and mouths go through the same few
 * shapes. A frame whose samples are all those of one of the last different frames gets the result
 * of that one. With tolerance 0 samples are compared byte for byte, so the result is what computing
 * it would give; with a tolerance, no sample may differ by more than so many steps of 8 bits from
 * that frame, for which the result really was computed (its anchor), so that errors never add up.
 *
 * Nothing is decided by a hash: one only tells which frames are worth comparing. Thread-safety: one
 * call at a time. */
#pragma once

#include <stdint.h>

#include "film/video.h"

enum { PQ_REUSE_BACK = 16 }; /* different frames that are looked back at, at most */

struct pq_reuse;

/* frame_bytes: of one frame; frames above a size are kept in smaller numbers, by which alone the
 * reach is decided, so that it is the same everywhere. tolerance 0 .. 4. */
int pq_reuse_new(const struct pq_video_io *io, uint64_t frame_bytes, int tolerance,
                 struct pq_reuse **out, pique_error *err);
void pq_reuse_free(struct pq_reuse **reuse);

/* Forget all frames: a segment begins. */
void pq_reuse_restart(struct pq_reuse *reuse);
/* The newest frame like this one, by the number that pq_reuse_add() gave it; -1: there is none. */
int64_t pq_reuse_find(struct pq_reuse *reuse, const struct pq_frame *frame);
/* This frame is computed; it may be found from now on, and is kept (a reference). The oldest one is
 * forgotten where there are too many; *forgotten is its number, or -1. */
int pq_reuse_add(struct pq_reuse *reuse, struct pq_frame *frame, int64_t number, int64_t *forgotten,
                 pique_error *err);

/* Whether all samples of two frames differ by at most `steps`, of the frames' own depth. */
bool pq_frames_alike(const struct pq_frame *a, const struct pq_frame *b, int steps);
