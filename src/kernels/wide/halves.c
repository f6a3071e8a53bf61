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

void PQ_WIDE(add_halves)(const uint16_t *a, const uint16_t *b, float scale, size_t count,
                         uint16_t *out)
{
    const struct lanes times = lanes_set(scale);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        lanes_store_halves(out + i, lanes_add(lanes_load_halves(a + i),
                                              lanes_mul(times, lanes_load_halves(b + i))));
    for (; i < count; i++)
        out[i] = pq_f32_to_f16(pq_f16_to_f32(a[i]) + scale * pq_f16_to_f32(b[i]));
}
