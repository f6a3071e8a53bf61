/* SPDX-License-Identifier: MIT */
/* What a block of a convolution as a product of matrices works on, and what its threads keep. */
#pragma once

#include "backend/cuda/kernels/block.h"
#include "backend/cuda/kernels/tile.h"

enum {
    WARP_ROWS = CUDA_TILE_H * CUDA_WARP / CUDA_THREADS, /* of the tile, a warp */
    WARP_TILES = WARP_ROWS * CUDA_TILE_W / 16,          /* of 16 pixels */
    MOST_EIGHTS = 8                                     /* of output channels */
};

/* What a thread has of the operands of the products of 16 channels. */
struct operands {
    uint32_t a[WARP_TILES][4], b[MOST_EIGHTS][2];
};

/* What a thread keeps: its part of the products of its warp, and of the operands of two of their
 * steps, one of which is on its way while the other one is multiplied. */
struct products {
    float d[WARP_TILES][MOST_EIGHTS][4];
    struct operands of[2];
};

/* Where a block works. */
struct tile {
    const struct cuda_args *args;
    int frame, x, y, first_channel, eights; /* of output channels */
    int channels, width;                    /* of the result before it is shuffled */
    int end;                                /* of the rows to compute */
    enum pq_dtype type;                     /* of halves */
    int halo_w, halo_h;
    uint16_t *shared;
    uint32_t pixels; /* its address */
};
