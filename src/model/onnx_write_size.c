/* SPDX-License-Identifier: MIT */
/* Shapes that a file computes from the size of its picture, and resizes. */
#include "base/alloc.h"
#include "model/onnx_file.h"
#include "model/onnx_write_ops.h"

/* ---- what all build with ---- */

struct pq_onnx_name pq_export_in(const struct pq_exporting *x, const struct pq_op *op, int k)
{
    return x->values[op->in[k]];
}

struct pq_onnx_name pq_export_as_it_is(struct pq_exporting *x, const struct pq_tensor *t)
{
    return pq_onnx_weight(&x->w, t, t->dims, t->shape);
}

struct pq_onnx_name pq_export_times(struct pq_exporting *x, struct pq_onnx_name v, float factor)
{
    return factor == 1 ? v : pq_onnx_node2(&x->w, "Mul", v, pq_onnx_scalar(&x->w, factor));
}

struct pq_onnx_name pq_export_plus(struct pq_exporting *x, struct pq_onnx_name v, float term)
{
    return pq_onnx_node2(&x->w, "Add", v, pq_onnx_scalar(&x->w, term));
}

struct pq_onnx_name pq_export_whole(struct pq_exporting *x, int64_t value)
{
    return pq_onnx_ints(&x->w, 1, &value);
}

struct pq_onnx_name pq_export_joined(struct pq_exporting *x, int count,
                                     const struct pq_onnx_name *parts)
{
    pq_onnx_put_int(&x->w, "axis", 0);
    return pq_onnx_node(&x->w, "Concat", count, parts);
}

struct pq_onnx_name pq_export_slice(struct pq_exporting *x, struct pq_onnx_name v, int count,
                                    const int64_t *from, struct pq_onnx_name to,
                                    const int64_t *axes)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name all[] = {v, pq_onnx_ints(w, count, from), to,
                                       pq_onnx_ints(w, count, axes)};
    return pq_onnx_node(w, "Slice", 4, all);
}

struct pq_onnx_name pq_export_extent(struct pq_exporting *x, struct pq_onnx_name size, int64_t i)
{
    static const int64_t axis = 0;
    return pq_export_slice(x, size, 1, &i, pq_export_whole(x, i + 1), &axis);
}

struct pq_onnx_name pq_export_shape(struct pq_exporting *x, struct pq_onnx_name v, int64_t from,
                                    int64_t to)
{
    static const int64_t axis = 0;
    return pq_export_slice(x, pq_onnx_node1(&x->w, "Shape", v), 1, &from, pq_export_whole(x, to),
                           &axis);
}

struct pq_onnx_name pq_export_size(struct pq_exporting *x, struct pq_onnx_name v)
{
    return pq_export_shape(x, v, 2, 4);
}

struct pq_onnx_name pq_export_count(struct pq_exporting *x, struct pq_onnx_name extent)
{
    struct pq_onnx_writer *w = &x->w;
    /* Range is of scalars. */
    const struct pq_onnx_name all[] = {pq_onnx_node1(w, "Squeeze", pq_export_whole(x, 0)),
                                       pq_onnx_node1(w, "Squeeze", extent),
                                       pq_onnx_node1(w, "Squeeze", pq_export_whole(x, 1))};
    return pq_onnx_node(w, "Range", 3, all);
}

struct pq_onnx_name pq_export_float(struct pq_exporting *x, struct pq_onnx_name v)
{
    pq_onnx_put_int(&x->w, "to", PQ_ONNX_FLOAT);
    return pq_onnx_node1(&x->w, "Cast", v);
}

struct pq_onnx_name pq_export_reshape(struct pq_exporting *x, struct pq_onnx_name v, int count,
                                      const int64_t *shape)
{
    return pq_onnx_node2(&x->w, "Reshape", v, pq_onnx_ints(&x->w, count, shape));
}

struct pq_onnx_name pq_export_transpose(struct pq_exporting *x, struct pq_onnx_name v, int count,
                                        const int64_t *order)
{
    pq_onnx_put_ints(&x->w, "perm", count, order);
    return pq_onnx_node1(&x->w, "Transpose", v);
}

struct pq_onnx_name pq_export_softmax(struct pq_exporting *x, struct pq_onnx_name v, int axis)
{
    pq_onnx_put_int(&x->w, "axis", axis);
    return pq_onnx_node1(&x->w, "Softmax", v);
}

struct pq_onnx_name pq_export_picture(struct pq_exporting *x, struct pq_onnx_name v, int channels,
                                      struct pq_onnx_name size)
{
    const struct pq_onnx_name shape[] = {pq_onnx_ints(&x->w, 2, (const int64_t[]){0, channels}),
                                         size};
    return pq_onnx_node2(&x->w, "Reshape", v, pq_export_joined(x, 2, shape));
}

/* ---- resizes ---- */

struct pq_onnx_name pq_export_resize(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name none = {""};
    struct pq_onnx_name all[4] = {pq_export_in(x, op, 0), none, none, none};
    int count = 3;
    if (op->kind == PQ_OP_BILINEAR) {
        const struct pq_onnx_name shape[] = {pq_export_shape(x, all[0], 0, 2),
                                             pq_export_size(x, x->values[op->like])};
        all[3] = pq_export_joined(x, 2, shape);
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

struct pq_onnx_name pq_export_shuffle(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    pq_onnx_put_int(w, "blocksize", op->factor);
    if (op->kind == PQ_OP_PIXEL_SHUFFLE) {
        pq_onnx_put_text(w, "mode", op->by_place ? "DCR" : "CRD");
        return pq_onnx_node1(w, "DepthToSpace", pq_export_in(x, op, 0));
    }
    /* SpaceToDepth counts the place in a block above the channel. */
    const struct pq_onnx_name v = pq_onnx_node1(w, "SpaceToDepth", pq_export_in(x, op, 0));
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
