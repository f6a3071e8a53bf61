/* SPDX-License-Identifier: MIT */
/* Pictures of one size that are computed together. */
#pragma once

#include <stddef.h>

#include "cli/files.h"
#include "option/option.h"

/* How many of the inputs from `first` on, at least 1 and at most `most`, are pictures of one size,
 * colours, transparency and depth. usable: whether an input is still to be done; may be NULL. */
size_t pq_batch_alike(const struct pq_inputs *inputs, size_t first, size_t most,
                      const struct pq_options *o,
                      bool (*usable)(void *context, const struct pq_input *input), void *context);

/* The most pictures that the options want together; where they leave it open, as many as it pays
 * for pictures of that size. */
size_t pq_batch_wanted(const struct pq_options *o, int width, int height);
