/* SPDX-License-Identifier: MIT */
/* Halves, as maps store them: floats of 16 bits, which are of one of two types. Values go to the
 * nearest, ties to even. PQ_F16 has 11 significant bits and is infinite beyond 65504; PQ_BF16 has 8
 * and the range of a float. */
#pragma once

#include <stdint.h>

#include "tensor/bf16.h"
#include "tensor/f16.h"
#include "tensor/tensor.h"

#ifdef __CUDACC__
#define CUDA_INLINE static __device__ inline

CUDA_INLINE float cuda_f16_value(uint16_t bits)
{
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

CUDA_INLINE uint16_t cuda_f16_bits(float value)
{
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

#else
#define CUDA_INLINE static inline

CUDA_INLINE float cuda_f16_value(uint16_t bits)
{
    return pq_f16_to_f32(bits);
}

CUDA_INLINE uint16_t cuda_f16_bits(float value)
{
    return pq_f32_to_f16(value);
}

#endif

CUDA_INLINE float cuda_half_value(enum pq_dtype type, uint16_t bits)
{
    return type == PQ_BF16 ? pq_bf16_to_f32(bits) : cuda_f16_value(bits);
}

CUDA_INLINE uint16_t cuda_half_bits(enum pq_dtype type, float value)
{
    return type == PQ_BF16 ? pq_f32_to_bf16(value) : cuda_f16_bits(value);
}

/* Two of them, as they lie in memory. */
CUDA_INLINE uint32_t cuda_half_pair(enum pq_dtype type, float first, float second)
{
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 800
    uint32_t both;
    if (type == PQ_BF16)
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    else
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
#else
    return cuda_half_bits(type, first) | (uint32_t)cuda_half_bits(type, second) << 16;
#endif
}
