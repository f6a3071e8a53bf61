/* SPDX-License-Identifier: MIT */
/* Pictures through a device that takes them whole. What the stages of a chain do on the host is
 * there one graph with the network, a batch an inference; only samples go in and come out:
 *
 *     samples -> [luma and chroma -> RGB, piece | grey -> RGB | over a background]
 *             -> [resize] -> [colours under alpha 0] -> network, once a pass
 *             -> [resize] -> [effects] -> [luma and chroma | grey] -> samples
 *
 * RGB and grey, with alpha or without, have the bits of the stages in fp32, on the same device.
 * Luma and chroma are converted in float, and dithered by a pattern of x and y where they have less
 * than 16 bits. */
#pragma once

#include "upscale/frames.h"
#include "upscale/plan.h"

struct pq_framed;

/* Whether the device of these engines can all of that, for these options. One that converts samples
 * alone, at the ends of a network, is used for pictures between which and the network nothing else
 * has to be done; the others are PIQUE_EUNSUPPORTED. */
bool pq_framed_possible(const struct pq_engines *engines, const pique_picture_options *options);

/* setup: what comes in, of one plane (grey), two (and alpha), three or four; plan: size, effects
 * and alpha are resolved; out: what comes out, likewise.
 * @return 0; PIQUE_EUNSUPPORTED where stages must do it; PIQUE_ENOMEM; PIQUE_EDEVICE. */
int pq_framed_open(const struct pq_frames_setup *setup, const struct pq_plan *plan,
                   const struct pq_image *out, struct pq_framed **framed, pique_error *err);
void pq_framed_close(struct pq_framed **framed);
/* The same for rows of interleaved samples, kept by the first engine for the next pictures like
 * these, and closed with it. */
int pq_framed_take(const struct pq_frames_setup *setup, const struct pq_plan *plan,
                   const struct pq_image *out, struct pq_framed **framed, pique_error *err);
/* Bytes of a batch: the least, and with bands as high as the engine's budget lets them be. */
int pq_framed_bytes(const struct pq_framed *framed, int count, uint64_t *least, uint64_t *wanted,
                    pique_error *err);
/* A batch row by row (opened.h): pq_stream_advance() until all are out, after each have what is
 * there checked, and close the stream. means: of each picture, about which contrast turns. */
struct pq_stream;
int pq_framed_begin(struct pq_framed *framed, int count, const float *means,
                    struct pq_stream **stream, pique_error *err);
int pq_framed_check(struct pq_framed *framed, const struct pq_stream *stream, pique_error *err);
/* Whether a batch can begin while the one before it ends. */
bool pq_framed_goes_ahead(const struct pq_framed *framed);
/* All of a batch, which may have begun during the one before; next: what to begin during this one,
 * of the same means, or NULL. Errors as pq_frames_run(). */
int pq_framed_run(struct pq_framed *framed, int count, const struct pq_image *in,
                  struct pq_image *out, const float *means, const struct pq_frames_next *next,
                  pique_error *err);
