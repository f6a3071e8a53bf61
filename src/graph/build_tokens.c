/* SPDX-License-Identifier: MIT */
/* A dictionary of tokens that pixels look up, and that the whole picture changes (Zhang et al.,
 * "Transcending the Limit of Local Window: Advanced Super-Resolution Transformer with Adaptive
 * Token Dictionary", 2024). It is a global tensor: one pixel of tokens x channels. */
#include "base/alloc.h"
#include "graph/build.h"

/* Channels of each token of a global tensor. */
static int token_size(const struct pq_graph *g, int in, int tokens, enum pq_op_kind kind,
                      pique_error *err)
{
    int rc = pq_build_check_input(g, in, kind, err);
    if (rc)
        return rc;
    const struct pq_op *op = &g->ops[in];
    if (!op->global || tokens < 1 || tokens > PQ_MAX_CHANNELS || op->channels % tokens)
        return pq_fail(err, PIQUE_EFORMAT, "%s of %d tokens in %d values", pq_op_name(kind), tokens,
                       op->channels);
    return op->channels / tokens;
}

static int check_picture(const struct pq_graph *g, int in, int channels, enum pq_op_kind kind,
                         pique_error *err)
{
    int rc = pq_build_check_input(g, in, kind, err);
    if (!rc && (g->ops[in].global || g->ops[in].column || g->ops[in].channels != channels))
        rc = pq_fail(err, PIQUE_EFORMAT, "%s needs a picture of %d channels, not %d",
                     pq_op_name(kind), channels, g->ops[in].channels);
    return rc;
}

int pq_graph_constant(struct pq_graph *g, const struct pq_tensor *values, pique_error *err)
{
    size_t count;
    int rc = pq_build_check_input(g, 0, PQ_OP_CONSTANT, err);
    if (!rc && (!pq_tensor_count(values, &count) || count < 1 || count > PQ_MAX_GLOBAL_FLOATS))
        rc = pq_fail(err, PIQUE_EUNSUPPORTED, "a constant of more than %d values",
                     PQ_MAX_GLOBAL_FLOATS);
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, PQ_OP_CONSTANT, 0, (int)count);
    op.inputs = 0;
    op.global = true;
    op.weight = *values;
    return pq_graph_append(g, op, err);
}

int pq_graph_tokens_linear(struct pq_graph *g, int in, int tokens, const struct pq_tensor *weight,
                           const struct pq_tensor *bias, pique_error *err)
{
    char text[96];
    const int size = token_size(g, in, tokens, PQ_OP_TOKENS_LINEAR, err);
    if (size < 0)
        return size;
    if (weight->dims != 2 || weight->shape[1] != size || weight->shape[0] < 1 ||
        weight->shape[0] > PQ_MAX_CHANNELS)
        return pq_fail(err, PIQUE_EFORMAT, "a linear layer over tokens of %d channels has %s", size,
                       pq_tensor_shape_text(weight, text, sizeof text));
    const int out = (int)weight->shape[0];
    int rc = pq_build_check_vector(PQ_OP_TOKENS_LINEAR, bias, out, "biases", err);
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, PQ_OP_TOKENS_LINEAR, in, tokens * out);
    op.groups = tokens;
    op.weight = *weight;
    if (bias)
        op.bias = *bias;
    return pq_graph_append(g, op, err);
}

int pq_graph_tokens_unit(struct pq_graph *g, int in, int tokens, const struct pq_tensor *factors,
                         pique_error *err)
{
    const int size = token_size(g, in, tokens, PQ_OP_TOKENS_UNIT, err);
    int rc =
        size < 0 ? size : pq_build_check_vector(PQ_OP_TOKENS_UNIT, factors, tokens, "factors", err);
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, PQ_OP_TOKENS_UNIT, in, g->ops[in].channels);
    op.groups = tokens;
    if (factors)
        op.weight = *factors;
    return pq_graph_append(g, op, err);
}

/* A picture's pixels and the one global pixel. */
static int append_beside(struct pq_graph *g, enum pq_op_kind kind, int in, int global, int channels,
                         int groups, pique_error *err)
{
    struct pq_op op = pq_op_new(g, kind, in, channels);
    op.in[op.inputs++] = global;
    op.global_inputs = 1U << 1;
    op.groups = groups;
    return pq_graph_append(g, op, err);
}

int pq_graph_look_up(struct pq_graph *g, int q, int keys, int tokens, pique_error *err)
{
    const int size = token_size(g, keys, tokens, PQ_OP_LOOK_UP, err);
    int rc = size < 0 ? size : check_picture(g, q, size, PQ_OP_LOOK_UP, err);
    return rc ? rc : append_beside(g, PQ_OP_LOOK_UP, q, keys, tokens, size, err);
}

int pq_graph_blend(struct pq_graph *g, int shares, int values, pique_error *err)
{
    int rc = pq_build_check_input(g, shares, PQ_OP_BLEND, err);
    if (rc)
        return rc;
    const int tokens = g->ops[shares].channels;
    const int size = token_size(g, values, tokens, PQ_OP_BLEND, err);
    rc = size < 0 ? size : check_picture(g, shares, tokens, PQ_OP_BLEND, err);
    return rc ? rc : append_beside(g, PQ_OP_BLEND, shares, values, size, tokens, err);
}

/* What each row adds to the means, a column. */
static int append_shares(struct pq_graph *g, int scores, int x, int tokens, pique_error *err)
{
    const int channels = g->ops[x].channels;
    struct pq_op exp = pq_op_new(g, PQ_OP_ROW_EXP, scores, tokens);
    exp.groups = channels;
    const int weights = pq_graph_append(g, exp, err);
    if (weights < 0)
        return weights;
    struct pq_op op = pq_op_new(g, PQ_OP_ROW_SHARES, scores, tokens * (channels + 2));
    op.in[op.inputs++] = weights;
    op.in[op.inputs++] = x;
    op.column = true;
    op.groups = tokens;
    return pq_graph_append(g, op, err);
}

int pq_graph_tokens_update(struct pq_graph *g, int scores, int x, int old,
                           const struct pq_tensor *keep, pique_error *err)
{
    int rc = pq_build_check_input(g, scores, PQ_OP_TOKENS_UPDATE, err);
    if (rc)
        return rc;
    const int tokens = g->ops[scores].channels;
    const int size = token_size(g, old, tokens, PQ_OP_TOKENS_UPDATE, err);
    rc = size < 0 ? size : check_picture(g, scores, tokens, PQ_OP_TOKENS_UPDATE, err);
    if (!rc)
        rc = check_picture(g, x, size, PQ_OP_TOKENS_UPDATE, err);
    if (!rc)
        rc = pq_build_check_size(g, PQ_OP_TOKENS_UPDATE, scores, x, err);
    if (!rc)
        rc = pq_build_check_vector(PQ_OP_TOKENS_UPDATE, keep, tokens, "shares", err);
    const int column = rc ? rc : append_shares(g, scores, x, tokens, err);
    if (column < 0)
        return column;
    struct pq_op op = pq_op_new(g, PQ_OP_TOKENS_UPDATE, column, tokens * size);
    op.in[op.inputs++] = old;
    op.global_inputs = 1U << 1;
    op.column = false;
    op.global = true;
    op.groups = tokens;
    op.weight = *keep;
    return pq_graph_append(g, op, err);
}
