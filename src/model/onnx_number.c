/* SPDX-License-Identifier: MIT */
#include "model/onnx_number.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"

size_t pq_number_count(const struct pq_number *n)
{
    size_t count = 0;
    return pq_tensor_count(&n->tensor, &count) ? count : 0;
}

double pq_number_at(const struct pq_number *n, int sample, size_t i)
{
    if (!n->tensor.data)
        return n->samples[(size_t)sample * pq_number_count(n) + i];
    const unsigned char *data = n->tensor.data;
    double f64;
    int64_t i64;
    int32_t i32;
    float f32;
    switch (n->tensor.dtype) {
    case PQ_F64:
        memcpy(&f64, data + i * sizeof f64, sizeof f64);
        return f64;
    case PQ_I64:
        memcpy(&i64, data + i * sizeof i64, sizeof i64);
        return (double)i64;
    case PQ_I32:
        memcpy(&i32, data + i * sizeof i32, sizeof i32);
        return i32;
    default:
        pq_tensor_to_f32(&n->tensor, i, 1, &f32);
        return (double)f32;
    }
}

bool pq_number_same(const struct pq_number *n, size_t i)
{
    for (int s = 1; s < PQ_SAMPLES && !n->tensor.data; s++) {
        if (pq_number_at(n, s, i) != pq_number_at(n, 0, i))
            return false;
    }
    return true;
}

bool pq_number_constant(const struct pq_number *n)
{
    return n->tensor.data != NULL;
}

/* ---- making ---- */

static int refuse(struct pq_folder *f, int code, const char *why)
{
    f->why = pq_tr(why);
    return code;
}

static int spend(struct pq_folder *f, size_t elements)
{
    if (elements > f->budget)
        return refuse(f, PIQUE_EUNSUPPORTED, "there is too much to compute beforehand");
    f->budget -= elements;
    return 0;
}

static int set_shape(struct pq_folder *f, int dims, const int64_t *shape, struct pq_tensor *t,
                     size_t *count)
{
    if (dims < 0 || dims > PQ_MAX_DIMS)
        return refuse(f, PIQUE_EUNSUPPORTED, "it has more than 8 dimensions");
    t->dims = dims;
    if (dims)
        memcpy(t->shape, shape, (size_t)dims * sizeof *shape);
    if (!pq_tensor_count(t, count))
        return refuse(f, PIQUE_EFORMAT, "it has a shape that nothing can have");
    return spend(f, *count + 1);
}

int pq_number_new(struct pq_folder *f, bool whole, int dims, const int64_t *shape, double **to,
                  struct pq_number *out)
{
    size_t count;
    *out = (struct pq_number){.whole = whole, .tensor.dtype = whole ? PQ_I64 : PQ_F32};
    int rc = set_shape(f, dims, shape, &out->tensor, &count);
    if (rc)
        return rc;
    if (count > PQ_FOLD_SAMPLED)
        return refuse(f, PIQUE_EUNSUPPORTED, "too many values depend on the picture's size");
    rc = spend(f, count * (PQ_SAMPLES - 1));
    if (rc)
        return rc;
    *to = pq_graph_own(f->graph, (count + !count) * PQ_SAMPLES * sizeof **to);
    out->samples = *to;
    return *to ? 0 : refuse(f, PIQUE_ENOMEM, "out of memory");
}

/* A constant of that shape; where its elements go in *to. */
static int new_constant(struct pq_folder *f, enum pq_dtype dtype, bool whole, int dims,
                        const int64_t *shape, unsigned char **to, struct pq_number *out)
{
    size_t count, bytes;
    *out = (struct pq_number){.whole = whole, .tensor.dtype = dtype};
    int rc = set_shape(f, dims, shape, &out->tensor, &count);
    if (rc)
        return rc;
    if (!pq_mul_size(count, pq_dtype_size(dtype), &bytes))
        return refuse(f, PIQUE_EFORMAT, "it has a shape that nothing can have");
    *to = pq_graph_own(f->graph, bytes + !bytes);
    out->tensor.data = *to;
    return *to ? 0 : refuse(f, PIQUE_ENOMEM, "out of memory");
}

int64_t pq_number_whole(double v)
{
    if (isnan(v))
        return 0;
    return v >= 0x1p62 ? INT64_MAX : v <= -0x1p62 ? INT64_MIN : (int64_t)v;
}

static void put(enum pq_dtype dtype, double v, unsigned char *to)
{
    if (dtype == PQ_I64) {
        const int64_t whole = pq_number_whole(v);
        memcpy(to, &whole, sizeof whole);
    } else {
        const float number = (float)v;
        memcpy(to, &number, sizeof number);
    }
}

int pq_number_settle(struct pq_folder *f, struct pq_number *n)
{
    const size_t count = pq_number_count(n);
    for (size_t i = 0; i < count; i++) {
        if (!pq_number_same(n, i))
            return 0;
    }
    struct pq_number constant;
    unsigned char *to;
    int rc =
        new_constant(f, n->tensor.dtype, n->whole, n->tensor.dims, n->tensor.shape, &to, &constant);
    for (size_t i = 0; i < count && !rc; i++)
        put(n->tensor.dtype, pq_number_at(n, 0, i), to + i * pq_dtype_size(n->tensor.dtype));
    if (!rc)
        *n = constant;
    return rc;
}

/* ---- moving ---- */

/* The next index in row-major order; false after the last. */
static bool next(int64_t *index, const struct pq_tensor *t)
{
    for (int d = t->dims - 1; d >= 0; d--) {
        if (++index[d] < t->shape[d])
            return true;
        index[d] = 0;
    }
    return false;
}

static int64_t at_index(const int64_t *index, const int64_t *stride, int dims)
{
    int64_t at = 0;
    for (int d = 0; d < dims; d++)
        at += index[d] * stride[d];
    return at;
}

int pq_number_view(struct pq_folder *f, const struct pq_number *n, int dims, const int64_t *shape,
                   const int64_t *stride, int64_t from, struct pq_number *out)
{
    const size_t in_count = pq_number_count(n), size = pq_dtype_size(n->tensor.dtype);
    const bool constant = pq_number_constant(n);
    unsigned char *bytes = NULL;
    double *samples = NULL;
    int rc = constant ? new_constant(f, n->tensor.dtype, n->whole, dims, shape, &bytes, out)
                      : pq_number_new(f, n->whole, dims, shape, &samples, out);
    if (rc)
        return rc;
    const size_t count = pq_number_count(out);
    int64_t index[PQ_MAX_DIMS] = {0};
    for (size_t i = 0; i < count; i++, next(index, &out->tensor)) {
        const size_t at = (size_t)(from + at_index(index, stride, dims));
        if (at >= in_count)
            return refuse(f, PIQUE_EFORMAT, "it reads what is not there");
        if (constant)
            memcpy(bytes + i * size, (const unsigned char *)n->tensor.data + at * size, size);
        for (size_t s = 0; s < PQ_SAMPLES && !constant; s++)
            samples[s * count + i] = n->samples[s * in_count + at];
    }
    return constant ? 0 : pq_number_settle(f, out);
}

int pq_number_reshape(struct pq_folder *f, const struct pq_number *n, int dims,
                      const int64_t *shape, struct pq_number *out)
{
    size_t before = pq_number_count(n), after;
    struct pq_number result = *n;
    int rc = set_shape(f, dims, shape, &result.tensor, &after);
    if (!rc && before != after)
        rc = refuse(f, PIQUE_EFORMAT, "it changes how many elements there are");
    if (!rc)
        *out = result;
    return rc;
}

int pq_number_concat(struct pq_folder *f, int axis, size_t count, const struct pq_number *in,
                     struct pq_number *out)
{
    int64_t shape[PQ_MAX_DIMS], length = 0;
    const struct pq_tensor *t = &in[0].tensor;
    memcpy(shape, t->shape, sizeof shape);
    for (size_t k = 0; k < count; k++) {
        const struct pq_tensor *x = &in[k].tensor;
        if (x->dims != t->dims || in[k].whole != in[0].whole)
            return refuse(f, PIQUE_EFORMAT, "its inputs do not fit together");
        for (int d = 0; d < t->dims; d++) {
            if (d != axis && x->shape[d] != t->shape[d])
                return refuse(f, PIQUE_EFORMAT, "its inputs do not fit together");
        }
        length += x->shape[axis];
    }
    shape[axis] = length;
    double *to;
    int rc = pq_number_new(f, in[0].whole, t->dims, shape, &to, out);
    if (rc)
        return rc;
    const size_t total = pq_number_count(out);
    int64_t outer = 1, inner = 1;
    for (int d = 0; d < t->dims; d++)
        *(d < axis ? &outer : &inner) *= d == axis ? 1 : t->shape[d];
    for (size_t s = 0; s < PQ_SAMPLES; s++) {
        double *row = to + s * total;
        for (int64_t o = 0; o < outer; o++) {
            for (size_t k = 0; k < count; k++) {
                const int64_t run = in[k].tensor.shape[axis] * inner;
                for (int64_t i = 0; i < run; i++)
                    *row++ = pq_number_at(&in[k], (int)s, (size_t)(o * run + i));
            }
        }
    }
    return pq_number_settle(f, out);
}

int pq_number_gather(struct pq_folder *f, const struct pq_number *n, const struct pq_number *index,
                     int axis, struct pq_number *out)
{
    const struct pq_tensor *t = &n->tensor;
    int64_t shape[2 * PQ_MAX_DIMS], outer = 1, inner = 1;
    int dims = 0;
    for (int d = 0; d < axis; d++)
        outer *= shape[dims++] = t->shape[d];
    for (int d = 0; d < index->tensor.dims; d++)
        shape[dims++] = index->tensor.shape[d];
    for (int d = axis + 1; d < t->dims; d++)
        inner *= shape[dims++] = t->shape[d];
    const bool constant = pq_number_constant(n) && pq_number_constant(index);
    const size_t size = pq_dtype_size(n->tensor.dtype);
    unsigned char *bytes = NULL;
    double *to = NULL;
    int rc = constant ? new_constant(f, n->tensor.dtype, n->whole, dims, shape, &bytes, out)
                      : pq_number_new(f, n->whole, dims, shape, &to, out);
    if (rc)
        return rc;
    const size_t total = pq_number_count(out), picks = pq_number_count(index);
    for (size_t i = 0; i < total * (constant ? 1 : PQ_SAMPLES); i++) {
        const int s = (int)(i / total);
        const size_t at = i % total, pick = at / (size_t)inner % picks;
        const size_t o = at / (size_t)inner / picks;
        int64_t k = pq_number_whole(pq_number_at(index, s, pick));
        k += k < 0 ? t->shape[axis] : 0;
        if (k < 0 || k >= t->shape[axis])
            return refuse(f, PIQUE_EFORMAT, "it picks what is not there");
        const size_t from =
            (o * (size_t)t->shape[axis] + (size_t)k) * (size_t)inner + at % (size_t)inner;
        if (constant)
            memcpy(bytes + i * size, (const unsigned char *)t->data + from * size, size);
        else
            to[i] = pq_number_at(n, s, from);
    }
    return constant ? 0 : pq_number_settle(f, out);
}

int pq_number_floats(struct pq_folder *f, int dims, const int64_t *shape, float **to,
                     struct pq_number *out)
{
    unsigned char *bytes;
    int rc = new_constant(f, PQ_F32, false, dims, shape, &bytes, out);
    *to = rc ? NULL : (float *)(void *)bytes;
    return rc;
}

int pq_number_spend(struct pq_folder *f, size_t elements)
{
    return spend(f, elements);
}

/* ---- arithmetic ---- */

static int broadcast(struct pq_folder *f, int count, const struct pq_number *in, int *dims,
                     int64_t shape[PQ_MAX_DIMS], int64_t stride[][PQ_MAX_DIMS])
{
    *dims = 0;
    for (int k = 0; k < count; k++)
        *dims = PQ_MAX(*dims, in[k].tensor.dims);
    for (int d = 0; d < *dims; d++)
        shape[d] = 1;
    for (int k = 0; k < count; k++) {
        const struct pq_tensor *t = &in[k].tensor;
        int64_t step = 1;
        for (int d = *dims - 1, e = t->dims - 1; d >= 0; d--, e--) {
            const int64_t extent = e >= 0 ? t->shape[e] : 1;
            if (extent != 1 && shape[d] != 1 && shape[d] != extent)
                return refuse(f, PIQUE_EFORMAT, "its inputs do not fit together");
            if (extent != 1)
                shape[d] = extent;
            stride[k][d] = extent == 1 ? 0 : step;
            step *= extent;
        }
    }
    return 0;
}

int pq_number_map(struct pq_folder *f, pq_number_fn *fn, bool whole, int count,
                  const struct pq_number *in, struct pq_number *out)
{
    int dims;
    int64_t shape[PQ_MAX_DIMS], stride[3][PQ_MAX_DIMS];
    int rc = broadcast(f, count, in, &dims, shape, stride);
    if (rc)
        return rc;
    bool constant = true, whole_in = true;
    for (int k = 0; k < count; k++) {
        constant = constant && pq_number_constant(&in[k]);
        whole_in = whole_in && in[k].whole;
    }
    unsigned char *bytes = NULL;
    double *samples = NULL;
    const enum pq_dtype dtype = whole ? PQ_I64 : PQ_F32;
    rc = constant ? new_constant(f, dtype, whole, dims, shape, &bytes, out)
                  : pq_number_new(f, whole, dims, shape, &samples, out);
    if (rc)
        return rc;
    const size_t total = pq_number_count(out);
    for (int s = 0; s < (constant ? 1 : PQ_SAMPLES); s++) {
        int64_t index[PQ_MAX_DIMS] = {0};
        for (size_t i = 0; i < total; i++, next(index, &out->tensor)) {
            double x[3] = {0};
            for (int k = 0; k < count; k++)
                x[k] = pq_number_at(&in[k], s, (size_t)at_index(index, stride[k], dims));
            double y = fn(x[0], x[1], x[2], whole_in);
            if (!whole)
                y = (double)(float)y;
            if (constant)
                put(dtype, y, bytes + i * pq_dtype_size(dtype));
            else
                samples[(size_t)s * total + i] = y;
        }
    }
    return constant ? 0 : pq_number_settle(f, out);
}
