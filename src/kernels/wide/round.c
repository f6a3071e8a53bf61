/* SPDX-License-Identifier: MIT */
/* Floats rounded to what a 16-bit type can hold, ties to even. */
#include "kernels/wide/functions.h"
#include "tensor/bf16.h"
#include "tensor/f16.h"

PQ_ROUND_FN(PQ_WIDE(round_f16))
{
    for (size_t i = 0; i < count; i++)
        values[i] = pq_f16_to_f32(pq_f32_to_f16(values[i]));
}

PQ_ROUND_FN(PQ_WIDE(round_bf16))
{
    for (size_t i = 0; i < count; i++)
        values[i] = pq_bf16_to_f32(pq_f32_to_bf16(values[i]));
}
