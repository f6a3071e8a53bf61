/* SPDX-License-Identifier: MIT */
/* Sealed segments become a film. */
#pragma once

#include "film/film.h"

/* What the segments of a job hold, from the first on. */
struct pq_sealed_list {
    struct pq_sealed *list;
    int count;
    size_t capacity;
    int64_t frames;
    bool whole; /* the last one ends the film */
};
/* The sealed segments from the first to the one before the first that is missing.
 * with_files: the files are read and compared with their sums. Free it whatever is returned. */
int pq_sealed_read(const struct pq_job *job, bool with_files, struct pq_sealed_list *out,
                   pique_error *err);
void pq_sealed_list_free(struct pq_sealed_list *list);

/* Join them into dst, which appears whole or not at all. `join` says what of the source is kept.
 * mark: the job is told before the result gets its name. *bytes: of the result; may be NULL. */
int pq_join_film(const struct pq_video_io *io, const struct pq_job *job,
                 const struct pq_sealed_list *sealed, struct pq_film_join *join, const char *dst,
                 bool overwrite, bool mark, uint64_t *bytes, pique_error *err);
