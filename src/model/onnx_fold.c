/* SPDX-License-Identifier: MIT */
/* Operators on numbers: one row of a table each. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_import.h"

static const struct pq_number *number(const struct pq_import *im, size_t i)
{
    const struct pq_value *v = pq_import_in(im, i);
    return v->kind == PQ_VALUE_NUMBER ? &v->number : NULL;
}

static int give(struct pq_import *im, int rc, const struct pq_number *n)
{
    rc = pq_import_folded(im, rc);
    return rc ? rc : pq_import_set_number(im, 0, n);
}

/* ---- casts ---- */

static double same(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return a;
}
static double truncated(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return trunc(a);
}
static double truth(double a, double b, double c, bool whole)
{
    (void)b, (void)c, (void)whole;
    return a != 0;
}

/* ---- the others ---- */

static int fold_same(struct pq_import *im)
{
    return pq_import_set_number(im, 0, number(im, 0));
}

static int fold_cast(struct pq_import *im)
{
    const struct pq_number *in = number(im, 0);
    const int64_t to = pq_import_int(im, "to", 0);
    const bool real = to == PQ_ONNX_FLOAT || to == PQ_ONNX_FLOAT16 || to == PQ_ONNX_DOUBLE ||
                      to == PQ_ONNX_BFLOAT16;
    if (real && !in->whole)
        return fold_same(im); /* the weights stay as they lie */
    struct pq_number out;
    pq_number_fn *fn = real ? same : to == PQ_ONNX_BOOL ? truth : truncated;
    return give(im, pq_number_map(&im->folder, fn, !real, 1, in, &out), &out);
}

static int fold_shape(struct pq_import *im)
{
    const struct pq_value *v = pq_import_in(im, 0);
    const bool picture = v->kind == PQ_VALUE_PICTURE || v->kind == PQ_VALUE_UNIT;
    const bool scores = v->kind == PQ_VALUE_SCORES;
    const int dims = scores    ? pq_scores_dims(v->scores)
                     : picture ? v->layout.dims
                               : v->number.tensor.dims;
    int64_t start = pq_import_int(im, "start", 0), end = pq_import_int(im, "end", dims);
    start = start < 0 ? PQ_MAX(start + dims, 0) : PQ_MIN(start, dims);
    end = end < 0 ? PQ_MAX(end + dims, 0) : PQ_MIN(end, dims);
    const int64_t count = PQ_MAX(end - start, 0);
    struct pq_number out;
    double *to;
    int rc = pq_number_new(&im->folder, true, 1, &count, &to, &out);
    for (int s = 0; s < PQ_SAMPLES && !rc; s++) {
        for (int64_t i = 0; i < count; i++)
            *to++ = scores    ? (double)pq_scores_extent(im, v->scores, (int)(start + i), s)
                    : picture ? (double)pq_layout_extent(im, v, (int)(start + i), s)
                              : (double)v->number.tensor.shape[start + i];
    }
    if (!rc)
        rc = pq_number_settle(&im->folder, &out);
    return give(im, rc, &out);
}

static int fold_gather(struct pq_import *im)
{
    const struct pq_number *in = number(im, 0), *index = number(im, 1);
    struct pq_number out;
    int axis;
    if (!index)
        return pq_import_fail(im, PIQUE_EFORMAT, "it lacks an input");
    int rc = pq_import_axis(im, pq_import_int(im, "axis", 0), in->tensor.dims, &axis);
    return rc ? rc : give(im, pq_number_gather(&im->folder, in, index, axis, &out), &out);
}

static int fold_concat(struct pq_import *im)
{
    enum { MAX = 64 };
    struct pq_number in[MAX], out;
    int axis;
    if (im->node->ins < 1 || im->node->ins > MAX)
        return pq_import_refuse(im, "it joins too many numbers");
    for (size_t i = 0; i < im->node->ins; i++) {
        if (!number(im, i))
            return pq_import_fail(im, PIQUE_EFORMAT, "it lacks an input");
        in[i] = *number(im, i);
    }
    int rc = pq_import_axis(im, pq_import_int(im, "axis", 0), in[0].tensor.dims, &axis);
    return rc ? rc : give(im, pq_number_concat(&im->folder, axis, im->node->ins, in, &out), &out);
}

/* ends and starts of a slice: which elements. */
static void clip_slice(int64_t extent, int64_t step, int64_t *start, int64_t *count, int64_t end)
{
    int64_t from = *start, to = end;
    from += from < 0 ? extent : 0;
    to += to < 0 ? extent : 0;
    if (step > 0) {
        from = PQ_MIN(PQ_MAX(from, 0), extent);
        to = PQ_MIN(PQ_MAX(to, 0), extent);
        *count = to > from ? (to - from - 1) / step + 1 : 0;
    } else {
        from = PQ_MIN(PQ_MAX(from, 0), extent - 1);
        to = PQ_MIN(PQ_MAX(to, -1), extent - 1);
        *count = from > to ? (from - to - 1) / -step + 1 : 0;
    }
    *start = from;
}

static int fold_slice(struct pq_import *im)
{
    const struct pq_number *in = number(im, 0);
    const struct pq_tensor *t = &in->tensor;
    int64_t starts[PQ_MAX_DIMS], ends[PQ_MAX_DIMS], axes[PQ_MAX_DIMS], steps[PQ_MAX_DIMS];
    int n, more, with_axes, with_steps;
    int rc = pq_import_ints(im, "", 1, PQ_MAX_DIMS, starts, &n);
    rc = rc ? rc : pq_import_ints(im, "", 2, PQ_MAX_DIMS, ends, &more);
    rc = rc ? rc : pq_import_ints(im, "", 3, PQ_MAX_DIMS, axes, &with_axes);
    rc = rc ? rc : pq_import_ints(im, "", 4, PQ_MAX_DIMS, steps, &with_steps);
    if (rc)
        return rc;
    if (n < 0 || n != more || (with_axes >= 0 && with_axes != n) ||
        (with_steps >= 0 && with_steps != n))
        return pq_import_fail(im, PIQUE_EFORMAT, "its starts and ends do not fit together");
    int64_t shape[PQ_MAX_DIMS], stride[PQ_MAX_DIMS], from = 0, whole = 1;
    for (int d = t->dims - 1; d >= 0; d--) {
        shape[d] = t->shape[d];
        stride[d] = whole;
        whole *= shape[d];
    }
    for (int i = 0; i < n; i++) {
        int d;
        rc = pq_import_axis(im, with_axes < 0 ? i : axes[i], t->dims, &d);
        const int64_t step = with_steps < 0 ? 1 : steps[i];
        if (rc)
            return rc;
        if (!step || step < -PQ_MAX_EXTENT || step > PQ_MAX_EXTENT || shape[d] != t->shape[d])
            return pq_import_refuse(im, "it cuts in steps that make no sense");
        clip_slice(t->shape[d], step, &starts[i], &shape[d], ends[i]);
        from += starts[i] * stride[d];
        stride[d] *= step;
    }
    struct pq_number out;
    return give(im, pq_number_view(&im->folder, in, t->dims, shape, stride, from, &out), &out);
}

static int fold_unsqueeze(struct pq_import *im)
{
    const struct pq_number *in = number(im, 0);
    int64_t axes[PQ_MAX_DIMS], shape[PQ_MAX_DIMS];
    bool new_one[PQ_MAX_DIMS] = {false};
    int n;
    int rc = pq_import_ints(im, "axes", 1, PQ_MAX_DIMS, axes, &n);
    const int dims = in->tensor.dims + n;
    if (!rc && (n < 1 || dims > PQ_MAX_DIMS))
        rc = pq_import_refuse(im, "it makes a number of dimensions that cannot be");
    for (int i = 0; i < n && !rc; i++) {
        int d = 0;
        rc = pq_import_axis(im, axes[i], dims, &d);
        if (!rc && new_one[d])
            rc = pq_import_fail(im, PIQUE_EFORMAT, "it names an axis twice");
        new_one[d] = true;
    }
    for (int d = 0, from = 0; d < dims && !rc; d++)
        shape[d] = new_one[d] ? 1 : in->tensor.shape[from++];
    struct pq_number out;
    return rc ? rc : give(im, pq_number_reshape(&im->folder, in, dims, shape, &out), &out);
}

static int fold_squeeze(struct pq_import *im)
{
    const struct pq_number *in = number(im, 0);
    int64_t axes[PQ_MAX_DIMS], shape[PQ_MAX_DIMS];
    bool gone[PQ_MAX_DIMS] = {false};
    int n, dims = 0;
    int rc = pq_import_ints(im, "axes", 1, PQ_MAX_DIMS, axes, &n);
    for (int i = 0; i < n && !rc; i++) {
        int d = 0;
        rc = pq_import_axis(im, axes[i], in->tensor.dims, &d);
        gone[d] = true;
    }
    for (int d = 0; d < in->tensor.dims && !rc; d++) {
        if (n < 0 ? in->tensor.shape[d] != 1 : !gone[d])
            shape[dims++] = in->tensor.shape[d];
    }
    struct pq_number out;
    return rc ? rc : give(im, pq_number_reshape(&im->folder, in, dims, shape, &out), &out);
}

/* A shape from input i, that must be the same in all samples. */
static int take_shape(struct pq_import *im, size_t i, int64_t *shape, int *dims)
{
    int rc = pq_import_ints(im, "", i, PQ_MAX_DIMS, shape, dims);
    if (!rc && *dims < 0)
        rc = pq_import_fail(im, PIQUE_EFORMAT, "it lacks a shape");
    return rc;
}

static int fold_reshape(struct pq_import *im)
{
    const struct pq_number *in = number(im, 0);
    int64_t shape[PQ_MAX_DIMS];
    int dims, open = -1;
    int rc = take_shape(im, 1, shape, &dims);
    if (rc)
        return rc;
    size_t known = 1;
    for (int d = 0; d < dims; d++) {
        if (shape[d] == 0 && d < in->tensor.dims && !pq_import_int(im, "allowzero", 0))
            shape[d] = in->tensor.shape[d];
        if (shape[d] == -1 && open < 0)
            open = d;
        else if (shape[d] < 0 || !pq_mul_size(known, (size_t)shape[d], &known))
            return pq_import_fail(im, PIQUE_EFORMAT, "its shape makes no sense");
    }
    if (open >= 0)
        shape[open] = known ? (int64_t)(pq_number_count(in) / known) : 0;
    struct pq_number out;
    return give(im, pq_number_reshape(&im->folder, in, dims, shape, &out), &out);
}

static int fold_transpose(struct pq_import *im)
{
    const struct pq_number *in = number(im, 0);
    const int dims = in->tensor.dims;
    int64_t order[PQ_MAX_DIMS], stride[PQ_MAX_DIMS], shape[PQ_MAX_DIMS], back[PQ_MAX_DIMS];
    int n;
    int rc = pq_import_ints(im, "perm", SIZE_MAX, PQ_MAX_DIMS, order, &n);
    if (rc)
        return rc;
    int64_t whole = 1;
    for (int d = dims - 1; d >= 0; d--) {
        stride[d] = whole;
        whole *= in->tensor.shape[d];
    }
    unsigned seen = 0;
    for (int d = 0; d < dims; d++) {
        const int64_t from = n < 0 ? dims - 1 - d : order[d];
        if ((n >= 0 && n != dims) || from < 0 || from >= dims || seen & 1u << from)
            return pq_import_fail(im, PIQUE_EFORMAT, "its order is no order of the dimensions");
        seen |= 1u << from;
        shape[d] = in->tensor.shape[from];
        back[d] = stride[from];
    }
    struct pq_number out;
    return give(im, pq_number_view(&im->folder, in, dims, shape, back, 0, &out), &out);
}

static int fold_expand(struct pq_import *im)
{
    int64_t shape[PQ_MAX_DIMS];
    int dims;
    int rc = take_shape(im, 1, shape, &dims);
    if (rc)
        return rc;
    struct pq_number in[2] = {*number(im, 0), {.whole = true}}, out;
    /* A view of one element, in that shape, beside it. */
    static const int64_t one = 1;
    const int64_t none[PQ_MAX_DIMS] = {0};
    struct pq_number unit = {.whole = true, .tensor = {.dtype = PQ_I64, .data = &one}};
    rc = pq_number_view(&im->folder, &unit, dims, shape, none, 0, &in[1]);
    if (!rc)
        rc = pq_number_map(&im->folder, same, in[0].whole, 2, in, &out);
    return give(im, rc, &out);
}

static int fold_constant_of_shape(struct pq_import *im)
{
    static const float zero = 0;
    int64_t shape[PQ_MAX_DIMS];
    const int64_t none[PQ_MAX_DIMS] = {0};
    int dims;
    int rc = take_shape(im, 0, shape, &dims);
    if (rc)
        return rc;
    struct pq_number value = {.tensor = {.dtype = PQ_F32, .data = &zero}}, out;
    const struct pq_onnx_attr *a = pq_import_attr(im, "value");
    if (a && a->tensor >= 0) {
        const struct pq_onnx_tensor *t = &im->file->tensors[a->tensor];
        size_t count;
        if (!t->readable || !pq_tensor_count(&t->tensor, &count) || count != 1)
            return pq_import_fail(im, PIQUE_EFORMAT, "its value is not one number");
        value.tensor = t->tensor;
        value.tensor.dims = 0;
        value.whole = t->tensor.dtype == PQ_I64 || t->tensor.dtype == PQ_I32;
    }
    return give(im, pq_number_view(&im->folder, &value, dims, shape, none, 0, &out), &out);
}

static int fold_constant(struct pq_import *im)
{
    const struct pq_onnx_attr *value = pq_import_attr(im, "value"),
                              *f = pq_import_attr(im, "value_float"),
                              *i = pq_import_attr(im, "value_int"),
                              *fs = pq_import_attr(im, "value_floats"),
                              *is = pq_import_attr(im, "value_ints");
    struct pq_number n = {0};
    if (value && value->tensor >= 0 && im->file->tensors[value->tensor].readable) {
        n.tensor = im->file->tensors[value->tensor].tensor;
        n.whole = n.tensor.dtype == PQ_I64 || n.tensor.dtype == PQ_I32;
    } else if (f || fs) {
        n.tensor = (struct pq_tensor){.dtype = PQ_F32, .dims = f ? 0 : 1};
        n.tensor.shape[0] = f ? 0 : (int64_t)fs->floats;
        n.tensor.data = f                  ? &f->number
                        : im->file->floats ? im->file->floats + fs->first_float
                                           : NULL;
    } else if (i || is) {
        n.whole = true;
        n.tensor = (struct pq_tensor){.dtype = PQ_I64, .dims = i ? 0 : 1};
        n.tensor.shape[0] = i ? 0 : (int64_t)is->ints;
        n.tensor.data = i ? &i->whole : im->file->ints ? im->file->ints + is->first_int : NULL;
    } else {
        return pq_import_refuse(im, "a constant of this kind cannot be read");
    }
    if (!n.tensor.data)
        n.tensor.data = ""; /* an empty list */
    /* Into the graph's memory, for the lists do not outlive the import. */
    struct pq_number out;
    int64_t stride[PQ_MAX_DIMS], whole = 1;
    for (int d = n.tensor.dims - 1; d >= 0; d--) {
        stride[d] = whole;
        whole *= n.tensor.shape[d];
    }
    if (value)
        return pq_import_set_number(im, 0, &n);
    return give(im, pq_number_view(&im->folder, &n, n.tensor.dims, n.tensor.shape, stride, 0, &out),
                &out);
}

static int fold_range(struct pq_import *im)
{
    const struct pq_number *start = number(im, 0), *limit = number(im, 1), *step = number(im, 2);
    if (!start || !limit || !step || !pq_number_count(start) || !pq_number_count(limit) ||
        !pq_number_count(step) || !pq_number_constant(start) || !pq_number_constant(limit) ||
        !pq_number_constant(step))
        return pq_import_refuse(im, "a range that depends on the picture's size cannot be run");
    const double from = pq_number_at(start, 0, 0), by = pq_number_at(step, 0, 0);
    const double items = ceil((pq_number_at(limit, 0, 0) - from) / by);
    if (!(items <= PQ_FOLD_SAMPLED))
        return pq_import_refuse(im, "it is too long a range");
    const int64_t count = items > 0 ? (int64_t)items : 0;
    struct pq_number out;
    double *to;
    int rc = pq_number_new(&im->folder, start->whole, 1, &count, &to, &out);
    for (int64_t i = 0; i < count * PQ_SAMPLES && !rc; i++)
        to[i] = from + (double)(i % count) * by;
    if (!rc)
        rc = pq_number_settle(&im->folder, &out);
    return give(im, rc, &out);
}

static int fold_product(struct pq_import *im)
{
    const struct pq_number *in = number(im, 0);
    int64_t axes[PQ_MAX_DIMS];
    int n;
    int rc = pq_import_ints(im, "axes", 1, PQ_MAX_DIMS, axes, &n);
    if (rc)
        return rc;
    if (in->tensor.dims != 1)
        return pq_import_refuse(im, "of numbers, only the product of a list can be computed");
    const int64_t one = 1;
    struct pq_number out;
    double *to;
    rc = pq_number_new(&im->folder, in->whole, pq_import_int(im, "keepdims", 1) ? 1 : 0, &one, &to,
                       &out);
    for (int s = 0; s < PQ_SAMPLES && !rc; s++) {
        to[s] = 1;
        for (size_t i = 0; i < pq_number_count(in); i++)
            to[s] *= pq_number_at(in, s, i);
    }
    if (!rc)
        rc = pq_number_settle(&im->folder, &out);
    return give(im, rc, &out);
}

static int fold_split(struct pq_import *im)
{
    enum { MAX = 64 };
    const struct pq_number *in = number(im, 0);
    const struct pq_tensor *t = &in->tensor;
    int64_t sizes[MAX], shape[PQ_MAX_DIMS], stride[PQ_MAX_DIMS], whole = 1, from = 0;
    int axis, n;
    int rc = pq_import_axis(im, pq_import_int(im, "axis", 0), t->dims, &axis);
    if (!rc)
        rc = pq_import_ints(im, "split", 1, MAX, sizes, &n);
    const int64_t outs = (int64_t)im->node->outs;
    if (!rc && (outs < 1 || outs > MAX || (n >= 0 && n != outs)))
        rc = pq_import_fail(im, PIQUE_EFORMAT, "it has not one size for each part");
    for (int d = t->dims - 1; d >= 0 && !rc; d--) {
        shape[d] = t->shape[d];
        stride[d] = whole;
        whole *= shape[d];
    }
    for (int64_t i = 0; i < outs && !rc; i++) {
        struct pq_number out;
        const int64_t each = (t->shape[axis] + outs - 1) / outs, left = t->shape[axis] - from;
        shape[axis] = n < 0 ? PQ_MIN(each, left) : sizes[i];
        if (shape[axis] < 0 || shape[axis] > left)
            return pq_import_fail(im, PIQUE_EFORMAT, "its parts do not fit its input");
        rc = pq_import_folded(
            im, pq_number_view(&im->folder, in, t->dims, shape, stride, from * stride[axis], &out));
        if (!rc)
            rc = pq_import_set_number(im, (size_t)i, &out);
        from += shape[axis];
    }
    return rc;
}

static const struct {
    const char *op;
    int (*fold)(struct pq_import *im);
} others[] = {
    {"Identity", fold_same},       {"Dropout", fold_same},
    {"Cast", fold_cast},           {"Shape", fold_shape},
    {"Gather", fold_gather},       {"Concat", fold_concat},
    {"Slice", fold_slice},         {"Split", fold_split},
    {"Unsqueeze", fold_unsqueeze}, {"Squeeze", fold_squeeze},
    {"Reshape", fold_reshape},     {"Transpose", fold_transpose},
    {"Expand", fold_expand},       {"ConstantOfShape", fold_constant_of_shape},
    {"Constant", fold_constant},   {"Range", fold_range},
    {"ReduceProd", fold_product},
};

int pq_import_fold(struct pq_import *im)
{
    const struct pq_span op = im->node->op;
    const bool constant = pq_span_is(op, "Constant");
    if (!constant && (im->node->ins < 1 || pq_import_in(im, 0)->kind == PQ_VALUE_NONE))
        return pq_import_fail(im, PIQUE_EFORMAT, "it lacks an input");
    bool known;
    int rc = pq_import_fold_arithmetic(im, &known);
    if (!known)
        rc = pq_import_fold_matrix(im, &known);
    if (known)
        return rc;
    for (size_t i = 0; i < PQ_COUNT(others); i++) {
        if (pq_span_is(op, others[i].op))
            return others[i].fold(im);
    }
    return pq_import_refuse(im, "of numbers, this operator cannot be computed beforehand");
}
