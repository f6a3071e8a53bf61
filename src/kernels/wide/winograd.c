/* SPDX-License-Identifier: MIT */
/* Winograd's convolution in registers; kernels/winograd.h says what is computed, in which order.
 *
 * A call goes through its tiles three times:
 *
 *     input    6 rows of pixels  ->  v [36][tile][channel]
 *     products v[k] x weights[k] ->  m [36][tile][lane of a group], a block of sums in registers
 *     output   m                 ->  4 rows of pixels, with bias, activation and what is added
 *
 * v, m and the weights of a group stay in the second cache. At AVX-512 a block of sums is 24
 * registers, as in x86/conv_avx512.c; at AVX2 12, 6 tiles of one block of lanes. At NEON those are
 * 24, as in arm/conv_neon.c, and lanes are the four of one register: the transforms keep twelve or
 * 24 values of each. */
#include "kernels/winograd.h"

#if defined(PQ_WIDE_NEON)
#define PQ_LANES 4
#endif
#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"
#include "kernels/wide/winograd_input.h"

enum {
    TILE = PQ_WINOGRAD_TILE,
    READ = PQ_WINOGRAD_READ,
    POINTS = READ * READ,
    BLOCK = PQ_CONV_LANES,
    GROUP = PQ_CONV_GROUP * BLOCK
};

/* Where the three passes keep what they hand on: floats from one point, and one tile, to the next.
 */
struct work {
    float *v, *m;
    int tiles, across, channels;
    size_t v_point, v_tile, m_point;
};

static struct work lay_out(const struct pq_winograd_args *a)
{
    const int channels = pq_winograd_channels(a);
    const int most = pq_winograd_tiles(a->blocks * BLOCK, channels);
    struct work w = {.v = a->scratch,
                     .tiles = a->tile1 - a->tile0,
                     .across = pq_winograd_across(a->width),
                     .channels = channels};
    w.v_tile = (size_t)(channels + BLOCK - 1) / BLOCK * BLOCK;
    w.v_point = (size_t)most * w.v_tile + BLOCK;
    w.m_point = (size_t)most * GROUP + BLOCK;
    w.m = a->scratch + POINTS * w.v_point;
    return w;
}

/* ---- input ---- */

static void transform_input(const struct pq_winograd_args *a, const struct work *w)
{
    for (int t = 0; t < w->tiles; t++) {
        const int first = (a->tile0 + t) % w->across * TILE, columns = a->width - first + 2;
        const ptrdiff_t row = (ptrdiff_t)((a->tile0 + t) / w->across) * TILE;
        float *v = w->v + (size_t)t * w->v_tile;
        for (int i = 0; i < a->part_count; v += a->parts[i++].channels) {
            const struct pq_conv_part *part = &a->parts[i];
            input_part(part, part->rows + row, first - a->left, columns, v, w->v_point);
        }
    }
}

/* ---- products ---- */

/* `tiles` tiles by `blocks` blocks of lanes at one point. step: floats from one channel's weights
 * to the next. */
LANES_INLINE void product(const struct work *w, const float *v, const float *weights, int step,
                          float *m, const int tiles, const int blocks)
{
    struct lanes sum[24];
    const size_t v_tile = w->v_tile;
    UNROLLED_FOR (i, tiles * blocks)
        sum[i] = lanes_set(0.0f);
    for (const float *end = v + w->channels; v < end; v++, weights += step) {
        struct lanes u[PQ_CONV_GROUP];
        UNROLLED_FOR (b, blocks)
            u[b] = lanes_load(weights + b * LANES);
        UNROLLED_FOR (t, tiles) {
            const struct lanes value = lanes_set(v[(size_t)t * v_tile]);
            UNROLLED_FOR (b, blocks)
                sum[t * blocks + b] = lanes_fma(value, u[b], sum[t * blocks + b]);
        }
    }
    UNROLLED_FOR (t, tiles) {
        UNROLLED_FOR (b, blocks)
            lanes_store(m + t * GROUP + b * LANES, sum[t * blocks + b]);
    }
}

/* All tiles at one point, `tiles` at a time and the rest in fewer. */
LANES_INLINE void all_tiles(const struct work *w, const float *v, const float *weights, int step,
                            float *m, const int tiles, const int blocks)
{
    int t = 0;
#define TILES_OF(n)                                                                                \
    if ((n) > 0) {                                                                                 \
        for (; t + (n) <= w->tiles; t += (n))                                                      \
            product(w, v + (size_t)t * w->v_tile, weights, step, m + (ptrdiff_t)t * GROUP, n,      \
                    blocks);                                                                       \
    }
    TILES_OF(tiles)
    TILES_OF(tiles / 2)
    TILES_OF(tiles / 4)
    TILES_OF(tiles / 8)
    TILES_OF(1)
#undef TILES_OF
}

static void multiply(const struct work *w, const float *weights, int count)
{
    const int step = count * BLOCK;
    const size_t point = (size_t)w->channels * (size_t)step;
    for (int k = 0; k < POINTS; k++, weights += point) {
        const float *v = w->v + (size_t)k * w->v_point;
        float *m = w->m + (size_t)k * w->m_point;
#if defined(__AVX512F__)
        switch (count) {
        case 1:
            all_tiles(w, v, weights, step, m, 24, 1);
            break;
        case 2:
            all_tiles(w, v, weights, step, m, 12, 2);
            break;
        case 3:
            all_tiles(w, v, weights, step, m, 8, 3);
            break;
        default:
            all_tiles(w, v, weights, step, m, 6, 4);
            break;
        }
#else
        for (int b = 0; b < count; b++)
            all_tiles(w, v, weights + (ptrdiff_t)b * BLOCK, step, m + (ptrdiff_t)b * BLOCK, 6,
                      BLOCK / LANES);
#endif
    }
}

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
                               int lane, const float *m, size_t point, const bool whole)
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
    const struct lanes bias = lanes_load(a->bias + lane), scale = lanes_set(a->scale);
    const struct lanes slopes = a->slopes ? lanes_load(a->slopes + lane) : lanes_set(1.0f);
    const bool active = a->slopes, added = a->residual;
    const ptrdiff_t out_stride = a->out_stride, residual_stride = a->residual_stride;
    UNROLLED_FOR (row, TILE) {
        struct lanes u[TILE];
        if (!a->out[y + row])
            continue;
        float *out = a->out[y + row] + x * out_stride + lane;
        const float *residual = added ? a->residual[y + row] + x * residual_stride + lane : out;
        output_values(half[row], u);
        UNROLLED_FOR (i, TILE) {
            if (whole || i < columns) {
                struct lanes value = lanes_add(u[i], bias);
                if (active)
                    value = lanes_slope(value, slopes);
                if (added)
                    value = lanes_add(lanes_load(residual + i * residual_stride),
                                      lanes_mul(scale, value));
                lanes_store(out + i * out_stride, value);
            }
        }
    }
}

static void transform_output(const struct pq_winograd_args *a, const struct work *w, int first,
                             int count)
{
    for (int t = 0; t < w->tiles; t++) {
        const int x = (a->tile0 + t) % w->across * TILE, columns = a->width - x;
        const int y = (a->tile0 + t) / w->across * TILE;
        const float *m = w->m + (ptrdiff_t)t * GROUP;
        for (int i = 0; i < count * BLOCK; i += LANES, m += LANES) {
            if (columns >= TILE)
                output_lanes(a, x, y, TILE, first * BLOCK + i, m, w->m_point, true);
            else
                output_lanes(a, x, y, columns, first * BLOCK + i, m, w->m_point, false);
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
        weights += (size_t)(POINTS * count * BLOCK) * (size_t)w.channels;
    }
}
