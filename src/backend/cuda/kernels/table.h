/* SPDX-License-Identifier: MIT */
/* All kernels: F(which, name, items). Which is the operation that it computes, or one of enum
 * cuda_kernel; items says what an item of its is, of which there are so many a pixel of the result.
 */
#pragma once

#include "graph/graph.h"

enum cuda_kernel {
    CUDA_LOAD = PQ_OP_KINDS,
    CUDA_STORE,
    CUDA_LOAD_PLANES,
    CUDA_STORE_PLANE,
    CUDA_WATCH_COLUMNS,
    CUDA_WATCH_TILES,
    CUDA_CHANNEL_MATRIX,
    CUDA_CONV_HALF,                        /* and the three behind it: of 16, 32, 48, 64 channels */
    CUDA_CONV_BRAIN = CUDA_CONV_HALF + 4,  /* the same of bf16 */
    CUDA_CONV_STRIP = CUDA_CONV_BRAIN + 4, /* and the one behind it: one a layout */
    CUDA_CONV_SHUFFLED = CUDA_CONV_STRIP + 2, /* the same, writing shuffled */
    CUDA_KERNEL_COUNT = CUDA_CONV_SHUFFLED + 2
};

enum cuda_items {
    CUDA_PIXEL,
    CUDA_VALUE, /* a value of a pixel that is written */
    CUDA_SPANS, /* pixels side by side, and one below the other: span.h */
    CUDA_STACKS,
    CUDA_BLOCK16, /* 16 channels of one */
    CUDA_HALF,    /* a double of a column */
    CUDA_GROUP,
    CUDA_GROUP_ROW, /* a row of the square matrix of a group */
    CUDA_HEAD,
    CUDA_ROW,          /* a whole row */
    CUDA_ROW_VALUE,    /* a channel of a whole row */
    CUDA_WINDOW,       /* a channel of a window */
    CUDA_WATCH_COLUMN, /* of each row of tiles */
    CUDA_WATCH_TILE,
    CUDA_TILE, /* a thread of a block, of which there are some a tile */
    CUDA_STRIP /* a thread of a block, of which there is one a multiprocessor */
};

#define CUDA_KERNELS(F)                                                                            \
    F(PQ_OP_CONV2D, cuda_conv, CUDA_BLOCK16)                                                       \
    F(PQ_OP_DEPTHWISE, cuda_depthwise, CUDA_VALUE)                                                 \
    F(PQ_OP_ACT, cuda_act, CUDA_VALUE)                                                             \
    F(PQ_OP_PIXEL_SHUFFLE, cuda_pixel_shuffle, CUDA_VALUE)                                         \
    F(PQ_OP_PIXEL_UNSHUFFLE, cuda_pixel_unshuffle, CUDA_VALUE)                                     \
    F(PQ_OP_NEAREST, cuda_nearest, CUDA_VALUE)                                                     \
    F(PQ_OP_ADD, cuda_add, CUDA_VALUE)                                                             \
    F(PQ_OP_MUL, cuda_mul, CUDA_VALUE)                                                             \
    F(PQ_OP_AFFINE, cuda_affine, CUDA_VALUE)                                                       \
    F(PQ_OP_CONCAT, cuda_concat, CUDA_VALUE)                                                       \
    F(PQ_OP_SLICE, cuda_slice, CUDA_VALUE)                                                         \
    F(PQ_OP_BICUBIC, cuda_bicubic, CUDA_VALUE)                                                     \
    F(PQ_OP_BILINEAR, cuda_bilinear, CUDA_VALUE)                                                   \
    F(PQ_OP_PAD, cuda_pad, CUDA_VALUE)                                                             \
    F(PQ_OP_CROP, cuda_crop, CUDA_VALUE)                                                           \
    F(PQ_OP_MAX_POOL, cuda_max_pool, CUDA_VALUE)                                                   \
    F(PQ_OP_MEAN_POOL, cuda_mean_pool, CUDA_VALUE)                                                 \
    F(PQ_OP_LAYER_NORM, cuda_layer_norm, CUDA_PIXEL)                                               \
    F(PQ_OP_RMS_NORM, cuda_rms_norm, CUDA_PIXEL)                                                   \
    F(PQ_OP_ROW_SUMS, cuda_row_sums, CUDA_HALF)                                                    \
    F(PQ_OP_MEAN, cuda_mean, CUDA_VALUE)                                                           \
    F(PQ_OP_GROUP_NORM, cuda_group_norm, CUDA_GROUP)                                               \
    F(PQ_OP_ROW_GRAM, cuda_row_gram, CUDA_HALF)                                                    \
    F(PQ_OP_GRAM_SOFTMAX, cuda_gram_softmax, CUDA_GROUP_ROW)                                       \
    F(PQ_OP_MIX, cuda_mix, CUDA_VALUE)                                                             \
    F(PQ_OP_ATTENTION, cuda_attention, CUDA_HEAD)                                                  \
    F(PQ_OP_CHANNEL_ATTENTION, cuda_channel_apply, CUDA_VALUE)                                     \
    F(PQ_OP_GIVEN, cuda_copy, CUDA_VALUE)                                                          \
    F(PQ_OP_DYSAMPLE, cuda_dysample, CUDA_VALUE)                                                   \
    F(PQ_OP_CONSTANT, cuda_constant, CUDA_VALUE)                                                   \
    F(PQ_OP_TOKENS_LINEAR, cuda_tokens_linear, CUDA_VALUE)                                         \
    F(PQ_OP_TOKENS_UNIT, cuda_tokens_unit, CUDA_GROUP)                                             \
    F(PQ_OP_LOOK_UP, cuda_look_up, CUDA_PIXEL)                                                     \
    F(PQ_OP_BLEND, cuda_blend, CUDA_VALUE)                                                         \
    F(PQ_OP_ROW_EXP, cuda_row_exp, CUDA_ROW_VALUE)                                                 \
    F(PQ_OP_ROW_SHARES, cuda_row_shares, CUDA_VALUE)                                               \
    F(PQ_OP_TOKENS_UPDATE, cuda_tokens_update, CUDA_VALUE)                                         \
    F(PQ_OP_CATEGORY, cuda_category, CUDA_PIXEL)                                                   \
    F(PQ_OP_ROW_COUNTS, cuda_row_counts, CUDA_VALUE)                                               \
    F(PQ_OP_ORDER, cuda_order, CUDA_ROW)                                                           \
    F(PQ_OP_RANK, cuda_rank, CUDA_ROW)                                                             \
    F(PQ_OP_PICK, cuda_pick, CUDA_VALUE)                                                           \
    F(PQ_OP_RUN_ATTENTION, cuda_run_attention, CUDA_HEAD)                                          \
    F(CUDA_LOAD, cuda_load, CUDA_VALUE)                                                            \
    F(PQ_OP_FROM_YUV, cuda_from_yuv, CUDA_PIXEL)                                                   \
    F(PQ_OP_TO_YUV, cuda_to_yuv, CUDA_STACKS)                                                      \
    F(PQ_OP_RESIZE, cuda_resize, CUDA_VALUE)                                                       \
    F(PQ_OP_EFFECTS, cuda_effects, CUDA_PIXEL)                                                     \
    F(PQ_OP_CHANNELS, cuda_channels, CUDA_VALUE)                                                   \
    F(PQ_OP_FLATTEN, cuda_flatten, CUDA_VALUE)                                                     \
    F(PQ_OP_ROW_OPAQUE, cuda_row_opaque, CUDA_VALUE)                                               \
    F(PQ_OP_BLEED_SUMS, cuda_bleed_sums, CUDA_VALUE)                                               \
    F(PQ_OP_BLEED, cuda_bleed, CUDA_VALUE)                                                         \
    F(PQ_OP_ALPHA, cuda_alpha, CUDA_VALUE)                                                         \
    F(CUDA_LOAD_PLANES, cuda_load_planes, CUDA_PIXEL)                                              \
    F(CUDA_STORE_PLANE, cuda_store_plane, CUDA_SPANS)                                              \
    F(CUDA_WATCH_COLUMNS, cuda_watch_columns, CUDA_WATCH_COLUMN)                                   \
    F(CUDA_WATCH_TILES, cuda_watch_tiles, CUDA_WATCH_TILE)                                         \
    F(CUDA_STORE, cuda_store, CUDA_VALUE)                                                          \
    F(CUDA_CHANNEL_MATRIX, cuda_channel_matrix, CUDA_WINDOW)                                       \
    F(CUDA_CONV_HALF, cuda_conv_half16, CUDA_TILE)                                                 \
    F(CUDA_CONV_HALF + 1, cuda_conv_half32, CUDA_TILE)                                             \
    F(CUDA_CONV_HALF + 2, cuda_conv_half48, CUDA_TILE)                                             \
    F(CUDA_CONV_HALF + 3, cuda_conv_half64, CUDA_TILE)                                             \
    F(CUDA_CONV_BRAIN, cuda_conv_brain16, CUDA_TILE)                                               \
    F(CUDA_CONV_BRAIN + 1, cuda_conv_brain32, CUDA_TILE)                                           \
    F(CUDA_CONV_BRAIN + 2, cuda_conv_brain48, CUDA_TILE)                                           \
    F(CUDA_CONV_BRAIN + 3, cuda_conv_brain64, CUDA_TILE)                                           \
    F(CUDA_CONV_STRIP, cuda_conv_strip_swizzled, CUDA_STRIP)                                       \
    F(CUDA_CONV_STRIP + 1, cuda_conv_strip_planes, CUDA_STRIP)                                     \
    F(CUDA_CONV_SHUFFLED, cuda_conv_shuffled_swizzled, CUDA_STRIP)                                 \
    F(CUDA_CONV_SHUFFLED + 1, cuda_conv_shuffled_planes, CUDA_STRIP)
