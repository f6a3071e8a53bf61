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

/* What a thread keeps: its part of the products of its warp. */
struct products {
    float d[WARP_TILES][MOST_EIGHTS][4];
    uint32_t a[WARP_TILES][4], b[MOST_EIGHTS][2];
};

/* Where a block works. */
struct tile {
    const struct cuda_args *args;
    int frame, x, first_channel, eights; /* of output channels */
    int channels, width;                 /* of the result before it is shuffled */
    int64_t y, end;                      /* end: of the rows to compute */
    enum pq_dtype type;                  /* of halves */
    int halo_w, halo_h;
    uint16_t *pixels, *weights; /* shared; weights of two taps */
};
