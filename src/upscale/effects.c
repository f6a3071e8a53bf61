/* SPDX-License-Identifier: MIT */
/* What happens to the finished picture (struct pq_touch), in float; nothing is rounded or clipped
 * before the end. These are Pillow's ImageEnhance formulas, which round to 8 bit after each step.
 * The mean of contrast is the luma of the source picture. Alpha does not change. */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/colour.h"
#include "upscale/ring.h"
#include "upscale/stages.h"

enum { ROWS = 16 }; /* at a time */

struct effects {
    struct pq_stage stage;
    struct pq_stage *in;
    struct pq_pool *pool;
    struct pq_effects value;
    struct pq_ring rows;
    int64_t y;  /* next row to yield */
    float *out; /* where the loop over rows writes */
};

static void sharpen_row(const struct effects *e, int64_t y, float *out)
{
    const size_t planes = (size_t)e->stage.planes, width = (size_t)e->stage.width;
    if (y == 0 || y == e->stage.height - 1)
        return;
    const float *above = pq_ring_row(&e->rows, y - 1);
    const float *here = pq_ring_row(&e->rows, y);
    const float *below = pq_ring_row(&e->rows, y + 1);
    for (size_t x = 1; x + 1 < width; x++)
        for (size_t i = x * planes; i < x * planes + 3; i++)
            out[i] = pq_sharpened(here[i], pq_smooth(above + i, here + i, below + i, (long)planes),
                                  e->value.touch.sharpen);
}

static void effects_task(void *context, int index, int worker)
{
    (void)worker;
    const struct effects *e = context;
    const struct pq_touch *v = &e->value.touch;
    const size_t planes = (size_t)e->stage.planes;
    const size_t n = (size_t)e->stage.width * planes;
    const int64_t y = e->y + index;
    float *out = e->out + (size_t)index * n;
    memcpy(out, pq_ring_row(&e->rows, y), n * sizeof *out);
    if (v->sharpen != 0)
        sharpen_row(e, y, out);
    for (float *p = out; p < out + n; p += planes) {
        if (v->contrast != 1)
            for (int c = 0; c < 3; c++)
                p[c] = pq_away_from(p[c], e->value.mean, v->contrast);
        if (v->saturation != 1) {
            const float luma = pq_luma(p);
            for (int c = 0; c < 3; c++)
                p[c] = pq_away_from(p[c], luma, v->saturation);
        }
    }
}

static int effects_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    struct effects *e = (struct effects *)stage;
    while (rows > 0) {
        const int n = PQ_MIN(rows, ROWS);
        pq_ring_drop(&e->rows, e->y - 1);
        int rc = pq_ring_pull(&e->rows, e->in, PQ_MIN(e->y + n + 1, stage->height), err);
        if (rc)
            return rc;
        e->out = data;
        pq_share_out(e->pool, n, effects_task, e);
        data += (size_t)n * (size_t)stage->width * (size_t)stage->planes;
        e->y += n;
        rows -= n;
    }
    return 0;
}

static void effects_close(struct pq_stage *stage)
{
    struct effects *e = (struct effects *)stage;
    e->in->close(e->in);
    pq_ring_free(&e->rows);
    pq_free(e);
}

int pq_effects_stage(struct pq_stage **chain, const struct pq_effects *effects,
                     struct pq_pool *pool, pique_error *err)
{
    struct pq_stage *in = *chain;
    size_t row_bytes;
    int rc = pq_row_floats_bytes(in->width, in->planes, &row_bytes, err);
    if (rc)
        return rc;
    struct effects *e = pq_calloc(1, sizeof *e);
    if (!e)
        return pq_fail_nomem(err, sizeof *e);
    if ((rc = pq_ring_init(&e->rows, in->allocator, row_bytes, ROWS + 2, err))) {
        pq_free(e);
        return rc;
    }
    e->stage = (struct pq_stage){.width = in->width,
                                 .height = in->height,
                                 .planes = in->planes,
                                 .allocator = in->allocator,
                                 .read = effects_read,
                                 .close = effects_close};
    e->in = in;
    e->pool = pool;
    e->value = *effects;
    *chain = &e->stage;
    return 0;
}
