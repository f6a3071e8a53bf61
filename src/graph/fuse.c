/* SPDX-License-Identifier: MIT */
/* Operations that need no pass of their own over the picture.
 *
 *     concat -> convolution       the convolution reads the parts where they lie
 *     convolution -> activation   applied to the sum while it is in a register, also before a
 *                                 pixel shuffle
 *     x + s convolution           added to the sum, likewise
 *
 * Each only where nothing else reads what disappears. None changes a bit: the sum runs over the
 * channels in the same order, and every step rounds as it would alone. */
#include "graph/fuse.h"

#include <string.h>

#include "base/alloc.h"

struct fusing {
    struct pq_graph *g;
    int output;
    int *uses;       /* how many inputs read an operation */
    int *stands_for; /* the operation that yields an operation's result now */
};

static void count_uses(struct fusing *f)
{
    memset(f->uses, 0, (size_t)f->g->count * sizeof *f->uses);
    for (int i = 0; i < f->g->count; i++) {
        for (int k = 0; k < f->g->ops[i].inputs; k++)
            f->uses[f->g->ops[i].in[k]]++;
    }
}

/* Whether an operation's result is read once and is not the network's. */
static bool is_passed_on(const struct fusing *f, int i)
{
    return f->uses[i] == 1 && i != f->output;
}

/* A convolution over a concat becomes one over its parts. The concat goes when nobody else reads
 * it; others may keep it. */
static void fuse_concat(struct fusing *f, struct pq_op *conv)
{
    const struct pq_op *concat = &f->g->ops[conv->in[0]];
    if (conv->inputs != 1 || concat->kind != PQ_OP_CONCAT)
        return;
    memcpy(conv->in, concat->in, sizeof conv->in);
    conv->inputs = concat->inputs;
}

static bool fuse_activation(struct fusing *f, const struct pq_op *act)
{
    int at = act->in[0];
    /* One slope for all is that of any channel, wherever that goes. */
    if (f->g->ops[at].kind == PQ_OP_PIXEL_SHUFFLE && !act->act.slopes.data && is_passed_on(f, at))
        at = f->g->ops[at].in[0];
    struct pq_op *conv = &f->g->ops[at];
    if (act->act.kind != PQ_ACT_LEAKY || conv->kind != PQ_OP_CONV2D || conv->act.on ||
        conv->residual || !is_passed_on(f, at))
        return false;
    conv->act = act->act;
    return true;
}

/* x + s conv */
static bool fuse_residual(struct fusing *f, struct pq_op *add)
{
    if (add->global_inputs || pq_op_leaves_border(add))
        return false;
    if (add->scale == 1 && add->in[0] > add->in[1]) { /* a sum of two is the same both ways */
        int later = add->in[0];
        add->in[0] = add->in[1];
        add->in[1] = later;
    }
    struct pq_op *conv = &f->g->ops[add->in[1]];
    if (conv->kind != PQ_OP_CONV2D || conv->residual || conv->inputs == PQ_MAX_INPUTS ||
        !is_passed_on(f, add->in[1]) || add->in[0] >= add->in[1])
        return false;
    conv->in[conv->inputs++] = add->in[0];
    conv->residual = true;
    conv->scale = add->scale;
    return true;
}

static void fuse(struct fusing *f)
{
    for (int i = 0; i < f->g->count; i++) {
        struct pq_op *op = &f->g->ops[i];
        f->stands_for[i] = i;
        for (int k = 0; k < op->inputs; k++)
            op->in[k] = f->stands_for[op->in[k]];
        if (op->like >= 0)
            op->like = f->stands_for[op->like];
        bool fused = false;
        if (op->kind == PQ_OP_CONV2D)
            fuse_concat(f, op);
        else if (op->kind == PQ_OP_ACT)
            fused = fuse_activation(f, op);
        else if (op->kind == PQ_OP_ADD)
            fused = fuse_residual(f, op);
        if (!fused)
            continue;
        int into = op->in[op->inputs - 1];
        f->stands_for[i] = into;
        f->uses[into] = f->uses[i];
        if (i == f->output)
            f->output = into;
    }
}

/* Keep what the output needs, in order, with new indices, for which there is room in `index`. */
static void drop_unused(struct pq_graph *g, int *index, int *output)
{
    for (int i = 0; i < g->count; i++)
        index[i] = i == 0 || i == *output;
    for (int i = g->count - 1; i > 0; i--) {
        for (int k = 0; index[i] && k < g->ops[i].inputs; k++)
            index[g->ops[i].in[k]] = 1;
        if (index[i] && g->ops[i].like >= 0)
            index[g->ops[i].like] = 1;
    }
    int kept = 0;
    for (int i = 0; i < g->count; i++) {
        if (!index[i])
            continue;
        struct pq_op op = g->ops[i];
        for (int k = 0; k < op.inputs; k++)
            op.in[k] = index[op.in[k]];
        if (op.like >= 0)
            op.like = index[op.like];
        g->ops[kept] = op;
        index[i] = kept++;
    }
    g->count = kept;
    *output = index[*output];
}

int pq_graph_drop_unused(struct pq_graph *g, int *output, pique_error *err)
{
    size_t bytes = (size_t)g->count * sizeof(int);
    int *index = pq_malloc(bytes);
    if (!index)
        return pq_fail_nomem(err, bytes);
    drop_unused(g, index, output);
    pq_free(index);
    return 0;
}

int pq_graph_fuse(struct pq_graph *g, int *output, pique_error *err)
{
    size_t bytes = (size_t)g->count * sizeof(int);
    struct fusing f = {.g = g, .output = *output};
    f.uses = pq_malloc(bytes);
    f.stands_for = pq_malloc(bytes);
    int rc = f.uses && f.stands_for ? 0 : pq_fail_nomem(err, 2 * bytes);
    if (!rc) {
        count_uses(&f);
        fuse(&f);
        drop_unused(g, f.stands_for, &f.output);
        *output = f.output;
    }
    pq_free(f.uses);
    pq_free(f.stands_for);
    return rc;
}
