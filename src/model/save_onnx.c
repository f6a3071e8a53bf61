/* SPDX-License-Identifier: MIT */
/* Writes a graph as an ONNX file of opset 17 for pictures of any size, each operation as standard
 * operators; what fusion joined is taken apart again. Attention has no such operators, and is
 * refused. */
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_write.h"

struct exporting {
    struct pq_onnx_writer w;
    const struct pq_graph *g;
    struct pq_onnx_name *values; /* of each operation's result */
};

static struct pq_onnx_name in(const struct exporting *x, const struct pq_op *op, int k)
{
    return x->values[op->in[k]];
}

/* One number a channel, to be broadcast over rows and columns. */
static struct pq_onnx_name per_channel(struct exporting *x, const struct pq_tensor *t)
{
    const int64_t shape[] = {t->shape[0], 1, 1};
    return pq_onnx_weight(&x->w, t, 3, shape);
}

static struct pq_onnx_name as_it_is(struct exporting *x, const struct pq_tensor *t)
{
    return pq_onnx_weight(&x->w, t, t->dims, t->shape);
}

static struct pq_onnx_name times(struct exporting *x, struct pq_onnx_name v, float factor)
{
    return factor == 1 ? v : pq_onnx_node2(&x->w, "Mul", v, pq_onnx_scalar(&x->w, factor));
}

static struct pq_onnx_name plus(struct exporting *x, struct pq_onnx_name v, float term)
{
    return pq_onnx_node2(&x->w, "Add", v, pq_onnx_scalar(&x->w, term));
}

/* ---- activations ---- */

static struct pq_onnx_name put_leaky(struct exporting *x, const struct pq_act *act,
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
static struct pq_onnx_name put_half_of(struct exporting *x, struct pq_onnx_name v,
                                       struct pq_onnx_name inner)
{
    const struct pq_onnx_name sum = plus(x, inner, 1);
    return times(x, pq_onnx_node2(&x->w, "Mul", v, sum), 0.5F);
}

static struct pq_onnx_name put_gelu(struct exporting *x, struct pq_onnx_name v, bool by_tanh)
{
    struct pq_onnx_writer *w = &x->w;
    if (!by_tanh)
        return put_half_of(
            x, v,
            pq_onnx_node1(w, "Erf", pq_onnx_node2(w, "Div", v, pq_onnx_scalar(w, 1.41421356F))));
    const struct pq_onnx_name cube = pq_onnx_node2(w, "Pow", v, pq_onnx_scalar(w, 3));
    const struct pq_onnx_name sum = pq_onnx_node2(w, "Add", v, times(x, cube, 0.044715F));
    return put_half_of(x, v, pq_onnx_node1(w, "Tanh", times(x, sum, 0.79788456F)));
}

static struct pq_onnx_name put_act(struct exporting *x, const struct pq_act *act,
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

static struct pq_onnx_name join(struct exporting *x, const struct pq_op *op, int count)
{
    struct pq_onnx_name parts[PQ_MAX_INPUTS];
    if (count == 1)
        return in(x, op, 0);
    for (int k = 0; k < count; k++)
        parts[k] = in(x, op, k);
    pq_onnx_put_int(&x->w, "axis", 1);
    return pq_onnx_node(&x->w, "Concat", count, parts);
}

static void put_window(struct exporting *x, const struct pq_op *op, bool dilation)
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

static struct pq_onnx_name put_conv(struct exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    struct pq_onnx_name all[3] = {join(x, op, op->inputs - op->residual)};
    all[1] = as_it_is(x, &op->weight);
    if (op->bias.data)
        all[2] = as_it_is(x, &op->bias);
    put_window(x, op, true);
    if (op->kind == PQ_OP_DEPTHWISE)
        pq_onnx_put_int(w, "group", op->channels);
    struct pq_onnx_name v = pq_onnx_node(w, "Conv", op->bias.data ? 3 : 2, all);
    if (op->act.on)
        v = put_act(x, &op->act, v);
    return op->residual ? pq_onnx_node2(w, "Add", in(x, op, op->inputs - 1), times(x, v, op->scale))
                        : v;
}

static struct pq_onnx_name put_pool(struct exporting *x, const struct pq_op *op)
{
    const bool mean = op->kind == PQ_OP_MEAN_POOL;
    put_window(x, op, false);
    if (mean)
        pq_onnx_put_int(&x->w, "count_include_pad", 1);
    return pq_onnx_node1(&x->w, mean ? "AveragePool" : "MaxPool", in(x, op, 0));
}

/* ---- sizes ---- */

/* Elements from .. to of a list of whole numbers, or of axes 2 and 3. */
static struct pq_onnx_name slice(struct exporting *x, struct pq_onnx_name v, int count,
                                 const int64_t *from, struct pq_onnx_name to, const int64_t *axes)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name all[] = {v, pq_onnx_ints(w, count, from), to,
                                       pq_onnx_ints(w, count, axes)};
    return pq_onnx_node(w, "Slice", 4, all);
}

/* Elements [from, to) of a tensor's shape. */
static struct pq_onnx_name shape_part(struct exporting *x, struct pq_onnx_name v, int64_t from,
                                      int64_t to)
{
    const int64_t axis = 0;
    return slice(x, pq_onnx_node1(&x->w, "Shape", v), 1, &from, pq_onnx_ints(&x->w, 1, &to), &axis);
}

static struct pq_onnx_name concat(struct exporting *x, struct pq_onnx_name a, struct pq_onnx_name b)
{
    pq_onnx_put_int(&x->w, "axis", 0);
    return pq_onnx_node2(&x->w, "Concat", a, b);
}

static struct pq_onnx_name whole(struct exporting *x, int64_t value)
{
    return pq_onnx_ints(&x->w, 1, &value);
}

static struct pq_onnx_name put_pad(struct exporting *x, const struct pq_op *op)
{
    static const char *const modes[] = {
        [PQ_PAD_ZERO] = "constant", [PQ_PAD_EDGE] = "edge", [PQ_PAD_REFLECT] = "reflect"};
    struct pq_onnx_writer *w = &x->w;
    const int64_t before[] = {0, 0, op->ver.before, op->hor.before, 0, 0};
    const int64_t after[] = {op->ver.after, op->hor.after};
    struct pq_onnx_name behind = pq_onnx_ints(w, 2, after);
    if (op->multiple > 1 || op->least) {
        const struct pq_onnx_name size = shape_part(x, in(x, op, 0), 2, 4);
        const struct pq_onnx_name m = whole(x, op->multiple);
        const struct pq_onnx_name left = pq_onnx_node2(
            w, "Mod", pq_onnx_node2(w, "Sub", m, pq_onnx_node2(w, "Mod", size, m)), m);
        struct pq_onnx_name to = pq_onnx_node2(w, "Add", size, left);
        if (op->least)
            to = pq_onnx_node2(w, "Max", to, whole(x, op->least));
        behind = pq_onnx_node2(w, "Add", behind, pq_onnx_node2(w, "Sub", to, size));
    }
    const struct pq_onnx_name pads = concat(x, pq_onnx_ints(w, 6, before), behind);
    pq_onnx_put_text(w, "mode", modes[op->pad_mode]);
    return pq_onnx_node2(w, "Pad", in(x, op, 0), pads);
}

static struct pq_onnx_name put_crop(struct exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    static const int64_t axes[] = {2, 3};
    const int64_t from[] = {op->ver.before, op->hor.before};
    const int64_t to[] = {op->ver.after ? -op->ver.after : INT64_MAX,
                          op->hor.after ? -op->hor.after : INT64_MAX};
    struct pq_onnx_name end;
    if (op->like < 0) {
        end = pq_onnx_ints(w, 2, to);
    } else {
        end = shape_part(x, x->values[op->like], 2, 4);
        if (op->rate_num != 1)
            end = pq_onnx_node2(w, "Mul", end, whole(x, op->rate_num));
        if (op->rate_den != 1)
            end = pq_onnx_node2(w, "Div", end, whole(x, op->rate_den));
    }
    return slice(x, in(x, op, 0), 2, from, end, axes);
}

static struct pq_onnx_name put_resize(struct exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name none = {""};
    struct pq_onnx_name all[4] = {in(x, op, 0), none, none, none};
    int count = 3;
    if (op->kind == PQ_OP_BILINEAR) {
        all[3] = concat(x, shape_part(x, all[0], 0, 2), shape_part(x, x->values[op->like], 2, 4));
        count = 4;
    } else {
        const bool nearest = op->kind == PQ_OP_NEAREST;
        const float rate =
            nearest ? (float)op->factor : (float)((double)op->rate_num / op->rate_den);
        all[2] = pq_onnx_floats(w, 4, (const float[]){1, 1, rate, rate});
    }
    pq_onnx_put_text(w, "mode",
                     op->kind == PQ_OP_NEAREST    ? "nearest"
                     : op->kind == PQ_OP_BILINEAR ? "linear"
                                                  : "cubic");
    pq_onnx_put_text(w, "coordinate_transformation_mode",
                     op->kind == PQ_OP_NEAREST ? "asymmetric" : "half_pixel");
    if (op->kind == PQ_OP_NEAREST)
        pq_onnx_put_text(w, "nearest_mode", "floor");
    return pq_onnx_node(w, "Resize", count, all);
}

static struct pq_onnx_name put_shuffle(struct exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    pq_onnx_put_int(w, "blocksize", op->factor);
    if (op->kind == PQ_OP_PIXEL_SHUFFLE) {
        pq_onnx_put_text(w, "mode", op->by_place ? "DCR" : "CRD");
        return pq_onnx_node1(w, "DepthToSpace", in(x, op, 0));
    }
    /* SpaceToDepth counts the place in a block above the channel. */
    const struct pq_onnx_name v = pq_onnx_node1(w, "SpaceToDepth", in(x, op, 0));
    if (op->by_place)
        return v;
    const int area = op->factor * op->factor, channels = op->channels / area;
    int64_t *from = pq_malloc((size_t)op->channels * sizeof *from);
    if (!from) {
        w->rc = w->rc ? w->rc : pq_fail_nomem(w->err, (size_t)op->channels * sizeof *from);
        return v;
    }
    for (int c = 0; c < op->channels; c++)
        from[c] = (int64_t)(c % area) * channels + c / area;
    const struct pq_onnx_name order = pq_onnx_ints(w, op->channels, from);
    pq_free(from);
    pq_onnx_put_int(w, "axis", 1);
    return pq_onnx_node2(w, "Gather", v, order);
}

/* ---- norms ---- */

static struct pq_onnx_name put_affine_by(struct exporting *x, struct pq_onnx_name v,
                                         const struct pq_tensor *factors,
                                         const struct pq_tensor *terms)
{
    if (factors->data)
        v = pq_onnx_node2(&x->w, "Mul", v, per_channel(x, factors));
    return terms->data ? pq_onnx_node2(&x->w, "Add", v, per_channel(x, terms)) : v;
}

/* From a group norm's factors and terms: the group norm. */
static struct pq_onnx_name put_affine(struct exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name v = in(x, op, 0);
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

static struct pq_onnx_name channel_mean(struct exporting *x, struct pq_onnx_name v)
{
    pq_onnx_put_ints(&x->w, "axes", 1, (const int64_t[]){1});
    return pq_onnx_node1(&x->w, "ReduceMean", v);
}

/* Layer norm over channels by hand: LayerNormalization is for last dimensions. */
static struct pq_onnx_name put_norm(struct exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    struct pq_onnx_name v = in(x, op, 0);
    if (op->kind == PQ_OP_LAYER_NORM)
        v = pq_onnx_node2(w, "Sub", v, channel_mean(x, v));
    const struct pq_onnx_name squares = op->kind == PQ_OP_LAYER_NORM
                                            ? pq_onnx_node2(w, "Pow", v, pq_onnx_scalar(w, 2))
                                            : pq_onnx_node2(w, "Mul", v, v);
    const struct pq_onnx_name sum = plus(x, channel_mean(x, squares), op->eps);
    v = pq_onnx_node2(w, "Div", v, pq_onnx_node1(w, "Sqrt", sum));
    return put_affine_by(x, v, &op->weight, &op->bias);
}

/* ---- the whole ---- */

static struct pq_onnx_name put_op(struct exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name none = {""};
    switch (op->kind) {
    case PQ_OP_CONV2D:
    case PQ_OP_DEPTHWISE:
        return put_conv(x, op);
    case PQ_OP_ACT:
        return put_act(x, &op->act, in(x, op, 0));
    case PQ_OP_PIXEL_SHUFFLE:
    case PQ_OP_PIXEL_UNSHUFFLE:
        return put_shuffle(x, op);
    case PQ_OP_NEAREST:
    case PQ_OP_BICUBIC:
    case PQ_OP_BILINEAR:
        return put_resize(x, op);
    case PQ_OP_ADD:
        return pq_onnx_node2(w, "Add", in(x, op, 0), times(x, in(x, op, 1), op->scale));
    case PQ_OP_MUL:
        return pq_onnx_node2(w, "Mul", in(x, op, 0), in(x, op, 1));
    case PQ_OP_AFFINE:
        return put_affine(x, op);
    case PQ_OP_CONCAT:
        return join(x, op, op->inputs);
    case PQ_OP_SLICE:
        return slice(x, in(x, op, 0), 1, (const int64_t[]){op->first},
                     whole(x, op->first + op->channels), (const int64_t[]){1});
    case PQ_OP_PAD:
        return put_pad(x, op);
    case PQ_OP_CROP:
        return put_crop(x, op);
    case PQ_OP_MAX_POOL:
    case PQ_OP_MEAN_POOL:
        return put_pool(x, op);
    case PQ_OP_LAYER_NORM:
    case PQ_OP_RMS_NORM:
        return put_norm(x, op);
    case PQ_OP_MEAN: /* of the rows of what the sums were taken of */
        return pq_onnx_node1(w, "GlobalAveragePool", in(x, &x->g->ops[op->in[0]], 0));
    case PQ_OP_ROW_SUMS:
    case PQ_OP_GROUP_NORM:
        return none; /* part of what reads them */
    default:
        pq_onnx_refuse(w, pq_op_name(op->kind));
        return none;
    }
}

int pq_save_onnx(const struct pq_saving *saving, struct pq_file *f, pique_error *err)
{
    const struct pq_graph *g = saving->graph;
    struct exporting x = {.w = {.saving = saving, .err = err}, .g = g};
    x.values = pq_calloc((size_t)g->count, sizeof *x.values);
    if (!x.values)
        return pq_fail_nomem(err, (size_t)g->count * sizeof *x.values);
    strcpy(x.values[0].text, "input");
    for (int i = 1; i < g->count && !x.w.rc; i++)
        x.values[i] = put_op(&x, &g->ops[i]);
    pq_onnx_node_to(&x.w, "Identity", x.values[g->output], "output");
    int rc = pq_onnx_finish(&x.w, g->ops[0].channels, g->ops[g->output].channels, f);
    pq_onnx_writer_free(&x.w);
    pq_free(x.values);
    return rc;
}
