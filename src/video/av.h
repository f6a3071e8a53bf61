/* SPDX-License-Identifier: MIT */
/* libav behind one door: its errors as ours, its files as ours, its log nowhere. */
#pragma once

#include <libavformat/avformat.h>
#include <libavutil/rational.h>

#include "base/error.h"
#include "base/file.h"
#include "film/video.h"

/* Once a process, before anything else of libav: it logs to nobody's terminal. */
void pq_av_start(void);

/* pq_fail() for a libav status: "NAME: cannot WHAT: reason". ENOMEM, EIO and ENOSPC stay what they
 * are, AVERROR_INVALIDDATA and the like are PIQUE_EFORMAT, what libav cannot do
 * PIQUE_EUNSUPPORTED. */
int pq_av_fail(pique_error *err, int averror, const char *name, const char *what);

/* libav's reading and writing through a struct pq_file, which is borrowed. A failure of the file is
 * kept: after libav reports one, `failure` says what really happened. */
struct pq_av_io {
    AVIOContext *context;
    struct pq_file *file;
    pique_error failure; /* code 0: none */
};
/* writable: false to read. Seeking where the file can. */
int pq_av_io_open(struct pq_av_io *io, struct pq_file *file, bool writable, pique_error *err);
/* What is buffered is written first; 0, or the first failure of the file. */
int pq_av_io_flush(struct pq_av_io *io, pique_error *err);
void pq_av_io_close(struct pq_av_io *io);
/* The failure that libav's status comes from: that of the file where there is one. */
int pq_av_io_fail(struct pq_av_io *io, int averror, const char *name, const char *what,
                  pique_error *err);

/* A frame of ours around one of libav's, which is moved into it: *taken is empty after. pts and
 * duration as they are there. */
int pq_av_frame_wrap(AVFrame *taken, struct pq_frame **out, pique_error *err);
const AVFrame *pq_av_frame(const struct pq_frame *frame);
struct pq_frame *pq_av_frame_ref(struct pq_frame *frame);
void pq_av_frame_unref(struct pq_frame **frame);

static inline struct pq_ratio pq_ratio_of(AVRational r)
{
    return (struct pq_ratio){r.num, r.den};
}
static inline AVRational pq_rational_of(struct pq_ratio r)
{
    return (AVRational){r.num, r.den};
}
