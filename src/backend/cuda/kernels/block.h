/* SPDX-License-Identifier: MIT */
/* Kernels whose threads work together: blocks of warps with shared memory and matrix products.
 *
 * Such a kernel is written as a row of phases. On the device a phase is what each thread does; as C
 * it is a loop over the threads, or over the warps, of the block, so that the same source runs, and
 * can be tested, where there is no GPU:
 *
 *     CUDA_EACH_THREAD (t)   what thread t does; nothing in it depends on another thread
 *     CUDA_EACH_WARP (w)     what warp w does; products of matrices are made by all lanes at once
 *     CUDA_EACH_LANE (l)     in it, what lane l does with its own registers
 *     cuda_sync()            between phases of which one reads what another has written
 *
 * What a thread keeps from phase to phase is an array over the threads of the block as C, and one
 * struct on the device: CUDA_KEPT() says how many, CUDA_OWN() which is a thread's.
 *
 * The matrix product is mma.m16n8k16 of PTX (ISA 8, 9.7.14): halves times halves, of one of their
 * two types, summed in fp32. In which order the hardware adds the 16 products is its own affair, so
 * the C of it has other bits within the same bound. Which lane holds what:
 *
 *     a (16 x 16)  register r, half h: row lane/4 + 8 (r & 1), column 2 (lane % 4) + h + 8 (r / 2)
 *     b (16 x 8)   register r, half h: row 2 (lane % 4) + h + 8 r, column lane/4
 *     d (16 x 8)   value i: row lane/4 + 8 (i / 2), column 2 (lane % 4) + i % 2 */
#pragma once

#include <string.h>

#include "backend/cuda/kernels/half.h"
#include "backend/cuda/kernels/kernel.h"

enum { CUDA_WARP = 32, CUDA_THREADS = 128 /* of such a block */ };

#ifdef __CUDACC__

/* Before a loop over registers: an index that is not known when the kernel is compiled would put
 * them into memory. */
#define CUDA_UNROLL _Pragma("unroll")
/* Before a loop that is not to take the registers of several rounds. */
#define CUDA_ROLLED         _Pragma("unroll 1")
#define CUDA_EACH_THREAD(t) for (int t = (int)threadIdx.x, once_##t = 1; once_##t; once_##t = 0)
#define CUDA_EACH_WARP(w)                                                                          \
    for (int w = (int)threadIdx.x / CUDA_WARP, once_##w = 1; once_##w; once_##w = 0)
#define CUDA_EACH_LANE(l)                                                                          \
    for (int l = (int)threadIdx.x % CUDA_WARP, once_##l = 1; once_##l; once_##l = 0)
#define CUDA_KEPT(threads)         1
#define CUDA_OWN(kept, warp, lane) ((void)(warp), (void)(lane), (kept))
#define CUDA_LANES_OF(kept, warp)  ((void)(warp), (kept))

static __device__ inline void cuda_sync(void)
{
    __syncthreads();
}

/* The same where what one reads another thread of its warp has written. */
static __device__ inline void cuda_warp_sync(void)
{
    __syncwarp();
}

/* The same number, of which the compiler does not know that: what has been computed of it is not
 * kept in registers but computed again. */
static __device__ inline uint32_t cuda_again(uint32_t number)
{
    asm volatile("" : "+r"(number));
    return number;
}

/* Shared memory is named by addresses, in bytes, which instructions take as they are and which can
 * be counted on by whole numbers: that of its beginning. */
static __device__ inline uint32_t cuda_shared(const uint16_t *shared)
{
    return (uint32_t)__cvta_generic_to_shared(shared);
}

/* Kernels are compiled for GPUs that lack what they need, too, and never launched there; one that
 * is launched all the same must not go on. */
#define CUDA_MISSING(a, b, c) ((void)(a), (void)(b), (void)(c), __trap())

/* 16 bytes of global memory to an address of shared memory, or zeros where `bytes` is 0 and not 16;
 * behind the thread's back until cuda_copies_wait(). */
static __device__ inline void cuda_copy_async(const uint16_t *shared, uint32_t to, const void *from,
                                              int bytes)
{
#if __CUDA_ARCH__ >= 800
    (void)shared;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes)
                 : "memory");
#else
    CUDA_MISSING(shared, from, bytes + to);
#endif
}

static __device__ inline void cuda_copies_wait(void)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#else
    __trap();
#endif
}

/* Four 8 x 8 matrices of halves; `row` is the address of the row that this lane names: row lane % 8
 * of matrix lane / 8. */
static __device__ inline void cuda_load_matrices(uint32_t r[4], uint32_t row)
{
#if __CUDA_ARCH__ >= 750
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(row)
                 : "memory");
#else
    CUDA_MISSING(r, row, row);
#endif
}
/* The row that each lane names is `expression` of the lane `named`. */
#define CUDA_LOAD_MATRICES(shared, r, lane, named, expression)                                     \
    do {                                                                                           \
        const int named = (lane);                                                                  \
        (void)(shared);                                                                            \
        cuda_load_matrices((r), (expression));                                                     \
    } while (0)

/* Four registers from 16 bytes of global memory that nobody writes while the kernel runs. */
static __device__ inline void cuda_take(uint32_t r[4], const uint16_t *from)
{
    asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "l"(from));
}

#define CUDA_MMA(type)                                                                             \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 {%0, %1, %2, %3}, "  \
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                                   \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                  \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

/* `type` is known when the kernel is compiled. */
static __device__ inline void cuda_mma(enum pq_dtype type, float d[4], const uint32_t a[4],
                                       const uint32_t b[2])
{
#if __CUDA_ARCH__ >= 800
    if (type == PQ_BF16)
        CUDA_MMA("bf16");
    else
        CUDA_MMA("f16");
#else
    CUDA_MISSING(d, a, b);
#endif
}

#else

#define CUDA_UNROLL
#define CUDA_ROLLED
#define CUDA_EACH_THREAD(t)        for (int t = 0; t < CUDA_THREADS; t++)
#define CUDA_EACH_WARP(w)          for (int w = 0; w < CUDA_THREADS / CUDA_WARP; w++)
#define CUDA_EACH_LANE(l)          for (int l = 0; l < CUDA_WARP; l++)
#define CUDA_KEPT(threads)         (threads)
#define CUDA_OWN(kept, warp, lane) ((kept) + (warp)*CUDA_WARP + (lane))
#define CUDA_LANES_OF(kept, warp)  ((kept) + (warp)*CUDA_WARP)

static inline void cuda_sync(void)
{
}

static inline void cuda_warp_sync(void)
{
}

static inline uint32_t cuda_again(uint32_t number)
{
    return number;
}

static inline uint32_t cuda_shared(const uint16_t *shared)
{
    (void)shared;
    return 0;
}

static inline void cuda_copy_async(uint16_t *shared, uint32_t to, const void *from, int bytes)
{
    if (bytes)
        memcpy(shared + to / 2, from, 16);
    else
        memset(shared + to / 2, 0, 16);
}

static inline void cuda_copies_wait(void)
{
}

/* What lane `lane` gets of the rows that all lanes name. */
#define CUDA_LOAD_MATRICES(shared, r, lane, named, expression)                                     \
    do {                                                                                           \
        for (int matrix = 0; matrix < 4; matrix++) {                                               \
            const int named = matrix * 8 + (lane) / 4;                                             \
            const uint16_t *row = (shared) + (expression) / 2;                                     \
            memcpy(&(r)[matrix], row + 2 * ((lane) % 4), sizeof(uint32_t));                        \
        }                                                                                          \
    } while (0)

static inline void cuda_take(uint32_t r[4], const uint16_t *from)
{
    memcpy(r, from, 16);
}

static inline float cuda_half_of(enum pq_dtype type, uint32_t pair, int which)
{
    return cuda_half_value(type, (uint16_t)(pair >> 16 * which));
}

#endif
