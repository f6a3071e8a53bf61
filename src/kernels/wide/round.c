/* SPDX-License-Identifier: MIT */
/* Floats rounded to what a 16-bit type can hold, ties to even. In whole numbers, so that the
 * rounding mode of the caller does not matter, and without a branch. */
#include <stdint.h>
#include <string.h>

#include "kernels/wide/functions.h"
#include "tensor/bf16.h"

static const uint32_t sign_bit = 0x80000000, infinity = 0x7f800000, quiet = 0x00400000;

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Below 2^-14 a half is a multiple of 2^-24: shift the mantissa until its unit is that. */
static inline uint32_t tiny(uint32_t size)
{
    uint32_t shift = 126 - (size >> 23);
    shift = shift < 25 ? shift : 25; /* and then nothing is left */
    uint32_t mantissa = (size & 0x7fffff) | 0x800000;
    uint32_t kept = (mantissa + (1u << (shift - 1)) - 1 + (mantissa >> shift & 1)) >> shift;
    return bits_of((float)(int32_t)kept * 0x1p-24f);
}

static inline float to_f16(float x)
{
    const uint32_t bits = bits_of(x), size = bits & ~sign_bit;
    uint32_t normal = (size + 0xfff + (size >> 13 & 1)) & ~(uint32_t)0x1fff;
    normal = normal >= 0x47800000 ? infinity : normal; /* 2^16 */
    uint32_t result = size < 0x38800000 ? tiny(size < 0x38800000 ? size : 0) : normal;
    result = size > infinity ? size | quiet : result;
    return float_of(result | (bits & sign_bit));
}

static inline float to_bf16(float x)
{
    return float_of(pq_bf16_round(bits_of(x)));
}

PQ_ROUND_FN(PQ_WIDE(round_f16))
{
    for (size_t i = 0; i < count; i++)
        values[i] = to_f16(values[i]);
}

PQ_ROUND_FN(PQ_WIDE(round_bf16))
{
    for (size_t i = 0; i < count; i++)
        values[i] = to_bf16(values[i]);
}
