/* SPDX-License-Identifier: MIT */
/* Weights in the order in which the kernels read them, put together on the host once. */
#pragma once

#include "backend/cuda/program.h"

/* Say where the arrays of all operations lie, of which it is chosen how they are computed, and fill
 * *out, *floats long, which the caller frees with pq_free(). Operations are shared out to the
 * threads of the pool; NULL: to none. */
int cuda_pack(const struct pq_graph *graph, enum pique_precision tier, struct pq_pool *pool,
              struct cuda_step *steps, float **out, size_t *floats, pique_error *err);
