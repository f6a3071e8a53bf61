/* SPDX-License-Identifier: MIT */
/* How the passes of one picture share the engine's memory budget. Thread-safety: safe. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "pique/engine.h"
#include "upscale/engine.h"
#include "upscale/size.h"

/* share[i]: bytes for the line buffers of pass i + 1. Each gets what it needs at least, and of what
 * is left a part in proportion to what it would like. alpha: whether it takes part. other_bytes:
 * what the other stages take. The budget is the first engine's.
 * @return 0; PIQUE_ENOMEM with what is needed where the least does not fit; PIQUE_EINVAL for a size
 * that the network cannot take. */
int pq_budget_share(const struct pq_engines *engines, const struct pq_size *size, bool alpha,
                    uint64_t other_bytes, const char *path, uint64_t share[PQ_MAX_PASSES],
                    pique_error *err);
