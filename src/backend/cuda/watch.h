/* SPDX-License-Identifier: MIT */
/* What the device looks at for the host's sanity check: what goes into each pass of a network, and
 * what comes out of it (kernels/watch.cu). */
#pragma once

#include "backend/cuda/space.h"

/* Floats that what is seen takes, of all passes, and the most that looking takes besides; false
 * where they are more than a size_t. */
bool cuda_watch_floats(const struct cuda_program *program, const struct pq_geometry *geometry,
                       const struct pq_line *lines, size_t *seen, size_t *scratch);
/* Look at rows [y0, y1) of operation i, where that is wanted, into the `seen` of a side; on the
 * compute stream. */
cuda_result cuda_watch(const struct cuda_program *program, const struct cuda_space *space,
                       cuda_ptr seen, int i, int64_t y0, int64_t y1);
/* Where a pass begins in what is seen, in floats. */
size_t cuda_watch_at(const struct cuda_program *program, const struct cuda_space *space, int pass,
                     bool out);
