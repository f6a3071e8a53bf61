/* SPDX-License-Identifier: MIT */
/* Borders that are left out where they are read.
 *
 * The convolutions of a U-Net take a border off each map, so what goes past its depths is cut to
 * the size of what comes back from there, and then added. It waits for that, a whole map where a
 * statistic lies between; so it is cut when it is added, and not copied first.
 *
 *     x -> crop -> +        x -> + without the border
 *
 * No bit changes: a sum of two is the same both ways. */
#include "graph/fuse.h"

/* What input k of a sum is cut from, the sum being of one and the other; else NULL. */
static const struct pq_op *crop_of(const struct pq_graph *g, const struct pq_op *sum, int k)
{
    const struct pq_op *op = &g->ops[sum->in[k]];
    return op->kind == PQ_OP_CROP && (k == 0 || sum->scale == 1) ? op : NULL;
}

void pq_graph_leave_borders(struct pq_graph *g)
{
    for (int i = 1; i < g->count; i++) {
        struct pq_op *sum = &g->ops[i];
        if (sum->kind != PQ_OP_ADD || sum->global_inputs || pq_op_leaves_border(sum))
            continue;
        const int k = crop_of(g, sum, 0) ? 0 : 1, other = sum->in[1 - k];
        const struct pq_op *crop = crop_of(g, sum, k);
        if (!crop)
            continue;
        sum->in[0] = crop->in[0];
        sum->in[1] = other;
        sum->ver = crop->ver;
        sum->hor = crop->hor;
        sum->like = crop->like;
        sum->rate_num = crop->rate_num;
        sum->rate_den = crop->rate_den;
    }
}
