/* SPDX-License-Identifier: MIT */
/* What compile() makes of a graph for a GPU. */
#pragma once

#include "backend/backend.h"
#include "backend/cuda/driver.h"

/* How an operation is computed, and its weights: where each array lies, in floats from the first;
 * -1: there is none. */
struct cuda_step {
    int stride;         /* values from one pixel of the result to the next */
    enum pq_dtype type; /* that the result is stored in */
    bool tiled;         /* a convolution as products of matrices of halves */
    bool strip;         /* such a one that Hopper computes in strips */
    int64_t weights, bias, slopes, index;
    /* Where a convolution writes its result shuffled (shuffle.c): */
    bool skipped; /* there is no result: another step computes what comes of it */
    int conv, shuffle,
        added;  /* what this step computes at once, and the nearest that it adds; -1 */
    int shrink; /* of a nearest: the result is kept as the picture before, which is so many times
                   smaller; 1 */
};

enum { CUDA_IDLE = 4 }; /* spaces that wait for the next batch of their size */

struct cuda_space;

struct cuda_program {
    struct pq_program base;
    const struct cuda_driver *driver;
    struct pq_pool *pool; /* borrowed; copies rows to and from pinned memory */
    cuda_device device;
    cuda_context context; /* retained */
    cuda_module module;
    cuda_function *functions; /* one a kernel of launch.c */
    enum pique_precision tier;
    int strip_kernel; /* of enum cuda_kernel; 0: none */
    int multiprocessors;
    cuda_ptr weights;
    struct cuda_step *steps; /* one an operation */
    struct cuda_space *idle[CUDA_IDLE];
    const char *key; /* static */
};

/* What a tier multiplies, and stores where kernels take it. */
static inline enum pq_dtype cuda_type_of(enum pique_precision tier)
{
    if (tier == PIQUE_PRECISION_FP16)
        return PQ_F16;
    return tier == PIQUE_PRECISION_BF16 ? PQ_BF16 : PQ_F32;
}

int cuda_compile(const struct pq_graph *graph, const struct pq_device_options *options,
                 struct pq_program **out, pique_error *err);
void cuda_release(struct pq_program *program);

/* What a function of this backend does between these two it does in the program's context, whatever
 * the caller's thread has. */
int cuda_enter(const struct cuda_program *program, pique_error *err);
void cuda_leave(const struct cuda_program *program);
