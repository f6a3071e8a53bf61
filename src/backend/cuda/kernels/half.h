/* SPDX-License-Identifier: MIT */
/* Half precision, as maps store it: to the nearest, ties to even, beyond 65504 infinite. */
#pragma once

#include <stdint.h>

#include "tensor/tensor.h"

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
    return pq_f16_to_f32(bits);
}

static inline uint16_t cuda_half_bits(float value)
{
    return pq_f64_to_f16((double)value);
}

#endif
