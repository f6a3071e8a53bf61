/* SPDX-License-Identifier: MIT */
/* Which kernels compute an operation, of how many items. */
#pragma once

#include "backend/cuda/program.h"
#include "backend/cuda/space.h"

/* Look all kernels up in the program's module. */
int cuda_find_kernels(struct cuda_program *program, pique_error *err);
/* Floats that the kernels of operation i put aside; false where they are more than a size_t. */
bool cuda_scratch_floats(const struct cuda_program *program, const struct pq_geometry *geometry,
                         const struct pq_line *lines, int i, size_t *floats);

struct cuda_args;
/* A launch on the compute stream, whose items are counted here. */
cuda_result cuda_launch(const struct cuda_program *program, const struct cuda_space *space,
                        int kernel, struct cuda_args *args);
/* Enqueue on the compute stream: rows [y0, y1) of operation i, all frames. */
cuda_result cuda_launch_op(const struct cuda_program *program, const struct cuda_space *space,
                           int i, int64_t y0, int64_t y1);
/* Rows that have come in, from the slot into the map of the input; rows of the result, from their
 * map into the slot. */
cuda_result cuda_launch_load(const struct cuda_program *program, const struct cuda_space *space,
                             const struct cuda_slot *slot, int64_t y0, int64_t y1);
cuda_result cuda_launch_store(const struct cuda_program *program, const struct cuda_space *space,
                              const struct cuda_slot *slot, int64_t y0, int64_t y1);
