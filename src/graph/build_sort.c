/* SPDX-License-Identifier: MIT */
/* Pixels in the order of their categories, and attention among those that then stand together.
 * Sorting is by counting: how many of each category a row has is a column, from which each row
 * finds the pixels that stand at its places, and the places of its own pixels. */
#include "base/alloc.h"
#include "graph/build.h"

enum { PLACE = 2, MAX_RUN = 4096 };

/* ORDER or RANK. */
static int append_places(struct pq_graph *g, enum pq_op_kind kind, int category, int counts,
                         pique_error *err)
{
    struct pq_op op = pq_op_new(g, kind, category, PLACE);
    op.in[op.inputs++] = counts;
    op.global_inputs = 1U << 1; /* read whole */
    op.groups = g->ops[counts].channels;
    return pq_graph_append(g, op, err);
}

int pq_graph_sort(struct pq_graph *g, int scores, int *order, int *rank, pique_error *err)
{
    int rc = pq_build_check_picture(g, scores, PQ_OP_CATEGORY, err);
    const int category = rc ? rc : pq_graph_append(g, pq_op_new(g, PQ_OP_CATEGORY, scores, 1), err);
    if (category < 0)
        return category;
    struct pq_op column = pq_op_new(g, PQ_OP_ROW_COUNTS, category, g->ops[scores].channels);
    column.column = true;
    const int counts = pq_graph_append(g, column, err);
    if (counts < 0)
        return counts;
    *order = append_places(g, PQ_OP_ORDER, category, counts, err);
    *rank = *order < 0 ? *order : append_places(g, PQ_OP_RANK, category, counts, err);
    return PQ_MIN(*rank, 0);
}

int pq_graph_pick(struct pq_graph *g, int in, int places, pique_error *err)
{
    int rc = pq_build_check_picture(g, in, PQ_OP_PICK, err);
    if (!rc)
        rc = pq_build_check_picture(g, places, PQ_OP_PICK, err);
    if (!rc)
        rc = pq_build_check_size(g, PQ_OP_PICK, in, places, err);
    if (!rc && g->ops[places].kind != PQ_OP_ORDER && g->ops[places].kind != PQ_OP_RANK)
        rc = pq_fail(err, PIQUE_EINTERNAL, "pick by what are no places");
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, PQ_OP_PICK, in, g->ops[in].channels);
    op.in[op.inputs++] = places;
    return pq_graph_append(g, op, err);
}

int pq_graph_run_attention(struct pq_graph *g, const int qkv[3], int heads, int run, float scale,
                           pique_error *err)
{
    for (int i = 0; i < 3; i++) {
        int rc = pq_build_check_picture(g, qkv[i], PQ_OP_RUN_ATTENTION, err);
        if (!rc)
            rc = pq_build_check_size(g, PQ_OP_RUN_ATTENTION, qkv[0], qkv[i], err);
        if (rc)
            return rc;
        if (g->ops[qkv[i]].channels != g->ops[qkv[0]].channels)
            return pq_fail(err, PIQUE_EFORMAT, "attention in runs joins %d channels with %d",
                           g->ops[qkv[0]].channels, g->ops[qkv[i]].channels);
    }
    const int channels = g->ops[qkv[0]].channels;
    if (heads < 1 || channels % heads || run < 1 || run > MAX_RUN)
        return pq_fail(err, PIQUE_EFORMAT, "attention of %d channels in %d heads, in runs of %d",
                       channels, heads, run);
    struct pq_op op = pq_op_new(g, PQ_OP_RUN_ATTENTION, qkv[0], channels);
    op.in[op.inputs++] = qkv[1];
    op.in[op.inputs++] = qkv[2];
    op.multiple = run;
    op.attention = (struct pq_attention){.heads = heads, .scale = scale};
    return pq_graph_append(g, op, err);
}
