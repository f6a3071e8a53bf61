/* SPDX-License-Identifier: MIT */
/* What pique_look() is made of. */
#pragma once

#include "film/video.h"
#include "pique/look.h"

/* One call. Everything is borrowed from it. */
struct pq_look {
    const char *src;
    const char *dst; /* NULL: only tell */
    const pique_look_options *options;
    pique_look_report *report;
    const struct pq_picture_io *pictures;
    const struct pq_video_io *films; /* NULL until a film is met */
};

/* look.c: write what is asked for, and fill the report. */
int pq_look_at_picture(const struct pq_look *look, const char *path, pique_error *err);
int pq_look_at_film(const struct pq_look *look, const char *path, pique_error *err);
/* A frame of that source; NULL where nothing is written. */
int pq_look_at_frame(const struct pq_look *look, struct pq_film_source *source,
                     const struct pq_frame *frame, pique_error *err);

/* look_job.c: src is a folder: a job, or numbered pictures. */
int pq_look_at_folder(struct pq_look *look, pique_error *err);
