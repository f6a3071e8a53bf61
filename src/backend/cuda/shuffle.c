/* SPDX-License-Identifier: MIT */
/* At the end of most networks a convolution makes factor x factor pixels of one, and a pixel
 * shuffle puts them in their places: a pass over the large picture that computes nothing. Compact
 * adds the picture, enlarged, which is two more. Where it can, a convolution by products of
 * matrices writes into the places at once, and adds what is to be added before it rounds:
 *
 *     convolution -> shuffle                the shuffle's step launches the convolution
 *     convolution -> shuffle -> + -> out    the sum's step does
 *     picture -> nearest -----/             keeps the picture as it is: what is added to
 *                                           factor x factor pixels is one
 *
 * What is passed over has no map. The plan stays that of the graph: rows of the shuffle, or of the
 * sum, are those that the convolution would have computed in the same step, so what it reads is
 * still there. That holds where
 *
 *  - a step's rows of the convolution are whole, so that the shuffle has factor times as many: the
 *    size of its result is a multiple of the picture's;
 *  - the sum never waits for the picture: nothing before the convolution is ahead of it. A row of a
 *    convolution that keeps the size reads the row of that number.
 *
 * The graph alone decides, so no bit depends on a size or a band. */
#include "backend/cuda/shuffle.h"

#include "base/alloc.h"

/* The operation that alone reads i's result; -1 where others do, or it is the network's. */
static int only_reader(const struct pq_graph *g, int i)
{
    int reader = -1;
    if (i == g->output)
        return -1;
    for (int r = 0; r < g->count; r++) {
        for (int k = 0; k < g->ops[r].inputs; k++) {
            if (g->ops[r].in[k] != i)
                continue;
            if (reader >= 0)
                return -1;
            reader = r;
        }
        if (g->ops[r].like == i)
            return -1;
    }
    return reader;
}

/* Whether the rows of no operation behind the picture, up to `last` but `besides`, are ahead of
 * its.
 */
static bool follow_the_picture(const struct pq_graph *g, int picture, int last, int besides)
{
    for (int i = picture + 1; i <= last; i++) {
        const struct pq_op *op = &g->ops[i];
        const bool conv = op->kind == PQ_OP_CONV2D && op->ver.stride == 1 &&
                          op->ver.before == op->ver.after &&
                          2 * op->ver.before == (op->ver.kernel - 1) * op->ver.dilation;
        if (i == besides)
            continue;
        if (!conv && op->kind != PQ_OP_ACT)
            return false;
        for (int k = 0; k < op->inputs; k++) {
            if (op->in[k] < picture || op->in[k] == besides)
                return false;
        }
    }
    return true;
}

/* The nearest of the picture that a sum adds to the result of a shuffle, by as much, and that
 * nobody else reads; -1: it adds something else. */
static int added_picture(const struct pq_graph *g, int sum, int shuffle, int conv)
{
    const struct pq_op *op = &g->ops[sum];
    if (op->kind != PQ_OP_ADD || op->scale != 1 || op->global_inputs || pq_op_leaves_border(op))
        return -1;
    const int nearest = op->in[0] == shuffle ? op->in[1] : op->in[0];
    const struct pq_op *from = &g->ops[nearest];
    if (from->kind != PQ_OP_NEAREST || from->factor != g->ops[shuffle].factor ||
        only_reader(g, nearest) != sum || g->ops[conv].residual ||
        g->ops[conv].inputs == PQ_MAX_INPUTS || !follow_the_picture(g, from->in[0], conv, nearest))
        return -1;
    return nearest;
}

/* Into a pixel that has values behind its channels it does not write. */
static bool can_write(const struct pq_graph *g, const struct cuda_step *steps, int i)
{
    return steps[i].type == PQ_F32 || steps[i].stride == g->ops[i].channels;
}

static void choose(const struct pq_graph *g, struct cuda_step *steps, int conv)
{
    const int shuffle = only_reader(g, conv);
    if (shuffle < 0 || g->ops[shuffle].kind != PQ_OP_PIXEL_SHUFFLE || g->ops[shuffle].factor < 2 ||
        g->ops[conv].den != 1)
        return;
    const int sum = only_reader(g, shuffle);
    const int nearest = sum < 0 ? -1 : added_picture(g, sum, shuffle, conv);
    const int last = nearest < 0 ? shuffle : sum;
    if (!can_write(g, steps, last))
        return;
    steps[conv].skipped = true;
    steps[shuffle].skipped = last != shuffle;
    steps[last].conv = conv;
    steps[last].shuffle = shuffle;
    steps[last].added = nearest;
    if (nearest >= 0)
        steps[nearest].shrink = g->ops[nearest].factor;
}

void cuda_choose_shuffles(const struct pq_graph *graph, struct cuda_step *steps)
{
    for (int i = 0; i < graph->count; i++) {
        steps[i].conv = steps[i].shuffle = steps[i].added = -1;
        steps[i].shrink = 1;
    }
    for (int i = 0; i < graph->count; i++) {
        if (steps[i].tiled)
            choose(graph, steps, i);
    }
}
