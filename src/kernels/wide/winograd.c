/* SPDX-License-Identifier: MIT */
/* Winograd's convolution in registers; kernels/winograd.h says what is computed, in which order.
 *
 * A call goes through its tiles three times:
 *
 *     input    6 rows of pixels  ->  v [36][tile][channel]
 *     products v[k] x weights[k] ->  m (winograd_sums.h), a block of sums in registers
 *     output   m                 ->  4 rows of pixels, with bias, activation and what is added
 *
 * v, m and the weights of a group stay in the second cache, if that is large. At AVX-512 a block of
 * sums is 24 registers, as in x86/conv_avx512.c; at AVX2 12, 6 tiles of one block of lanes. At NEON
 * those are 24, as in arm/conv_neon.c. Where there are no AVX-512 registers lanes are those of one
 * register: the transforms keep twelve or 24 values of each. */
#include "kernels/winograd.h"

#if defined(PQ_WIDE_NEON)
#define PQ_LANES 4
#elif defined(__AVX2__) && !defined(__AVX512F__)
#define PQ_LANES 8
#endif
#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"
#include "kernels/wide/winograd_input.h"
#include "kernels/wide/winograd_sums.h"

typedef float element, weight;

/* Where the three passes keep what they hand on: floats from one point, and one tile, to the next.
 */
struct work {
    element *in;
    float *m;
    int tiles, across;
    int depth; /* channels */
    size_t in_point, in_tile;
};

static struct work lay_out(const struct pq_winograd_args *a)
{
    struct work w = {.in = a->scratch,
                     .tiles = a->tile1 - a->tile0,
                     .across = pq_winograd_across(a->width),
                     .depth = pq_winograd_channels(a)};
    w.in_tile = (size_t)(w.depth + BLOCK - 1) / BLOCK * BLOCK;
    w.in_point = (size_t)w.tiles * w.in_tile + BLOCK;
    w.m = a->scratch + POINTS * w.in_point;
    return w;
}

/* ---- input ---- */

static void transform_input(const struct pq_winograd_args *a, const struct work *w)
{
    for (int t = 0; t < w->tiles; t++) {
        const int first = (a->tile0 + t) % w->across * TILE, columns = a->width - first + 2;
        const ptrdiff_t row = (ptrdiff_t)((a->tile0 + t) / w->across) * TILE;
        float *v = w->in + (size_t)t * w->in_tile;
        for (int i = 0; i < a->part_count; v += a->parts[i++].channels)
            input_part(&a->parts[i], row, first - a->left, columns, v, w->in_point);
    }
}

/* ---- products ---- */

/* `tiles` tiles by `blocks` times LANES lanes at one point. step: floats from one channel's weights
 * to the next. */
LANES_INLINE void product(const struct work *w, const float *v, const float *weights, int step,
                          float *m, const int tiles, const int blocks)
{
    struct lanes sum[24];
    const size_t in_tile = w->in_tile;
    UNROLLED_FOR (i, tiles * blocks)
        sum[i] = lanes_set(0.0f);
    for (const float *end = v + w->depth; v < end; v++, weights += step) {
        struct lanes held[24]; /* the fewer of weights and of values */
        if (blocks <= tiles) {
            UNROLLED_FOR (b, blocks)
                held[b] = lanes_load(weights + b * LANES);
            UNROLLED_FOR (t, tiles) {
                const struct lanes value = lanes_set(v[(size_t)t * in_tile]);
                UNROLLED_FOR (b, blocks)
                    sum[t * blocks + b] = lanes_fma(value, held[b], sum[t * blocks + b]);
            }
        } else {
            UNROLLED_FOR (t, tiles)
                held[t] = lanes_set(v[(size_t)t * in_tile]);
            UNROLLED_FOR (b, blocks) {
                const struct lanes u = lanes_load(weights + b * LANES);
                UNROLLED_FOR (t, tiles)
                    sum[t * blocks + b] = lanes_fma(held[t], u, sum[t * blocks + b]);
            }
        }
    }
    UNROLLED_FOR (t, tiles) {
        UNROLLED_FOR (b, blocks)
            lanes_store(m + sum_at(t, b), sum[t * blocks + b]);
    }
}

#define LANE_WEIGHTS 1
#include "kernels/wide/winograd_tiles.h"

/* ---- output ---- */

LANES_INLINE void output_values(const struct lanes m[READ], struct lanes y[TILE])
{
    const float root = 0x1.6a09e6p+0f, half_root = 0x1.6a09e6p-1f;
    const struct lanes a = lanes_add(m[1], m[2]), b = lanes_sub(m[1], m[2]);
    const struct lanes c = lanes_add(m[3], m[4]), d = lanes_sub(m[3], m[4]);
    y[0] = lanes_add(lanes_add(m[0], a), c);
    y[1] = lanes_fma(lanes_set(root), d, lanes_mul(lanes_set(half_root), b));
    y[2] = lanes_fma(lanes_set(2.0f), c, lanes_mul(lanes_set(0.5f), a));
    y[3] = lanes_fma(lanes_set(2.0f * root), d, lanes_fma(lanes_set(0.5f * half_root), b, m[5]));
}

/* Some lanes of a tile. lane: its first, of all of the result; (x, y): the tile's first
 * pixel; columns: that are there; whole: all 4. */
LANES_INLINE void output_lanes(const struct pq_winograd_args *a, int x, int y, int columns,
                               int lane, const float *m, size_t point, const bool whole,
                               const enum kind kind)
{
    struct lanes half[TILE][READ];
    UNROLLED_FOR (i, READ) {
        struct lanes d[READ], u[TILE];
        UNROLLED_FOR (row, READ)
            d[row] = lanes_load(m + (size_t)(row * READ + i) * point);
        output_values(d, u);
        UNROLLED_FOR (row, TILE)
            half[row][i] = u[row];
    }
    const struct ending ending = ending_of(a, lane, kind, FLOATS);
    const struct lanes bias = lanes_load(a->bias + lane);
    UNROLLED_FOR (row, TILE) {
        struct lanes u[TILE];
        if (!a->out[y + row])
            continue;
        output_values(half[row], u);
        UNROLLED_FOR (i, TILE)
            u[i] = lanes_add(u[i], bias);
        output_row(a, &ending, x, y + row, columns, lane, u, whole);
    }
}

/* The same of whole tiles for each kind of layer. */
static void output_block(const struct pq_winograd_args *a, int x, int y, int lane, const float *m,
                         size_t point)
{
#define BLOCK_OF(kind)                                                                             \
    for (int i = 0; i < BLOCK; i += LANES)                                                         \
    output_lanes(a, x, y, TILE, lane + i, m + i, point, true, kind)
    FOR_KIND_OF(a, BLOCK_OF)
#undef BLOCK_OF
}

static void transform_output(const struct pq_winograd_args *a, const struct work *w, int first,
                             int count)
{
    const size_t point = sums_point(w->tiles);
    for (int t = 0; t < w->tiles; t++) {
        const int x = (a->tile0 + t) % w->across * TILE, columns = a->width - x;
        const int y = (a->tile0 + t) / w->across * TILE;
        const float *m = w->m + (ptrdiff_t)t * SUMS_TILE;
        for (int b = 0; b < count; b++, m += SUMS_BLOCK) {
            const int lane = (first + b) * BLOCK;
            if (columns >= TILE) {
                output_block(a, x, y, lane, m, point);
            } else {
                for (int i = 0; i < BLOCK; i += LANES)
                    output_lanes(a, x, y, columns, lane + i, m + i, point, false, ANY);
            }
        }
    }
}

void PQ_WIDE(winograd)(const struct pq_winograd_args *a)
{
    const struct work w = lay_out(a);
    const float *weights = a->weights;
    transform_input(a, &w);
    for (int first = 0; first < a->blocks; first += PQ_CONV_GROUP) {
        const int count = a->blocks - first < PQ_CONV_GROUP ? a->blocks - first : PQ_CONV_GROUP;
        multiply(&w, weights, count);
        transform_output(a, &w, first, count);
        weights += (size_t)(POINTS * count * BLOCK) * (size_t)w.depth;
    }
}
