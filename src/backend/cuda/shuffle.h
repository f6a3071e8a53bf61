/* SPDX-License-Identifier: MIT */
/* Convolutions that write their result shuffled. */
#pragma once

#include "backend/cuda/program.h"

/* Say so in the steps, of which it is chosen which are products of matrices, and how their results
 * are stored. */
void cuda_choose_shuffles(const struct pq_graph *graph, struct cuda_step *steps);
