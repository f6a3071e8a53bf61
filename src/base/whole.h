/* SPDX-License-Identifier: MIT */
/* Whole numbers divided downwards, as places before the first one want it. b > 0. */
#pragma once

#include <stdint.h>

#include "base/inline.h"

PQ_INLINE int64_t pq_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

PQ_INLINE int64_t pq_floor_mod(int64_t a, int64_t b)
{
    return a - pq_floor_div(a, b) * b;
}

PQ_INLINE int64_t pq_ceil_div(int64_t a, int64_t b)
{
    return -pq_floor_div(-a, b);
}

/* The nearest of the places 0 .. n - 1. */
PQ_INLINE int64_t pq_clamp_place(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}
