/* SPDX-License-Identifier: MIT */
#include "upscale/check.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "upscale/ring.h"
#include "upscale/stages.h"

enum { TILE = 64, LEAST = 16, WHICH = 48 };
static const float FLAT = 16 / 255.0f;

struct range {
    float lo, hi;
};

struct pq_check {
    struct pq_check_shape shape;
    struct pq_pool *pool;
    int columns;         /* tiles across */
    int64_t in_y, out_y; /* rows seen */
    struct pq_ring in;   /* for each row of tiles: columns x frames x in_channels ranges */
    struct range *out;   /* of the row of tiles that comes out: columns x frames x channels */
    int *broken;         /* one a column: 1 + the first frame that is not finite, or 0 */
    /* During a loop over columns. */
    const pique_rows *rows;
    int first, count;
};

static const struct range EMPTY = {INFINITY, -INFINITY};

/* Input pixels [*a, *b) lie wholly under output pixels [64 t, 64 (t + 1)). */
static void under_tile(int64_t t, int in, int out, int64_t *a, int64_t *b)
{
    const int64_t start = t * TILE, end = PQ_MIN(start + TILE, out);
    *a = (start * in + out - 1) / out;
    *b = end * in / out;
}

int pq_check_new(const struct pq_check_shape *shape, struct pq_pool *pool, struct pq_check **out,
                 pique_error *err)
{
    *out = NULL;
    struct pq_check *k = pq_calloc(1, sizeof *k);
    if (!k)
        return pq_fail_nomem(err, sizeof *k);
    k->shape = *shape;
    k->pool = pool;
    k->columns = shape->out_width / TILE + (shape->out_width % TILE != 0);
    const size_t tiles = (size_t)k->columns * (size_t)shape->frames;
    const size_t in_ranges = tiles * (size_t)shape->in_channels;
    const size_t out_ranges = tiles * (size_t)shape->out_channels;
    int rc = pq_ring_init(&k->in, NULL, in_ranges * sizeof(struct range), 4, err);
    k->out = pq_calloc(out_ranges, sizeof *k->out);
    k->broken = pq_calloc((size_t)k->columns, sizeof *k->broken);
    if (!rc && (!k->out || !k->broken))
        rc = pq_fail_nomem(err, out_ranges * sizeof *k->out);
    if (rc) {
        pq_check_free(&k);
        return rc;
    }
    for (size_t i = 0; i < out_ranges; i++)
        k->out[i] = EMPTY;
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

/* Widen the range of each channel by n pixels; false where one is not a finite number. */
static bool widen(struct range *range, const float *p, int64_t n, int channels)
{
    bool finite = true;
    for (int c = 0; c < channels; c++) {
        float lo = range[c].lo, hi = range[c].hi;
        int bad = 0;
        for (int64_t i = 0; i < n; i++) {
            const float v = p[i * channels + c];
            lo = v < lo ? v : lo;
            hi = v > hi ? v : hi;
            bad |= !(fabsf(v) < INFINITY);
        }
        range[c] = (struct range){lo, hi};
        finite &= !bad;
    }
    return finite;
}

static const float *row_of(const pique_rows *rows, int frame, int y)
{
    return (const float *)((const unsigned char *)rows->data + frame * rows->frame_stride +
                           y * rows->row_stride);
}

static void note_input_row(struct pq_check *k, struct range *range, const pique_rows *rows, int y)
{
    const struct pq_check_shape *s = &k->shape;
    for (int t = 0; t < k->columns; t++) {
        int64_t x0, x1;
        under_tile(t, s->in_width, s->out_width, &x0, &x1);
        for (int f = 0; f < s->frames; f++, range += s->in_channels)
            widen(range, row_of(rows, f, y) + x0 * s->in_channels, x1 - x0, s->in_channels);
    }
}

int pq_check_input(struct pq_check *k, const pique_rows *rows, int count, pique_error *err)
{
    const struct pq_check_shape *s = &k->shape;
    for (int y = 0; y < count; y++, k->in_y++) {
        /* The row of tiles whose last input row is not above this one; rows that lie under two are
         * under none. */
        int64_t t = (k->in_y * s->out_height / s->in_height) / TILE, a, b;
        under_tile(t, s->in_height, s->out_height, &a, &b);
        while (k->in.end <= t) {
            void *row;
            int rc = pq_ring_push(&k->in, &row, err);
            if (rc)
                return rc;
            struct range *range = row;
            for (size_t i = 0; i < k->in.row_bytes / sizeof *range; i++)
                range[i] = EMPTY;
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
    const int64_t x0 = (int64_t)column * TILE, x1 = PQ_MIN(x0 + TILE, s->out_width);
    struct range *range = k->out + (size_t)column * (size_t)(s->frames * s->out_channels);
    bool finite = true;
    int worst = 0;
    for (int f = 0; f < s->frames; f++, range += s->out_channels) {
        for (int y = 0; y < k->count; y++)
            finite &= widen(range, row_of(k->rows, f, k->first + y) + x0 * s->out_channels, x1 - x0,
                            s->out_channels);
        if (!finite && !worst)
            worst = f + 1;
    }
    k->broken[column] = finite ? 0 : worst;
}

static bool is_flat(const struct range *range, int channels, float within)
{
    for (int c = 0; c < channels; c++)
        if (range[c].hi - range[c].lo > within)
            return false;
    return true;
}

/* ", picture 2 of 4" of a batch of several. */
static const char *which(const struct pq_check *k, int frame, char text[WHICH])
{
    const int each = PQ_MAX(k->shape.each, 1), pictures = k->shape.frames / each;
    if (pictures < 2)
        return "";
    snprintf(text, WHICH, pq_tr(", picture %d of %d"), frame / each + 1, pictures);
    return text;
}

/* The row of tiles t is out: judge it and start the next one. */
static int judge_tiles(struct pq_check *k, int64_t t, int pass, pique_error *err)
{
    const struct pq_check_shape *s = &k->shape;
    const int64_t y1 = PQ_MIN((t + 1) * TILE, s->out_height), height = y1 - t * TILE;
    const struct range *in = t < k->in.end ? pq_ring_row(&k->in, t) : NULL;
    struct range *out = k->out;
    char text[WHICH];
    int rc = 0;
    for (int column = 0; column < k->columns; column++) {
        const int64_t x0 = (int64_t)column * TILE, x1 = PQ_MIN(x0 + TILE, s->out_width);
        for (int f = 0; f < s->frames; f++) {
            const bool wrong = in && height >= LEAST && x1 - x0 >= LEAST &&
                               is_flat(out, s->out_channels, 0) &&
                               !is_flat(in, s->in_channels, FLAT);
            if (wrong && !rc)
                rc = pq_fail(
                    err, PIQUE_EDEVICE,
                    "pass %d%s: output rows %lld to %lld, columns %lld to %lld are one single "
                    "colour where the input is not: the device computed nonsense",
                    pass, which(k, f, text), (long long)t * TILE, (long long)y1 - 1, (long long)x0,
                    (long long)x1 - 1);
            for (int c = 0; c < s->out_channels; c++)
                *out++ = EMPTY;
            if (in)
                in += s->in_channels;
        }
    }
    pq_ring_drop(&k->in, t + 1);
    return rc;
}

int pq_check_output(struct pq_check *k, const pique_rows *rows, int count, int pass,
                    pique_error *err)
{
    char text[WHICH];
    k->rows = rows;
    for (k->first = 0; k->first < count; k->first += k->count) {
        const int64_t t = k->out_y / TILE;
        const int64_t end = PQ_MIN((t + 1) * TILE, k->shape.out_height);
        k->count = (int)PQ_MIN(count - k->first, end - k->out_y);
        pq_share_out(k->pool, k->columns, output_task, k);
        for (int column = 0; column < k->columns; column++)
            if (k->broken[column])
                return pq_fail(err, PIQUE_EDEVICE,
                               "pass %d%s: output rows %lld to %lld hold values that are not "
                               "finite numbers: the device or the model is broken",
                               pass, which(k, k->broken[column] - 1, text), (long long)k->out_y,
                               (long long)k->out_y + k->count - 1);
        k->out_y += k->count;
        if (k->out_y == end) {
            int rc = judge_tiles(k, t, pass, err);
            if (rc)
                return rc;
        }
    }
    return 0;
}
