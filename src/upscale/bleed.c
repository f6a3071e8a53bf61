/* SPDX-License-Identifier: MIT */
/* Colours for pixels that nobody sees.
 *
 * A fully transparent pixel has some stored colour, often black. The network looks at it beside
 * visible pixels and would draw a dark or coloured fringe along every edge. So the colour of a
 * pixel of alpha 0 becomes the mean of the visible colours within 32 pixels,
 *
 *     sum over |dx|, |dy| <= 32 of  w c / sum of w,   w = alpha * 2^-(|dx| + |dy|),
 *
 * which is close to the nearest visible colour, and smooth. The weight is a product of a factor of
 * dx and one of dy, so the sums are taken along rows first and down columns after; powers of two
 * and at least 2^-16 of alpha keep the smallest product at 2^-80, far above a float's least. Where
 * nothing is visible within 32 pixels the stored colour stays. Alpha does not change.
 *
 * Two rings of up to 65 rows: the picture, and the sums along its rows, which are taken only where
 * a row with invisible pixels asks for them: an opaque stretch costs one look at each alpha. */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/place.h"
#include "upscale/ring.h"
#include "upscale/stages.h"

enum { REACH = PQ_BLEED_REACH, RING_ROWS = 2 * REACH + 1 };

/* The sums of one row: width x {alpha, alpha R, alpha G, alpha B}. */
enum sums_state {
    SUMS_NOT_TAKEN,
    SUMS_ZERO, /* nothing is visible in this row */
    SUMS_TAKEN
};

struct bleed {
    struct pq_stage stage;
    struct pq_stage *in;
    struct pq_ring rows;
    struct pq_ring sums;              /* in step with rows */
    enum sums_state state[RING_ROWS]; /* of the row in that slot */
    float *padded;                    /* a row of weighted colours with REACH zeros around */
    float *total;                     /* width x 4 */
    float power[REACH + 1];           /* 2^-distance */
    int64_t y;                        /* next row to yield */
};

/* The weighted colours of row y into b->padded; false where nothing is visible. */
static bool weigh_row(struct bleed *b, int64_t y)
{
    const float *row = pq_ring_row(&b->rows, y);
    float *out = b->padded + (size_t)REACH * 4;
    bool visible = false;
    for (size_t i = 0; i < (size_t)b->stage.width * 4; i += 4) {
        const float a = row[i + 3];
        visible |= a > 0;
        out[i] = a;
        for (int c = 0; c < 3; c++)
            out[i + 1 + (size_t)c] = a * row[i + (size_t)c];
    }
    return visible;
}

static void take_sums(struct bleed *b, int64_t y)
{
    enum sums_state *state = &b->state[y % RING_ROWS];
    if (*state != SUMS_NOT_TAKEN)
        return;
    *state = weigh_row(b, y) ? SUMS_TAKEN : SUMS_ZERO;
    if (*state == SUMS_ZERO)
        return;
    float *sums = pq_ring_row(&b->sums, y);
    const size_t n = (size_t)b->stage.width * 4;
    memset(sums, 0, n * sizeof *sums);
    for (int d = -REACH; d <= REACH; d++) {
        const float w = b->power[d < 0 ? -d : d];
        const float *from = b->padded + (size_t)(REACH + d) * 4;
        for (size_t i = 0; i < n; i++)
            sums[i] += w * from[i];
    }
}

/* Whether row y has pixels of alpha 0, and between which columns. */
static bool find_hidden(const struct bleed *b, const float *row, size_t *x0, size_t *x1)
{
    const size_t width = (size_t)b->stage.width;
    size_t first = 0, last = width;
    while (first < width && row[first * 4 + 3] > 0)
        first++;
    while (last > first && row[last * 4 - 1] > 0)
        last--;
    *x0 = first;
    *x1 = last;
    return first < last;
}

static void fill_row(struct bleed *b, int64_t y, float *row)
{
    size_t x0, x1;
    if (!find_hidden(b, row, &x0, &x1))
        return;
    memset(b->total + x0 * 4, 0, (x1 - x0) * 4 * sizeof(float));
    const int64_t top = PQ_MAX(y - REACH, 0), bottom = PQ_MIN(y + REACH, b->stage.height - 1);
    for (int64_t v = top; v <= bottom; v++) {
        take_sums(b, v);
        if (b->state[v % RING_ROWS] == SUMS_ZERO)
            continue;
        const float w = b->power[v < y ? y - v : v - y];
        const float *sums = pq_ring_row(&b->sums, v);
        for (size_t i = x0 * 4; i < x1 * 4; i++)
            b->total[i] += w * sums[i];
    }
    for (size_t x = x0; x < x1; x++) {
        const float *total = b->total + x * 4;
        if (row[x * 4 + 3] > 0 || !(total[0] > 0))
            continue;
        for (int c = 0; c < 3; c++)
            row[x * 4 + (size_t)c] = total[1 + c] / total[0];
    }
}

static int bleed_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    struct bleed *b = (struct bleed *)stage;
    const size_t row_bytes = b->rows.row_bytes;
    for (int i = 0; i < rows; i++, b->y++) {
        pq_ring_drop(&b->rows, b->y - REACH);
        const int64_t had = b->rows.end;
        int rc = pq_ring_pull(&b->rows, b->in, PQ_MIN(b->y + REACH + 1, stage->height), err);
        if (rc)
            return rc;
        for (int64_t y = had; y < b->rows.end; y++)
            b->state[y % RING_ROWS] = SUMS_NOT_TAKEN;
        float *row = data + (size_t)i * (row_bytes / sizeof(float));
        memcpy(row, pq_ring_row(&b->rows, b->y), row_bytes);
        fill_row(b, b->y, row);
    }
    return 0;
}

static void bleed_free(struct bleed *b)
{
    pq_ring_free(&b->rows);
    pq_ring_free(&b->sums);
    pq_big_free(b->stage.allocator, b->padded);
    pq_big_free(b->stage.allocator, b->total);
    pq_free(b);
}

static void bleed_close(struct pq_stage *stage)
{
    struct bleed *b = (struct bleed *)stage;
    b->in->close(b->in);
    bleed_free(b);
}

static int bleed_buffers(struct bleed *b, pique_error *err)
{
    size_t row_bytes, padded_bytes;
    int rc = pq_row_floats_bytes(b->stage.width, 4, &row_bytes, err);
    if (rc)
        return rc;
    if (!pq_add_size(row_bytes, (size_t)2 * REACH * 4 * sizeof(float), &padded_bytes))
        return pq_fail_nomem(err, row_bytes);
    if ((rc = pq_ring_init(&b->rows, b->stage.allocator, row_bytes, RING_ROWS, err)) ||
        (rc = pq_ring_init(&b->sums, b->stage.allocator, row_bytes, RING_ROWS, err)))
        return rc;
    b->padded = pq_big_alloc(b->stage.allocator, padded_bytes);
    b->total = pq_big_alloc(b->stage.allocator, row_bytes);
    if (!b->padded || !b->total)
        return pq_fail_nomem(err, padded_bytes + row_bytes);
    memset(b->padded, 0, padded_bytes);
    return 0;
}

int pq_bleed_stage(struct pq_stage **chain, pique_error *err)
{
    assert((*chain)->planes == 4);
    struct bleed *b = pq_calloc(1, sizeof *b);
    if (!b)
        return pq_fail_nomem(err, sizeof *b);
    b->stage = (struct pq_stage){.width = (*chain)->width,
                                 .height = (*chain)->height,
                                 .planes = 4,
                                 .allocator = (*chain)->allocator,
                                 .read = bleed_read,
                                 .close = bleed_close};
    b->in = *chain;
    b->power[0] = 1;
    for (int d = 1; d <= REACH; d++)
        b->power[d] = b->power[d - 1] / 2;
    int rc = bleed_buffers(b, err);
    if (rc) {
        bleed_free(b);
        return rc;
    }
    *chain = &b->stage;
    return 0;
}
