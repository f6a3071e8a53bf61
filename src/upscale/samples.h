/* SPDX-License-Identifier: MIT */
/* Whole rows of the public API as floats, and back; kernels/samples.h says how. */
#pragma once

#include "kernels/samples.h"
#include "pique/engine.h"

void pq_samples_to_float(enum pique_sample sample, const void *in, size_t count, float *out);
void pq_samples_from_float(enum pique_sample sample, const float *in, size_t count, void *out);
