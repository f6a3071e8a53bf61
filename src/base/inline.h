/* SPDX-License-Identifier: MIT */
/* Functions of a header that kernels of a GPU compile, too. */
#pragma once

#ifdef __CUDACC__
#define PQ_INLINE static __host__ __device__ inline
#else
#define PQ_INLINE static inline
#endif
