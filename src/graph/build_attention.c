/* SPDX-License-Identifier: MIT */
/* Attention in windows, and sampling at places that the network chooses. */
#include "base/alloc.h"
#include "graph/build.h"

static int check_windows(const struct pq_attention *a, int channels, enum pq_op_kind kind,
                         pique_error *err)
{
    const int sides[] = {a->height, a->width, a->key_height, a->key_width};
    for (int i = 0; i < 4; i++) {
        if (sides[i] < 1 || sides[i] > PQ_MAX_WINDOW)
            return pq_fail(err, PIQUE_EUNSUPPORTED,
                           "%s in windows of %d pixels; 1 to %d are possible", pq_op_name(kind),
                           sides[i], PQ_MAX_WINDOW);
    }
    const int dy = a->key_height - pq_attention_key_size(a, false);
    const int dx = a->key_width - pq_attention_key_size(a, true);
    if (dy < 0 || dx < 0 || dy % 2 || dx % 2)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s of %d x %d queries with %d x %d keys; the keys' window must have the "
                       "same centre",
                       pq_op_name(kind), a->width, a->height, a->key_width, a->key_height);
    if (a->heads < 1 || channels % a->heads)
        return pq_fail(err, PIQUE_EFORMAT, "%s of %d channels in %d heads", pq_op_name(kind),
                       channels, a->heads);
    if (a->shift_y < 0 || a->shift_y >= a->height || a->shift_x < 0 || a->shift_x >= a->width ||
        a->multiple < 0 || a->multiple > PQ_MAX_PAD ||
        (a->grid && (a->shift_y || a->shift_x || dy || dx || a->multiple)))
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s with windows shifted by %d and %d",
                       pq_op_name(kind), a->shift_x, a->shift_y);
    if (a->fold < 0 || a->fold > PQ_MAX_FACTOR ||
        (a->fold > 1 && (a->height % a->fold || a->width % a->fold || dy || dx || a->multiple ||
                         a->grid || kind != PQ_OP_ATTENTION)))
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s in windows of %d x %d with keys folded by %d",
                       pq_op_name(kind), a->width, a->height, a->fold);
    return 0;
}

/* Keys and values that are folded have another size than queries. */
static int check_fold(const struct pq_graph *g, int fold, int q, int in, pique_error *err)
{
    const struct pq_op *x = &g->ops[q], *y = &g->ops[in];
    if ((int64_t)x->num * y->den == (int64_t)y->num * fold * x->den)
        return 0;
    return pq_fail(err, PIQUE_EFORMAT,
                   "attention folded by %d joins pictures of %d/%d and %d/%d of the size", fold,
                   x->num, x->den, y->num, y->den);
}

static int check_qkv(const struct pq_graph *g, enum pq_op_kind kind, const int in[3], int fold,
                     pique_error *err)
{
    for (int i = 0; i < 3; i++) {
        int rc = pq_build_check_input(g, in[i], kind, err);
        if (!rc)
            rc = i && fold > 1 ? check_fold(g, fold, in[0], in[i], err)
                               : pq_build_check_size(g, kind, in[0], in[i], err);
        if (rc)
            return rc;
        if (g->ops[in[i]].channels != g->ops[in[0]].channels || g->ops[in[i]].global ||
            g->ops[in[i]].column)
            return pq_fail(err, PIQUE_EFORMAT, "%s joins %d channels with %d", pq_op_name(kind),
                           g->ops[in[0]].channels, g->ops[in[i]].channels);
    }
    return 0;
}

static int append_attention(struct pq_graph *g, enum pq_op_kind kind, const int in[3],
                            const struct pq_attention *a, const struct pq_tensor *weight,
                            pique_error *err)
{
    struct pq_op op = pq_op_new(g, kind, in[0], g->ops[in[0]].channels);
    op.in[1] = in[1];
    op.in[2] = in[2];
    op.inputs = 3;
    op.attention = *a;
    if (weight)
        op.weight = *weight;
    return pq_graph_append(g, op, err);
}

/* Every entry of the index is a row of the table. */
static int check_index(const struct pq_attention *a, const struct pq_tensor *table,
                       pique_error *err)
{
    char text[96];
    if (table->dims != 2 || table->shape[1] != a->heads)
        return pq_fail(err, PIQUE_EFORMAT, "attention of %d heads has a table of biases %s",
                       a->heads, pq_tensor_shape_text(table, text, sizeof text));
    size_t count = (size_t)(a->height * a->width) * (size_t)(a->key_height * a->key_width);
    for (size_t i = 0; i < count; i++) {
        if (a->index[i] < 0 || a->index[i] >= table->shape[0])
            return pq_fail(err, PIQUE_EFORMAT, "attention reads bias %d of a table %s",
                           (int)a->index[i], pq_tensor_shape_text(table, text, sizeof text));
    }
    return 0;
}

int pq_graph_attention(struct pq_graph *g, int q, int k, int v, const struct pq_attention *a,
                       const struct pq_tensor *table, pique_error *err)
{
    const int in[] = {q, k, v};
    int rc = check_qkv(g, PQ_OP_ATTENTION, in, a->fold, err);
    if (!rc)
        rc = check_windows(a, g->ops[q].channels, PQ_OP_ATTENTION, err);
    if (!rc && !table != !a->index)
        rc = pq_fail(err, PIQUE_EINTERNAL, "attention has a table of biases without an index");
    if (!rc && table)
        rc = check_index(a, table, err);
    return rc ? rc : append_attention(g, PQ_OP_ATTENTION, in, a, table, err);
}

int pq_graph_channel_attention(struct pq_graph *g, int q, int k, int v,
                               const struct pq_attention *a, const struct pq_tensor *temperatures,
                               pique_error *err)
{
    const int in[] = {q, k, v};
    int rc = check_qkv(g, PQ_OP_CHANNEL_ATTENTION, in, 1, err);
    if (!rc)
        rc = check_windows(a, g->ops[q].channels, PQ_OP_CHANNEL_ATTENTION, err);
    if (!rc && (a->shift_y || a->shift_x || a->multiple || a->key_height != a->height ||
                a->key_width != a->width))
        rc = pq_fail(err, PIQUE_EUNSUPPORTED, "channel attention has plain windows only");
    if (!rc)
        rc = pq_build_check_vector(PQ_OP_CHANNEL_ATTENTION, temperatures, a->heads, "temperatures",
                                   err);
    return rc ? rc : append_attention(g, PQ_OP_CHANNEL_ATTENTION, in, a, temperatures, err);
}

int pq_graph_dysample(struct pq_graph *g, int in, int offsets, int factor, int groups,
                      pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_DYSAMPLE, err);
    if (!rc)
        rc = pq_build_check_input(g, offsets, PQ_OP_DYSAMPLE, err);
    if (!rc)
        rc = pq_build_check_size(g, PQ_OP_DYSAMPLE, in, offsets, err);
    if (!rc)
        rc = pq_build_check_factor(PQ_OP_DYSAMPLE, factor, err);
    if (rc)
        return rc;
    int channels = g->ops[in].channels;
    if (groups < 1 || groups > channels || channels % groups || g->ops[in].global ||
        g->ops[in].column || g->ops[offsets].channels != 2 * groups * factor * factor)
        return pq_fail(err, PIQUE_EFORMAT,
                       "dysample by %d of %d channels in %d groups gets %d "
                       "offsets",
                       factor, channels, groups, g->ops[offsets].channels);
    struct pq_op op = pq_op_new(g, PQ_OP_DYSAMPLE, in, channels);
    op.in[op.inputs++] = offsets;
    op.factor = op.rate_num = factor;
    op.groups = groups;
    return pq_graph_append(g, op, err);
}
