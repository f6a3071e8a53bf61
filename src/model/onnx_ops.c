/* SPDX-License-Identifier: MIT */
/* The table of operators, and what most of them ask for. */
#include "model/onnx_ops.h"

#include <string.h>

#include "base/alloc.h"

int pq_op_input(struct pq_import *im, struct pq_value *v)
{
    if (pq_import_in(im, 0)->kind != PQ_VALUE_PICTURE)
        return pq_import_refuse(im, "its first input must be a picture, not numbers");
    *v = *pq_import_in(im, 0);
    return 0;
}

int pq_op_set_nchw(struct pq_import *im, size_t i, int op)
{
    struct pq_layout l;
    if (op < 0)
        return op;
    pq_layout_nchw(&l, im->graph->ops[op].channels);
    if (im->graph->ops[op].global) {
        l.count -= 2;
        l.length[2] = l.length[3] = 0;
    }
    return pq_import_set_picture(im, i, op, &l);
}

const struct pq_number *pq_op_constant(struct pq_import *im, size_t i, int *rc)
{
    const struct pq_value *v = pq_import_in(im, i);
    *rc = 0;
    if (v->kind == PQ_VALUE_NUMBER && pq_number_constant(&v->number))
        return &v->number;
    *rc = v->kind == PQ_VALUE_NONE ? pq_import_fail(im, PIQUE_EFORMAT, "it lacks input %zu", i)
                                   : pq_import_refuse(im, "its input %zu must be a constant", i);
    return NULL;
}

int pq_op_channel_dim(const struct pq_import *im, const struct pq_value *v)
{
    const int d = pq_layout_channel_dim(&v->layout, im->graph->ops[v->op].channels);
    return d >= 0 ? d : v->layout.dims >= 3 ? v->layout.dims - 3 : -1;
}

/* How far a step along each dimension of v moves in a tensor that is broadcast to it; false where
 * the tensor differs along more than channels. */
static bool strides_of(struct pq_value *v, const struct pq_tensor *t, int64_t stride[PQ_MAX_DIMS])
{
    struct pq_layout *l = &v->layout;
    int64_t step = 1;
    for (int d = 0; d < l->dims; d++)
        stride[d] = 0;
    for (int e = t->dims - 1, d = l->dims - 1; e >= 0; e--, d--) {
        const int64_t extent = t->shape[e];
        if (extent == 1)
            continue;
        if (d < 0)
            return false;
        const struct pq_atom *a = &l->atoms[pq_layout_first(l, d)];
        int64_t all = 1;
        for (int i = 0; i < l->length[d]; i++)
            all *= a[i].axis == PQ_CHANNELS ? a[i].size : 0;
        if (all != extent || all == 0) /* an empty constant is as long as "the rest" */
            return false;
        stride[d] = step;
        step *= extent;
    }
    return true;
}

int pq_op_vector(struct pq_import *im, struct pq_value *v, const struct pq_number *n, float *out)
{
    int64_t stride[PQ_MAX_DIMS];
    if (n->tensor.dims > PQ_MAX_DIMS)
        return pq_import_refuse(im, "a constant has too many dimensions");
    if (!strides_of(v, &n->tensor, stride)) {
        int rc = pq_layout_settle(im, v, pq_op_channel_dim(im, v));
        if (rc)
            return rc;
        if (!strides_of(v, &n->tensor, stride))
            return pq_import_refuse(im, "a constant that differs from pixel to pixel, or does not "
                                        "fit, cannot be run");
    }
    const struct pq_layout *l = &v->layout;
    const int channels = im->graph->ops[v->op].channels;
    for (int c = 0; c < channels; c++) {
        int64_t at = 0;
        for (int d = 0, i = 0; d < l->dims; d++) {
            int64_t index = 0;
            for (int end = i + l->length[d]; i < end; i++) {
                const struct pq_atom *a = &l->atoms[i];
                if (stride[d])
                    index = index * a->size + c / a->inner % a->size;
            }
            at += index * stride[d];
        }
        out[c] = (float)pq_number_at(n, 0, (size_t)at);
    }
    return 0;
}

static const struct pq_onnx_op table[] = {
    {"Add", pq_op_arithmetic, PQ_ADD},
    {"AveragePool", pq_op_pool, PQ_OP_MEAN_POOL},
    {"BatchNormalization", pq_op_batch_norm, 0},
    {"Cast", pq_op_cast, 0},
    {"Clip", pq_op_clip, 0},
    {"Concat", pq_op_concat, 0},
    {"Conv", pq_op_conv, 0},
    {"ConvTranspose", pq_op_deconv, 0},
    {"DepthToSpace", pq_op_depth_to_space, 0},
    {"Div", pq_op_arithmetic, PQ_DIV},
    {"Dropout", pq_op_same, 0},
    {"Expand", pq_op_expand, 0},
    {"Flatten", pq_op_flatten, 0},
    {"Gather", pq_op_gather, 0},
    {"Gelu", pq_op_gelu, 0},
    {"Gemm", pq_op_gemm, 0},
    {"GlobalAveragePool", pq_op_mean, 1},
    {"GroupNormalization", pq_op_group_norm, 0},
    {"HardSigmoid", pq_op_hard, 0},
    {"HardSwish", pq_op_hard, 1},
    {"Identity", pq_op_same, 0},
    {"InstanceNormalization", pq_op_instance_norm, 0},
    {"LayerNormalization", pq_op_layer_norm, 0},
    {"LeakyRelu", pq_op_leaky, 0},
    {"MatMul", pq_op_matmul, 0},
    {"Max", pq_op_arithmetic, PQ_MAX_OF},
    {"MaxPool", pq_op_pool, PQ_OP_MAX_POOL},
    {"Min", pq_op_arithmetic, PQ_MIN_OF},
    {"Mish", pq_op_curve, PQ_ACT_MISH},
    {"Mul", pq_op_arithmetic, PQ_MUL},
    {"Neg", pq_op_negate, 0},
    {"PRelu", pq_op_prelu, 0},
    {"Pad", pq_op_pad, 0},
    {"Pow", pq_op_power, 0},
    {"ReduceMean", pq_op_mean, 0},
    {"Relu", pq_op_relu, 0},
    {"Reshape", pq_op_reshape, 0},
    {"Resize", pq_op_resize, 0},
    {"Sigmoid", pq_op_curve, PQ_ACT_SIGMOID},
    {"Slice", pq_op_slice, 0},
    {"Softplus", pq_op_curve, PQ_ACT_SOFTPLUS},
    {"SpaceToDepth", pq_op_space_to_depth, 0},
    {"Split", pq_op_split, 0},
    {"Squeeze", pq_op_squeeze, 0},
    {"Sub", pq_op_arithmetic, PQ_SUB},
    {"Tanh", pq_op_curve, PQ_ACT_TANH},
    {"Transpose", pq_op_transpose, 0},
    {"Unsqueeze", pq_op_unsqueeze, 0},
};

int pq_import_op(struct pq_import *im)
{
    const struct pq_span op = im->node->op;
    for (size_t i = 0; i < PQ_COUNT(table); i++) {
        if (pq_span_is(op, table[i].name))
            return table[i].import(im, table[i].what);
    }
    if (pq_span_is(op, "Softmax"))
        return pq_import_refuse(im,
                                "attention of this kind cannot be run; the network's .safetensors "
                                "or .pth file can be where its architecture is known");
    return pq_import_refuse(im, "this operator cannot be run");
}
