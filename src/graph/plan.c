/* SPDX-License-Identifier: MIT */
#include "graph/plan.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"

void pq_plan_step(const struct pq_graph *g, const struct pq_line *lines, int band,
                  const struct pq_progress *progress, int i, int64_t *y0, int64_t *y1)
{
    const struct pq_op *op = &g->ops[i];
    int64_t ready = INT64_MAX;
    for (int k = 0; k < op->inputs; k++) {
        int in = op->in[k];
        int64_t r = pq_op_rows_ready(op, progress->done[in], lines[in].height, lines[i].height);
        ready = PQ_MIN(ready, r);
    }
    /* A band's worth, so that the rows that lag behind come out a band at a time at the end of the
     * picture, and no ring must hold more than in its middle. */
    int64_t most = ((int64_t)band * op->num + op->den - 1) / op->den;
    *y0 = progress->done[i];
    *y1 = PQ_MAX(*y0, PQ_MIN(ready, *y0 + most));
}

static int measure(const struct pq_graph *g, const struct pq_geometry *geometry,
                   struct pq_line *lines, pique_error *err)
{
    for (int i = 0; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        struct pq_line *line = &lines[i];
        *line = (struct pq_line){.width = geometry->width, .height = geometry->height};
        if (i > 0) {
            line->width = pq_op_extent(op, lines[op->in[0]].width);
            line->height = pq_op_extent(op, lines[op->in[0]].height);
        }
        if (line->width < 1 || line->height < 1)
            return pq_fail(err, PIQUE_EINVAL, "%d x %d pixels are too few for this network",
                           geometry->width, geometry->height);
        if (line->width > INT_MAX || line->height > INT_MAX)
            return pq_fail(err, PIQUE_EINVAL,
                           "%d x %d pixels would become %lld x %lld, more than %d a side",
                           geometry->width, geometry->height, (long long)line->width,
                           (long long)line->height, INT_MAX);
        if (op->kind != PQ_OP_CONV2D)
            continue;
        for (int k = 0; k < op->inputs; k++) {
            struct pq_line *in = &lines[op->in[k]];
            in->pad = PQ_MAX(in->pad, (op->kernel - 1) / 2);
        }
    }
    return 0;
}

/* First row of operation i that its readers will still read. */
static void still_needed(const struct pq_graph *g, const struct pq_line *lines, const int64_t *done,
                         int64_t *low)
{
    for (int i = 0; i < g->count; i++)
        low[i] = i == g->output ? done[i] : lines[i].height;
    for (int i = 1; i < g->count; i++) {
        if (done[i] >= lines[i].height)
            continue;
        int64_t in0, in1;
        pq_op_rows_needed(&g->ops[i], done[i], done[i] + 1, &in0, &in1);
        for (int k = 0; k < g->ops[i].inputs; k++) {
            int in = g->ops[i].in[k];
            low[in] = PQ_MIN(low[in], PQ_MAX(in0, 0));
        }
    }
}

/* Walk the whole schedule without data and note how many rows each ring holds at most. */
static void walk(const struct pq_graph *g, int band, struct pq_line *lines, int64_t *done,
                 int64_t *low)
{
    struct pq_progress progress = {done};
    while (done[g->output] < lines[g->output].height) {
        still_needed(g, lines, done, low);
        done[0] = PQ_MIN(done[0] + band, lines[0].height);
        for (int i = 0; i < g->count; i++) {
            if (i > 0) {
                int64_t y0, y1;
                pq_plan_step(g, lines, band, &progress, i, &y0, &y1);
                done[i] = y1;
            }
            lines[i].rows = PQ_MAX(lines[i].rows, done[i] - low[i]);
        }
    }
}

int pq_plan_lines(const struct pq_graph *g, const struct pq_geometry *geometry,
                  struct pq_line *lines, pique_error *err)
{
    if (geometry->frames < 1 || geometry->width < 1 || geometry->height < 1 || geometry->band < 1)
        return pq_fail(err, PIQUE_EINVAL, "a batch of %d pictures of %d x %d in bands of %d rows",
                       geometry->frames, geometry->width, geometry->height, geometry->band);
    int rc = measure(g, geometry, lines, err);
    if (rc)
        return rc;
    size_t n = (size_t)g->count;
    int64_t *done = pq_calloc(2 * n, sizeof *done);
    if (!done)
        return pq_fail_nomem(err, 2 * n * sizeof *done);
    walk(g, geometry->band, lines, done, done + n);
    pq_free(done);
    for (int i = 0; i < g->count; i++)
        lines[i].rows = PQ_MAX(lines[i].rows, 1); /* read by nobody: an unused input */
    return 0;
}
