/* SPDX-License-Identifier: MIT */
/* The shape of convolutions as products of matrices (conv_half.cu): what their kernels and the
 * host, which packs the weights and sizes the launch, must agree upon.
 *
 * A block makes CUDA_TILE_W x CUDA_TILE_H pixels of up to 64 output channels. It goes through the
 * input in chunks of up to 64 channels of one map: the pixels of its tile and of the halo around it
 * lie in shared memory, where every tap finds them. Weights go from memory into registers, packed
 * as the threads take them. */
#pragma once

#include "backend/cuda/kernels/kernel.h"

enum {
    CUDA_TILE_W = 32,
    CUDA_TILE_H = 8,
    CUDA_CHUNK = 64,  /* channels; 128 bytes a pixel or row of weights in shared memory */
    CUDA_TILE_MAX = 7 /* the largest kernel, a side: its halo fits the shared memory of all GPUs */
};

PQ_INLINE int cuda_to_16(int channels)
{
    return (channels + 15) / 16 * 16;
}

/* Blocks that share the output channels, and sixteens of channels of each of them. */
PQ_INLINE int cuda_tile_blocks(int channels)
{
    return (cuda_to_16(channels) + 63) / 64;
}

PQ_INLINE int cuda_tile_sixteens(int channels)
{
    const int sixteens = cuda_to_16(channels) / 16, blocks = cuda_tile_blocks(channels);
    return (sixteens + blocks - 1) / blocks;
}

/* A convolution can write its result shuffled: then `out` and the rows are those of what comes of
 * it, of which factor x factor pixels were one. What it is by itself: */
PQ_INLINE int cuda_conv_channels(const struct cuda_args *a)
{
    return a->out.channels * a->factor * a->factor;
}

PQ_INLINE int cuda_conv_width(const struct cuda_args *a)
{
    return a->out.width / a->factor;
}

/* Tiles of a launch: across, down, and of all frames. */
PQ_INLINE int64_t cuda_tiles_across(const struct cuda_args *a)
{
    return (cuda_conv_width(a) + CUDA_TILE_W - 1) / CUDA_TILE_W;
}

PQ_INLINE int64_t cuda_tiles_down(const struct cuda_args *a)
{
    return (a->rows / a->factor + CUDA_TILE_H - 1) / CUDA_TILE_H;
}

PQ_INLINE int64_t cuda_tiles(const struct cuda_args *a)
{
    return cuda_tiles_across(a) * cuda_tiles_down(a) * a->frames;
}

/* Bytes of shared memory: the tile with its halo, and later, in its place, sums on their way out.
 */
enum { CUDA_STAGE_BYTES = 37 << 10, CUDA_TILE_BYTES_MAX = 38 * 14 * CUDA_CHUNK * 2 };
PQ_INLINE int cuda_tile_bytes(const struct cuda_args *a)
{
    const int pixels = (CUDA_TILE_W + a->hor.kernel - 1) * (CUDA_TILE_H + a->ver.kernel - 1);
    const int bytes = pixels * CUDA_CHUNK * (int)sizeof(uint16_t);
    return bytes > CUDA_STAGE_BYTES ? bytes : CUDA_STAGE_BYTES;
}

/* ---- how weights are packed ---- */

/* Weights of 16 channels of the input and as many of the output are 256 halves, of which each lane
 * of a warp takes 8: what it has of two operands b of block.h. */
enum { CUDA_WEIGHTS = 256 };
PQ_INLINE int cuda_weight_place(int out, int in)
{
    const int lane = out % 8 * 4 + in % 8 / 2;
    return lane * 8 + (out / 8 * 2 + in / 8) * 2 + in % 2;
}
