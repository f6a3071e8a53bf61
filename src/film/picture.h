/* SPDX-License-Identifier: MIT */
/* What a frame of the film is for the network, and what the network makes for the encoder. Each of
 * both sides is one of two:
 *
 *     R, G, B   frame -> to_rgb() -> network          network -> from_rgb() -> frame
 *     as it is  planes of the frame -> network        network -> planes of a blank frame
 *
 * As it is where the device makes colours of luma and chroma itself, which one thread of the
 * processor cannot do as fast as a GPU computes. Its last bits are others, so a job remembers which
 * it was. */
#pragma once

#include "film/film.h"

/* Decide for both sides: film->planes_in, film->planes_out. The source and the crew are open, the
 * encoder is chosen. A fallback that cannot take planes converts what it computes. */
void pq_film_choose_planes(struct pq_film *film);
/* How large all is and how many frames, into film->plan. film->plain is open then. */
int pq_film_open_plain(struct pq_film *film, pique_error *err);
/* What a device is set up with, but for its engines; planes: those sides of the film that have
 * them. The writer is open, where there is one. */
struct pq_frames_setup pq_film_setup(const struct pq_film *film, bool planes);
static inline bool pq_film_has_planes(const struct pq_film *film)
{
    return film->planes_in || film->planes_out;
}

/* A frame of `source`, which is film->source or like it, as R, G and B. pq_image_free() it,
 * whatever is returned. */
int pq_film_rgb(struct pq_film *film, struct pq_film_source *source, const struct pq_frame *frame,
                struct pq_image *out, pique_error *err);
/* The same as it is computed from: result->in. `frame` is borrowed. */
int pq_film_take(struct pq_film *film, struct pq_film_source *source, struct pq_frame *frame,
                 struct pq_result *result, pique_error *err);
/* Room for what is computed: result->out. */
int pq_film_room(const struct pq_film *film, struct pq_result *result, pique_error *err);
/* Both sides of a result in R, G and B, for a device that takes no planes: those that the result
 * has already are borrowed of it. pq_film_leave_rgb() them; done: what was computed goes into the
 * result. */
struct pq_rgb {
    struct pq_image in, out;
};
int pq_film_enter_rgb(struct pq_film *film, const struct pq_result *result, struct pq_rgb *rgb,
                      pique_error *err);
int pq_film_leave_rgb(struct pq_film *film, struct pq_result *result, struct pq_rgb *rgb, bool done,
                      pique_error *err);
/* What was computed as a frame of the encoder's, result->frame; nothing where there is no writer.
 * What it was computed from is let go. */
int pq_film_finish(const struct pq_film *film, struct pq_result *result, pique_error *err);

/* Most bytes of an `in` and of an `out`. */
uint64_t pq_film_in_bytes(const struct pq_film *film);
uint64_t pq_film_out_bytes(const struct pq_film *film);
