/* SPDX-License-Identifier: MIT */
/* A film as its job remembers it. */
#pragma once

#include "film/film.h"

/* Everything that decides the frames of the result, into film->spec; names are those of the options
 * of the program. */
int pq_film_specify(struct pq_film *film, pique_error *err);
/* "<dst>.job"; pq_free() it, NULL: out of memory. */
char *pq_film_job_folder(const char *dst);

/* What joining needs beside the segments: of an open film, which owns the strings. */
struct pq_film_join pq_film_joining(const struct pq_film *film);
/* The same for job.json, so that a job can be joined by whoever finds it. json_decref() it. */
int pq_film_join_facts(const struct pq_film_join *join, json_t **out, pique_error *err);
/* And back; strings belong to `facts`. False where something is missing. */
bool pq_film_join_read(const json_t *facts, struct pq_film_join *join, struct pq_film_read *read);
