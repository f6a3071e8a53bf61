/* SPDX-License-Identifier: MIT */
/* Pictures with alpha, and grey ones, before and behind a network. */
#include <string.h>

#include "graph/build.h"
#include "graph/place.h"

static int check_channels(const struct pq_graph *g, int in, enum pq_op_kind kind, int channels,
                          pique_error *err)
{
    int rc = pq_build_check_picture(g, in, kind, err);
    if (!rc && g->ops[in].channels != channels)
        rc = pq_fail(err, PIQUE_EINTERNAL, "alpha among %d channels", g->ops[in].channels);
    return rc;
}

int pq_graph_channels(struct pq_graph *g, int in, const int *pick, int channels, pique_error *err)
{
    int rc = pq_build_check_picture(g, in, PQ_OP_CHANNELS, err);
    if (rc)
        return rc;
    const int there = g->ops[in].channels;
    struct pq_op op = pq_op_new(g, PQ_OP_CHANNELS, in, channels);
    for (int c = 0; c < channels; c++) {
        if (c >= 4 || pick[c] < PQ_PICK_LUMA || pick[c] >= there ||
            (pick[c] == PQ_PICK_LUMA && there < 3))
            return pq_fail(err, PIQUE_EINTERNAL, "channel %d of %d is taken", pick[c], there);
        op.pick[c] = pick[c];
    }
    return pq_graph_append(g, op, err);
}

int pq_graph_flatten(struct pq_graph *g, int in, const float background[3], pique_error *err)
{
    int rc = check_channels(g, in, PQ_OP_FLATTEN, 4, err);
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, PQ_OP_FLATTEN, in, 3);
    memcpy(op.background, background, sizeof op.background);
    return pq_graph_append(g, op, err);
}

int pq_graph_bleed(struct pq_graph *g, int in, pique_error *err)
{
    int rc = check_channels(g, in, PQ_OP_BLEED, 4, err);
    if (rc)
        return rc;
    const int sums = pq_graph_append(g, pq_op_new(g, PQ_OP_BLEED_SUMS, in, 4), err);
    if (sums < 0)
        return sums;
    struct pq_op op = pq_op_new(g, PQ_OP_BLEED, sums, 4);
    op.in[op.inputs++] = in;
    op.ver = (struct pq_window){.kernel = 2 * PQ_BLEED_REACH + 1,
                                .stride = 1,
                                .dilation = 1,
                                .before = PQ_BLEED_REACH,
                                .after = PQ_BLEED_REACH};
    return pq_graph_append(g, op, err);
}

int pq_graph_alpha(struct pq_graph *g, int colours, int alpha, int in, pique_error *err)
{
    int rc = pq_build_check_picture(g, colours, PQ_OP_ALPHA, err);
    if (!rc)
        rc = pq_build_check_picture(g, alpha, PQ_OP_ALPHA, err);
    if (!rc)
        rc = pq_build_check_size(g, PQ_OP_ALPHA, colours, alpha, err);
    if (!rc)
        rc = check_channels(g, in, PQ_OP_ALPHA, 4, err);
    if (!rc && g->ops[colours].channels < 3)
        rc = pq_fail(err, PIQUE_EINTERNAL, "alpha beside %d colours", g->ops[colours].channels);
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, PQ_OP_ALPHA, colours, 4);
    op.in[op.inputs++] = alpha;
    op.in[op.inputs++] = in;
    return pq_graph_append(g, op, err);
}
