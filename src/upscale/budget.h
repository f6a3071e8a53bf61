/* SPDX-License-Identifier: MIT */
/* How the passes of one picture share the engine's memory budget. Thread-safety: safe. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "pique/engine.h"
#include "upscale/engine.h"
#include "upscale/size.h"

/* Engines as a caller hands them in, checked: none missing, 1 .. PIQUE_CHAIN_MODELS. */
int pq_engines_take(pique_engine *const *list, size_t count, struct pq_engines *out,
                    pique_error *err);
/* By how much each model enlarges; scales has room for PIQUE_CHAIN_MODELS. */
int pq_engines_scales(const struct pq_engines *engines, struct pq_scale *scales, pique_error *err);

/* What a picture takes beside line buffers. */
struct pq_demand {
    int frames; /* pictures in one inference; 0 is 1 */
    bool alpha, tta;
    uint64_t other; /* of the stages around the networks */
    uint64_t whole; /* with tta: pictures kept as a whole */
};

/* share[i]: bytes for the line buffers of pass i + 1. Each gets what it needs at least, and of what
 * is left a part in proportion to what it would like; with tta, where one pass runs after the
 * other, each gets all that is left. The budget is the first engine's.
 * @return 0; PIQUE_ENOMEM with what is needed where the least does not fit; PIQUE_EINVAL for a size
 * that the network cannot take. */
int pq_budget_share(const struct pq_engines *engines, const struct pq_size *size,
                    const struct pq_demand *demand, const char *path, uint64_t share[PQ_MAX_PASSES],
                    pique_error *err);
