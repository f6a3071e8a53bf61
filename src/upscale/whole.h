/* SPDX-License-Identifier: MIT */
/* Pictures that are kept as a whole, for stages that cannot stream. */
#pragma once

#include "upscale/turned.h"

/* height x width x planes floats from the allocator, which *out names too; pq_whole_free() it. */
int pq_whole_alloc(const pique_allocator *allocator, int width, int height, int planes, float **out,
                   pique_error *err);
void pq_whole_free(const pique_allocator *allocator, float **memory);
/* All rows of `count` stages of one size, which are then at their ends; read side by side, so that
 * what they have in common need not wait for one of them. `engine` is asked now and then whether to
 * go on. On failure what was made is in out, for pq_whole_free(). */
int pq_whole_read(struct pq_stage *const *stages, int count, const pique_engine *engine,
                  float **out, pique_error *err);
/* A stage's picture, whose rows are in data. */
struct pq_planes pq_whole_planes(const struct pq_stage *stage, const float *data);
