/* SPDX-License-Identifier: MIT */
/* A graph whose statistics come from elsewhere. Without them nothing waits for the whole picture,
 * so it streams in line buffers like any other. */
#include <string.h>

#include "base/alloc.h"
#include "graph/build.h"
#include "graph/fuse.h"

bool pq_op_is_statistic(const struct pq_op *op)
{
    return op->kind == PQ_OP_MEAN || op->kind == PQ_OP_GROUP_NORM || op->kind == PQ_OP_GRAM_SOFTMAX;
}

int pq_graph_given(const struct pq_graph *g, struct pq_graph **out, pique_error *err)
{
    const size_t count = (size_t)g->count;
    struct pq_graph *copy = NULL;
    int rc = pq_graph_new_with_room(count, &copy, err);
    if (rc)
        return rc;
    memcpy(copy->ops, g->ops, count * sizeof *copy->ops);
    copy->count = g->count;
    for (int i = 0; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        for (int k = 0; k < op->inputs && op->column && op->kind != PQ_OP_ROW_SUMS; k++)
            copy->ops[op->in[k]].measured = true;
        if (!pq_op_is_statistic(op))
            continue;
        copy->ops[i] = pq_op_new(copy, PQ_OP_INPUT, -1, op->channels);
        copy->ops[i].kind = PQ_OP_GIVEN;
        copy->ops[i].global = true;
        copy->ops[i].first = i;
    }
    int output = g->output;
    rc = pq_graph_drop_unused(copy, &output, err);
    if (rc)
        pq_graph_free(&copy);
    else
        copy->output = output;
    *out = copy;
    return rc;
}
