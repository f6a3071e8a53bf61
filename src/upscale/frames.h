/* SPDX-License-Identifier: MIT */
/* Pictures of one size in memory through the whole chain of stages, N in one inference. Frames of a
 * film go this way, and pictures of a folder that have one size.
 *
 * A picture gives the same bits alone, in any place of a batch, and as a file of the same depth
 * through pique_picture_upscale(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pique/picture.h"
#include "upscale/engine.h"
#include "upscale/image.h"

struct pq_frames_setup {
    const struct pq_engines *engines;     /* borrowed as long as the frames live */
    const pique_picture_options *options; /* size, effects, alpha, tta; borrowed for the call */
    int width, height;                    /* of what comes in */
    int planes, depth;                    /* of what comes in */
    int out_depth;                        /* 8 or 16 */
    int multiple_x, multiple_y;           /* the output's sides are rounded up to these; 1: as is */
    int batch;                            /* 1 .. PQ_MAX_BATCH; 0: the most that pays and fits */
    const char *name;                     /* of the film, for messages; borrowed */
    /* What comes in, or goes out, is that; NULL: R, G and B. Only where pq_frames_can_yuv();
     * borrowed for the call. */
    const struct pq_yuv *in_yuv, *out_yuv;
    bool plain; /* for its size, and pq_frames_plain(), alone: nothing is made ready to compute */
    /* Of what comes in, where that is in_yuv, the piece that is upscaled; width 0: all. */
    int crop_x, crop_y, crop_width, crop_height;
};

/* Whether a device of these engines takes and gives luma and chroma itself, for these options. */
bool pq_frames_can_yuv(const struct pq_engines *engines, const pique_picture_options *options);

/* Thread-safety: one call at a time over all frames of an engine. */
struct pq_frames;

/* Decide everything for pictures of this size. A batch that does not fit into the memory budget is
 * lowered, which is noted where so many were asked for.
 * @return 0; PIQUE_EINVAL; PIQUE_EUNSUPPORTED; PIQUE_ENOMEM. */
int pq_frames_open(const struct pq_frames_setup *setup, struct pq_frames **out, pique_error *err);
void pq_frames_close(struct pq_frames **frames);

/* Pictures of one call at most. */
int pq_frames_batch(const struct pq_frames *frames);
/* Calls will have up to so many (PQ_MAX_BATCH at most), which go through in parts where the batch
 * of this device is less. */
void pq_frames_expect(struct pq_frames *frames, int most);
/* Another device will do what this one cannot, so it isn't asked twice where it failed itself. A
 * result that is refused is computed once more all the same. */
void pq_frames_set_other(struct pq_frames *frames, bool has_other);
/* What comes behind the next call. A device that can begins it while the last rows of that call are
 * on their way out; its result is the same. */
struct pq_frames_next {
    void *user;
    /* Its pictures, `count` of them. They stay where they are until the call behind, which must be
     * for them, or until one fails. False: they are not there, or not yet: it is asked again. */
    bool (*get)(void *user, int count, const struct pq_image **in, struct pq_image **out);
};
/* For the next call alone, and borrowed for it; NULL: nothing is known. */
void pq_frames_set_next(struct pq_frames *frames, const struct pq_frames_next *next);
/* Whether it makes a difference. */
bool pq_frames_goes_ahead(const struct pq_frames *frames);
int pq_frames_passes(const struct pq_frames *frames);
/* Size, planes and depth of what comes out; no memory. */
struct pq_image pq_frames_output(const struct pq_frames *frames);
/* Bytes that one run takes beside the images of the caller. */
uint64_t pq_frames_memory(const struct pq_frames *frames);

/* `count` pictures, 1 .. batch, in one inference. `in` is borrowed and read, `out` has memory of
 * the caller. A result that the sanity check refuses is computed once more and then refused.
 * @return 0; PIQUE_EINVAL where an image is not what was opened; PIQUE_EDEVICE; PIQUE_ENOMEM;
 * PIQUE_ECANCELED. */
int pq_frames_run(struct pq_frames *frames, int count, const struct pq_image *in,
                  struct pq_image *out, pique_error *err);
/* One picture at the size of the output without any network, by Lanczos alone: for estimates. Not
 * of luma and chroma. */
int pq_frames_plain(struct pq_frames *frames, const struct pq_image *in, struct pq_image *out,
                    pique_error *err);
/* So far: runs over a batch, results computed again, whether any was approximate. */
uint64_t pq_frames_inferences(const struct pq_frames *frames);
int pq_frames_retries(const struct pq_frames *frames);
bool pq_frames_approximate(const struct pq_frames *frames);
