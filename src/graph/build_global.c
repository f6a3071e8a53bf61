/* SPDX-License-Identifier: MIT */
/* Statistics over the whole picture, each as two operations: sums over a row while rows stream by,
 * then one pixel from the column of sums. What reads that pixel waits for the last row, and what it
 * reads beside it is kept as a whole map until then: so a phase of the plan ends. */
#include "base/alloc.h"
#include "graph/build.h"

enum { FLOATS_OF_DOUBLE = sizeof(double) / sizeof(float) };

static int row_sums(struct pq_graph *g, int in, bool squares, pique_error *err)
{
    int channels = g->ops[in].channels;
    struct pq_op op =
        pq_op_new(g, PQ_OP_ROW_SUMS, in, channels * FLOATS_OF_DOUBLE * (squares ? 2 : 1));
    op.column = true;
    op.squares = squares;
    return pq_graph_append(g, op, err);
}

/* One pixel from a column. */
static struct pq_op total(const struct pq_graph *g, enum pq_op_kind kind, int column, int channels)
{
    struct pq_op op = pq_op_new(g, kind, column, channels);
    op.column = false;
    op.global = true;
    return op;
}

int pq_graph_mean(struct pq_graph *g, int in, pique_error *err)
{
    int rc = pq_build_check_picture(g, in, PQ_OP_MEAN, err);
    if (rc)
        return rc;
    int sums = row_sums(g, in, false, err);
    if (sums < 0)
        return sums;
    struct pq_op op = total(g, PQ_OP_MEAN, sums, g->ops[in].channels);
    op.like = in; /* how many pixels there are */
    return pq_graph_append(g, op, err);
}

int pq_graph_group_norm(struct pq_graph *g, int in, int groups, const struct pq_tensor *weight,
                        const struct pq_tensor *bias, float eps, pique_error *err)
{
    int rc = pq_build_check_picture(g, in, PQ_OP_GROUP_NORM, err);
    if (rc)
        return rc;
    int channels = g->ops[in].channels;
    rc = pq_build_check_vector(PQ_OP_GROUP_NORM, weight, channels, "weights", err);
    if (!rc)
        rc = pq_build_check_vector(PQ_OP_GROUP_NORM, bias, channels, "biases", err);
    if (rc)
        return rc;
    if (groups < 1 || channels % groups)
        return pq_fail(err, PIQUE_EFORMAT, "group norm of %d channels in %d groups", channels,
                       groups);
    int sums = row_sums(g, in, true, err);
    if (sums < 0)
        return sums;
    struct pq_op norm = total(g, PQ_OP_GROUP_NORM, sums, 2 * channels);
    norm.like = in;
    norm.groups = groups;
    norm.eps = eps;
    if (weight)
        norm.weight = *weight;
    if (bias)
        norm.bias = *bias;
    int factors = pq_graph_append(g, norm, err);
    if (factors < 0)
        return factors;
    struct pq_op op = pq_op_new(g, PQ_OP_AFFINE, in, channels);
    op.in[op.inputs++] = factors;
    op.global_inputs = 1U << 1;
    return pq_graph_append(g, op, err);
}

int pq_graph_channel_mix(struct pq_graph *g, int q, int k, int v, int heads,
                         const struct pq_tensor *temperatures, pique_error *err)
{
    const int in[] = {q, k, v};
    for (int i = 0; i < 3; i++) {
        int rc = pq_build_check_picture(g, in[i], PQ_OP_MIX, err);
        if (!rc)
            rc = pq_build_check_size(g, PQ_OP_MIX, q, in[i], err);
        if (rc)
            return rc;
        if (g->ops[in[i]].channels != g->ops[q].channels)
            return pq_fail(err, PIQUE_EFORMAT, "channel mix joins %d channels with %d",
                           g->ops[q].channels, g->ops[in[i]].channels);
    }
    int channels = g->ops[q].channels;
    int rc = pq_build_check_vector(PQ_OP_MIX, temperatures, heads, "temperatures", err);
    if (rc)
        return rc;
    if (heads < 1 || channels % heads)
        return pq_fail(err, PIQUE_EFORMAT, "channel mix of %d channels in %d heads", channels,
                       heads);
    int dim = channels / heads;
    struct pq_op gram =
        pq_op_new(g, PQ_OP_ROW_GRAM, q, (channels * dim + 2 * channels) * FLOATS_OF_DOUBLE);
    gram.in[gram.inputs++] = k;
    gram.column = true;
    gram.groups = heads;
    int column = pq_graph_append(g, gram, err);
    if (column < 0)
        return column;
    struct pq_op softmax = total(g, PQ_OP_GRAM_SOFTMAX, column, channels * dim);
    softmax.groups = heads;
    if (temperatures)
        softmax.weight = *temperatures;
    int matrix = pq_graph_append(g, softmax, err);
    if (matrix < 0)
        return matrix;
    struct pq_op op = pq_op_new(g, PQ_OP_MIX, v, channels);
    op.in[op.inputs++] = matrix;
    op.global_inputs = 1U << 1;
    op.groups = heads;
    return pq_graph_append(g, op, err);
}
