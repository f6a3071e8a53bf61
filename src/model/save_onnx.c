/* SPDX-License-Identifier: MIT */
/* Writes a graph as an ONNX file of opset 17 for pictures of any size, each operation as standard
 * operators; what fusion joined is taken apart again, and what was split into rows is one node. */
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_write_ops.h"

/* One number a channel, to be broadcast over rows and columns. */
static struct pq_onnx_name per_channel(struct pq_exporting *x, const struct pq_tensor *t)
{
    const int64_t shape[] = {t->shape[0], 1, 1};
    return pq_onnx_weight(&x->w, t, 3, shape);
}

/* ---- activations ---- */

static struct pq_onnx_name put_leaky(struct pq_exporting *x, const struct pq_act *act,
                                     struct pq_onnx_name v)
{
    struct pq_onnx_writer *w = &x->w;
    if (act->slopes.data)
        return pq_onnx_node2(w, "PRelu", v, per_channel(x, &act->slopes));
    if (act->slope == 0)
        return pq_onnx_node1(w, "Relu", v);
    pq_onnx_put_float(w, "alpha", act->slope);
    return pq_onnx_node1(w, "LeakyRelu", v);
}

/* x/2 (1 + inner) */
static struct pq_onnx_name put_half_of(struct pq_exporting *x, struct pq_onnx_name v,
                                       struct pq_onnx_name inner)
{
    const struct pq_onnx_name sum = pq_export_plus(x, inner, 1);
    return pq_export_times(x, pq_onnx_node2(&x->w, "Mul", v, sum), 0.5F);
}

static struct pq_onnx_name put_gelu(struct pq_exporting *x, struct pq_onnx_name v, bool by_tanh)
{
    struct pq_onnx_writer *w = &x->w;
    if (!by_tanh)
        return put_half_of(
            x, v,
            pq_onnx_node1(w, "Erf", pq_onnx_node2(w, "Div", v, pq_onnx_scalar(w, 1.41421356F))));
    const struct pq_onnx_name cube = pq_onnx_node2(w, "Pow", v, pq_onnx_scalar(w, 3));
    const struct pq_onnx_name sum = pq_onnx_node2(w, "Add", v, pq_export_times(x, cube, 0.044715F));
    return put_half_of(x, v, pq_onnx_node1(w, "Tanh", pq_export_times(x, sum, 0.79788456F)));
}

static struct pq_onnx_name put_act(struct pq_exporting *x, const struct pq_act *act,
                                   struct pq_onnx_name v)
{
    struct pq_onnx_writer *w = &x->w;
    switch (act->kind) {
    case PQ_ACT_LEAKY:
        return put_leaky(x, act, v);
    case PQ_ACT_SILU:
        return pq_onnx_node2(w, "Mul", v, pq_onnx_node1(w, "Sigmoid", v));
    case PQ_ACT_SIGMOID:
        return pq_onnx_node1(w, "Sigmoid", v);
    case PQ_ACT_GELU:
        return put_gelu(x, v, false);
    case PQ_ACT_GELU_TANH:
        return put_gelu(x, v, true);
    case PQ_ACT_MISH:
        return pq_onnx_node2(w, "Mul", v,
                             pq_onnx_node1(w, "Tanh", pq_onnx_node1(w, "Softplus", v)));
    case PQ_ACT_TANH:
        return pq_onnx_node1(w, "Tanh", v);
    case PQ_ACT_SOFTPLUS:
        return pq_onnx_node1(w, "Softplus", v);
    case PQ_ACT_CLIP: {
        const struct pq_onnx_name all[] = {v, pq_onnx_scalar(w, act->low),
                                           pq_onnx_scalar(w, act->high)};
        return pq_onnx_node(w, "Clip", 3, all);
    }
    default:
        pq_onnx_refuse(w, "an activation");
        return v;
    }
}

/* ---- convolutions ---- */

static struct pq_onnx_name join(struct pq_exporting *x, const struct pq_op *op, int count)
{
    struct pq_onnx_name parts[PQ_MAX_INPUTS];
    if (count == 1)
        return pq_export_in(x, op, 0);
    for (int k = 0; k < count; k++)
        parts[k] = pq_export_in(x, op, k);
    pq_onnx_put_int(&x->w, "axis", 1);
    return pq_onnx_node(&x->w, "Concat", count, parts);
}

static void put_window(struct pq_exporting *x, const struct pq_op *op, bool dilation)
{
    const struct pq_window *v = &op->ver, *h = &op->hor;
    const int64_t kernel[] = {v->kernel, h->kernel}, stride[] = {v->stride, h->stride};
    const int64_t spread[] = {v->dilation, h->dilation};
    const int64_t pads[] = {v->before, h->before, v->after, h->after};
    pq_onnx_put_ints(&x->w, "kernel_shape", 2, kernel);
    pq_onnx_put_ints(&x->w, "strides", 2, stride);
    if (dilation)
        pq_onnx_put_ints(&x->w, "dilations", 2, spread);
    pq_onnx_put_ints(&x->w, "pads", 4, pads);
}

static struct pq_onnx_name put_conv(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    struct pq_onnx_name all[3] = {join(x, op, op->inputs - op->residual)};
    all[1] = pq_export_as_it_is(x, &op->weight);
    if (op->bias.data)
        all[2] = pq_export_as_it_is(x, &op->bias);
    put_window(x, op, true);
    if (op->kind == PQ_OP_DEPTHWISE)
        pq_onnx_put_int(w, "group", op->channels);
    struct pq_onnx_name v = pq_onnx_node(w, "Conv", op->bias.data ? 3 : 2, all);
    if (op->act.on)
        v = put_act(x, &op->act, v);
    return op->residual ? pq_onnx_node2(w, "Add", pq_export_in(x, op, op->inputs - 1),
                                        pq_export_times(x, v, op->scale))
                        : v;
}

static struct pq_onnx_name put_pool(struct pq_exporting *x, const struct pq_op *op)
{
    const bool mean = op->kind == PQ_OP_MEAN_POOL;
    put_window(x, op, false);
    if (mean)
        pq_onnx_put_int(&x->w, "count_include_pad", 1);
    return pq_onnx_node1(&x->w, mean ? "AveragePool" : "MaxPool", pq_export_in(x, op, 0));
}

/* ---- norms ---- */

static struct pq_onnx_name put_affine_by(struct pq_exporting *x, struct pq_onnx_name v,
                                         const struct pq_tensor *factors,
                                         const struct pq_tensor *terms)
{
    if (factors->data)
        v = pq_onnx_node2(&x->w, "Mul", v, per_channel(x, factors));
    return terms->data ? pq_onnx_node2(&x->w, "Add", v, per_channel(x, terms)) : v;
}

/* From a group norm's factors and terms: the group norm. */
static struct pq_onnx_name put_affine(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name v = pq_export_in(x, op, 0);
    if (op->inputs == 1)
        return put_affine_by(x, v, &op->weight, &op->bias);
    const struct pq_op *norm = &x->g->ops[op->in[1]];
    if (norm->kind != PQ_OP_GROUP_NORM || x->g->ops[norm->in[0]].in[0] != op->in[0]) {
        pq_onnx_refuse(w, "an affine operation of computed factors");
        return v;
    }
    const struct pq_onnx_name groups =
        pq_onnx_node2(w, "Reshape", v, pq_onnx_ints(w, 3, (const int64_t[]){0, norm->groups, -1}));
    const struct pq_onnx_name all[] = {groups, pq_onnx_fill(w, norm->groups, 1),
                                       pq_onnx_fill(w, norm->groups, 0)};
    pq_onnx_put_float(w, "epsilon", norm->eps);
    const struct pq_onnx_name y = pq_onnx_node(w, "InstanceNormalization", 3, all);
    return put_affine_by(x, pq_onnx_node2(w, "Reshape", y, pq_onnx_node1(w, "Shape", v)),
                         &norm->weight, &norm->bias);
}

static struct pq_onnx_name channel_mean(struct pq_exporting *x, struct pq_onnx_name v)
{
    pq_onnx_put_ints(&x->w, "axes", 1, (const int64_t[]){1});
    return pq_onnx_node1(&x->w, "ReduceMean", v);
}

/* Layer norm over channels by hand: LayerNormalization is for last dimensions. */
static struct pq_onnx_name put_norm(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    struct pq_onnx_name v = pq_export_in(x, op, 0);
    if (op->kind == PQ_OP_LAYER_NORM)
        v = pq_onnx_node2(w, "Sub", v, channel_mean(x, v));
    const struct pq_onnx_name squares = op->kind == PQ_OP_LAYER_NORM
                                            ? pq_onnx_node2(w, "Pow", v, pq_onnx_scalar(w, 2))
                                            : pq_onnx_node2(w, "Mul", v, v);
    const struct pq_onnx_name sum = pq_export_plus(x, channel_mean(x, squares), op->eps);
    v = pq_onnx_node2(w, "Div", v, pq_onnx_node1(w, "Sqrt", sum));
    return put_affine_by(x, v, &op->weight, &op->bias);
}

/* ---- the whole ---- */

static struct pq_onnx_name put_op(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name none = {""};
    switch (op->kind) {
    case PQ_OP_CONV2D:
    case PQ_OP_DEPTHWISE:
        return put_conv(x, op);
    case PQ_OP_ACT:
        return put_act(x, &op->act, pq_export_in(x, op, 0));
    case PQ_OP_PIXEL_SHUFFLE:
    case PQ_OP_PIXEL_UNSHUFFLE:
        return pq_export_shuffle(x, op);
    case PQ_OP_NEAREST:
    case PQ_OP_BICUBIC:
    case PQ_OP_BILINEAR:
        return pq_export_resize(x, op);
    case PQ_OP_ADD:
        return pq_onnx_node2(w, "Add", pq_export_in(x, op, 0),
                             pq_export_times(x, pq_export_in(x, op, 1), op->scale));
    case PQ_OP_MUL:
        return pq_onnx_node2(w, "Mul", pq_export_in(x, op, 0), pq_export_in(x, op, 1));
    case PQ_OP_AFFINE:
        return put_affine(x, op);
    case PQ_OP_CONCAT:
        return join(x, op, op->inputs);
    case PQ_OP_SLICE:
        return pq_export_slice(x, pq_export_in(x, op, 0), 1, (const int64_t[]){op->first},
                               pq_export_whole(x, op->first + op->channels), (const int64_t[]){1});
    case PQ_OP_PAD:
        return pq_export_pad(x, op);
    case PQ_OP_CROP:
        return pq_export_crop(x, op);
    case PQ_OP_MAX_POOL:
    case PQ_OP_MEAN_POOL:
        return put_pool(x, op);
    case PQ_OP_LAYER_NORM:
    case PQ_OP_RMS_NORM:
        return put_norm(x, op);
    case PQ_OP_MEAN: /* of the rows of what the sums were taken of */
        return pq_onnx_node1(w, "GlobalAveragePool", pq_export_in(x, &x->g->ops[op->in[0]], 0));
    case PQ_OP_ATTENTION:
    case PQ_OP_CHANNEL_ATTENTION:
        return pq_export_attention(x, op);
    case PQ_OP_GRAM_SOFTMAX:
        return pq_export_gram_softmax(x, op);
    case PQ_OP_MIX:
        return pq_export_mix(x, op);
    case PQ_OP_DYSAMPLE:
        return pq_export_dysample(x, op);
    case PQ_OP_CONSTANT:
    case PQ_OP_TOKENS_LINEAR:
    case PQ_OP_TOKENS_UNIT:
    case PQ_OP_TOKENS_UPDATE:
    case PQ_OP_LOOK_UP:
    case PQ_OP_BLEND:
        return pq_export_tokens(x, op);
    case PQ_OP_CATEGORY:
    case PQ_OP_ORDER:
    case PQ_OP_RANK:
    case PQ_OP_PICK:
    case PQ_OP_RUN_ATTENTION:
        return pq_export_sorted(x, op);
    case PQ_OP_ROW_SUMS:
    case PQ_OP_GROUP_NORM:
    case PQ_OP_ROW_GRAM:
    case PQ_OP_ROW_EXP:
    case PQ_OP_ROW_SHARES:
    case PQ_OP_ROW_COUNTS:
        return none; /* part of what reads them */
    default:
        pq_onnx_refuse(w, pq_op_name(op->kind));
        return none;
    }
}

int pq_save_onnx(const struct pq_saving *saving, struct pq_file *f, pique_error *err)
{
    const struct pq_graph *g = saving->graph;
    const size_t bytes = (size_t)g->count * sizeof(struct pq_onnx_name);
    struct pq_exporting x = {.w = {.saving = saving, .err = err}, .g = g};
    x.values = pq_calloc((size_t)g->count, sizeof *x.values);
    x.indices = pq_calloc((size_t)g->count, sizeof *x.indices);
    int rc = x.values && x.indices ? 0 : pq_fail_nomem(err, bytes);
    if (rc)
        goto out;
    strcpy(x.values[0].text, "input");
    for (int i = 1; i < g->count && !x.w.rc; i++)
        x.values[i] = put_op(&x, &g->ops[i]);
    pq_onnx_node_to(&x.w, "Identity", x.values[g->output], "output");
    rc = pq_onnx_finish(&x.w, g->ops[0].channels, g->ops[g->output].channels, f);
out:
    pq_onnx_writer_free(&x.w);
    pq_free(x.values);
    pq_free(x.indices);
    return rc;
}
