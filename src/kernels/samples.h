/* SPDX-License-Identifier: MIT */
/* Between integer samples and floats, the same way everywhere: v = u * float(1/max) going in, which
 * is how the networks' own training code reads pictures, and clamp(floor(v * max + 0.5), 0, max)
 * coming out. NaN comes out as 0. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/colour.h"

/* Inlined with a depth that is known, so that nothing is asked for each sample. */
#define PQ_SAMPLE_INLINE static inline __attribute__((always_inline))

/* Sample i of a row of 8 or 16 bit samples. */
PQ_SAMPLE_INLINE float pq_sample_load(const void *row, size_t i, int depth)
{
    return depth == 8 ? (float)((const uint8_t *)row)[i] * (1.0f / 255.0f)
                      : (float)((const uint16_t *)row)[i] * (1.0f / 65535.0f);
}

PQ_SAMPLE_INLINE void pq_sample_store(void *row, size_t i, float v, int depth)
{
    if (depth == 8)
        ((uint8_t *)row)[i] = (uint8_t)pq_sample_of(v, 255.0f);
    else
        ((uint16_t *)row)[i] = (uint16_t)pq_sample_of(v, 65535.0f);
}
