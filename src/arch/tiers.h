/* SPDX-License-Identifier: MIT */
/* Which precision tiers a network can be trusted to. fp32 is safe for all; for the others it was
 * measured, or the public programs say so: docs/numerics.md has the figures. */
#pragma once

#include "graph/graph.h"

/* Why not, in a few words; NULL: safe. Static. */
struct pq_tiers {
    const char *fp16, *bf16, *int16;
};

/* By the name of the architecture and, where it has variants, by what is in the graph. */
void pq_tiers_of(const char *architecture, const struct pq_graph *g, struct pq_tiers *tiers);
