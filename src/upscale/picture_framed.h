/* SPDX-License-Identifier: MIT */
/* Pictures of files through a device that takes samples: rows come from their sources and go into
 * their sinks as they are, and everything between is done there (framed.h). */
#pragma once

#include "upscale/picture.h"
#include "upscale/stages.h"

/* Whether samples of both are of one kind, and become one: those of one batch. */
bool pq_pictures_are_alike(const struct pq_picture_job *a, const struct pq_picture_job *b);
/* As pq_picture_attempt(), whose sinks are closed after it. *done: false where stages have to do
 * it, and nothing has been read; pictures that are not alike, or no room, say. */
int pq_picture_framed(struct pq_picture_job *const *jobs, int count, struct pq_tally *tally,
                      bool *done, pique_error *err);
