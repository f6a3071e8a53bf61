/* SPDX-License-Identifier: MIT */
/* What luma and chroma mean, as the kernels of yuv.cu compute it. */
#pragma once

#include "backend/cuda/kernels/kernel.h"

/* The taps and the matrix of an operation from, or to, luma and chroma. */
void cuda_set_yuv(const struct pq_op *op, struct cuda_args *a);
