/* SPDX-License-Identifier: MIT */
/* A first look over the whole source, before anything is computed. */
#pragma once

#include <stdbool.h>

#include "upscale/stage.h"

struct pq_survey {
    float mean;       /* mean luma, each pixel by its alpha; 0 where nothing is visible */
    bool transparent; /* some pixel is not opaque */
};

/* Read all of a source stage, which is then at its end. The mean is a sum of doubles a row, added
 * in row order; unlike Pillow's it is not rounded to 8 bits. check is asked now and then whether to
 * go on. */
int pq_survey(struct pq_stage *source_stage, int (*check)(void *context, pique_error *err),
              void *context, struct pq_survey *survey, pique_error *err);
