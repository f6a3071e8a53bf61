/* SPDX-License-Identifier: MIT */
/* Everything about one picture that is decided before anything is computed. */
#pragma once

#include <stdint.h>

#include "pique/picture.h"
#include "upscale/engine.h"
#include "upscale/rows.h"
#include "upscale/size.h"
#include "upscale/stages.h"
#include "upscale/survey.h"

struct pq_plan {
    pique_picture_options options; /* ours in full, whatever size the caller's have */
    const struct pq_format_caps *caps;
    struct pq_save save;
    enum pique_alpha alpha; /* what the source stage does with it */
    unsigned char background[3];
    struct pq_picture_format format; /* of the output, but for width and height */
    struct pq_size size;
    struct pq_effects effects;
    uint64_t share[PQ_MAX_PASSES]; /* memory of each pass */
    uint64_t whole_bytes;          /* of pictures that are kept as a whole */
};

/* The options, checked by themselves. options may be NULL. */
int pq_plan_options(struct pq_plan *plan, const pique_picture_options *options, pique_error *err);

/* Format, alpha, depth, size and memory for this source. Tells the user through the engine what
 * will not be kept. Reads the source once where its mean or its alpha must be known; *used then
 * tells that it must be rewound. After PIQUE_ENOMEM nothing is missing but pq_plan_share(). */
int pq_plan_picture(struct pq_plan *plan, const struct pq_engines *engines,
                    const struct pq_picture_io *io, struct pq_row_source *source, const char *src,
                    const char *dst, bool *used, pique_error *err);

/* The memory of each pass anew, on another device. */
int pq_plan_share(struct pq_plan *plan, const struct pq_engines *engines,
                  const struct pq_row_source *source, const char *src, pique_error *err);

/* What the stages around the streams take for one picture of this format; the streams' own share is
 * the engine's to say. UINT64_MAX on overflow. */
uint64_t pq_plan_other_bytes(const struct pq_plan *plan, const struct pq_picture_format *source);
