/* SPDX-License-Identifier: MIT */
/* How each operation is computed, and what its result is stored in, by the tier and the graph
 * alone.
 */
#pragma once

#include "backend/cuda/program.h"

void cuda_choose(const struct pq_graph *graph, enum pique_precision tier, struct cuda_step *steps);
