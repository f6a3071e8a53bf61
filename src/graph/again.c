/* SPDX-License-Identifier: MIT */
/* What is computed again rather than kept.
 *
 * Deep networks add what their first convolution made of the picture to what all others made of
 * that, so some hundred rows of 64 channels wait for it; in a dense network of 69 blocks they are
 * about a fifth of all that is carried from step to step. The picture has three channels, and the
 * convolution is a thousandth of the work: so the picture waits, and the convolution is computed
 * once more, where the addition is.
 *
 *     first ---------- ... ---------- + last        first --- ... --- + last
 *        \___________________________/         ->     \__ picture __ first again
 *
 * So it is where a map is weighed by a statistic of itself and then added behind the next one: the
 * map is there as a whole, and what it is weighed to would be once more. And what is cut off or
 * enlarged, to be added behind a statistic, is so when it is.
 *
 *     map -> mean -> x ---- ... ---- +              map -> mean -> x -- ... -- +
 *        \__________/ \_____________/        ->        \__________ x again ____/
 *
 * No bit changes. The copy stands right before the one operation that reads it, and its rows are
 * due only when the other inputs of that one are there (pq_plan_ready()). */
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/fuse.h"

enum {
    MOST_CHANNELS = 4, /* of what waits instead: a picture's */
    MOST_KERNEL = 5,
    FAR = 16,       /* rows that would wait */
    WHOLE = 1 << 20 /* that wait for a statistic: no picture of a network is as deep */
};

struct again {
    const struct pq_graph *g;
    int *depth; /* rows behind the picture, scales aside */
    int *place; /* of each operation in the new graph */
};

/* A copy of some of a map, or larger than it, or weighed by what one pixel says of all. */
static bool is_copy(const struct pq_op *op)
{
    return op->kind == PQ_OP_CROP || op->kind == PQ_OP_NEAREST ||
           (op->kind == PQ_OP_MUL && op->global_inputs == 2);
}

static bool is_narrow_conv(const struct pq_op *op)
{
    return op->kind == PQ_OP_CONV2D && op->inputs == 1 && !op->global && !op->column &&
           op->ver.kernel <= MOST_KERNEL && op->hor.kernel <= MOST_KERNEL &&
           op->weight.shape[1] <= MOST_CHANNELS && op->channels >= 4 * op->weight.shape[1];
}

/* Whether operation i, read at such a depth by another, is better computed again there. */
static bool is_far(const struct again *a, int i, int depth)
{
    const struct pq_op *op = &a->g->ops[i];
    return is_copy(op) ? depth - a->depth[i] >= WHOLE
                       : is_narrow_conv(op) && depth - a->depth[i] >= FAR;
}

static void measure_depth(const struct again *a)
{
    for (int i = 0; i < a->g->count; i++) {
        const struct pq_op *op = &a->g->ops[i];
        const bool slides = op->kind == PQ_OP_CONV2D || op->kind == PQ_OP_DEPTHWISE;
        int depth = 0;
        for (int k = 0; k < op->inputs; k++)
            depth = PQ_MAX(depth, a->depth[op->in[k]]);
        if (slides)
            depth += (op->ver.kernel - 1) * op->ver.dilation / 2;
        a->depth[i] = PQ_MIN(depth + (pq_op_is_statistic(op) ? WHOLE : 0), INT_MAX / 2);
    }
}

/* The input of operation i that is better computed again, or -1. It is read pixel by pixel. */
static int far_input(const struct again *a, int i)
{
    const struct pq_op *op = &a->g->ops[i];
    if (op->kind != PQ_OP_ADD && !op->residual)
        return -1;
    for (int k = op->kind == PQ_OP_ADD ? 0 : op->inputs - 1; k < op->inputs; k++) {
        if (is_far(a, op->in[k], a->depth[i]))
            return k;
    }
    return -1;
}

/* An operation with its inputs where they are now. */
static struct pq_op moved(const struct again *a, int i)
{
    struct pq_op op = a->g->ops[i];
    for (int k = 0; k < op.inputs; k++)
        op.in[k] = a->place[op.in[k]];
    if (op.like >= 0)
        op.like = a->place[op.like];
    return op;
}

static int write_all(const struct again *a, struct pq_op *ops)
{
    int count = 0;
    for (int i = 0; i < a->g->count; i++) {
        const int k = far_input(a, i);
        if (k >= 0) {
            ops[count] = moved(a, a->g->ops[i].in[k]);
            ops[count++].again = true;
        }
        ops[count] = moved(a, i);
        if (k >= 0)
            ops[count].in[k] = count - 1;
        a->place[i] = count++;
    }
    return count;
}

static int without_crops(const struct pq_graph *g, struct pq_graph **out, pique_error *err)
{
    int rc = pq_graph_new_with_room((size_t)g->count, out, err);
    if (rc)
        return rc;
    memcpy((*out)->ops, g->ops, (size_t)g->count * sizeof *g->ops);
    (*out)->count = g->count;
    (*out)->output = g->output;
    pq_graph_leave_borders(*out);
    rc = pq_graph_drop_unused(*out, &(*out)->output, err);
    if (rc)
        pq_graph_free(out);
    return rc;
}

static int with_copies(const struct pq_graph *g, struct pq_graph **out, pique_error *err)
{
    const size_t n = (size_t)g->count;
    int rc = pq_graph_new_with_room(2 * n, out, err);
    if (rc)
        return rc;
    int *numbers = pq_calloc(2 * n, sizeof *numbers);
    if (!numbers) {
        pq_graph_free(out);
        return pq_fail_nomem(err, 2 * n * sizeof *numbers);
    }
    const struct again a = {g, numbers, numbers + n};
    measure_depth(&a);
    (*out)->count = write_all(&a, (*out)->ops);
    (*out)->output = a.place[g->output];
    pq_free(numbers);
    rc = pq_graph_drop_unused(*out, &(*out)->output, err);
    if (rc)
        pq_graph_free(out);
    return rc;
}

int pq_graph_sparing(const struct pq_graph *g, struct pq_graph **out, pique_error *err)
{
    struct pq_graph *cut;
    *out = NULL;
    int rc = without_crops(g, &cut, err);
    if (rc)
        return rc;
    rc = with_copies(cut, out, err);
    pq_graph_free(&cut);
    return rc;
}
