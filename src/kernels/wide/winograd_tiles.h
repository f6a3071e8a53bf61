/* SPDX-License-Identifier: MIT */
/* What Winograd's convolutions have in common behind their products and their transforms. Included
 * where these are: their input and weights are `element` and `weight`, of which a channel, or a
 * pair of channels, has LANE_WEIGHTS a lane; product() is
 *
 *     `tiles` tiles by `blocks` blocks of lanes at one point
 *
 * and struct work says where it all lies: in [36][tile][depth], from one point and tile to the next
 * in_point and in_tile; m as winograd_sums.h says. */
#pragma once

#include "kernels/wide/winograd_sums.h"

#if defined(LANE_WEIGHTS)

#if defined(__AVX512F__)

/* All tiles at one point, `tiles` at a time and the rest in fewer. step: weights from one channel,
 * or pair, to the next. */
LANES_INLINE void all_tiles(const struct work *w, const element *in, const weight *weights,
                            int step, float *m, const int tiles, const int blocks)
{
    int t = 0;
#define TILES_OF(n)                                                                                \
    if ((n) > 0) {                                                                                 \
        for (; t + (n) <= w->tiles; t += (n))                                                      \
            product(w, in + (size_t)t * w->in_tile, weights, step, m + (ptrdiff_t)t * SUMS_TILE,   \
                    n, blocks);                                                                    \
    }
    TILES_OF(tiles)
    TILES_OF(tiles / 2)
    TILES_OF(tiles / 4)
    TILES_OF(tiles / 8)
    TILES_OF(1)
#undef TILES_OF
}

/* The same by `count` blocks of lanes. */
LANES_INLINE void products(const struct work *w, const element *in, const weight *weights, int step,
                           float *m, int count)
{
    switch (count) {
    case 1:
        all_tiles(w, in, weights, step, m, 24, 1);
        break;
    case 2:
        all_tiles(w, in, weights, step, m, 12, 2);
        break;
    case 3:
        all_tiles(w, in, weights, step, m, 8, 3);
        break;
    default:
        all_tiles(w, in, weights, step, m, 6, 4);
        break;
    }
}

#else

/* Some tiles by some blocks. Functions of their own, so that each has all registers. */
#define PRODUCT(tiles, blocks)                                                                     \
    static __attribute__((noinline, aligned(64))) void product_##tiles##_##blocks(                 \
        const struct work *w, const element *in, const weight *weights, int step, float *m)        \
    {                                                                                              \
        product(w, in, weights, step, m, tiles, (blocks)*BLOCK / LANES);                           \
    }
PRODUCT(6, 1)
PRODUCT(5, 1)
PRODUCT(4, 1)
PRODUCT(3, 2)
PRODUCT(3, 1)
PRODUCT(2, 2)
PRODUCT(2, 1)
PRODUCT(1, 4)
PRODUCT(1, 1)
#undef PRODUCT

/* All tiles at one point by `count` blocks of lanes, up to 6 at a time. What is no multiple of 6
 * goes through in parts that are as equal as may be, 7 as 4 and 3: sums of few tiles, of which each
 * waits for the one before, leave the units idle. Of 3 tiles and fewer more blocks make up for it.
 * step: weights from one channel, or pair, to the next. */
static void products(const struct work *w, const element *in, const weight *weights, int step,
                     float *m, int count)
{
    for (int t = 0, n; t < w->tiles; t += n) {
        const int left = w->tiles - t, parts = (left + 5) / 6;
        const element *from = in + (size_t)t * w->in_tile;
        float *to = m + (ptrdiff_t)t * SUMS_TILE;
        int b = 0;
#define BLOCKS_OF(tiles, blocks)                                                                   \
    for (; b + (blocks) <= count; b += (blocks))                                                   \
        product_##tiles##_##blocks(w, from, weights + (ptrdiff_t)b * BLOCK * LANE_WEIGHTS, step,   \
                                   to + (ptrdiff_t)b * SUMS_BLOCK);
        n = (left + parts - 1) / parts;
        switch (n) {
        case 6:
            BLOCKS_OF(6, 1)
            break;
        case 5:
            BLOCKS_OF(5, 1)
            break;
        case 4:
            BLOCKS_OF(4, 1)
            break;
        case 3:
            BLOCKS_OF(3, 2)
            BLOCKS_OF(3, 1)
            break;
        case 2:
            BLOCKS_OF(2, 2)
            BLOCKS_OF(2, 1)
            break;
        default:
            BLOCKS_OF(1, 4)
            BLOCKS_OF(1, 1)
            break;
        }
#undef BLOCKS_OF
    }
}

#endif

/* All tiles at all points, by `count` blocks of lanes. */
static void multiply(const struct work *w, const weight *weights, int count)
{
    const int step = count * BLOCK * LANE_WEIGHTS;
    const size_t point = (size_t)w->depth * (size_t)step;
    for (int k = 0; k < POINTS; k++, weights += point)
        products(w, w->in + (size_t)k * w->in_point, weights, step,
                 w->m + (size_t)k * sums_point(w->tiles), count);
}

/* What becomes of sums with their bias, for some lanes; taken from the arguments before anything is
 * written, of which the compiler cannot know that it leaves them alone. */
struct ending {
    struct lanes slopes, scale;
    bool active, added;
    bool half_out, half_residual; /* halves, instead of floats */
    ptrdiff_t out_stride, residual_stride;
};

/* What most layers do has code of its own, without a test at each pixel. */
enum kind { PLAIN, ACTIVE, ADDED, ANY };
/* What the rows that are written and added to are made of. */
enum rows { FLOATS, HALVES, EITHER };

LANES_INLINE bool is_added(const struct pq_winograd_args *a)
{
    return a->residual || a->half_residual;
}

LANES_INLINE enum kind kind_of(const struct pq_winograd_args *a)
{
    if (a->slopes)
        return is_added(a) ? ANY : ACTIVE;
    return is_added(a) ? ADDED : PLAIN;
}

/* call(kind), where the kind of a layer is a constant. */
#define FOR_KIND_OF(a, call)                                                                       \
    switch (kind_of(a)) {                                                                          \
    case PLAIN:                                                                                    \
        call(PLAIN);                                                                               \
        break;                                                                                     \
    case ACTIVE:                                                                                   \
        call(ACTIVE);                                                                              \
        break;                                                                                     \
    case ADDED:                                                                                    \
        call(ADDED);                                                                               \
        break;                                                                                     \
    case ANY:                                                                                      \
        call(ANY);                                                                                 \
        break;                                                                                     \
    }

LANES_INLINE struct ending ending_of(const struct pq_winograd_args *a, int lane,
                                     const enum kind kind, const enum rows rows)
{
    return (struct ending){
        .slopes = a->slopes ? lanes_load(a->slopes + lane) : lanes_set(1.0f),
        .scale = lanes_set(a->scale),
        .active = kind == ANY ? (bool)a->slopes : kind == ACTIVE,
        .added = kind == ANY ? is_added(a) : kind == ADDED,
        .half_out = rows == EITHER ? (bool)a->half_out : rows == HALVES,
        .half_residual = rows == EITHER ? (bool)a->half_residual : rows == HALVES,
        .out_stride = a->out_stride,
        .residual_stride = a->residual_stride,
    };
}

/* Some lanes of the pixels of a tile's row, which is there. (x, y): its first pixel; lane: the
 * first, of all of the result; columns: pixels that are there; whole: all 4. */
LANES_INLINE void output_row(const struct pq_winograd_args *a, const struct ending *e, int x, int y,
                             int columns, int lane, const struct lanes value[TILE],
                             const bool whole)
{
    const ptrdiff_t to = x * e->out_stride + lane, from = x * e->residual_stride + lane;
    float *out = e->half_out ? NULL : a->out[y];
    uint16_t *half_out = e->half_out ? a->half_out[y] : NULL;
    const float *residual = e->added && !e->half_residual ? a->residual[y] : NULL;
    const uint16_t *half_residual = e->added && e->half_residual ? a->half_residual[y] : NULL;
    UNROLLED_FOR (i, TILE) {
        if (whole || i < columns) {
            struct lanes v = value[i];
            const ptrdiff_t other = from + i * e->residual_stride;
            if (e->active)
                v = lanes_slope(v, e->slopes);
            if (e->added)
                v = lanes_add(e->half_residual ? lanes_load_halves(half_residual + other)
                                               : lanes_load(residual + other),
                              lanes_mul(e->scale, v));
            if (e->half_out)
                lanes_store_halves(half_out + to + i * e->out_stride, v);
            else
                lanes_store(out + to + i * e->out_stride, v);
        }
    }
}

#endif
