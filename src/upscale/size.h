/* SPDX-License-Identifier: MIT */
/* How large a picture becomes, and how often it goes through the network for that. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "pique/picture.h"

enum { PQ_MAX_PASSES = 32 };

/* By how much a model enlarges, in lowest terms. */
struct pq_scale {
    int num, den;
};

struct pq_size {
    int in_width, in_height;  /* after the reduction to pre_downscale */
    int width, height;        /* of the output */
    bool own;                 /* the models' own scale: what comes out of the last pass is the
                                 result, and width and height only say what is expected */
    int passes;               /* runs of a network, at least one a model */
    int model[PQ_MAX_PASSES]; /* of pass i + 1: which of the chain */
    int pass_width[PQ_MAX_PASSES + 1], pass_height[PQ_MAX_PASSES + 1]; /* [0] is in_*; [i] after
                                                                          pass i */
};

/* Size options against a picture of width x height and a chain of models of these scales.
 *
 *   scale s        round(dim * s), at least 1; dim is after the pre-downscale
 *   width, height  as said; one alone keeps the picture's own aspect, rounded half up, at least 1
 *   fit            the largest size inside that keeps the aspect, one side exact
 *   nothing        the models' own scale: the product of all
 *
 * Passes: every model once, and the last one that enlarges as often as it takes, in its place,
 * until both sides are as large as the output. path names the picture in messages.
 * @return 0; PIQUE_EINVAL for options that make no sense; PIQUE_EUNSUPPORTED beyond 2^31-1 pixels a
 *         side. */
int pq_size_resolve(const pique_picture_options *options, int width, int height,
                    const struct pq_scale *scales, int models, const char *path,
                    struct pq_size *out, pique_error *err);

/* The part of it that needs no picture: whether the options make sense at all. */
int pq_size_check(const pique_picture_options *options, pique_error *err);
