/* SPDX-License-Identifier: MIT */
#include "upscale/check.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/lang.h"
#include "graph/place.h"
#include "kernels/wide.h"
#include "upscale/ring.h"
#include "upscale/stages.h"

enum { LEAST = 16, WHICH = 48 };
static const float FLAT = 16 / 255.0f;

struct pq_check {
    struct pq_check_shape shape;
    struct pq_pool *pool;
    void (*look)(const float *in, int pixels, int channels, struct pq_range *range);
    int columns;          /* tiles across */
    int64_t in_y, out_y;  /* rows seen */
    struct pq_ring in;    /* for each row of tiles: columns x frames x in_channels ranges */
    struct pq_range *out; /* of the row of tiles that comes out: columns x frames x channels */
    int *broken;          /* one a column: 1 + the first frame that is not finite, or 0 */
    /* During a loop over columns. */
    const pique_rows *rows;
    int first, count;
};

int pq_check_new(const struct pq_check_shape *shape, struct pq_pool *pool, struct pq_check **out,
                 pique_error *err)
{
    *out = NULL;
    struct pq_check *k = pq_calloc(1, sizeof *k);
    if (!k)
        return pq_fail_nomem(err, sizeof *k);
    k->shape = *shape;
    k->pool = pool;
    k->look = pq_wide((int)pq_cpu_level())->look;
    k->columns = pq_tiles_of(shape->out_width);
    const size_t tiles = (size_t)k->columns * (size_t)shape->frames;
    const size_t in_ranges = tiles * (size_t)shape->in_channels;
    const size_t out_ranges = tiles * (size_t)shape->out_channels;
    int rc = pq_ring_init(&k->in, NULL, in_ranges * sizeof(struct pq_range), 4, err);
    k->out = pq_calloc(out_ranges, sizeof *k->out);
    k->broken = pq_calloc((size_t)k->columns, sizeof *k->broken);
    if (!rc && (!k->out || !k->broken))
        rc = pq_fail_nomem(err, out_ranges * sizeof *k->out);
    if (rc) {
        pq_check_free(&k);
        return rc;
    }
    for (size_t i = 0; i < out_ranges; i++)
        k->out[i] = pq_range_of_nothing();
    *out = k;
    return 0;
}

void pq_check_free(struct pq_check **check)
{
    struct pq_check *k = *check;
    if (!k)
        return;
    pq_ring_free(&k->in);
    pq_free(k->out);
    pq_free(k->broken);
    pq_free(k);
    *check = NULL;
}

static const float *row_of(const pique_rows *rows, int frame, int y)
{
    return (const float *)((const unsigned char *)rows->data + frame * rows->frame_stride +
                           y * rows->row_stride);
}

static void note_input_row(struct pq_check *k, struct pq_range *range, const pique_rows *rows,
                           int y)
{
    const struct pq_check_shape *s = &k->shape;
    for (int t = 0; t < k->columns; t++) {
        int64_t x0, x1;
        pq_under_tile(t, s->in_width, s->out_width, &x0, &x1);
        for (int f = 0; f < s->frames; f++, range += s->in_channels)
            k->look(row_of(rows, f, y) + x0 * s->in_channels, (int)(x1 - x0), s->in_channels,
                    range);
    }
}

int pq_check_input(struct pq_check *k, const pique_rows *rows, int count, pique_error *err)
{
    const struct pq_check_shape *s = &k->shape;
    for (int y = 0; y < count; y++, k->in_y++) {
        int64_t t = pq_tile_over(k->in_y, s->in_height, s->out_height), a, b;
        pq_under_tile(t, s->in_height, s->out_height, &a, &b);
        while (k->in.end <= t) {
            void *row;
            int rc = pq_ring_push(&k->in, &row, err);
            if (rc)
                return rc;
            struct pq_range *range = row;
            for (size_t i = 0; i < k->in.row_bytes / sizeof *range; i++)
                range[i] = pq_range_of_nothing();
        }
        if (k->in_y >= a && k->in_y < b && t >= k->in.first)
            note_input_row(k, pq_ring_row(&k->in, t), rows, y);
    }
    return 0;
}

/* Rows [first, first + count) of the output, which belong to one row of tiles, for one column. */
static void output_task(void *context, int column, int worker)
{
    (void)worker;
    struct pq_check *k = context;
    const struct pq_check_shape *s = &k->shape;
    const int64_t x0 = (int64_t)column * PQ_TILE, x1 = PQ_MIN(x0 + PQ_TILE, s->out_width);
    struct pq_range *range = k->out + (size_t)column * (size_t)(s->frames * s->out_channels);
    int worst = 0;
    for (int f = 0; f < s->frames; f++, range += s->out_channels) {
        for (int y = 0; y < k->count; y++)
            k->look(row_of(k->rows, f, k->first + y) + x0 * s->out_channels, (int)(x1 - x0),
                    s->out_channels, range);
        for (int c = 0; c < s->out_channels && !worst; c++)
            worst = range[c].bad ? f + 1 : 0;
    }
    k->broken[column] = worst;
}

static bool is_flat(const struct pq_range *range, int channels, float within)
{
    for (int c = 0; c < channels; c++)
        if (range[c].high - range[c].low > within)
            return false;
    return true;
}

/* ", picture 2 of 4" of a batch of several. */
static const char *which(const struct pq_check_shape *s, int frame, char text[WHICH])
{
    const int each = PQ_MAX(s->each, 1), pictures = s->frames / each;
    if (pictures < 2)
        return "";
    snprintf(text, WHICH, pq_tr(", picture %d of %d"), frame / each + 1, pictures);
    return text;
}

static int fail_broken(const struct pq_check_shape *s, int frame, int64_t y0, int64_t y1, int pass,
                       pique_error *err)
{
    char text[WHICH];
    return pq_fail(err, PIQUE_EDEVICE,
                   "pass %d%s: output rows %lld to %lld hold values that are not finite numbers: "
                   "the device or the model is broken",
                   pass, which(s, frame, text), (long long)y0, (long long)y1 - 1);
}

/* A row of tiles, [column][frame][channel]; in: NULL where nothing lies under it. */
static int judge_tiles(const struct pq_check_shape *s, int64_t t, const struct pq_range *in,
                       const struct pq_range *out, int pass, pique_error *err)
{
    const int64_t y1 = PQ_MIN((t + 1) * PQ_TILE, s->out_height), height = y1 - t * PQ_TILE;
    char text[WHICH];
    for (int column = 0; in && column < pq_tiles_of(s->out_width); column++) {
        int64_t first, end;
        const int64_t x0 = (int64_t)column * PQ_TILE, x1 = PQ_MIN(x0 + PQ_TILE, s->out_width);
        pq_under_tile(column, s->in_width, s->out_width, &first, &end);
        for (int f = 0; f < s->frames; f++, in += s->in_channels, out += s->out_channels) {
            if (first < end && height >= LEAST && x1 - x0 >= LEAST &&
                is_flat(out, s->out_channels, 0) && !is_flat(in, s->in_channels, FLAT))
                return pq_fail(
                    err, PIQUE_EDEVICE,
                    "pass %d%s: output rows %lld to %lld, columns %lld to %lld are one single "
                    "colour where the input is not: the device computed nonsense",
                    pass, which(s, f, text), (long long)t * PQ_TILE, (long long)y1 - 1,
                    (long long)x0, (long long)x1 - 1);
        }
    }
    return 0;
}

/* The row of tiles t is out: judge it and start the next one. */
static int finish_tiles(struct pq_check *k, int64_t t, int pass, pique_error *err)
{
    const struct pq_check_shape *s = &k->shape;
    const int rc =
        judge_tiles(s, t, t < k->in.end ? pq_ring_row(&k->in, t) : NULL, k->out, pass, err);
    for (int i = 0; i < k->columns * s->frames * s->out_channels; i++)
        k->out[i] = pq_range_of_nothing();
    pq_ring_drop(&k->in, t + 1);
    return rc;
}

int pq_check_output(struct pq_check *k, const pique_rows *rows, int count, int pass,
                    pique_error *err)
{
    k->rows = rows;
    for (k->first = 0; k->first < count; k->first += k->count) {
        const int64_t t = k->out_y / PQ_TILE;
        const int64_t end = PQ_MIN((t + 1) * PQ_TILE, k->shape.out_height);
        k->count = (int)PQ_MIN(count - k->first, end - k->out_y);
        pq_share_out(k->pool, k->columns, output_task, k);
        for (int column = 0; column < k->columns; column++)
            if (k->broken[column])
                return fail_broken(&k->shape, k->broken[column] - 1, k->out_y, k->out_y + k->count,
                                   pass, err);
        k->out_y += k->count;
        if (k->out_y == end) {
            int rc = finish_tiles(k, t, pass, err);
            if (rc)
                return rc;
        }
    }
    return 0;
}

int pq_check_seen(const struct pq_check_shape *s, int64_t first, int64_t end,
                  const struct pq_range *in, const struct pq_range *out, int pass, pique_error *err)
{
    const size_t columns = (size_t)pq_tiles_of(s->out_width) * (size_t)s->frames;
    const size_t in_row = columns * (size_t)s->in_channels;
    const size_t out_row = columns * (size_t)s->out_channels;
    int rc = 0;
    in += (size_t)first * in_row;
    out += (size_t)first * out_row;
    for (int64_t t = first; !rc && t < end; t++, in += in_row, out += out_row) {
        int64_t under, beyond;
        for (size_t i = 0; !rc && i < out_row; i++) {
            if (out[i].bad)
                rc = fail_broken(s, (int)(i / (size_t)s->out_channels % (size_t)s->frames),
                                 t * PQ_TILE, PQ_MIN((t + 1) * PQ_TILE, s->out_height), pass, err);
        }
        pq_under_tile(t, s->in_height, s->out_height, &under, &beyond);
        if (!rc)
            rc = judge_tiles(s, t, under < beyond ? in : NULL, out, pass, err);
    }
    return rc;
}
