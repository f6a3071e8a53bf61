/* SPDX-License-Identifier: MIT */
/* The shape of 3 x 3 convolutions of 64 channels on Hopper (conv_strip.cu): what their kernels and
 * the host, which packs the weights and sizes the launch, must agree upon.
 *
 * A picture is cut into strips of CUDA_STRIP_W columns. A block goes down a strip, two rows of the
 * result at a time, and on to the next strip where its share of the pairs of rows goes on there;
 * the rows of the input that it needs lie in a ring in shared memory, so that each is loaded once.
 * It makes 64 output channels, whose weights stay in registers all the way. Where the
 * result is written shuffled (tile.h), rows and columns here are those before that. */
#pragma once

#include "backend/cuda/kernels/tile.h"

enum {
    CUDA_STRIP_W = 96,        /* pixels: the columns of one product of matrices */
    CUDA_STRIP_C = 64,        /* channels, in and out; 128 bytes a pixel */
    CUDA_STRIP_K = 3,         /* a side of the kernel */
    CUDA_STRIP_STEPS = 36,    /* products for a row: taps x sixteens of channels */
    CUDA_STRIP_RING = 8,      /* rows in shared memory; a power of two */
    CUDA_STRIP_SLOTS = 99,    /* pixels of one: the halo, and odd, so that planes of eight channels
                                 begin in different banks */
    CUDA_STRIP_GROUP = 128,   /* threads: four warps, which multiply together */
    CUDA_STRIP_THREADS = 384, /* of a block: two groups that multiply, one that loads */
    CUDA_STRIP_SHUFFLE = 4,   /* of what is written shuffled a pixel becomes 4 x 4 */
    CUDA_STRIP_COLOURS = 3,   /* of so many channels */
    /* In shared memory: the ring, the result of each group on its way out, what is added to it
     * where that is shuffled, in floats, barriers. */
    CUDA_STRIP_ROW = CUDA_STRIP_SLOTS * CUDA_STRIP_C * 2,
    CUDA_STRIP_STAGES = CUDA_STRIP_RING * CUDA_STRIP_ROW,
    CUDA_STRIP_STAGE = CUDA_STRIP_W * CUDA_STRIP_C * 2,
    CUDA_STRIP_PICTURES = CUDA_STRIP_STAGES + 2 * CUDA_STRIP_STAGE,
    CUDA_STRIP_PICTURE = CUDA_STRIP_W * CUDA_STRIP_COLOURS * 4,
    CUDA_STRIP_BARRIERS = CUDA_STRIP_PICTURES + 2 * CUDA_STRIP_PICTURE,
    CUDA_STRIP_BYTES = CUDA_STRIP_BARRIERS + 2 * CUDA_STRIP_RING * 8
};

/* Blocks that share the output channels. */
PQ_INLINE int cuda_strip_groups(int channels)
{
    return (channels + CUDA_STRIP_C - 1) / CUDA_STRIP_C;
}

/* Pairs of rows of a launch in one strip, and in all of all frames. */
PQ_INLINE int cuda_strip_column(const struct cuda_args *a)
{
    return (a->rows / a->factor + 1) / 2;
}

PQ_INLINE int cuda_strips(const struct cuda_args *a)
{
    return (cuda_conv_width(a) + CUDA_STRIP_W - 1) / CUDA_STRIP_W;
}

PQ_INLINE int64_t cuda_strip_pairs(const struct cuda_args *a)
{
    return (int64_t)cuda_strips(a) * a->frames * cuda_strip_column(a);
}

/* Blocks of a launch: one a multiprocessor, or as many as have something to do. */
PQ_INLINE int64_t cuda_strip_blocks(const struct cuda_args *a, int multiprocessors)
{
    const int groups = cuda_strip_groups(cuda_conv_channels(a));
    const int64_t each = multiprocessors < groups ? 1 : multiprocessors / groups;
    const int64_t pairs = cuda_strip_pairs(a);
    return groups * (each < pairs ? each : pairs);
}
