/* SPDX-License-Identifier: MIT */
/* For tests of Winograd's convolutions: some tiles with everything around them, in memory that
 * shows what is read and written beside it. */
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../random.h"
#include "base/alloc.h"
#include "kernels/winograd16.h"

enum { GUARD = 64, TILE = PQ_WINOGRAD_TILE, READ = PQ_WINOGRAD_READ, MOST_PARTS = 5 };
enum { MOST_ROWS = 4 * TILE, MOST_IN_ROWS = MOST_ROWS + READ - TILE };

/* Some rows of tiles with everything around them. */
struct tiles_case {
    int in_channels, out_channels, blocks, width, left, tile0, tile1;
    int tile_rows, across;   /* rows of tiles, tiles of a row */
    int first_row, last_row; /* of the rows of the result those that are there */
    int part_count;
    struct pq_conv_part parts[MOST_PARTS];
    float *data[MOST_PARTS][MOST_IN_ROWS];
    const float *rows[MOST_PARTS][MOST_IN_ROWS];
    float *plain, *packed, *bias, *slopes; /* slopes NULL: no activation */
    int16_t *words;
    float *factors;
    float *residual; /* as many rows as the result, or NULL */
    float scale;
    int out_stride;
};

static inline float *floats(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64 + 64);
    assert_non_null(p);
    return p;
}

static inline float *random_floats(struct rng *r, size_t n, float size)
{
    float *p = floats(n);
    for (size_t i = 0; i < n; i++)
        p[i] = rng_float(r) * size;
    return p;
}

/* Memory of just the columns that a direct convolution reads, between two pixels of NaN; what lies
 * between the channels of two pixels is NaN, too. */
static inline void make_part(struct rng *r, struct tiles_case *t, int i, int channels)
{
    struct pq_conv_part *part = &t->parts[i];
    *part = (struct pq_conv_part){.channels = channels, .stride = channels + rng_below(r, 3) * 5};
    part->rows = t->rows[i];
    t->in_channels += channels;
    const int pixels = t->width + 2;
    const size_t stride = (size_t)part->stride, row = (size_t)(pixels + 2) * stride;
    for (int k = 0; k < t->tile_rows * TILE + READ - TILE; k++) {
        float *data = t->data[i][k] = malloc(row * sizeof *data);
        assert_non_null(data);
        for (size_t j = 0; j < row; j++) {
            const bool inside = j >= stride && j < row - stride && j % stride < (size_t)channels;
            data[j] = inside ? rng_float(r) : NAN;
        }
        t->rows[i][k] = data + (t->left + 1) * part->stride;
    }
}

/* Once more, behind a change of the weights. */
static inline void pack_words(struct tiles_case *t)
{
    double *work = malloc((size_t)t->in_channels * READ * READ * sizeof *work);
    assert_non_null(work);
    pq_winograd16_pack(t->plain, t->out_channels, t->in_channels, work, t->words, t->factors);
    free(work);
}

static inline void make_case(struct rng *r, struct tiles_case *t)
{
    static const int channels[] = {1,  2,  3,  4,  5,  8,  12, 16, 17,  24,
                                   27, 32, 48, 64, 65, 80, 96, 97, 130, 192};
    *t = (struct tiles_case){.width = 1 + rng_below(r, 130), .left = rng_below(r, 3)};
    t->tile_rows = 1 + rng_below(r, MOST_ROWS / TILE);
    t->across = (t->width + TILE - 1) / TILE;
    t->out_channels = channels[rng_below(r, PQ_COUNT(channels))];
    t->part_count = rng_below(r, 2) ? 1 : 1 + rng_below(r, MOST_PARTS);
    for (int i = 0; i < t->part_count; i++) {
        const int most = PQ_COUNT(channels) - (i ? 8 : 0);
        make_part(r, t, i, channels[rng_below(r, most)]);
    }
    const int all = t->across * t->tile_rows;
    t->tile0 = rng_below(r, all);
    const int most = PQ_MIN(pq_winograd_tiles(t->out_channels, t->in_channels),
                            pq_winograd16_tiles(t->out_channels, t->in_channels));
    t->tile1 = t->tile0 + 1 + rng_below(r, PQ_MIN(all - t->tile0, most));
    t->first_row = rng_below(r, 3) ? 0 : rng_below(r, TILE);
    t->last_row = t->tile_rows * TILE - 1;
    if (rng_below(r, 3) == 0)
        t->last_row -= rng_below(r, TILE - t->first_row);
    t->blocks = (t->out_channels + PQ_CONV_LANES - 1) / PQ_CONV_LANES;
    t->out_stride = (t->blocks + rng_below(r, 2)) * PQ_CONV_LANES;
    const size_t lanes = (size_t)t->blocks * PQ_CONV_LANES;
    if (rng_below(r, 2))
        t->residual = random_floats(r, MOST_ROWS * (size_t)t->width * lanes, 1);
    t->scale = rng_float(r);
    t->plain = random_floats(r, (size_t)t->out_channels * (size_t)t->in_channels * 9, 1);
    t->packed = floats(pq_winograd_packed_size(t->out_channels, t->in_channels));
    pq_winograd_pack(t->plain, t->out_channels, t->in_channels, t->packed);
    t->words =
        (int16_t *)floats((pq_winograd16_packed_size(t->out_channels, t->in_channels) + 1) / 2);
    t->factors = floats(lanes);
    pack_words(t);
    t->bias = random_floats(r, lanes, 1);
    t->slopes = rng_below(r, 2) ? random_floats(r, lanes, 1) : NULL;
}

static inline void free_case(struct tiles_case *t)
{
    for (int i = 0; i < t->part_count; i++) {
        for (int k = 0; k < MOST_IN_ROWS; k++)
            free(t->data[i][k]);
    }
    free(t->residual);
    free(t->plain);
    free(t->packed);
    free(t->words);
    free(t->factors);
    free(t->bias);
    free(t->slopes);
}

static inline size_t row_floats(const struct tiles_case *t)
{
    return (size_t)t->width * (size_t)t->out_stride + 2 * GUARD;
}

static inline size_t all_floats(const struct tiles_case *t)
{
    return (size_t)(t->tile_rows * TILE) * row_floats(t);
}

/* Rows, each between two guards, into memory that is full of a pattern. */
static inline float *run(const struct tiles_case *t, pq_winograd_fn *fn)
{
    const size_t row = row_floats(t);
    const size_t scratch = PQ_MAX(pq_winograd_scratch(t->out_channels, t->in_channels),
                                  pq_winograd16_scratch(t->out_channels, t->in_channels));
    const size_t lanes = (size_t)t->blocks * PQ_CONV_LANES;
    float *out = floats(all_floats(t)), *work = floats(scratch + GUARD), *rows[MOST_ROWS];
    const float *residual[MOST_ROWS];
    memset(out, 0xa5, all_floats(t) * sizeof *out);
    memset(work, 0xff, (scratch + GUARD) * sizeof *work); /* NaN */
    for (int i = 0; i < t->tile_rows * TILE; i++) {
        const bool there = i >= t->first_row && i <= t->last_row;
        rows[i] = there ? out + (size_t)i * row + GUARD : NULL;
        residual[i] = there ? t->residual + (size_t)i * (size_t)t->width * lanes : NULL;
    }
    fn(&(struct pq_winograd_args){.parts = t->parts,
                                  .part_count = t->part_count,
                                  .left = t->left,
                                  .width = t->width,
                                  .blocks = t->blocks,
                                  .weights = t->packed,
                                  .words = t->words,
                                  .factors = t->factors,
                                  .bias = t->bias,
                                  .slopes = t->slopes,
                                  .residual = t->residual ? residual : NULL,
                                  .residual_stride = (int)lanes,
                                  .scale = t->scale,
                                  .out = rows,
                                  .out_stride = t->out_stride,
                                  .tile0 = t->tile0,
                                  .tile1 = t->tile1,
                                  .scratch = work});
    for (size_t i = scratch * sizeof *work; i < (scratch + GUARD) * sizeof *work; i++)
        assert_int_equal(((unsigned char *)work)[i], 0xff);
    free(work);
    return out;
}

static inline const char *named(const struct tiles_case *t, uint64_t seed)
{
    static char text[200];
    snprintf(text, sizeof text, "seed %llu: %d->%d channels in %d parts, tiles %d..%d of width %d",
             (unsigned long long)seed, t->in_channels, t->out_channels, t->part_count, t->tile0,
             t->tile1, t->width);
    return text;
}

enum { POINTS = READ * READ };

#define ROOT 1.4142135623730951
/* The sizes of the factors of the three transforms (winograd.h): B', G, A'. */
static const double in_sizes[READ][READ] = {
    {1, 0, 2.5, 0, 1, 0},           {0, ROOT, 2, ROOT / 2, 1, 0},   {0, ROOT, 2, ROOT / 2, 1, 0},
    {0, ROOT / 2, 0.5, ROOT, 1, 0}, {0, ROOT / 2, 0.5, ROOT, 1, 0}, {0, 1, 0, 2.5, 0, 1}};
static const double weight_sizes[READ][3] = {{1, 0, 0},
                                             {2.0 / 3, ROOT / 3, 1.0 / 3},
                                             {2.0 / 3, ROOT / 3, 1.0 / 3},
                                             {1.0 / 6, ROOT / 6, 1.0 / 3},
                                             {1.0 / 6, ROOT / 6, 1.0 / 3},
                                             {0, 0, 1}};
static const double out_sizes[TILE][READ] = {{1, 1, 1, 1, 1, 0},
                                             {0, ROOT / 2, ROOT / 2, ROOT, ROOT, 0},
                                             {0, 0.5, 0.5, 2, 2, 0},
                                             {0, ROOT / 4, ROOT / 4, 2 * ROOT, 2 * ROOT, 1}};

/* The value at a place of a tile's input; zero beyond the columns that are read. */
static inline double value_at(const struct tiles_case *t, int tile, int part, int c, int y, int x)
{
    const int row = tile / t->across * TILE + y, column = tile % t->across * TILE + x;
    if (column > t->width + 1)
        return 0;
    return t->parts[part].rows[row][(column - t->left) * t->parts[part].stride + c];
}

/* Add to sums, one a point, the sizes of the products of one channel at a tile: |G||g||G'| times
 * |B'||d||B|. g: 9 weights. */
static inline void add_sizes(const struct tiles_case *t, int tile, int part, int c, const float *g,
                             double sums[READ][READ])
{
    for (int i = 0; i < READ; i++) {
        for (int k = 0; k < READ; k++) {
            double u = 0, v = 0;
            for (int y = 0; y < 3; y++) {
                for (int x = 0; x < 3; x++)
                    u += weight_sizes[i][y] * fabs((double)g[y * 3 + x]) * weight_sizes[k][x];
            }
            for (int y = 0; y < READ; y++) {
                for (int x = 0; x < READ; x++)
                    v += in_sizes[i][y] * fabs(value_at(t, tile, part, c, y, x)) * in_sizes[k][x];
            }
            sums[i][k] += u * v;
        }
    }
}

/* Pixel (x, y) of a tile for one lane, in double; *size: what its roundings are in proportion to.
 */
static inline double exact(const struct tiles_case *t, int tile, int x, int y, int o,
                           double sums[READ][READ], double *size)
{
    double sum = t->bias[o];
    *size = fabs(sum);
    for (int i = 0, c0 = 0; i < t->part_count; c0 += t->parts[i++].channels) {
        for (int c = 0; c < t->parts[i].channels; c++) {
            const float *g = t->plain + ((size_t)o * (size_t)t->in_channels + (size_t)(c0 + c)) * 9;
            for (int k = 0; k < 9; k++)
                sum += g[k] * value_at(t, tile, i, c, y + k / 3, x + k % 3);
        }
    }
    for (int i = 0; i < READ; i++) {
        for (int k = 0; k < READ; k++)
            *size += out_sizes[y][i] * sums[i][k] * out_sizes[x][k];
    }
    if (t->slopes && sum < 0)
        sum *= t->slopes[o];
    if (t->residual) {
        const int stride = t->blocks * PQ_CONV_LANES;
        const int row = tile / t->across * TILE + y, column = tile % t->across * TILE + x;
        const double residual = t->residual[(row * t->width + column) * stride + o];
        sum = residual + t->scale * sum;
        *size += fabs(residual); /* scale and slopes are at most 1 */
    }
    return sum;
}

/* Only pixels of the tiles, in rows that are there. */
static inline void check_written(pq_winograd_fn *fn)
{
    for (uint64_t seed = 2000; seed < 2030; seed++) {
        struct rng r = {seed};
        struct tiles_case t;
        make_case(&r, &t);
        float *have = run(&t, fn);
        for (size_t i = 0; i < all_floats(&t); i++) {
            const int row = (int)(i / row_floats(&t));
            const ptrdiff_t at = (ptrdiff_t)(i % row_floats(&t)) - GUARD;
            const ptrdiff_t x = at >= 0 ? at / t.out_stride : -1;
            const ptrdiff_t tile = row / TILE * t.across + x / TILE;
            const bool inside = row >= t.first_row && row <= t.last_row && x >= 0 && x < t.width &&
                                tile >= t.tile0 && tile < t.tile1 &&
                                at % t.out_stride < t.blocks * PQ_CONV_LANES;
            unsigned char bytes[sizeof(float)];
            memcpy(bytes, &have[i], sizeof bytes);
            const bool untouched =
                bytes[0] == 0xa5 && bytes[1] == 0xa5 && bytes[2] == 0xa5 && bytes[3] == 0xa5;
            if (inside == untouched || (inside && isnan(have[i])))
                fail_msg("%s: float %zu of row %d is %a", named(&t, seed), i, row, (double)have[i]);
        }
        free(have);
        free_case(&t);
    }
}
