/* SPDX-License-Identifier: MIT */
/* Pictures of one size that are computed together. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/files.h"
#include "option/option.h"

/* How many of the inputs from `first` on, 1 to PIQUE_BATCH_PICTURES, go through the network in one
 * inference: pictures in files, of one size, colours, transparency and depth, and no more than the
 * options want.
 * ready: whether an input can be one of several. */
size_t pq_batch_alike(const struct pq_inputs *inputs, size_t first, const struct pq_options *o,
                      bool (*ready)(void *context, const struct pq_input *input), void *context);
