/* SPDX-License-Identifier: MIT */
/* What compile() makes of a graph for the processor. */
#pragma once

#include "backend/backend.h"
#include "kernels/conv.h"
#include "kernels/wide.h"

/* An operation, ready to run. */
struct cpu_step {
    int stride;  /* values from one pixel of the result to the next */
    bool tiled;  /* CONV2D: Winograd's */
    bool halves; /* rows of the result are halves (tensor/f16.h), in place of floats */
    float
        *weights; /* CONV2D: packed for its kernel; DEPTHWISE: [kh][kw][channels]; AFFINE and norms:
                     factors; ATTENTION: the table of biases, [heads][rows]; temperatures */
    float *bias;  /* CONV2D: one a lane; else one a channel */
    float *slopes;  /* CONV2D with an activation: one a lane; ACT: one a channel; else NULL */
    int16_t *words; /* CONV2D in 16-bit words, instead of weights; else NULL */
    float *factors; /* of them: one a lane */
};

/* How a device of this backend computes. "cpu" stores floats, and multiplies floats or, in its tier
 * int16, words of 16 bits where it can, and stores halves between such products; "cpu:direct"
 * stores floats and computes every convolution directly, as other devices do whose bits are
 * compared with it. "cpu:fp16" and "cpu:bf16" are there to measure what a device with 16-bit
 * storage would give, and are slower than "cpu": weights are rounded when they are packed, each
 * value of a picture when its row is written, while sums and all that is inside of an operation
 * stay float, and so do columns and global tensors, which are small: no device would gain by
 * rounding them. */
struct cpu_mode {
    const char *id, *key;
    enum pique_precision tier;
    bool winograd; /* where the table of conv.c says so */
};
/* NULL: there is no such device, or it has no such tier; auto is its first. */
const struct cpu_mode *cpu_mode_of(const char *id, enum pique_precision tier);

struct cpu_program {
    struct pq_program base;
    const struct cpu_mode *mode;
    pq_round_fn *round; /* of the mode; NULL: none */
    const pique_allocator *allocator;
    struct pq_pool *pool;
    struct pq_spare *spare; /* where runs leave their memory */
    pq_conv_fn *conv;
    const struct pq_wide *wide;
    pq_winograd_fn *winograd16;
    struct cpu_step *steps; /* one an operation */
    struct pq_grid *grids;  /* likewise */
    size_t scratch_floats;  /* that each thread needs */
    bool straight;          /* rows of the result go out as they are computed: nobody reads them */
};

/* Values of a pixel of so many channels where it has whole lanes. */
static inline int cpu_lanes_of(int channels)
{
    return (channels + PQ_CONV_LANES - 1) / PQ_CONV_LANES * PQ_CONV_LANES;
}

/* halves.c: the steps with rows of halves, in the tier int16: convolutions, sums and crops whose
 * every reader takes them: a convolution, in words or one that widens what it reads; a sum or a
 * crop that yields halves itself; a product with one pixel for all; and what only sums a row up.
 * This follows from the graph alone, as the numeric key has to. */
void cpu_choose_halves(struct cpu_program *program);

int cpu_compile(const struct pq_graph *graph, const struct pq_device_options *options,
                struct pq_program **out, pique_error *err);
void cpu_release(struct pq_program *program);
