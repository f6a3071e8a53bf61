/* SPDX-License-Identifier: MIT */
/* Lanczos-3 (graph/axis.h) to an exact size, streaming.
 *
 * Rows are resized along x as they come in and wait in a ring; an output row is the weighted sum of
 * rows of the ring. Sums run over ascending taps in float.
 *
 * Alpha: colours are multiplied by alpha on the way in and divided by it on the way out, so a
 * pixel that nobody sees has no say; alpha comes out rounded to 16 bits. Where all rows that an
 * output row reads are opaque the division is left out and alpha is exactly 1: an opaque picture
 * with alpha gives the bits of the same picture without. Results are clipped to 0..1. */
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/axis.h"
#include "kernels/colour.h"
#include "upscale/ring.h"
#include "upscale/stages.h"

enum {
    IN_ROWS = 8,  /* input rows that are resized along x at a time */
    OUT_ROWS = 8, /* output rows that are summed at a time */
    SPAN = 2048   /* floats of a row summed at a time, so that they stay in the nearest cache */
};

/* The pixels that output pixel x of a row reads. */
struct span {
    int first, count;
};

struct resize {
    struct pq_stage stage;
    struct pq_stage *in;
    struct pq_pool *pool;
    struct pq_axis across, down;
    struct span *spans;  /* one an output column */
    float *weights;      /* across.taps an output column */
    float *down_weights; /* down.taps for each of OUT_ROWS rows */
    struct span down_spans[OUT_ROWS];
    float *pulled;       /* IN_ROWS input rows */
    struct pq_ring ring; /* rows resized along x; behind each one float: 1 where it is opaque */
    int64_t y;           /* next output row */
    int64_t base;        /* row of the ring that goes with pulled[0], during a loop */
    float *out;          /* where the loop over output rows writes */
};

static inline __attribute__((always_inline)) void sum_across(const struct resize *r,
                                                             const float *row, float *out,
                                                             int planes)
{
    for (int x = 0; x < r->across.out; x++) {
        const float *w = r->weights + (size_t)x * (size_t)r->across.taps;
        const float *from = row + (size_t)r->spans[x].first * (size_t)planes;
        float sum[4] = {0};
        for (int k = 0; k < r->spans[x].count; k++, from += planes)
            for (int c = 0; c < planes; c++)
                sum[c] += w[k] * from[c];
        for (int c = 0; c < planes; c++)
            *out++ = sum[c];
    }
}

/* Multiply colours by alpha; whether all of the row is opaque. */
static bool premultiply(float *row, int width)
{
    bool opaque = true;
    for (int x = 0; x < width; x++, row += 4) {
        opaque &= row[3] >= 1;
        for (int c = 0; c < 3; c++)
            row[c] *= row[3];
    }
    return opaque;
}

static void across_task(void *context, int index, int worker)
{
    (void)worker;
    struct resize *r = context;
    const int planes = r->stage.planes;
    float *row = r->pulled + (size_t)index * (size_t)r->across.in * (size_t)planes;
    float *out = pq_ring_row(&r->ring, r->base + index);
    out[(size_t)r->across.out * (size_t)planes] = planes == 3 || premultiply(row, r->across.in);
    if (planes == 4)
        sum_across(r, row, out, 4);
    else
        sum_across(r, row, out, 3);
}

static int fill_ring(struct resize *r, int64_t y1, pique_error *err)
{
    while (r->ring.end < y1) {
        const int n = (int)PQ_MIN(y1 - r->ring.end, IN_ROWS);
        int rc = r->in->read(r->in, n, r->pulled, err);
        if (rc)
            return rc;
        r->base = r->ring.end;
        for (int i = 0; i < n; i++) {
            void *row;
            if ((rc = pq_ring_push(&r->ring, &row, err)))
                return rc;
        }
        pq_share_out(r->pool, n, across_task, r);
    }
    return 0;
}

/* Divide by alpha, which is then rounded to 16 bits: opaque stays opaque in the passes that follow.
 */
static void unpremultiply(float *row, int width)
{
    for (int x = 0; x < width; x++, row += 4) {
        const float a = row[3], rounded = pq_alpha_of_16_bits(a);
        for (int c = 0; c < 3; c++)
            row[c] = pq_unweighted(row[c], a, rounded);
        row[3] = rounded;
    }
}

static void finish_row(float *row, int width, int planes, bool opaque)
{
    if (planes == 4 && !opaque)
        unpremultiply(row, width);
    for (size_t i = 0; i < (size_t)width * (size_t)planes; i++)
        row[i] = pq_clip01(row[i]);
    if (planes == 4 && opaque)
        for (int x = 0; x < width; x++)
            row[(size_t)x * 4 + 3] = 1;
}

static void down_task(void *context, int index, int worker)
{
    (void)worker;
    struct resize *r = context;
    const size_t n = (size_t)r->stage.width * (size_t)r->stage.planes;
    const struct span *span = &r->down_spans[index];
    const float *w = r->down_weights + (size_t)index * (size_t)r->down.taps;
    float *out = r->out + (size_t)index * n;
    bool opaque = true;
    for (size_t at = 0; at < n; at += SPAN) {
        const size_t length = PQ_MIN(n - at, SPAN);
        memset(out + at, 0, length * sizeof *out);
        for (int k = 0; k < span->count; k++) {
            const float *row = (const float *)pq_ring_row(&r->ring, span->first + k);
            opaque &= row[n] == 1;
            for (size_t i = 0; i < length; i++)
                out[at + i] += w[k] * row[at + i];
        }
    }
    finish_row(out, r->stage.width, r->stage.planes, opaque);
}

static int resize_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    struct resize *r = (struct resize *)stage;
    while (rows > 0) {
        const int n = PQ_MIN(rows, OUT_ROWS);
        int64_t end = 0;
        for (int i = 0; i < n; i++) {
            struct span *span = &r->down_spans[i];
            span->count = pq_axis_weights(&r->down, (int)(r->y + i), &span->first,
                                          r->down_weights + (size_t)i * (size_t)r->down.taps);
            end = PQ_MAX(end, (int64_t)span->first + span->count);
        }
        pq_ring_drop(&r->ring, r->down_spans[0].first);
        int rc = fill_ring(r, end, err);
        if (rc)
            return rc;
        r->out = data;
        pq_share_out(r->pool, n, down_task, r);
        data += (size_t)n * (size_t)stage->width * (size_t)stage->planes;
        r->y += n;
        rows -= n;
    }
    return 0;
}

static void resize_free(struct resize *r)
{
    pq_big_free(r->stage.allocator, r->spans);
    pq_big_free(r->stage.allocator, r->weights);
    pq_big_free(r->stage.allocator, r->down_weights);
    pq_big_free(r->stage.allocator, r->pulled);
    pq_ring_free(&r->ring);
    pq_free(r);
}

static void resize_close(struct pq_stage *stage)
{
    struct resize *r = (struct resize *)stage;
    r->in->close(r->in);
    resize_free(r);
}

/* Sizes of the buffers in bytes. */
struct sizes {
    size_t spans, weights, down_weights, pulled, ring_row;
    int ring_rows;
};

static bool count_sizes(const struct pq_axis *across, const struct pq_axis *down, int planes,
                        struct sizes *s)
{
    /* OUT_ROWS output rows read so many input rows more than one does. */
    const double step = ceil((double)down->in / down->out * OUT_ROWS) + 1;
    const double rows = PQ_MIN(down->taps + step, down->in);
    if (rows > INT_MAX)
        return false;
    s->ring_rows = (int)rows;
    size_t pixel = (size_t)planes * sizeof(float), columns = (size_t)across->out;
    return pq_mul_size(columns, sizeof(struct span), &s->spans) &&
           pq_mul_size(columns, (size_t)across->taps * sizeof(float), &s->weights) &&
           pq_mul_size((size_t)down->taps, OUT_ROWS * sizeof(float), &s->down_weights) &&
           pq_mul_size((size_t)across->in, pixel * IN_ROWS, &s->pulled) &&
           pq_mul_size(columns, pixel, &s->ring_row) &&
           pq_add_size(s->ring_row, sizeof(float), &s->ring_row);
}

uint64_t pq_resize_bytes(int in_width, int in_height, int planes, int width, int height)
{
    const struct pq_axis across = pq_axis_of(in_width, width), down = pq_axis_of(in_height, height);
    struct sizes s;
    size_t sum;
    if (!count_sizes(&across, &down, planes, &s) ||
        !pq_mul_size(s.ring_row, (size_t)s.ring_rows, &sum) || !pq_add_size(sum, s.spans, &sum) ||
        !pq_add_size(sum, s.weights, &sum) || !pq_add_size(sum, s.down_weights, &sum) ||
        !pq_add_size(sum, s.pulled, &sum))
        return UINT64_MAX;
    return sum;
}

static int resize_buffers(struct resize *r, pique_error *err)
{
    struct sizes s;
    if (!count_sizes(&r->across, &r->down, r->stage.planes, &s))
        return pq_fail_nomem(err, ULLONG_MAX);
    int rc = pq_ring_init(&r->ring, r->stage.allocator, s.ring_row, s.ring_rows, err);
    if (rc)
        return rc;
    r->spans = pq_big_alloc(r->stage.allocator, s.spans);
    r->weights = pq_big_alloc(r->stage.allocator, s.weights);
    r->down_weights = pq_big_alloc(r->stage.allocator, s.down_weights);
    r->pulled = pq_big_alloc(r->stage.allocator, s.pulled);
    if (!r->spans || !r->weights || !r->down_weights || !r->pulled)
        return pq_fail_nomem(err, s.spans + s.weights + s.down_weights + s.pulled);
    for (int x = 0; x < r->across.out; x++)
        r->spans[x].count = pq_axis_weights(&r->across, x, &r->spans[x].first,
                                            r->weights + (size_t)x * (size_t)r->across.taps);
    return 0;
}

int pq_resize_stage(struct pq_stage **chain, int width, int height, struct pq_pool *pool,
                    pique_error *err)
{
    struct pq_stage *in = *chain;
    assert(width > 0 && height > 0);
    struct resize *r = pq_calloc(1, sizeof *r);
    if (!r)
        return pq_fail_nomem(err, sizeof *r);
    r->stage = (struct pq_stage){.width = width,
                                 .height = height,
                                 .planes = in->planes,
                                 .allocator = in->allocator,
                                 .read = resize_read,
                                 .close = resize_close};
    r->in = in;
    r->pool = pool;
    r->across = pq_axis_of(in->width, width);
    r->down = pq_axis_of(in->height, height);
    int rc = resize_buffers(r, err);
    if (rc) {
        resize_free(r);
        return rc;
    }
    *chain = &r->stage;
    return 0;
}
