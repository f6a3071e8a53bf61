/* SPDX-License-Identifier: MIT */
/* Convolutions, and products with a matrix, which are convolutions of 1 x 1 over whatever the last
 * dimension holds. */
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_emit.h"
#include "model/onnx_ops.h"

/* Two numbers of an attribute, or one value for both. */
static int pair(struct pq_import *im, const char *name, int64_t missing, int out[2])
{
    int64_t list[2] = {missing, missing};
    int n;
    int rc = pq_import_ints(im, name, SIZE_MAX, 2, list, &n);
    if (!rc && n >= 0 && n != 2)
        rc = pq_import_refuse(im, "it has %d %s; those of two axes can be run", n, name);
    for (int i = 0; i < 2 && !rc; i++) {
        if (list[i] < 0 || list[i] > PQ_MAX_EXTENT)
            rc = pq_import_fail(im, PIQUE_EFORMAT, "its %s make no sense", name);
        out[i] = (int)list[i];
    }
    return rc;
}

/* top, left, bottom, right; kernel and dilation of each axis. */
static int paddings(struct pq_import *im, const int kernel[2], const int dilation[2],
                    const int stride[2], int out[4])
{
    int64_t list[4] = {0};
    int n;
    int rc = pq_import_ints(im, "pads", SIZE_MAX, 4, list, &n);
    if (rc)
        return rc;
    if (n >= 0 && n != 4)
        return pq_import_refuse(im, "it has %d pads; those of two axes can be run", n);
    const bool upper = pq_import_text(im, "auto_pad", "SAME_UPPER", false),
               lower = pq_import_text(im, "auto_pad", "SAME_LOWER", false);
    if (!upper && !lower && !pq_import_text(im, "auto_pad", "NOTSET", true) &&
        !pq_import_text(im, "auto_pad", "VALID", true))
        return pq_import_fail(im, PIQUE_EFORMAT, "its auto_pad is none that there is");
    for (int i = 0; i < 4; i++) {
        const int all = (kernel[i % 2] - 1) * dilation[i % 2];
        if ((upper || lower) && stride[i % 2] != 1)
            return pq_import_refuse(im, "auto_pad with a stride cannot be run");
        if (upper || lower)
            list[i] = (i < 2) == upper ? all / 2 : all - all / 2;
        if (list[i] < 0 || list[i] > PQ_MAX_PAD)
            return pq_import_refuse(im, "it pads by more than %d pixels, or fewer than none",
                                    PQ_MAX_PAD);
        out[i] = (int)list[i];
    }
    return 0;
}

struct window {
    struct pq_tensor weight, bias;
    bool has_bias;
    int kernel[2], stride[2], dilation[2], pad[4], groups;
};

static int read_window(struct pq_import *im, struct window *w)
{
    int rc;
    *w = (struct window){0};
    const struct pq_number *weight = pq_op_constant(im, 1, &rc);
    if (!weight)
        return rc;
    w->weight = weight->tensor;
    if (weight->whole || w->weight.dims != 4)
        return pq_import_refuse(im, "its weight has %d dimensions; 4 can be run", w->weight.dims);
    if (pq_import_in(im, 2)->kind != PQ_VALUE_NONE) {
        const struct pq_number *bias = pq_op_constant(im, 2, &rc);
        if (!bias)
            return rc;
        w->bias = bias->tensor;
        w->has_bias = true;
    }
    const int64_t groups = pq_import_int(im, "group", 1);
    if (groups < 1 || groups > PQ_MAX_CHANNELS)
        return pq_import_fail(im, PIQUE_EFORMAT, "it has a number of groups that none can have");
    w->groups = (int)groups;
    for (int i = 0; i < 2; i++) {
        if (w->weight.shape[2 + i] < 1 || w->weight.shape[2 + i] > PQ_MAX_KERNEL)
            return pq_import_refuse(im, "kernels of up to %d can be run", PQ_MAX_KERNEL);
        w->kernel[i] = (int)w->weight.shape[2 + i];
    }
    int told[2];
    rc = pair(im, "kernel_shape", 0, told);
    if (!rc && told[0] && (told[0] != w->kernel[0] || told[1] != w->kernel[1]))
        rc = pq_import_fail(im, PIQUE_EFORMAT, "its kernel is not of the shape of its weight");
    if (!rc)
        rc = pair(im, "strides", 1, w->stride);
    if (!rc)
        rc = pair(im, "dilations", 1, w->dilation);
    for (int i = 0; i < 2 && !rc; i++) {
        if (w->stride[i] < 1 || w->dilation[i] < 1 || w->dilation[i] > PQ_MAX_PAD)
            rc = pq_import_fail(im, PIQUE_EFORMAT, "its strides or dilations make no sense");
    }
    return rc ? rc : paddings(im, w->kernel, w->dilation, w->stride, w->pad);
}

int pq_op_conv(struct pq_import *im, int what)
{
    (void)what;
    struct window w;
    int in;
    int rc = pq_layout_picture(im, pq_import_in(im, 0), &in);
    if (!rc)
        rc = read_window(im, &w);
    if (rc)
        return rc;
    if (im->graph->ops[in].global && (w.kernel[0] != 1 || w.kernel[1] != 1))
        return pq_import_refuse(im, "of one pixel, only 1 x 1 can be run");
    const struct pq_conv_shape shape = {.stride_y = w.stride[0],
                                        .stride_x = w.stride[1],
                                        .dilation_y = w.dilation[0],
                                        .dilation_x = w.dilation[1],
                                        .top = w.pad[0],
                                        .left = w.pad[1],
                                        .bottom = w.pad[2],
                                        .right = w.pad[3],
                                        .groups = w.groups};
    pique_error e = {0};
    int op = pq_graph_conv(im->graph, in, &w.weight, w.has_bias ? &w.bias : NULL, &shape, &e);
    return pq_op_set_nchw(im, 0, pq_import_placed(im, op, &e));
}

int pq_op_deconv(struct pq_import *im, int what)
{
    (void)what;
    struct window w;
    int in, more[2], n;
    int64_t shape[2];
    int rc = pq_layout_picture(im, pq_import_in(im, 0), &in);
    if (!rc)
        rc = read_window(im, &w);
    if (!rc)
        rc = pair(im, "output_padding", 0, more);
    if (!rc)
        rc = pq_import_ints(im, "output_shape", SIZE_MAX, 2, shape, &n);
    if (rc)
        return rc;
    const bool square = w.kernel[0] == w.kernel[1] && w.stride[0] == w.stride[1];
    const bool even = w.pad[0] == w.pad[1] && w.pad[0] == w.pad[2] && w.pad[0] == w.pad[3];
    if (!square || w.dilation[0] != 1 || w.dilation[1] != 1 || w.groups != 1 || n >= 0 ||
        more[0] != more[1] || more[0] > w.pad[2] || im->graph->ops[in].global)
        return pq_import_refuse(im, "only square kernels and strides, without dilation, groups or "
                                    "a size that is told can be run");
    pique_error e = {0};
    const struct pq_tensor *bias = w.has_bias ? &w.bias : NULL;
    const int64_t side[4] = {w.pad[0], w.pad[1], w.pad[2] - more[0], w.pad[3] - more[1]};
    const bool plain = even && !more[0];
    int op = pq_graph_deconv(im->graph, in, &w.weight, bias, w.stride[0], plain ? w.pad[0] : 0, &e);
    op = pq_import_placed(im, op, &e);
    if (op >= 0 && !plain)
        op = pq_emit_crop(im, op, side);
    return pq_op_set_nchw(im, 0, op);
}

/* [in][out], or with transposed [out][in], as the weight of a convolution. */
static int matrix(struct pq_import *im, const struct pq_number *n, bool transposed, float alpha,
                  struct pq_tensor *weight)
{
    const struct pq_tensor *t = &n->tensor;
    for (int d = 0; d < t->dims - 2; d++) {
        if (t->shape[d] != 1)
            return pq_import_refuse(im, "it multiplies by more than one matrix");
    }
    if (t->dims < 2)
        return pq_import_refuse(im, "it multiplies by a vector");
    const int64_t rows = t->shape[t->dims - 2], columns = t->shape[t->dims - 1];
    const int64_t out = transposed ? rows : columns, in = transposed ? columns : rows;
    if (in < 1 || out < 1 || in > PQ_MAX_CHANNELS || out > PQ_MAX_CHANNELS)
        return pq_import_refuse(im, "its matrix is too large");
    float *to = pq_emit_floats(im, in * out, weight);
    if (!to)
        return pq_fail_nomem(im->err, (unsigned long long)(in * out) * sizeof *to);
    *weight = (struct pq_tensor){
        .dtype = PQ_F32, .dims = 4, .shape = {out, in, 1, 1}, .data = weight->data};
    for (int64_t o = 0; o < out; o++) {
        for (int64_t i = 0; i < in; i++)
            *to++ =
                alpha * (float)pq_number_at(n, 0, (size_t)(transposed ? o * in + i : i * out + o));
    }
    return 0;
}

static int multiply(struct pq_import *im, struct pq_value *v, const struct pq_tensor *weight,
                    const struct pq_tensor *bias)
{
    int rc = pq_layout_settle(im, v, v->layout.dims - 1);
    if (rc)
        return rc;
    pique_error e = {0};
    const int op = pq_import_placed(im, pq_graph_conv2d(im->graph, v->op, weight, bias, &e), &e);
    if (op < 0)
        return op;
    struct pq_layout *l = &v->layout;
    const int last = l->dims - 1, channels = im->graph->ops[op].channels;
    l->count -= l->length[last];
    l->length[last] = channels > 1;
    if (channels > 1)
        l->atoms[l->count++] = (struct pq_atom){PQ_CHANNELS, channels, 1, 0};
    return pq_import_set_picture(im, 0, op, l);
}

int pq_op_matmul(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    struct pq_tensor weight;
    int rc;
    if (pq_import_in(im, 0)->kind == PQ_VALUE_PICTURE &&
        pq_import_in(im, 1)->kind == PQ_VALUE_PICTURE)
        return pq_import_refuse(im, "this product of two pictures cannot be run");
    rc = pq_op_input(im, &v);
    const struct pq_number *n = rc ? NULL : pq_op_constant(im, 1, &rc);
    if (!n)
        return rc;
    rc = matrix(im, n, false, 1, &weight);
    return rc ? rc : multiply(im, &v, &weight, NULL);
}

int pq_op_gemm(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    struct pq_tensor weight, bias = {0};
    int rc = pq_op_input(im, &v);
    const struct pq_number *n = rc ? NULL : pq_op_constant(im, 1, &rc);
    if (!n)
        return rc;
    if (pq_import_int(im, "transA", 0) || v.layout.dims != 2)
        return pq_import_refuse(im, "it multiplies from the left");
    rc = matrix(im, n, pq_import_int(im, "transB", 0), pq_import_float(im, "alpha", 1), &weight);
    if (rc)
        return rc;
    const bool has_bias = pq_import_in(im, 2)->kind != PQ_VALUE_NONE;
    if (has_bias) {
        const struct pq_number *b = pq_op_constant(im, 2, &rc);
        if (!b)
            return rc;
        const int64_t out = weight.shape[0];
        const size_t count = pq_number_count(b);
        float *to = pq_emit_floats(im, out, &bias);
        if (count != 1 && (int64_t)count != out)
            return pq_import_refuse(im, "its third input is no bias");
        if (!to)
            return pq_fail_nomem(im->err, (unsigned long long)out * sizeof *to);
        for (int64_t i = 0; i < out; i++)
            to[i] = pq_import_float(im, "beta", 1) *
                    (float)pq_number_at(b, 0, count == 1 ? 0 : (size_t)i);
    }
    return multiply(im, &v, &weight, has_bias ? &bias : NULL);
}
