/* SPDX-License-Identifier: MIT */
/* bfloat16 is the upper half of a float: its sign, its exponent and 8 significant bits. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/inline.h"

/* The bits of a float to those of the nearest bf16, whose lower half is 0; ties to even, NaN stays
 * NaN. In whole numbers, so that the rounding mode of the caller does not matter, and without a
 * branch. */
PQ_INLINE uint32_t pq_bf16_round(uint32_t bits)
{
    const uint32_t size = bits & 0x7fffffff, infinity = 0x7f800000, quiet = 0x00400000;
    uint32_t result = size + 0x7fff + (size >> 16 & 1);
    result = size > infinity ? size | quiet : result;
    return (result | (bits & 0x80000000)) & 0xffff0000;
}

PQ_INLINE uint16_t pq_f32_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(pq_bf16_round(bits) >> 16);
}

PQ_INLINE float pq_bf16_to_f32(uint16_t brain)
{
    const uint32_t bits = (uint32_t)brain << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
