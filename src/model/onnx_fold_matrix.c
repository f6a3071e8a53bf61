/* SPDX-License-Identifier: MIT */
/* Small networks that depend on no pixel, such as those that make biases from distances: products
 * of two constant matrices, and means over the last dimension. */
#include "base/alloc.h"
#include "model/onnx_import.h"

static const struct pq_number *constant(struct pq_import *im, size_t i)
{
    const struct pq_value *v = pq_import_in(im, i);
    return v->kind == PQ_VALUE_NUMBER && pq_number_constant(&v->number) ? &v->number : NULL;
}

static int refuse(struct pq_import *im)
{
    return pq_import_refuse(im, "of numbers, only two matrices can be multiplied beforehand");
}

/* [rows, n] times [n, columns], or where transposed [columns, n]; bias [columns] or one number. */
static int multiply(struct pq_import *im, const struct pq_number *a, const struct pq_number *b,
                    bool transposed, const struct pq_number *bias)
{
    if (!a || !b || a->tensor.dims < 2 || b->tensor.dims != 2)
        return refuse(im);
    const int last = a->tensor.dims - 1;
    const int64_t n = a->tensor.shape[last], columns = b->tensor.shape[!transposed];
    if (b->tensor.shape[transposed] != n || n < 1 || columns < 1)
        return refuse(im);
    int64_t shape[PQ_MAX_DIMS];
    for (int d = 0; d < last; d++)
        shape[d] = a->tensor.shape[d];
    shape[last] = columns;
    const size_t rows = pq_number_count(a) / (size_t)n;
    const size_t biases = bias ? pq_number_count(bias) : 0;
    size_t work;
    struct pq_number out;
    float *to = NULL;
    if (bias && biases != 1 && biases != (size_t)columns)
        return refuse(im);
    if (!pq_mul_size(pq_number_count(a), (size_t)columns, &work))
        return refuse(im);
    int rc = pq_number_spend(&im->folder, work);
    if (!rc)
        rc = pq_number_floats(&im->folder, last + 1, shape, &to, &out);
    for (size_t r = 0; r < rows && !rc; r++) {
        for (size_t c = 0; c < (size_t)columns; c++) {
            double sum = bias ? pq_number_at(bias, 0, biases > 1 ? c : 0) : 0;
            for (size_t i = 0; i < (size_t)n; i++)
                sum += pq_number_at(a, 0, r * (size_t)n + i) *
                       pq_number_at(b, 0, transposed ? c * (size_t)n + i : i * (size_t)columns + c);
            *to++ = (float)sum;
        }
    }
    rc = pq_import_folded(im, rc);
    return rc ? rc : pq_import_set_number(im, 0, &out);
}

static int fold_gemm(struct pq_import *im)
{
    const bool has_bias = pq_import_in(im, 2)->kind != PQ_VALUE_NONE;
    const struct pq_number *bias = constant(im, 2);
    if ((has_bias && !bias) || pq_import_int(im, "transA", 0) ||
        pq_import_float(im, "alpha", 1) != 1 || pq_import_float(im, "beta", 1) != 1)
        return refuse(im);
    return multiply(im, constant(im, 0), constant(im, 1), pq_import_int(im, "transB", 0), bias);
}

/* Over the last dimension. */
static int fold_mean(struct pq_import *im)
{
    const struct pq_number *in = constant(im, 0);
    int64_t axes[1];
    int n, axis = 0;
    int rc = pq_import_ints(im, "axes", 1, 1, axes, &n);
    if (!rc && (!in || n != 1 || in->whole))
        rc =
            pq_import_refuse(im, "of numbers, only a mean over the last dimension can be computed");
    if (!rc)
        rc = pq_import_axis(im, axes[0], in->tensor.dims, &axis);
    if (!rc && (axis != in->tensor.dims - 1 || in->tensor.shape[axis] < 1))
        rc =
            pq_import_refuse(im, "of numbers, only a mean over the last dimension can be computed");
    if (rc)
        return rc;
    int64_t shape[PQ_MAX_DIMS];
    const size_t each = (size_t)in->tensor.shape[axis], count = pq_number_count(in) / each;
    for (int d = 0; d < axis; d++)
        shape[d] = in->tensor.shape[d];
    shape[axis] = 1;
    struct pq_number out;
    float *to;
    rc = pq_number_floats(&im->folder, axis + (pq_import_int(im, "keepdims", 1) != 0), shape, &to,
                          &out);
    for (size_t i = 0; i < count && !rc; i++) {
        double sum = 0;
        for (size_t k = 0; k < each; k++)
            sum += pq_number_at(in, 0, i * each + k);
        to[i] = (float)(sum / (double)each);
    }
    rc = pq_import_folded(im, rc);
    return rc ? rc : pq_import_set_number(im, 0, &out);
}

/* Zeros, or another number, around floats. */
static int fold_pad(struct pq_import *im)
{
    const struct pq_number *in = constant(im, 0), *pads = constant(im, 1), *value = constant(im, 2);
    const int dims = in ? in->tensor.dims : 0;
    if (!in || in->whole || !pads || !pads->whole || pq_number_count(pads) != 2 * (size_t)dims ||
        !pq_import_text(im, "mode", "constant", true) || pq_import_in(im, 3)->kind)
        return pq_import_refuse(im, "of numbers, only a constant border can be computed");
    int64_t shape[PQ_MAX_DIMS], before[PQ_MAX_DIMS];
    for (int d = 0; d < dims; d++) {
        const double a = pq_number_at(pads, 0, (size_t)d);
        const double b = pq_number_at(pads, 0, (size_t)(dims + d));
        if (!(a >= 0 && b >= 0 && a <= PQ_MAX_EXTENT && b <= PQ_MAX_EXTENT))
            return pq_import_refuse(im, "of numbers, only a constant border can be computed");
        before[d] = (int64_t)a;
        shape[d] = in->tensor.shape[d] + (int64_t)a + (int64_t)b;
    }
    struct pq_number out;
    float *to;
    int rc = pq_import_folded(im, pq_number_floats(&im->folder, dims, shape, &to, &out));
    if (rc)
        return rc;
    const size_t count = pq_number_count(&out);
    const float fill = value && pq_number_count(value) ? (float)pq_number_at(value, 0, 0) : 0;
    for (size_t i = 0; i < count; i++) {
        size_t left = i, at = 0, step = 1;
        bool inside = true;
        for (int d = dims - 1; d >= 0; d--) {
            const int64_t x = (int64_t)(left % (size_t)shape[d]) - before[d];
            left /= (size_t)shape[d];
            inside = inside && x >= 0 && x < in->tensor.shape[d];
            at += inside ? (size_t)x * step : 0;
            step *= (size_t)in->tensor.shape[d];
        }
        to[i] = inside ? (float)pq_number_at(in, 0, at) : fill;
    }
    return pq_import_set_number(im, 0, &out);
}

int pq_import_fold_matrix(struct pq_import *im, bool *known)
{
    *known = true;
    if (pq_span_is(im->node->op, "MatMul"))
        return multiply(im, constant(im, 0), constant(im, 1), false, NULL);
    if (pq_span_is(im->node->op, "Gemm"))
        return fold_gemm(im);
    if (pq_span_is(im->node->op, "ReduceMean"))
        return fold_mean(im);
    if (pq_span_is(im->node->op, "Pad"))
        return fold_pad(im);
    *known = false;
    return 0;
}
