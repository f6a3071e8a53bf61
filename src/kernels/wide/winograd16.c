/* SPDX-License-Identifier: MIT */
/* Winograd's convolution in 16-bit words, in registers; kernels/winograd16.h says what is computed.
 *
 * A call goes through its tiles three times:
 *
 *     input    6 rows of pixels -> one tile in floats, in the first cache: [36][channel]
 *                               -> q [36][tile][pair], and what takes each point back
 *     products q[k] x words[k]  -> m (winograd_sums.h), a block of sums in registers, for one group
 *                                  of pairs after the other
 *     output   m                -> 4 rows of pixels, with bias, activation and what is added
 *
 * Blocks of sums, and lanes at a time, are those of winograd.c.
 */
#include "kernels/winograd16.h"

#if defined(PQ_WIDE_NEON)
#define PQ_LANES 4
#elif defined(__AVX2__) && !defined(__AVX512F__)
#define PQ_LANES 8
#endif
#include "base/alloc.h"
#include "kernels/wide/functions.h"
#include "kernels/wide/winograd_input.h"
#include "kernels/wide/winograd_sums.h"
#include "kernels/wide/words.h"

enum { PAIRS = PQ_WINOGRAD16_GROUP / 2 };

typedef int32_t element; /* a pair */
typedef int16_t weight;

/* Where the three passes keep what they hand on: elements from one point, and one tile, to the
 * next. */
struct work {
    element *in;
    float *m, *back, *v;
    int tiles, across, channels;
    int depth, group; /* pairs: all, and those of a sum */
    size_t in_point, in_tile, v_point;
};

static size_t round_up(int n, int to)
{
    return (size_t)((n + to - 1) / to * to);
}

static struct work lay_out(const struct pq_winograd_args *a)
{
    const int channels = pq_winograd_channels(a);
    struct work w = {.tiles = a->tile1 - a->tile0,
                     .across = pq_winograd_across(a->width),
                     .channels = channels,
                     .depth = pq_winograd16_pairs(channels),
                     .group = pq_winograd16_sum(channels)};
    w.in_tile = round_up(w.depth, BLOCK);
    w.in_point = (size_t)w.tiles * w.in_tile + BLOCK;
    w.v_point = pq_winograd16_apart(channels);
    w.in = (int32_t *)a->scratch;
    w.m = a->scratch + POINTS * w.in_point;
    w.back = w.m + sums_size(w.tiles);
    w.v = w.back + (ptrdiff_t)w.tiles * PQ_WINOGRAD16_POINTS;
    return w;
}

/* ---- input ---- */

/* The largest |v| of a tile at each point, as bits; as many points at a time as registers hold. */
static void largest(const struct work *w, uint32_t most[PQ_WINOGRAD16_POINTS])
{
    const int channels = w->channels;
#define POINTS_OF(first, count)                                                                    \
    {                                                                                              \
        struct words size[16];                                                                     \
        UNROLLED_FOR (i, count)                                                                    \
            size[i] = words_zero();                                                                \
        for (int c = 0; c < channels; c += LANES) {                                                \
            UNROLLED_FOR (i, count)                                                                \
                size[i] = words_most(size[i], lanes_load(w->v + ((first) + i) * w->v_point + c));  \
        }                                                                                          \
        words_largest(size, count, most + (first));                                                \
    }
#if defined(__AVX2__) && !defined(__AVX512F__)
    for (int first = 0; first < POINTS; first += 12)
        POINTS_OF(first, 12)
#else
    POINTS_OF(0, 16)
    POINTS_OF(16, 16)
    POINTS_OF(32, 4)
#endif
#undef POINTS_OF
}

/* As many channels as lanes, and those `apart` from them. */
LANES_INLINE struct words rounded_pairs(const float *v, int apart, struct lanes times,
                                        struct lanes round)
{
    return words_pair(lanes_fma(lanes_load(v), times, round),
                      lanes_fma(lanes_load(v + apart), times, round));
}

/* The floats of a tile as pairs of words. */
static void round_tile(const struct work *w, int32_t *q, float *back)
{
    uint32_t most[PQ_WINOGRAD16_POINTS] = {0}, scale[PQ_WINOGRAD16_POINTS];
    uint32_t down[PQ_WINOGRAD16_POINTS];
    largest(w, most);
    for (int k = 0; k < PQ_WINOGRAD16_POINTS; k++)
        pq_winograd16_scale(most[k], &scale[k], &down[k]);
    memcpy(back, down, sizeof down);
    const int groups = w->channels / PQ_WINOGRAD16_GROUP, rest = w->depth - groups * PAIRS;
    const struct lanes round = lanes_set(0x1.8p23f);
    for (int k = 0; k < POINTS; k++) {
        const float *v = w->v + (size_t)k * w->v_point;
        float factor;
        memcpy(&factor, &scale[k], sizeof factor);
        const struct lanes times = lanes_set(factor);
        int32_t *to = q + (size_t)k * w->in_point;
        for (int g = 0; g < groups; g++, v += PQ_WINOGRAD16_GROUP, to += PAIRS) {
            UNROLLED_FOR (i, PAIRS / LANES)
                words_store(to + i * LANES, rounded_pairs(v + i * LANES, PAIRS, times, round));
        }
        for (int i = 0; i < rest; i += LANES)
            words_store(to + i, rounded_pairs(v + i, rest, times, round));
    }
}

/* The columns of a part that the next tile reads and this one does not come into the first cache.
 */
static inline void fetch_part(const struct pq_conv_part *part, ptrdiff_t y, int x, int columns)
{
    const size_t size = part->halves ? sizeof **part->halves : sizeof **part->rows;
    const ptrdiff_t first = (ptrdiff_t)x * part->stride;
    for (int row = 0; row < READ; row++) {
        const char *from = part->halves ? (const char *)(part->halves[y + row] + first)
                                        : (const char *)(part->rows[y + row] + first);
        for (size_t at = 0; at < (size_t)(columns * part->stride) * size; at += 64)
            __builtin_prefetch(from + at);
    }
}

/* A part of a tile in floats. */
static inline void transform_part(const struct pq_conv_part *part, ptrdiff_t y, int x, int columns,
                                  float *v, size_t point)
{
#define PART_OF(point)                                                                             \
    if (part->halves)                                                                              \
        input_halves(part, y, x, columns, v, point);                                               \
    else                                                                                           \
        input_part(part, y, x, columns, v, point);
    if (point == PQ_WINOGRAD16_NEAR) {
        PART_OF(PQ_WINOGRAD16_NEAR)
    } else if (point == PQ_WINOGRAD16_FAR) {
        PART_OF(PQ_WINOGRAD16_FAR)
    } else {
        PART_OF(point)
    }
#undef PART_OF
}

static void transform_input(const struct pq_winograd_args *a, const struct work *w)
{
    /* what lies behind the last channel counts as zero, and stays */
    for (int k = 0; w->channels % PQ_WINOGRAD16_GROUP && k < POINTS; k++) {
        float *last = w->v + (size_t)k * w->v_point +
                      (ptrdiff_t)(w->channels / PQ_WINOGRAD16_GROUP * PQ_WINOGRAD16_GROUP);
        for (int i = 0; i < PQ_WINOGRAD16_GROUP; i += LANES)
            lanes_store(last + i, lanes_set(0.0f));
    }
    for (int t = 0; t < w->tiles; t++) {
        const int first = (a->tile0 + t) % w->across * TILE, columns = a->width - first + 2;
        const ptrdiff_t row = (ptrdiff_t)((a->tile0 + t) / w->across) * TILE;
        float *v = w->v;
        for (int i = 0; i < a->part_count; v += a->parts[i++].channels) {
            const struct pq_conv_part *part = &a->parts[i];
            if (columns >= READ)
                fetch_part(part, row, first - a->left + READ, PQ_MIN(TILE, columns - READ));
            transform_part(part, row, first - a->left, columns, v, w->v_point);
        }
        round_tile(w, w->in + (size_t)t * w->in_tile,
                   w->back + (ptrdiff_t)t * PQ_WINOGRAD16_POINTS);
    }
}

/* ---- products ---- */

/* `tiles` tiles by `blocks` blocks of lanes at one point. step: words from one pair's to the next.
 */
LANES_INLINE void product(const struct work *w, const int32_t *q, const int16_t *words, int step,
                          float *m, const int tiles, const int blocks)
{
    const size_t in_tile = w->in_tile;
    for (int pair = 0; pair < w->depth; pair += w->group) {
        struct words sum[24];
        UNROLLED_FOR (i, tiles * blocks)
            sum[i] = words_zero();
        const int count = w->depth - pair < w->group ? w->depth - pair : w->group;
        for (const int32_t *end = q + count; q < end; q++, words += step) {
            struct words held[24]; /* the fewer of weights and of values */
            if (blocks <= tiles) {
                UNROLLED_FOR (b, blocks)
                    held[b] = words_load(words + b * LANES * 2);
                UNROLLED_FOR (t, tiles) {
                    const struct words value = words_set(q + (size_t)t * in_tile);
                    UNROLLED_FOR (b, blocks)
                        sum[t * blocks + b] = words_dot(sum[t * blocks + b], held[b], value);
                }
            } else {
                UNROLLED_FOR (t, tiles)
                    held[t] = words_set(q + (size_t)t * in_tile);
                UNROLLED_FOR (b, blocks) {
                    const struct words u = words_load(words + b * LANES * 2);
                    UNROLLED_FOR (t, tiles)
                        sum[t * blocks + b] = words_dot(sum[t * blocks + b], u, held[t]);
                }
            }
        }
        if (pair == 0) {
            UNROLLED_FOR (i, tiles * blocks)
                lanes_store(m + sum_at(i / blocks, i % blocks), words_float(sum[i]));
        } else {
            UNROLLED_FOR (i, tiles * blocks) {
                float *to = m + sum_at(i / blocks, i % blocks);
                lanes_store(to, lanes_add(lanes_load(to), words_float(sum[i])));
            }
        }
    }
}

#define LANE_WEIGHTS 2
#include "kernels/wide/winograd_tiles.h"

/* ---- output ---- */

/* One column of sums, of some lanes of a tile, each times its power of two. */
LANES_INLINE void column_values(const float *m, size_t point, const float *back,
                                struct lanes y[TILE])
{
    struct lanes d[READ], times[READ];
    UNROLLED_FOR (row, READ) {
        d[row] = lanes_load(m + (size_t)row * READ * point);
        times[row] = lanes_set(back[row * READ]);
    }
    const struct lanes d2 = lanes_mul(d[2], times[2]), d4 = lanes_mul(d[4], times[4]);
    const struct lanes a = lanes_fma(d[1], times[1], d2);
    const struct lanes b = lanes_fma_less(d[1], times[1], d2);
    const struct lanes c = lanes_fma(d[3], times[3], d4);
    const struct lanes e = lanes_fma_less(d[3], times[3], d4);
    const float root = 0x1.6a09e6p+0f, half_root = 0x1.6a09e6p-1f;
    y[0] = lanes_fma(lanes_set(0.5f), c, lanes_fma(d[0], times[0], a));
    y[1] = lanes_mul(lanes_set(half_root), lanes_add(b, e));
    y[2] = lanes_fma(lanes_set(0.5f), a, c);
    y[3] = lanes_fma(lanes_set(root), e,
                     lanes_fma(lanes_set(0.5f * half_root), b, lanes_mul(d[5], times[5])));
}

LANES_INLINE void row_values(const struct lanes m[READ], struct lanes y[TILE])
{
    const float root = 0x1.6a09e6p+0f, half_root = 0x1.6a09e6p-1f;
    const struct lanes a = lanes_add(m[1], m[2]), b = lanes_sub(m[1], m[2]);
    const struct lanes c = lanes_add(m[3], m[4]), d = lanes_sub(m[3], m[4]);
    y[0] = lanes_fma(lanes_set(0.5f), c, lanes_add(m[0], a));
    y[1] = lanes_mul(lanes_set(half_root), lanes_add(b, d));
    y[2] = lanes_fma(lanes_set(0.5f), a, c);
    y[3] = lanes_fma(lanes_set(root), d, lanes_fma(lanes_set(0.5f * half_root), b, m[5]));
}

/* Some lanes of a tile. lane: their first, of all of the result; (x, y): the tile's first
 * pixel; columns: that are there; whole: all 4. */
LANES_INLINE void output_lanes(const struct pq_winograd_args *a, int x, int y, int columns,
                               int lane, const float *m, size_t point, const float *back,
                               const bool whole, const enum kind kind, const enum rows rows)
{
    struct lanes half[TILE][READ];
    UNROLLED_FOR (i, READ) {
        struct lanes u[TILE];
        column_values(m + (size_t)i * point, point, back + i, u);
        UNROLLED_FOR (row, TILE)
            half[row][i] = u[row];
    }
    const struct ending ending = ending_of(a, lane, kind, rows);
    const struct lanes bias = lanes_load(a->bias + lane);
    const struct lanes factor = lanes_load(a->factors + lane);
    UNROLLED_FOR (row, TILE) {
        struct lanes u[TILE];
        if (!pq_winograd_is_there(a, y + row))
            continue;
        row_values(half[row], u);
        UNROLLED_FOR (i, TILE)
            u[i] = lanes_fma(u[i], factor, bias);
        output_row(a, &ending, x, y + row, columns, lane, u, whole);
    }
}

/* The same for what the next tile, whose first pixel is (x, y), writes. */
static inline void fetch_pixels(const struct pq_winograd_args *a, int x, int y, int lane, int count)
{
    for (int row = 0; row < TILE; row++) {
        for (int i = 0; pq_winograd_is_there(a, y + row) && i < TILE; i++) {
            const ptrdiff_t at = (ptrdiff_t)(x + i) * a->out_stride + lane;
            for (int b = 0; a->half_out && b < count; b += 2)
                __builtin_prefetch(a->half_out[y + row] + at + b * BLOCK, 1);
            for (int b = 0; !a->half_out && b < count; b++)
                __builtin_prefetch(a->out[y + row] + at + b * BLOCK, 1);
        }
    }
}

/* The same of whole tiles for each kind of layer. */
static void output_block(const struct pq_winograd_args *a, int x, int y, int lane, const float *m,
                         size_t point, const float *back)
{
#define BLOCK_OF(kind, rows)                                                                       \
    for (int i = 0; i < BLOCK; i += LANES)                                                         \
    output_lanes(a, x, y, TILE, lane + i, m + i, point, back, true, kind, rows)
#define HALVES_OF(kind) BLOCK_OF(kind, HALVES)
#define EITHER_OF(kind) BLOCK_OF(kind, EITHER)
    if (a->half_out && !a->residual) {
        FOR_KIND_OF(a, HALVES_OF)
    } else {
        FOR_KIND_OF(a, EITHER_OF)
    }
#undef BLOCK_OF
#undef HALVES_OF
#undef EITHER_OF
}

static void transform_output(const struct pq_winograd_args *a, const struct work *w, int first,
                             int count)
{
    const size_t point = sums_point(w->tiles);
    for (int t = 0; t < w->tiles; t++) {
        const int x = (a->tile0 + t) % w->across * TILE, columns = a->width - x;
        const int y = (a->tile0 + t) / w->across * TILE;
        const float *m = w->m + (ptrdiff_t)t * SUMS_TILE;
        const float *back = w->back + (ptrdiff_t)t * PQ_WINOGRAD16_POINTS;
        if (columns >= 2 * TILE)
            fetch_pixels(a, x + TILE, y, first * BLOCK, count);
        for (int b = 0; b < count; b++, m += SUMS_BLOCK) {
            const int lane = (first + b) * BLOCK;
            if (columns >= TILE) {
                output_block(a, x, y, lane, m, point, back);
            } else {
                for (int i = 0; i < BLOCK; i += LANES)
                    output_lanes(a, x, y, columns, lane + i, m + i, point, back, false, ANY,
                                 EITHER);
            }
        }
    }
}

void PQ_WIDE(winograd16)(const struct pq_winograd_args *a)
{
    const struct work w = lay_out(a);
    const int16_t *words = a->words;
    transform_input(a, &w);
    for (int first = 0; first < a->blocks; first += PQ_CONV_GROUP) {
        const int count = a->blocks - first < PQ_CONV_GROUP ? a->blocks - first : PQ_CONV_GROUP;
        multiply(&w, words, count);
        transform_output(a, &w, first, count);
        words += (size_t)(POINTS * count * BLOCK * 2) * (size_t)w.depth;
    }
}
