/* SPDX-License-Identifier: MIT */
/* Between integer samples and floats, the same way everywhere: v = u * float(1/max) going in, and
 * clamp(floor(v * max + 0.5)) coming out. NaN comes out as 0. */
#pragma once

#include <stddef.h>

#include "pique/engine.h"

void pq_samples_to_float(enum pique_sample sample, const void *in, size_t count, float *out);
void pq_samples_from_float(enum pique_sample sample, const float *in, size_t count, void *out);
size_t pq_sample_size(enum pique_sample sample);
