/* SPDX-License-Identifier: MIT */
/* A writer from the inside: what those with an encoder and those without share. */
#pragma once

#include "film/video.h"
#include "video/convert.h"
#include "video/encoder.h"
#include "video/pool.h"

struct pq_av_writer {
    struct pq_film_writer base; /* first */
    enum AVPixelFormat format;
    struct pq_stream_facts facts;
    AVMasteringDisplayMetadata mastering; /* what facts point to */
    AVContentLightMetadata light;
    struct pq_frame_pool *pool;     /* of its frames */
    struct pq_converter *converter; /* of pictures of this depth and so many planes */
    int planes, depth;
};

/* Shared: from_rgb(), blank(), yuv, and the beginning and end of a writer. */
int pq_writer_setup(struct pq_av_writer *w, const struct pq_film_write *write,
                    const struct pq_film_encoder *chosen, pique_error *err);
void pq_writer_free(struct pq_av_writer *w);

/* Without an encoder: y4m and nothing. */
int pq_open_raw_writer(const struct pq_film_write *write, const struct pq_film_encoder *chosen,
                       struct pq_film_writer **out, pique_error *err);
