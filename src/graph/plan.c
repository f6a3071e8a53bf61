/* SPDX-License-Identifier: MIT */
#include "graph/plan.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"

struct pq_flow pq_plan_flow(const struct pq_graph *g, const struct pq_line *lines, int i, int k)
{
    const struct pq_op *op = &g->ops[i];
    return (struct pq_flow){.op = op,
                            .k = k,
                            .in_height = lines[op->in[k]].height,
                            .out_height = lines[i].height,
                            .grid = lines[i].grid};
}

int pq_plan_fail(const struct pq_geometry *geometry, pique_error *err)
{
    return pq_fail(err, PIQUE_ENOMEM,
                   "%d pictures of %d x %d pixels are more than memory can address",
                   geometry->frames, geometry->width, geometry->height);
}

/* Without input `but`. */
static int64_t ready_of(const struct pq_graph *g, const struct pq_line *lines, const int64_t *done,
                        int i, int but)
{
    const struct pq_op *op = &g->ops[i];
    int64_t ready = INT64_MAX;
    for (int k = 0; k < op->inputs && ready > done[i]; k++) {
        const struct pq_flow flow = pq_plan_flow(g, lines, i, k);
        if (op->in[k] != but)
            ready = PQ_MIN(ready, pq_rows_ready(&flow, done[op->in[k]]));
    }
    return ready;
}

/* How many rows of operation i the one behind it reads, as far as it has all else. */
static int64_t wanted_of(const struct pq_graph *g, const struct pq_line *lines, const int64_t *done,
                         int i)
{
    const struct pq_op *reader = &g->ops[i + 1];
    const int64_t rows = ready_of(g, lines, done, i + 1, i);
    int k = 0;
    while (reader->in[k] != i)
        k++;
    if (rows == 0 || rows == INT64_MAX)
        return rows;
    int64_t in0, in1;
    const struct pq_flow flow = pq_plan_flow(g, lines, i + 1, k);
    pq_rows_needed(&flow, rows - 1, rows, &in0, &in1);
    return in1;
}

int64_t pq_plan_ready(const struct pq_graph *g, const struct pq_line *lines, const int64_t *done,
                      int i)
{
    const int64_t ready = ready_of(g, lines, done, i, -1);
    return g->ops[i].again ? PQ_MIN(ready, wanted_of(g, lines, done, i)) : ready;
}

void pq_plan_step(const struct pq_graph *g, const struct pq_line *lines, int band,
                  const struct pq_progress *progress, int i, int64_t *y0, int64_t *y1)
{
    const struct pq_op *op = &g->ops[i];
    *y0 = *y1 = progress->done[i];
    if (*y0 >= lines[i].height)
        return;
    const int64_t ready = pq_plan_ready(g, lines, progress->done, i);
    /* A band's worth, so that the rows that lag behind come out a band at a time at the end of the
     * picture, and no ring must hold more than in its middle. */
    int64_t most = ((int64_t)band * op->num + op->den - 1) / op->den;
    most = pq_rows_end(op, lines[i].grid, lines[i].height, *y0 + most);
    *y1 = PQ_MAX(*y0, PQ_MIN(ready, most));
}

/* ---- sizes ---- */

/* Pixels that borders may add to a side, of the size of the input. Thousands of paddings of a
 * picture of one pixel would otherwise have their millions of rows walked through. */
enum { MOST_BORDER = 1 << 16 };

static bool grows(const struct pq_op *op, int64_t in, int64_t out)
{
    return out * op->den > (in + MOST_BORDER) * op->num;
}

static int check_extent(const struct pq_geometry *geometry, const struct pq_op *op,
                        const struct pq_line *line, pique_error *err)
{
    if (line->width < 1 || line->height < 1)
        return pq_fail(err, PIQUE_EINVAL, "%d x %d pixels are too few for this network",
                       geometry->width, geometry->height);
    if (line->width > INT_MAX || line->height > INT_MAX)
        return pq_fail(err, PIQUE_EINVAL,
                       "%d x %d pixels would become %lld x %lld, more than %d a side",
                       geometry->width, geometry->height, (long long)line->width,
                       (long long)line->height, INT_MAX);
    if (grows(op, geometry->width, line->width) || grows(op, geometry->height, line->height))
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "the borders of this network make %lld x %lld pixels of %d x %d",
                       (long long)line->width, (long long)line->height, geometry->width,
                       geometry->height);
    return 0;
}

/* Inputs that are read pixel by pixel beside the first have its size; a residual, and what is added
 * to a first without its border, have the result's. */
static int check_inputs(const struct pq_graph *g, const struct pq_line *lines, int i,
                        pique_error *err)
{
    const struct pq_op *op = &g->ops[i];
    for (int k = 1; k < op->inputs; k++) {
        if (op->global_inputs >> k & 1 || pq_op_has_any_size(op, k))
            continue;
        const bool as_result = op->residual ? k == op->inputs - 1 : pq_op_leaves_border(op);
        const struct pq_line *want = &lines[as_result ? i : op->in[0]];
        const struct pq_line *have = &lines[op->in[k]];
        const int fold = pq_op_fold(op, k);
        if (have->width * fold != want->width || have->height * fold != want->height)
            return pq_fail(
                err, PIQUE_EFORMAT,
                "operation %d of the network, %s, joins a map of %lld x %lld with one of "
                "%lld x %lld",
                i, pq_op_name(op->kind), (long long)want->width, (long long)want->height,
                (long long)have->width, (long long)have->height);
    }
    return 0;
}

/* Columns beside a row that a sliding window reads. */
static int reach_of(const struct pq_window *w, int64_t in_width, int64_t out_width)
{
    int64_t last = (out_width - 1) * w->stride - w->before + (int64_t)(w->kernel - 1) * w->dilation;
    return (int)PQ_MAX((int64_t)w->before, last - (in_width - 1));
}

static int measure(const struct pq_graph *g, const struct pq_grid *grids,
                   const struct pq_geometry *geometry, struct pq_line *lines, pique_error *err)
{
    for (int i = 0; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        struct pq_line *line = &lines[i];
        *line = (struct pq_line){.width = geometry->width, .height = geometry->height};
        if (grids)
            line->grid = grids[i];
        if (i > 0 && op->inputs == 0) {
            line->width = line->height = 1;
        } else if (i > 0) {
            const struct pq_line *in = &lines[op->in[0]];
            const struct pq_line *like = &lines[op->like >= 0 ? op->like : 0];
            line->width = pq_op_extent(op, true, in->width, like->width);
            line->height = pq_op_extent(op, false, in->height, like->height);
        }
        int rc = check_extent(geometry, op, line, err);
        if (!rc)
            rc = check_inputs(g, lines, i, err);
        if (rc)
            return rc;
        if (op->kind != PQ_OP_CONV2D && op->kind != PQ_OP_DEPTHWISE)
            continue;
        for (int k = 0; k < op->inputs - op->residual; k++) {
            struct pq_line *in = &lines[op->in[k]];
            in->pad = PQ_MAX(in->pad, reach_of(&op->hor, in->width, line->width));
            in->zeros = in->zeros || op->ver.before || op->ver.after || line->grid.tile > 1;
        }
    }
    return 0;
}

/* ---- rows of tiles ---- */

/* Rows that have come in far inside of a picture without end: a multiple of what networks divide
 * by, and few enough for products of two heights. */
static int64_t far_inside(const struct pq_graph *g)
{
    const int64_t all = 5040;
    int64_t rows = all << 10;
    for (int i = 1; i < g->count; i++)
        rows = PQ_MIN(rows, ((int64_t)1 << 29) / g->ops[i].num);
    return rows - rows % all;
}

/* How many rows of each operation are there by then, tiles aside. What waits for a whole picture
 * does not count: it makes no difference to those that wait, and none between a graph and the one
 * to which its statistics are given. */
int pq_plan_grids(const struct pq_graph *g, struct pq_grid *grids, pique_error *err)
{
    const size_t n = (size_t)g->count;
    const int64_t come = far_inside(g);
    int64_t *ready = pq_calloc(n, sizeof *ready);
    if (!ready)
        return pq_fail_nomem(err, n * sizeof *ready);
    for (int i = 0; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        int64_t least = INT64_MAX;
        for (int k = 0; k < op->inputs; k++) {
            const struct pq_op *in = &g->ops[op->in[k]];
            const struct pq_flow flow = {.op = op,
                                         .k = k,
                                         .in_height = 2 * come * in->num / in->den,
                                         .out_height = 2 * come * op->num / op->den};
            const int64_t rows = pq_rows_ready(&flow, ready[op->in[k]]);
            if (rows > 0)
                least = PQ_MIN(least, rows);
        }
        ready[i] = least < INT64_MAX ? least : come * op->num / op->den;
        if (grids[i].tile > 1)
            grids[i].phase = (unsigned char)(ready[i] % grids[i].tile);
    }
    pq_free(ready);
    return 0;
}

/* ---- the walk ---- */

struct walk {
    const struct pq_graph *g;
    struct pq_line *lines;
    int64_t *done, *low; /* rows computed; first row that readers will still read */
    int band;
    int first; /* all operations before it have all their rows */
    int64_t step;
};

static void still_needed(struct walk *w)
{
    const struct pq_graph *g = w->g;
    for (int i = w->first; i < g->count; i++)
        w->low[i] = i == g->output ? w->done[i] : w->lines[i].height;
    for (int i = PQ_MAX(w->first, 1); i < g->count; i++) {
        if (w->done[i] >= w->lines[i].height)
            continue;
        for (int k = 0; k < g->ops[i].inputs; k++) {
            int in = g->ops[i].in[k];
            const struct pq_flow flow = pq_plan_flow(g, w->lines, i, k);
            w->low[in] = PQ_MIN(w->low[in], pq_rows_kept(&flow, w->done[i]));
        }
    }
}

/* The rows of one operation in one step; how many they are. */
static int64_t compute(struct walk *w, int i)
{
    int64_t y0, y1;
    struct pq_line *line = &w->lines[i];
    if (i == 0) {
        y0 = w->done[0];
        y1 = PQ_MIN(y0 + w->band, line->height);
    } else {
        struct pq_progress progress = {w->done};
        pq_plan_step(w->g, w->lines, w->band, &progress, i, &y0, &y1);
    }
    w->done[i] = y1;
    /* Rows that nobody needs are computed like the others, so they need places of their own. */
    line->rows = PQ_MAX(line->rows, y1 - PQ_MIN(w->low[i], y0));
    if (y1 == y0)
        return 0;
    if (y0 == 0)
        line->born = w->step;
    line->dies = w->step;
    for (int k = 0; k < w->g->ops[i].inputs; k++)
        w->lines[w->g->ops[i].in[k]].dies = w->step;
    return y1 - y0;
}

/* Walk the whole schedule without data and note how many rows each ring holds at most, and when.
 * False where it stands still, which only a graph that breaks the rules of rows.c does. */
static bool walk(struct walk *w)
{
    const struct pq_graph *g = w->g;
    while (w->done[g->output] < w->lines[g->output].height) {
        still_needed(w);
        int64_t rows = 0;
        for (int i = w->first; i < g->count; i++)
            rows += compute(w, i);
        if (rows == 0)
            return false;
        while (w->first < g->count && w->done[w->first] >= w->lines[w->first].height)
            w->first++;
        w->step++;
    }
    return true;
}

int pq_plan_lines(const struct pq_graph *g, const struct pq_grid *grids,
                  const struct pq_geometry *geometry, struct pq_line *lines, pique_error *err)
{
    if (geometry->frames < 1 || geometry->width < 1 || geometry->height < 1 || geometry->band < 1)
        return pq_fail(err, PIQUE_EINVAL, "a batch of %d pictures of %d x %d in bands of %d rows",
                       geometry->frames, geometry->width, geometry->height, geometry->band);
    int rc = measure(g, grids, geometry, lines, err);
    if (rc)
        return rc;
    size_t n = (size_t)g->count;
    int64_t *done = pq_calloc(2 * n, sizeof *done);
    if (!done)
        return pq_fail_nomem(err, 2 * n * sizeof *done);
    struct walk w = {.g = g, .lines = lines, .done = done, .low = done + n, .band = geometry->band};
    if (!walk(&w))
        rc = pq_fail(err, PIQUE_EINTERNAL, "the rows of %d x %d pixels do not flow through",
                     geometry->width, geometry->height);
    pq_free(done);
    for (int i = 0; i < g->count; i++)
        lines[i].rows = PQ_MAX(lines[i].rows, 1); /* read by nobody: an unused input */
    return rc;
}
