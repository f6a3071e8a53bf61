/* SPDX-License-Identifier: MIT */
/* Rows of halves (tensor/f16.h). */
#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"

void PQ_WIDE(halves)(const float *values, size_t count, uint16_t *out)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        lanes_store_halves(out + i, lanes_load(values + i));
    for (; i < count; i++)
        out[i] = pq_f32_to_f16(values[i]);
}

void PQ_WIDE(floats)(const uint16_t *halves, size_t count, float *out)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        lanes_store(out + i, lanes_load_halves(halves + i));
    for (; i < count; i++)
        out[i] = pq_f16_to_f32(halves[i]);
}
