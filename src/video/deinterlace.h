/* SPDX-License-Identifier: MIT */
/* bwdif, a frame for a frame: each needs the one before and the one behind. */
#pragma once

#include <libavutil/frame.h>
#include <libavutil/rational.h>
#include <stdbool.h>

#include "base/error.h"

struct pq_deinterlacer;

/* For frames like this one, whose times count in time_base. */
int pq_deinterlacer_open(const AVFrame *like, AVRational time_base, const char *name,
                         struct pq_deinterlacer **out, pique_error *err);
void pq_deinterlacer_close(struct pq_deinterlacer **deinterlacer);
/* The next frame, which is taken and left empty; NULL: there is none any more. */
int pq_deinterlacer_push(struct pq_deinterlacer *d, AVFrame *frame, pique_error *err);
/* One that is ready; *got is false where more has to be pushed, *end set behind the last. */
int pq_deinterlacer_pull(struct pq_deinterlacer *d, AVFrame *frame, bool *got, bool *end,
                         pique_error *err);
