/* SPDX-License-Identifier: MIT */
/* One frame of a film, quickly: for pictures of a film, never for the film itself. What the frame
 * was made from may be a frame that a run from the beginning would have decoded otherwise, where
 * the file is damaged. */
#pragma once

#include "video/reader.h"

/* As find() and show() of struct pq_film_source. The reader was opened, and may have delivered
 * frames; after pq_look_show() it is somewhere in the film. `frame` is empty. */
int pq_look_find(const struct pq_reader *reader, int64_t index, int64_t *pts, pique_error *err);
int pq_look_show(struct pq_reader *reader, int64_t pts, bool exact, AVFrame *frame, bool *got,
                 pique_error *err);
