/* SPDX-License-Identifier: MIT */
/* Items that are one of `each` of a whole row of the result. */
#pragma once

#include "backend/cuda/kernels/kernel.h"

CUDA_INLINE struct cuda_item cuda_row_item_of(const struct cuda_args *a, int64_t at, int each)
{
    struct cuda_item i;
    i.c = (int)(at % each);
    at /= each;
    i.x = 0;
    i.y = a->y0 + at % a->rows;
    i.frame = (int)(at / a->rows);
    return i;
}
