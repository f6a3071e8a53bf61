/* SPDX-License-Identifier: MIT */
/* Operators that move elements and compute nothing. Most change the layout alone. */
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_emit.h"
#include "model/onnx_ops.h"

int pq_op_same(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    int rc = pq_op_input(im, &v);
    return rc ? rc : pq_import_set_picture(im, 0, v.op, &v.layout);
}

int pq_op_cast(struct pq_import *im, int what)
{
    const int64_t to = pq_import_int(im, "to", 0);
    if (to != PQ_ONNX_FLOAT && to != PQ_ONNX_FLOAT16 && to != PQ_ONNX_DOUBLE &&
        to != PQ_ONNX_BFLOAT16)
        return pq_import_refuse(im, "a picture can only be of floating-point numbers");
    return pq_op_same(im, what);
}

int pq_op_reshape(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    struct pq_layout l;
    int rc = pq_op_input(im, &v);
    if (!rc && pq_import_in(im, 1)->kind != PQ_VALUE_NUMBER)
        rc = pq_import_fail(im, PIQUE_EFORMAT, "it lacks a shape");
    if (!rc)
        rc = pq_layout_fold(im, &v);
    if (!rc)
        rc = pq_layout_reshape(im, &v, &pq_import_in(im, 1)->number,
                               pq_import_int(im, "allowzero", 0), &l);
    return rc ? rc : pq_import_set_picture(im, 0, v.op, &l);
}

int pq_op_flatten(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    int axis = 0;
    int rc = pq_op_input(im, &v);
    const int64_t at = pq_import_int(im, "axis", 1);
    if (!rc && at != v.layout.dims)
        rc = pq_import_axis(im, at, v.layout.dims, &axis);
    else
        axis = v.layout.dims;
    struct pq_layout l = v.layout;
    memset(l.length, 0, sizeof l.length);
    l.length[0] = rc ? 0 : pq_layout_first(&v.layout, axis);
    l.length[1] = l.count - l.length[0];
    l.dims = 2;
    return rc ? rc : pq_import_set_picture(im, 0, v.op, &l);
}

int pq_op_transpose(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    struct pq_layout l;
    int64_t perm[PQ_MAX_DIMS];
    int order[PQ_MAX_DIMS], n = 0;
    unsigned seen = 0;
    int rc = pq_op_input(im, &v);
    if (!rc)
        rc = pq_import_ints(im, "perm", SIZE_MAX, PQ_MAX_DIMS, perm, &n);
    const int dims = rc ? 0 : v.layout.dims;
    for (int d = 0; d < dims; d++) {
        const int64_t from = n < 0 ? dims - 1 - d : perm[d];
        if ((n >= 0 && n != dims) || from < 0 || from >= dims || seen & 1u << from)
            return pq_import_fail(im, PIQUE_EFORMAT, "its order is no order of the dimensions");
        seen |= 1u << from;
        order[d] = (int)from;
    }
    if (rc)
        return rc;
    pq_layout_transpose(&v.layout, order, &l);
    return pq_import_set_picture(im, 0, v.op, &l);
}

int pq_op_squeeze(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    int64_t axes[PQ_MAX_DIMS];
    bool gone[PQ_MAX_DIMS] = {false};
    int n = 0;
    int rc = pq_op_input(im, &v);
    if (!rc)
        rc = pq_import_ints(im, "axes", 1, PQ_MAX_DIMS, axes, &n);
    for (int i = 0; i < n && !rc; i++) {
        int d = 0;
        rc = pq_import_axis(im, axes[i], v.layout.dims, &d);
        gone[d] = true;
        if (!rc && v.layout.length[d])
            rc = pq_import_fail(im, PIQUE_EFORMAT, "it drops a dimension that is not of extent 1");
    }
    struct pq_layout l = {.roll = {v.layout.roll[0], v.layout.roll[1]}};
    memcpy(l.atoms, v.layout.atoms, sizeof l.atoms);
    for (int d = 0; d < v.layout.dims && !rc; d++) {
        if (n < 0 ? v.layout.length[d] > 0 : !gone[d])
            l.length[l.dims++] = v.layout.length[d];
    }
    l.count = rc ? 0 : v.layout.count;
    return rc ? rc : pq_import_set_picture(im, 0, v.op, &l);
}

int pq_op_unsqueeze(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    int64_t axes[PQ_MAX_DIMS];
    bool new_one[PQ_MAX_DIMS] = {false};
    int n = 0;
    int rc = pq_op_input(im, &v);
    if (!rc)
        rc = pq_import_ints(im, "axes", 1, PQ_MAX_DIMS, axes, &n);
    const int dims = rc ? 0 : v.layout.dims + n;
    if (!rc && (n < 1 || dims > PQ_MAX_DIMS))
        rc = pq_import_refuse(im, "it makes a number of dimensions that cannot be");
    for (int i = 0; i < n && !rc; i++) {
        int d = 0;
        rc = pq_import_axis(im, axes[i], dims, &d);
        if (!rc && new_one[d])
            rc = pq_import_fail(im, PIQUE_EFORMAT, "it names an axis twice");
        new_one[d] = true;
    }
    struct pq_layout l = v.layout;
    l.dims = dims;
    for (int d = 0, from = 0; d < dims && !rc; d++)
        l.length[d] = new_one[d] ? 0 : v.layout.length[from++];
    return rc ? rc : pq_import_set_picture(im, 0, v.op, &l);
}

/* ---- channels ---- */

static bool only_channels(const struct pq_layout *l, int dim, int64_t *extent)
{
    const struct pq_atom *a = &l->atoms[pq_layout_first(l, dim)];
    *extent = 1;
    for (int i = 0; i < l->length[dim]; i++)
        *extent *= a[i].axis == PQ_CHANNELS ? a[i].size : 0;
    return *extent > 0;
}

/* Of a dimension that holds channels, or some digits of their index, the values index[0..count-1];
 * the channels of the result are in the order of the layout. */
static int pick(struct pq_import *im, const struct pq_value *v, int dim, const int64_t *index,
                int64_t count, struct pq_value *out)
{
    const struct pq_layout *l = &v->layout;
    struct pq_layout next = {.dims = l->dims, .roll = {l->roll[0], l->roll[1]}};
    int64_t extent, total = 1;
    if (!only_channels(l, dim, &extent) || count < 1)
        return pq_import_refuse(im, "only channels can be taken apart so");
    for (int d = 0, i = 0; d < l->dims; d++) {
        if (d == dim) {
            if (count > 1) {
                next.atoms[next.count++] = (struct pq_atom){PQ_CHANNELS, (int)count, 0, 0};
                next.length[d]++;
            }
            i += l->length[d];
            total *= count;
            continue;
        }
        for (int end = i + l->length[d]; i < end; i++) {
            next.atoms[next.count++] = l->atoms[i];
            next.length[d]++;
            total *= l->atoms[i].axis == PQ_CHANNELS ? l->atoms[i].size : 1;
        }
    }
    if (total > PQ_MAX_CHANNELS)
        return pq_import_refuse(im, "it makes more than %d channels", PQ_MAX_CHANNELS);
    int64_t inner = 1;
    for (int i = next.count - 1; i >= 0; i--) {
        if (next.atoms[i].axis == PQ_CHANNELS) {
            next.atoms[i].inner = (int)inner;
            inner *= next.atoms[i].size;
        }
    }
    int *from = pq_calloc((size_t)total, sizeof *from);
    if (!from)
        return pq_fail_nomem(im->err, (size_t)total * sizeof *from);
    for (int64_t c = 0; c < total; c++) {
        int64_t left = c;
        for (int d = l->dims - 1; d >= 0; d--) {
            const struct pq_atom *a = &l->atoms[pq_layout_first(l, d)];
            int64_t here = 0;
            if (d == dim) {
                here = index[left % count];
                left /= count;
            }
            for (int i = l->length[d] - 1; i >= 0; i--) {
                if (a[i].axis != PQ_CHANNELS)
                    continue;
                int64_t *digits = d == dim ? &here : &left;
                from[c] += (int)(*digits % a[i].size) * a[i].inner;
                *digits /= a[i].size;
            }
        }
    }
    out->kind = PQ_VALUE_PICTURE;
    out->op = pq_emit_select(im, v->op, from, (int)total);
    out->layout = next;
    pq_free(from);
    return PQ_MIN(out->op, 0);
}

int pq_op_pick_run(struct pq_import *im, const struct pq_value *v, int dim, int64_t first,
                   int64_t count, int64_t step, struct pq_value *out)
{
    if (count < 1 || count > PQ_MAX_CHANNELS)
        return pq_import_refuse(im, "it takes no channels, or too many");
    int64_t *index = pq_malloc((size_t)count * sizeof *index);
    if (!index)
        return pq_fail_nomem(im->err, (size_t)count * sizeof *index);
    for (int64_t i = 0; i < count; i++)
        index[i] = first + i * step;
    int rc = pick(im, v, dim, index, count, out);
    pq_free(index);
    return rc;
}

int pq_op_split(struct pq_import *im, int what)
{
    (void)what;
    enum { MAX = 64 };
    struct pq_value v, part;
    int64_t sizes[MAX], extent = 0, at = 0;
    int axis = 0, n = 0;
    const int64_t outs = (int64_t)im->node->outs;
    int rc = pq_op_input(im, &v);
    if (!rc)
        rc = pq_import_axis(im, pq_import_int(im, "axis", 0), v.layout.dims, &axis);
    if (!rc)
        rc = pq_import_ints(im, "split", 1, MAX, sizes, &n);
    if (!rc && (!only_channels(&v.layout, axis, &extent) || outs < 1 || outs > MAX))
        rc = pq_import_refuse(im, "only channels can be taken apart so");
    if (!rc && n >= 0 && n != outs)
        rc = pq_import_fail(im, PIQUE_EFORMAT, "it has not one size for each part");
    const int64_t each = rc ? 1 : (extent + outs - 1) / outs;
    for (int64_t i = 0; i < outs && !rc; i++) {
        const int64_t size = n < 0 ? PQ_MIN(each, extent - at) : sizes[i];
        if (size < 1 || size > extent - at)
            return pq_import_fail(im, PIQUE_EFORMAT, "its parts do not fit its input");
        rc = pq_op_pick_run(im, &v, axis, at, size, 1, &part);
        if (!rc)
            rc = pq_import_set_picture(im, (size_t)i, part.op, &part.layout);
        at += size;
    }
    if (!rc && at != extent)
        rc = pq_import_fail(im, PIQUE_EFORMAT, "its parts do not fit its input");
    return rc;
}

int pq_op_gather(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v, out;
    int64_t *index, extent = 1;
    int axis = 0;
    int rc = pq_op_input(im, &v);
    const struct pq_number *n = rc ? NULL : pq_op_constant(im, 1, &rc);
    if (n)
        rc = pq_import_axis(im, pq_import_int(im, "axis", 0), v.layout.dims, &axis);
    if (rc)
        return rc;
    const size_t count = pq_number_count(n);
    if (!only_channels(&v.layout, axis, &extent) || n->tensor.dims > 1 || count > PQ_MAX_CHANNELS)
        return pq_import_refuse(im, "only channels can be picked, by a list");
    index = pq_malloc((count + !count) * sizeof *index);
    if (!index)
        return pq_fail_nomem(im->err, count * sizeof *index);
    for (size_t i = 0; i < count && !rc; i++) {
        index[i] = pq_number_whole(pq_number_at(n, 0, i));
        index[i] += index[i] < 0 ? extent : 0;
        if (index[i] < 0 || index[i] >= extent)
            rc = pq_import_fail(im, PIQUE_EFORMAT, "it picks what is not there");
    }
    if (!rc)
        rc = pick(im, &v, axis, index, (int64_t)count, &out);
    pq_free(index);
    if (rc)
        return rc;
    if (n->tensor.dims == 0) {
        for (int d = axis; d + 1 < out.layout.dims; d++)
            out.layout.length[d] = out.layout.length[d + 1];
        out.layout.dims--;
    }
    return pq_import_set_picture(im, 0, out.op, &out.layout);
}

/* An input of Concat, settled so that the axis is all its channels. */
static int concat_input(struct pq_import *im, size_t i, int64_t axis, struct pq_value *v, int *dim)
{
    if (pq_import_in(im, i)->kind != PQ_VALUE_PICTURE)
        return pq_import_refuse(im, "it joins a picture with numbers");
    *v = *pq_import_in(im, i);
    int rc = pq_import_axis(im, axis, v->layout.dims, dim);
    return rc ? rc : pq_layout_settle(im, v, *dim);
}

static bool fits_beside(struct pq_import *im, const struct pq_value *a, const struct pq_value *b,
                        int dim)
{
    if (a->layout.dims != b->layout.dims)
        return false;
    for (int d = 0; d < a->layout.dims; d++) {
        for (int s = 0; s < PQ_SAMPLES && d != dim; s++) {
            if (pq_layout_extent(im, a, d, s) != pq_layout_extent(im, b, d, s))
                return false;
        }
        if (d != dim && a->layout.length[d] != b->layout.length[d])
            return false;
    }
    return im->graph->ops[a->op].global == im->graph->ops[b->op].global &&
           pq_layout_beside(&a->layout, &b->layout, dim);
}

int pq_op_concat(struct pq_import *im, int what)
{
    (void)what;
    enum { MOST = PQ_MAX_INPUTS - 1 };
    struct pq_value first, v;
    int in[MOST], count = 0, dim = 0, op = -1;
    const int64_t axis = pq_import_int(im, "axis", 0);
    pique_error e = {0};
    for (size_t i = 0; i < im->node->ins; i++) {
        int rc = concat_input(im, i, axis, &v, &dim);
        if (rc)
            return rc;
        if (i == 0)
            first = v;
        if (!fits_beside(im, &first, &v, dim)) {
            im->size_matters = true;
            return pq_import_refuse(im, "it joins pictures of different sizes");
        }
        if (count == MOST) {
            in[0] = op = pq_import_placed(im, pq_graph_concat(im->graph, count, in, &e), &e);
            count = 1;
            if (op < 0)
                return op;
        }
        in[count++] = v.op;
    }
    if (!count)
        return pq_import_fail(im, PIQUE_EFORMAT, "it has no inputs");
    op = count == 1 ? in[0] : pq_import_placed(im, pq_graph_concat(im->graph, count, in, &e), &e);
    if (op < 0)
        return op;
    struct pq_layout l = {.dims = first.layout.dims,
                          .roll = {first.layout.roll[0], first.layout.roll[1]}};
    for (int d = 0, i = 0; d < l.dims; i += first.layout.length[d++]) {
        for (int k = 0; k < first.layout.length[d] && d != dim; k++) {
            l.atoms[l.count++] = first.layout.atoms[i + k];
            l.length[d]++;
        }
        if (d == dim && im->graph->ops[op].channels > 1) {
            l.atoms[l.count++] = (struct pq_atom){PQ_CHANNELS, im->graph->ops[op].channels, 1, 0};
            l.length[d] = 1;
        }
    }
    return pq_import_set_picture(im, 0, op, &l);
}

/* A dimension of extent 1 becomes one of `times`: each channel that often. */
static int repeat(struct pq_import *im, struct pq_value *v, int dim, int times)
{
    struct pq_layout *l = &v->layout;
    const int channels = im->graph->ops[v->op].channels;
    if (l->count == PQ_MAX_ATOMS || times > PQ_MAX_CHANNELS / channels)
        return pq_import_refuse(im, "it makes more than %d channels", PQ_MAX_CHANNELS);
    int *from = pq_malloc((size_t)(channels * times) * sizeof *from);
    if (!from)
        return pq_fail_nomem(im->err, (size_t)(channels * times) * sizeof *from);
    for (int c = 0; c < channels * times; c++)
        from[c] = c / times;
    v->op = pq_emit_select(im, v->op, from, channels * times);
    pq_free(from);
    for (int i = 0; i < l->count; i++)
        l->atoms[i].inner *= l->atoms[i].axis == PQ_CHANNELS ? times : 1;
    const int at = pq_layout_first(l, dim);
    memmove(&l->atoms[at + 1], &l->atoms[at], (size_t)(l->count - at) * sizeof *l->atoms);
    l->atoms[at] = (struct pq_atom){PQ_CHANNELS, times, 1, 0};
    l->length[dim] = 1;
    l->count++;
    return PQ_MIN(v->op, 0);
}

int pq_op_expand(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    int rc = pq_op_input(im, &v);
    const struct pq_value *to = pq_import_in(im, 1);
    if (!rc && (to->kind != PQ_VALUE_NUMBER || to->number.tensor.dims != 1))
        rc = pq_import_fail(im, PIQUE_EFORMAT, "it lacks a shape");
    const int dims = rc ? 0 : (int)PQ_MIN(pq_number_count(&to->number), PQ_MAX_DIMS + 1);
    if (!rc && dims != v.layout.dims)
        rc = pq_import_refuse(im, "it adds dimensions");
    for (int d = 0; d < dims && !rc; d++) {
        bool same = true, one = true;
        for (int s = 0; s < (im->fixed ? 1 : PQ_SAMPLES); s++) {
            const double want = pq_number_at(&to->number, s, (size_t)d);
            same = same && (want == 1 || want == (double)pq_layout_extent(im, &v, d, s));
            one = one && want == pq_number_at(&to->number, 0, (size_t)d);
        }
        const double times = pq_number_at(&to->number, 0, (size_t)d);
        if (same)
            continue;
        if (!one || v.layout.length[d] || !(times >= 2 && times <= PQ_MAX_CHANNELS))
            rc = pq_import_refuse(im, "only channels can be repeated");
        else
            rc = repeat(im, &v, d, (int)times);
    }
    return rc ? rc : pq_import_set_picture(im, 0, v.op, &v.layout);
}

/* ---- blocks ---- */

static int block_size(struct pq_import *im, int *op, int *block)
{
    int rc = pq_layout_picture(im, pq_import_in(im, 0), op);
    const int64_t size = pq_import_int(im, "blocksize", 0);
    if (!rc && (size < 1 || size > PQ_MAX_FACTOR))
        rc = pq_import_refuse(im, "blocks of 1 to %d can be run", PQ_MAX_FACTOR);
    *block = (int)size;
    return rc;
}

int pq_op_depth_to_space(struct pq_import *im, int what)
{
    (void)what;
    int op, block;
    int rc = block_size(im, &op, &block);
    const bool crd = pq_import_text(im, "mode", "CRD", false);
    if (!rc && !crd && !pq_import_text(im, "mode", "DCR", true))
        rc = pq_import_fail(im, PIQUE_EFORMAT, "its mode is neither CRD nor DCR");
    if (!rc && im->graph->ops[op].channels % (block * block))
        rc = pq_import_fail(im, PIQUE_EFORMAT, "its channels do not fit its blocks");
    if (rc)
        return rc;
    return pq_op_set_nchw(im, 0, pq_emit_shuffle(im, op, block, !crd));
}

int pq_op_space_to_depth(struct pq_import *im, int what)
{
    (void)what;
    int op, block;
    int rc = block_size(im, &op, &block);
    if (rc)
        return rc;
    return pq_op_set_nchw(im, 0, pq_emit_unshuffle(im, op, block, true));
}
