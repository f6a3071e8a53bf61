/* SPDX-License-Identifier: MIT */
/* Building a graph: every function checks what it is given, so that a finished graph holds. */
#include "graph/graph.h"

#include "base/alloc.h"
#include "graph/fuse.h"

enum { MAX_RATIO = 1 << 12 }; /* largest numerator or denominator of a size ratio */

const char *pq_op_name(enum pq_op_kind kind)
{
    static const char *const names[PQ_OP_KINDS] = {
        [PQ_OP_INPUT] = "input",     [PQ_OP_CONV2D] = "conv2d",
        [PQ_OP_ACT] = "activation",  [PQ_OP_PIXEL_SHUFFLE] = "pixel shuffle",
        [PQ_OP_NEAREST] = "nearest", [PQ_OP_ADD] = "add",
        [PQ_OP_CONCAT] = "concat",   [PQ_OP_MUL] = "multiplication",
        [PQ_OP_AFFINE] = "affine",   [PQ_OP_BICUBIC] = "bicubic",
    };
    return names[kind];
}

int pq_graph_new(struct pq_graph **out, pique_error *err)
{
    *out = pq_calloc(1, sizeof **out);
    if (!*out)
        return pq_fail_nomem(err, sizeof **out);
    (*out)->output = -1;
    return 0;
}

void pq_graph_free(struct pq_graph **graph)
{
    if (!*graph)
        return;
    for (int i = 0; i < (*graph)->owned_count; i++)
        pq_free((*graph)->owned[i]);
    pq_free((*graph)->owned);
    pq_free((*graph)->ops);
    pq_free(*graph);
    *graph = NULL;
}

void *pq_graph_own(struct pq_graph *g, size_t bytes)
{
    void **owned = pq_realloc_array(g->owned, (size_t)g->owned_count + 1, sizeof *owned);
    if (!owned)
        return NULL;
    g->owned = owned;
    void *memory = pq_malloc(bytes);
    if (memory)
        owned[g->owned_count++] = memory;
    return memory;
}

static int gcd(int a, int b)
{
    while (b) {
        int r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* Append an operation; its size ratio is that of in[0] times rate_num/rate_den. */
static int append(struct pq_graph *g, struct pq_op op, pique_error *err)
{
    if (g->output >= 0)
        return pq_fail(err, PIQUE_EINTERNAL, "an operation is added to a finished graph");
    if (g->count >= PQ_MAX_OPS)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "the network has more than %d operations",
                       PQ_MAX_OPS);
    if (op.channels < 1 || op.channels > PQ_MAX_CHANNELS)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s yields %d channels; 1 to %d are possible",
                       pq_op_name(op.kind), op.channels, PQ_MAX_CHANNELS);
    op.num = op.den = 1;
    if (op.kind != PQ_OP_INPUT) {
        const struct pq_op *in = &g->ops[op.in[0]];
        int64_t num = (int64_t)in->num * op.rate_num, den = (int64_t)in->den * op.rate_den;
        if (num > MAX_RATIO || den > MAX_RATIO)
            return pq_fail(err, PIQUE_EUNSUPPORTED, "%s changes the size by %lld/%lld",
                           pq_op_name(op.kind), (long long)num, (long long)den);
        int common = gcd((int)num, (int)den);
        op.num = (int)num / common;
        op.den = (int)den / common;
    }
    if (g->count == g->capacity) {
        int capacity = g->capacity ? g->capacity * 2 : 64;
        struct pq_op *ops = pq_realloc_array(g->ops, (size_t)capacity, sizeof *ops);
        if (!ops)
            return pq_fail_nomem(err, (size_t)capacity * sizeof *ops);
        g->ops = ops;
        g->capacity = capacity;
    }
    g->ops[g->count] = op;
    return g->count++;
}

static int check_input(const struct pq_graph *g, int in, enum pq_op_kind kind, pique_error *err)
{
    if (in < 0 || in >= g->count)
        return pq_fail(err, PIQUE_EINTERNAL, "%s reads operation %d of %d", pq_op_name(kind), in,
                       g->count);
    return 0;
}

/* An operation with one input and all the rest at its neutral value. */
static struct pq_op one_input(enum pq_op_kind kind, int in, int channels)
{
    return (struct pq_op){.kind = kind,
                          .in = {in},
                          .inputs = kind != PQ_OP_INPUT,
                          .scale = 1,
                          .channels = channels,
                          .kernel = 1,
                          .factor = 1,
                          .rate_num = 1,
                          .rate_den = 1};
}

int pq_graph_input(struct pq_graph *g, int channels, pique_error *err)
{
    if (g->count)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "the network has more than one input");
    return append(g, one_input(PQ_OP_INPUT, -1, channels), err);
}

int pq_graph_conv2d(struct pq_graph *g, int in, const struct pq_tensor *weight,
                    const struct pq_tensor *bias, pique_error *err)
{
    int rc = check_input(g, in, PQ_OP_CONV2D, err);
    if (rc)
        return rc;
    char text[96];
    int64_t k = weight->dims == 4 ? weight->shape[3] : 0;
    if (weight->dims != 4 || weight->shape[2] != k || k < 1 || k > PQ_MAX_KERNEL || k % 2 == 0)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "a convolution's weight is %s; [out, in, k, k] with odd k is expected",
                       pq_tensor_shape_text(weight, text, sizeof text));
    if (weight->shape[1] != g->ops[in].channels)
        return pq_fail(err, PIQUE_EFORMAT,
                       "a convolution's weight is %s, but its input has %d "
                       "channels",
                       pq_tensor_shape_text(weight, text, sizeof text), g->ops[in].channels);
    if (weight->shape[0] < 1 || weight->shape[0] > PQ_MAX_CHANNELS)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "a convolution's weight is %s; at most %d "
                       "channels are possible",
                       pq_tensor_shape_text(weight, text, sizeof text), PQ_MAX_CHANNELS);
    if (bias && !pq_tensor_is(bias, 1, weight->shape))
        return pq_fail(err, PIQUE_EFORMAT, "a convolution's bias is %s, but it has %lld outputs",
                       pq_tensor_shape_text(bias, text, sizeof text), (long long)weight->shape[0]);
    struct pq_op op = one_input(PQ_OP_CONV2D, in, (int)weight->shape[0]);
    op.kernel = (int)k;
    op.weight = *weight;
    if (bias)
        op.bias = *bias;
    return append(g, op, err);
}

int pq_graph_act(struct pq_graph *g, int in, float slope, const struct pq_tensor *slopes,
                 pique_error *err)
{
    int rc = check_input(g, in, PQ_OP_ACT, err);
    if (rc)
        return rc;
    int channels = g->ops[in].channels;
    if (slopes && !pq_tensor_is(slopes, 1, (const int64_t[]){channels})) {
        char text[96];
        return pq_fail(err, PIQUE_EFORMAT, "an activation has slopes %s for %d channels",
                       pq_tensor_shape_text(slopes, text, sizeof text), channels);
    }
    struct pq_op op = one_input(PQ_OP_ACT, in, channels);
    op.act = (struct pq_act){.on = true, .slope = slope};
    if (slopes)
        op.act.slopes = *slopes;
    return append(g, op, err);
}

static int check_factor(enum pq_op_kind kind, int factor, pique_error *err)
{
    if (factor < 1 || factor > PQ_MAX_FACTOR)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s by %d; 1 to %d are possible", pq_op_name(kind),
                       factor, PQ_MAX_FACTOR);
    return 0;
}

int pq_graph_pixel_shuffle(struct pq_graph *g, int in, int factor, pique_error *err)
{
    int rc = check_input(g, in, PQ_OP_PIXEL_SHUFFLE, err);
    if (!rc)
        rc = check_factor(PQ_OP_PIXEL_SHUFFLE, factor, err);
    if (rc)
        return rc;
    int channels = g->ops[in].channels;
    if (channels % (factor * factor))
        return pq_fail(err, PIQUE_EFORMAT, "a pixel shuffle by %d gets %d channels", factor,
                       channels);
    struct pq_op op = one_input(PQ_OP_PIXEL_SHUFFLE, in, channels / (factor * factor));
    op.factor = op.rate_num = factor;
    return append(g, op, err);
}

int pq_graph_nearest(struct pq_graph *g, int in, int factor, pique_error *err)
{
    int rc = check_input(g, in, PQ_OP_NEAREST, err);
    if (!rc)
        rc = check_factor(PQ_OP_NEAREST, factor, err);
    if (rc)
        return rc;
    struct pq_op op = one_input(PQ_OP_NEAREST, in, g->ops[in].channels);
    op.factor = op.rate_num = factor;
    return append(g, op, err);
}

/* Inputs of one operation must have one size. */
static int check_size(const struct pq_graph *g, enum pq_op_kind kind, int a, int b,
                      pique_error *err)
{
    const struct pq_op *x = &g->ops[a], *y = &g->ops[b];
    if (x->num != y->num || x->den != y->den)
        return pq_fail(err, PIQUE_EFORMAT, "%s joins pictures of %d/%d and %d/%d of the size",
                       pq_op_name(kind), x->num, x->den, y->num, y->den);
    return 0;
}

/* Two inputs of one shape. */
static int append_pair(struct pq_graph *g, enum pq_op_kind kind, int a, int b, float scale,
                       pique_error *err)
{
    int rc = check_input(g, a, kind, err);
    if (!rc)
        rc = check_input(g, b, kind, err);
    if (!rc)
        rc = check_size(g, kind, a, b, err);
    if (rc)
        return rc;
    if (g->ops[a].channels != g->ops[b].channels)
        return pq_fail(err, PIQUE_EFORMAT, "%s joins %d channels with %d", pq_op_name(kind),
                       g->ops[a].channels, g->ops[b].channels);
    struct pq_op op = one_input(kind, a, g->ops[a].channels);
    op.in[op.inputs++] = b;
    op.scale = scale;
    return append(g, op, err);
}

int pq_graph_add(struct pq_graph *g, int a, int b, float scale, pique_error *err)
{
    return append_pair(g, PQ_OP_ADD, a, b, scale, err);
}

int pq_graph_mul(struct pq_graph *g, int a, int b, pique_error *err)
{
    return append_pair(g, PQ_OP_MUL, a, b, 1, err);
}

int pq_graph_curve(struct pq_graph *g, int in, enum pq_act_kind kind, pique_error *err)
{
    int rc = check_input(g, in, PQ_OP_ACT, err);
    if (rc)
        return rc;
    struct pq_op op = one_input(PQ_OP_ACT, in, g->ops[in].channels);
    op.act = (struct pq_act){.on = true, .kind = kind};
    return append(g, op, err);
}

int pq_graph_affine(struct pq_graph *g, int in, const struct pq_tensor *factors,
                    const struct pq_tensor *terms, pique_error *err)
{
    int rc = check_input(g, in, PQ_OP_AFFINE, err);
    if (rc)
        return rc;
    struct pq_op op = one_input(PQ_OP_AFFINE, in, g->ops[in].channels);
    const int64_t shape[] = {op.channels};
    if (!pq_tensor_is(factors, 1, shape) || !pq_tensor_is(terms, 1, shape))
        return pq_fail(err, PIQUE_EFORMAT, "affine needs %d factors and terms", op.channels);
    op.weight = *factors;
    op.bias = *terms;
    return append(g, op, err);
}

int pq_graph_concat(struct pq_graph *g, int count, const int *in, pique_error *err)
{
    if (count < 1 || count >= PQ_MAX_INPUTS)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%d inputs are joined; 1 to %d are possible", count,
                       PQ_MAX_INPUTS - 1);
    struct pq_op op = one_input(PQ_OP_CONCAT, in[0], 0);
    op.inputs = count;
    for (int k = 0; k < count; k++) {
        int rc = check_input(g, in[k], PQ_OP_CONCAT, err);
        if (!rc)
            rc = check_size(g, PQ_OP_CONCAT, in[0], in[k], err);
        if (rc)
            return rc;
        op.in[k] = in[k];
        op.channels += g->ops[in[k]].channels;
    }
    return append(g, op, err);
}

int pq_graph_bicubic(struct pq_graph *g, int in, int rate_num, int rate_den, pique_error *err)
{
    int rc = check_input(g, in, PQ_OP_BICUBIC, err);
    if (rc)
        return rc;
    if (rate_num < 1 || rate_den < 1 || rate_num > 64 || rate_den > 64)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "bicubic by %d/%d; terms of 1 to 64 are possible",
                       rate_num, rate_den);
    int common = gcd(rate_num, rate_den);
    struct pq_op op = one_input(PQ_OP_BICUBIC, in, g->ops[in].channels);
    op.rate_num = rate_num / common;
    op.rate_den = rate_den / common;
    return append(g, op, err);
}

/* ---- finishing ---- */

int pq_graph_finish(struct pq_graph *g, int output, pique_error *err)
{
    if (g->count == 0 || g->ops[0].kind != PQ_OP_INPUT)
        return pq_fail(err, PIQUE_EFORMAT, "the network has no input");
    int rc = check_input(g, output, PQ_OP_INPUT, err);
    if (rc)
        return rc;
    rc = pq_graph_fuse(g, &output, err);
    if (!rc)
        g->output = output;
    return rc;
}
