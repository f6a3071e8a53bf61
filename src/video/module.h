/* SPDX-License-Identifier: MIT */
/* What the files of this folder put into the table of the module. */
#pragma once

#include "film/video.h"

const struct pq_video_io *pique_video_module(void);

/* input.c and what it uses */
int pq_av_describe(const char *path, char **json, pique_error *err);
int pq_av_open_source(const struct pq_film_read *read, struct pq_film_source **out,
                      pique_error *err);

/* encoder.c, writer.c, journal.c */
int pq_av_choose(const struct pq_film_write *write, struct pq_film_encoder *out, pique_error *err);
int pq_av_open_writer(const struct pq_film_write *write, const struct pq_film_encoder *chosen,
                      struct pq_film_writer **out, pique_error *err);
int pq_av_write_journal(const struct pq_film_writer *like, struct pq_file *file,
                        struct pq_film_journal **out, pique_error *err);
int pq_av_read_journal(const struct pq_film_writer *like, const char *path,
                       struct pq_film_journal **out, pique_error *err);
const char *pq_av_profiles(void);

/* join.c */
int pq_av_lost(const struct pq_film_join *join, int *lost, pique_error *err);
int pq_av_join(const struct pq_film_join *join, struct pq_film_joined *out, pique_error *err);
