/* SPDX-License-Identifier: MIT */
/* binary16 of IEEE 754, a half: its sign, 5 bits of exponent and 11 significant bits; subnormals,
 * infinities and NaN included. In whole numbers, so that the rounding mode of the caller does not
 * matter, and without a branch. */
#pragma once

#include <stdint.h>
#include <string.h>

/* The nearest half, ties to even; from 65520 on an infinite one. NaN stays NaN. */
static inline uint16_t pq_f32_to_f16(float value)
{
    const uint32_t infinity = 0x7f800000, least_normal = 0x38800000 /* 2^-14 */;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t size = bits & 0x7fffffff;
    uint32_t half = (size + 0xfff + (size >> 13 & 1) - (112u << 23)) >> 13;
    half = half < 0x7c00 ? half : 0x7c00;
    /* Below 2^-14 a half is a multiple of 2^-24: shift the mantissa until its unit is that. */
    uint32_t shift = 126 - ((size < least_normal ? size : 0) >> 23);
    shift = shift < 25 ? shift : 25; /* and then nothing is left */
    const uint32_t mantissa = (size & 0x7fffff) | 0x800000;
    const uint32_t tiny = (mantissa + (1u << (shift - 1)) - 1 + (mantissa >> shift & 1)) >> shift;
    half = size < least_normal ? tiny : half;
    half = size > infinity ? 0x7e00 | (size >> 13 & 0x3ff) : half;
    return (uint16_t)(half | (bits >> 16 & 0x8000));
}

static inline float pq_f16_to_f32(uint16_t half)
{
    const uint32_t size = half & 0x7fff, more = size < 0x7c00 ? 112u << 23 : 224u << 23;
    const float tiny = (float)(int32_t)size * 0x1p-24f;
    uint32_t bits;
    memcpy(&bits, &tiny, sizeof bits);
    bits = size < 0x400 ? bits : (size << 13) + more;
    bits |= (uint32_t)(half & 0x8000) << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
