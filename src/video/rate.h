/* SPDX-License-Identifier: MIT */
/* Frames at a constant rate: frame k shows the last one of the film whose time is not behind
 * k / rate, so duration and sync stay and nothing depends on where reading began. */
#pragma once

#include "video/reader.h"

struct pq_rate {
    struct pq_reader *reader; /* borrowed */
    AVRational rate;          /* 0/0: frames as they come */
    int64_t origin, end;      /* ticks of the film: frame 0, and what is not shown any more */
    int64_t next;             /* which frame is due */
    AVFrame *shown, *waiting; /* empty: none */
    bool started;
};

/* rate: `origin` and `end` (INT64_MAX: all) of the reader's ticks. */
int pq_rate_open(struct pq_rate *rate, struct pq_reader *reader, struct pq_ratio fps,
                 int64_t origin, int64_t end, pique_error *err);
void pq_rate_close(struct pq_rate *rate);
int pq_rate_next(struct pq_rate *rate, AVFrame *frame, bool *got, pique_error *err);
/* Go on with the first frame whose time, in ticks of what is delivered, is at least this. */
int pq_rate_enter(struct pq_rate *rate, int64_t pts, pique_error *err);
