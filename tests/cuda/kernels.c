/* SPDX-License-Identifier: MIT */
/* The kernels that the stand-in driver brings: the sources of the device's, compiled as C. */
#include "standin.h"

#include "backend/cuda/kernels/alpha.cu"
#include "backend/cuda/kernels/attention.cu"
#include "backend/cuda/kernels/conv.cu"
#include "backend/cuda/kernels/conv_half.cu"
#include "backend/cuda/kernels/conv_strip.cu"
#include "backend/cuda/kernels/global.cu"
#include "backend/cuda/kernels/local.cu"
#include "backend/cuda/kernels/norm.cu"
#include "backend/cuda/kernels/sample.cu"
#include "backend/cuda/kernels/samples.cu"
#include "backend/cuda/kernels/sort.cu"
#include "backend/cuda/kernels/table.h"
#include "backend/cuda/kernels/tokens.cu"
#include "backend/cuda/kernels/watch.cu"
#include "backend/cuda/kernels/yuv.cu"

const struct standin_kernel standin_kernels[] = {
#define ROW(which, name, items) {#name, name},
    CUDA_KERNELS(ROW)
#undef ROW
        {0},
};
