/* SPDX-License-Identifier: MIT */
/* Half precision, as maps store it: to the nearest, ties to even, beyond 65504 infinite. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/inline.h"

#ifdef __CUDACC__

static __device__ inline float cuda_half_value(uint16_t bits)
{
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

static __device__ inline uint16_t cuda_half_bits(float value)
{
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

#else

static inline float cuda_half_value(uint16_t bits)
{
    _Float16 half;
    memcpy(&half, &bits, sizeof half);
    return (float)half;
}

static inline uint16_t cuda_half_bits(float value)
{
    const _Float16 half = (_Float16)value;
    uint16_t bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}

#endif
