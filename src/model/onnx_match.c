/* SPDX-License-Identifier: MIT */
/* Groups of nodes that are one operation, known by their last node:
 *
 *     SiLU        x * Sigmoid(x)
 *     Mish        x * Tanh(Softplus(x))
 *     GELU        x * 1/2 * (1 + Erf(x / sqrt 2)), its factors in any order
 *                 the same with Tanh(sqrt(2 / pi) (x + 0.044715 x^3))
 *     layer norm  (x - mean) / Sqrt(mean((x - mean)^2) + eps), means over the same axes
 *     roll        Concat of the last rows (or columns) of a picture and of its first
 *     unit norm   x / Expand(Clip(ReduceL2(x)))
 *     crop        Slice of Slice, rows and columns each by an amount that depends on the size
 *
 * What is inside may have been refused by itself. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_emit.h"
#include "model/onnx_ops.h"

static const struct pq_onnx_node *maker(const struct pq_import *im, int id, const char *op)
{
    if (id < 0 || im->values[id].maker < 0)
        return NULL;
    const struct pq_onnx_node *node = &im->file->nodes[im->values[id].maker];
    const bool ours = !node->domain.size || pq_span_is(node->domain, "ai.onnx");
    return ours && pq_span_is(node->op, op) ? node : NULL;
}

static int input(const struct pq_import *im, const struct pq_onnx_node *node, size_t i)
{
    return i < node->ins ? im->ids[node->first_in + i] : -1;
}

static bool constant(const struct pq_import *im, int id, double *value)
{
    if (id < 0 || im->values[id].kind != PQ_VALUE_NUMBER)
        return false;
    const struct pq_number *n = &im->values[id].number;
    if (!pq_number_constant(n) || pq_number_count(n) != 1)
        return false;
    *value = pq_number_at(n, 0, 0);
    return true;
}

static bool about(double a, double b)
{
    return fabs(a - b) <= 1e-3 * fabs(b); /* half floats too */
}

/* The one input of a binary node that is a constant, and the other. */
static bool with_constant(const struct pq_import *im, const struct pq_onnx_node *node,
                          double *value, int *other)
{
    for (size_t i = 0; i < 2; i++) {
        if (constant(im, input(im, node, i), value)) {
            *other = input(im, node, 1 - i);
            return *other >= 0;
        }
    }
    return false;
}

/* ---- products ---- */

enum { FACTORS = 4 };

/* A tree of Mul as a list of what is multiplied, and a number. */
struct product {
    double factor;
    int of[FACTORS], count;
};

static bool flatten(const struct pq_import *im, int id, int depth, struct product *p)
{
    double value;
    const struct pq_onnx_node *node = maker(im, id, "Mul");
    if (constant(im, id, &value)) {
        p->factor *= value;
        return true;
    }
    if (node && depth) {
        return flatten(im, input(im, node, 0), depth - 1, p) &&
               flatten(im, input(im, node, 1), depth - 1, p);
    }
    if (id < 0 || p->count == FACTORS)
        return false;
    p->of[p->count++] = id;
    return true;
}

/* Whether id is x cubed. */
static bool is_cube(const struct pq_import *im, int id, int x)
{
    double power;
    const struct pq_onnx_node *node = maker(im, id, "Pow");
    return node && input(im, node, 0) == x && constant(im, input(im, node, 1), &power) &&
           power == 3;
}

/* sqrt(2/pi) (x + 0.044715 x^3) */
static bool is_tanh_argument(const struct pq_import *im, int id, int x)
{
    struct product p = {.factor = 1};
    if (!flatten(im, id, 1, &p) || p.count != 1 || !about(p.factor, 0.7978845608))
        return false;
    const struct pq_onnx_node *sum = maker(im, p.of[0], "Add");
    for (size_t i = 0; sum && i < 2; i++) {
        for (int depth = 1; depth <= 3 && input(im, sum, i) == x; depth++) {
            struct product cube = {.factor = 1};
            if (!flatten(im, input(im, sum, 1 - i), depth, &cube) || !about(cube.factor, 0.044715))
                continue;
            if (cube.count == 3 && cube.of[0] == x && cube.of[1] == x && cube.of[2] == x)
                return true;
            if (cube.count == 1 && is_cube(im, cube.of[0], x))
                return true;
        }
    }
    return false;
}

/* 1 + Erf(x / sqrt 2), or 1 + Tanh(...) */
static bool is_gelu_factor(const struct pq_import *im, int id, int x, enum pq_act_kind *kind)
{
    const struct pq_onnx_node *sum = maker(im, id, "Add"), *node;
    double one, divisor;
    int inner;
    if (!sum || !with_constant(im, sum, &one, &inner) || one != 1)
        return false;
    if ((node = maker(im, inner, "Tanh"))) {
        *kind = PQ_ACT_GELU_TANH;
        return is_tanh_argument(im, input(im, node, 0), x);
    }
    if (!(node = maker(im, inner, "Erf")))
        return false;
    *kind = PQ_ACT_GELU;
    const int argument = input(im, node, 0);
    const struct pq_onnx_node *div = maker(im, argument, "Div"), *mul = maker(im, argument, "Mul");
    if (div)
        return input(im, div, 0) == x && constant(im, input(im, div, 1), &divisor) &&
               about(divisor, sqrt(2));
    return mul && with_constant(im, mul, &divisor, &inner) && inner == x &&
           about(divisor, sqrt(0.5));
}

/* Which curve of x the product of x and `other` is. */
static bool known_product(const struct pq_import *im, double factor, int x, int other,
                          enum pq_act_kind *kind)
{
    const struct pq_onnx_node *node;
    if (about(factor, 0.5))
        return is_gelu_factor(im, other, x, kind);
    if (factor != 1)
        return false;
    *kind = PQ_ACT_SILU;
    if ((node = maker(im, other, "Sigmoid")))
        return input(im, node, 0) == x;
    *kind = PQ_ACT_MISH;
    node = maker(im, other, "Tanh");
    node = node ? maker(im, input(im, node, 0), "Softplus") : NULL;
    return node && input(im, node, 0) == x;
}

static int match_factors(struct pq_import *im, const struct product *p, bool *done)
{
    enum pq_act_kind kind;
    pique_error e = {0};
    for (int i = 0; i < 2 && p->count == 2; i++) {
        const struct pq_value *x = &im->values[p->of[i]];
        if (x->kind != PQ_VALUE_PICTURE ||
            !known_product(im, p->factor, p->of[i], p->of[1 - i], &kind))
            continue;
        *done = true;
        const int op = pq_graph_curve(im->graph, x->op, kind, &e);
        return pq_import_set_picture(im, 0, pq_import_placed(im, op, &e), &x->layout);
    }
    return 0;
}

/* x may be a product itself, so how deep the tree goes is tried. */
static int match_product(struct pq_import *im, bool *done)
{
    enum { DEPTH = 3 };
    int rc = 0;
    for (int i = 0; i < DEPTH * DEPTH && !rc && !*done; i++) {
        struct product p = {.factor = 1};
        if (flatten(im, input(im, im->node, 0), i / DEPTH, &p) &&
            flatten(im, input(im, im->node, 1), i % DEPTH, &p))
            rc = match_factors(im, &p, done);
    }
    return rc;
}

/* ---- layer norm ---- */

/* The axes of a mean that keeps its dimensions, as bits; 0: it is none. */
static unsigned mean_axes(struct pq_import *im, const struct pq_onnx_node *mean, int dims)
{
    const struct pq_onnx_node *last = im->node;
    int64_t axes[PQ_MAX_DIMS];
    unsigned bits = 0;
    int n = -1, d;
    im->node = mean;
    if (pq_import_int(im, "keepdims", 1) && !pq_import_ints(im, "axes", 1, PQ_MAX_DIMS, axes, &n)) {
        for (int i = 0; i < n; i++)
            bits |= pq_import_axis(im, axes[i], dims, &d) ? 0 : 1u << d;
    }
    im->node = last;
    return bits;
}

/* x - mean(x): x, and the axes. */
static unsigned centred(struct pq_import *im, int id, int *x)
{
    const struct pq_onnx_node *sub = maker(im, id, "Sub");
    const struct pq_onnx_node *mean = sub ? maker(im, input(im, sub, 1), "ReduceMean") : NULL;
    *x = mean ? input(im, sub, 0) : -1;
    if (*x < 0 || input(im, mean, 0) != *x || im->values[*x].kind != PQ_VALUE_PICTURE)
        return 0;
    return mean_axes(im, mean, im->values[*x].layout.dims);
}

/* Whether id is the square of x - mean(x) over these axes. */
static bool is_square(struct pq_import *im, int id, int x, unsigned axes)
{
    const struct pq_onnx_node *pow = maker(im, id, "Pow"), *mul = maker(im, id, "Mul");
    double power;
    int same;
    if (pow && (!constant(im, input(im, pow, 1), &power) || power != 2))
        return false;
    if (mul && input(im, mul, 0) != input(im, mul, 1))
        return false;
    return (pow || mul) && centred(im, input(im, pow ? pow : mul, 0), &same) == axes && same == x;
}

/* Sqrt(mean((x - mean)^2) + eps) */
static bool is_deviation(struct pq_import *im, int id, int x, unsigned axes, double *eps)
{
    const struct pq_onnx_node *root = maker(im, id, "Sqrt");
    const struct pq_onnx_node *sum = root ? maker(im, input(im, root, 0), "Add") : NULL;
    int variance;
    if (!sum || !with_constant(im, sum, eps, &variance))
        return false;
    const struct pq_onnx_node *mean = maker(im, variance, "ReduceMean");
    return mean && mean_axes(im, mean, im->values[x].layout.dims) == axes &&
           is_square(im, input(im, mean, 0), x, axes);
}

/* Over pixels too: the dimensions that are left are upper digits of the channels. */
static bool groups_of(const struct pq_layout *l, unsigned axes, int channels, int *groups)
{
    *groups = 1;
    for (int d = 0, i = 0; d < l->dims; d++) {
        for (int end = i + l->length[d]; i < end; i++) {
            if (axes & 1u << d)
                continue;
            const struct pq_atom *a = &l->atoms[i];
            if (a->axis != PQ_CHANNELS || *groups * a->size * a->inner != channels)
                return false;
            *groups *= a->size;
        }
    }
    return true;
}

static int match_norm(struct pq_import *im, bool *done)
{
    double eps;
    int x, groups, op;
    const unsigned axes = centred(im, input(im, im->node, 0), &x);
    if (!axes || !is_deviation(im, input(im, im->node, 1), x, axes, &eps))
        return 0;
    *done = true;
    struct pq_value v = im->values[x];
    const int channels = im->graph->ops[v.op].channels;
    const int dim = pq_layout_channel_dim(&v.layout, channels);
    pique_error e = {0};
    if (dim >= 0 && axes == 1u << dim) {
        int rc = pq_layout_settle(im, &v, dim);
        if (rc)
            return rc;
        op = pq_graph_norm(im->graph, v.op, PQ_OP_LAYER_NORM, NULL, NULL, (float)eps, &e);
    } else if (groups_of(&v.layout, axes, channels, &groups) && !im->graph->ops[v.op].global) {
        op = pq_graph_group_norm(im->graph, v.op, groups, NULL, NULL, (float)eps, &e);
    } else {
        return pq_import_refuse(im, "it normalises over something else than channels, or pixels of "
                                    "groups of channels");
    }
    return pq_import_set_picture(im, 0, pq_import_placed(im, op, &e), &v.layout);
}

/* ---- slices ---- */

static int match_slices(struct pq_import *im, bool *done)
{
    const int between = input(im, im->node, 0);
    const struct pq_onnx_node *before = maker(im, between, "Slice");
    if (!before || im->values[between].kind != PQ_VALUE_REFUSED)
        return 0;
    const int from = input(im, before, 0);
    if (from < 0 || im->values[from].kind != PQ_VALUE_PICTURE)
        return 0;
    *done = true;
    return pq_op_slice_twice(im, before, &im->values[from]);
}

/* Where the one axis of a Slice begins and ends, for all samples alike; extent: of the sample. */
struct run {
    int dim;
    const struct pq_number *from, *to;
};

static bool one_run(struct pq_import *im, const struct pq_onnx_node *slice, int dims,
                    struct run *run)
{
    const struct pq_onnx_node *last = im->node;
    int64_t axes[PQ_MAX_DIMS], steps[PQ_MAX_DIMS];
    int with_axes = 0, with_steps = 0;
    im->node = slice;
    int rc = pq_import_ints(im, "", 3, PQ_MAX_DIMS, axes, &with_axes);
    rc = rc ? rc : pq_import_ints(im, "", 4, PQ_MAX_DIMS, steps, &with_steps);
    const struct pq_value *from = pq_import_in(im, 1), *to = pq_import_in(im, 2);
    bool ok = !rc && with_axes == 1 && (with_steps < 0 || (with_steps == 1 && steps[0] == 1)) &&
              from->kind == PQ_VALUE_NUMBER && to->kind == PQ_VALUE_NUMBER &&
              pq_number_count(&from->number) == 1 && pq_number_count(&to->number) == 1 &&
              !pq_import_axis(im, axes[0], dims, &run->dim);
    run->from = &from->number;
    run->to = &to->number;
    im->node = last;
    return ok;
}

/* x from `by` on, then what is before. */
static bool is_roll(struct pq_import *im, const struct pq_value *x, const struct run *a,
                    const struct run *b, int *by)
{
    const double start = pq_number_at(a->from, 0, 0);
    if (a->dim != b->dim || !pq_number_same(a->from, 0) || !(fabs(start) <= PQ_MAX_PAD) ||
        start != floor(start))
        return false;
    *by = (int)start;
    for (int s = 0; s < PQ_SAMPLES; s++) {
        const double extent = (double)pq_layout_extent(im, x, a->dim, s);
        const double end = pq_number_at(b->to, s, 0), at = start < 0 ? start + extent : start;
        if (at < 0 || at > extent || pq_number_at(a->to, s, 0) < extent ||
            pq_number_at(b->from, s, 0) != 0 || (end < 0 ? end + extent : end) != at)
            return false;
    }
    return true;
}

static int match_roll(struct pq_import *im, bool *done)
{
    const struct pq_onnx_node *first = maker(im, input(im, im->node, 0), "Slice");
    const struct pq_onnx_node *second = maker(im, input(im, im->node, 1), "Slice");
    struct run a, b;
    int by, dim;
    const int x = first ? input(im, first, 0) : -1;
    if (im->node->ins != 2 || !second || x < 0 || input(im, second, 0) != x ||
        im->values[x].kind != PQ_VALUE_PICTURE)
        return 0;
    const struct pq_value *v = &im->values[x];
    pique_error *const err = im->err;
    pique_error ignored = {0};
    im->err = &ignored;
    const bool runs = one_run(im, first, v->layout.dims, &a) &&
                      one_run(im, second, v->layout.dims, &b) &&
                      !pq_import_axis(im, pq_import_int(im, "axis", 0), v->layout.dims, &dim);
    im->err = err;
    const int axis = runs && dim == a.dim ? pq_layout_axis(&v->layout, dim) : -1;
    if (axis < 0 || !is_roll(im, v, &a, &b, &by))
        return 0;
    struct pq_layout l = v->layout;
    l.roll[axis] += by;
    if (abs(l.roll[axis]) > PQ_MAX_PAD)
        return 0;
    *done = true;
    return pq_import_set_picture(im, 0, v->op, &l);
}

/* ---- unit norm ---- */

static bool only_pixels(const struct pq_layout *l, int dim)
{
    const struct pq_atom *a = &l->atoms[pq_layout_first(l, dim)];
    bool all = l->length[dim] > 0;
    for (int i = 0; i < l->length[dim]; i++)
        all = all && a[i].axis != PQ_CHANNELS;
    return all;
}

/* Clip or Max, whose bound may be anything small. */
static int before_bound(const struct pq_import *im, int id)
{
    double bound;
    int other;
    const struct pq_onnx_node *clip = maker(im, id, "Clip"), *max = maker(im, id, "Max");
    if (clip && constant(im, input(im, clip, 1), &bound) && bound >= 0 && bound <= 1e-6)
        return input(im, clip, 0);
    if (max && with_constant(im, max, &bound, &other) && bound >= 0 && bound <= 1e-6)
        return other;
    return -1;
}

static int match_unit(struct pq_import *im, bool *done)
{
    const int x = input(im, im->node, 0);
    const struct pq_onnx_node *expand = maker(im, input(im, im->node, 1), "Expand");
    const int norm = before_bound(im, input(im, expand ? expand : im->node, expand ? 0 : 1));
    const struct pq_onnx_node *l2 = maker(im, norm, "ReduceL2");
    if (!l2 || input(im, l2, 0) != x || im->values[x].kind != PQ_VALUE_PICTURE)
        return 0;
    const unsigned axes = mean_axes(im, l2, im->values[x].layout.dims);
    struct pq_layout l = im->values[x].layout;
    for (int d = 0; d < l.dims; d++) {
        if (axes != 1u << d || !only_pixels(&l, d))
            continue;
        l.unit = d + 1;
        *done = true;
        int rc = pq_import_set_picture(im, 0, im->values[x].op, &l);
        struct pq_value *v = pq_import_out(im, 0);
        if (!rc && v)
            v->kind = PQ_VALUE_UNIT;
        return rc;
    }
    return 0;
}

static int match_quotient(struct pq_import *im, bool *done)
{
    int rc = match_norm(im, done);
    return rc || *done ? rc : match_unit(im, done);
}

int pq_import_match(struct pq_import *im, bool *done)
{
    static const struct {
        const char *op;
        int (*match)(struct pq_import *im, bool *done);
    } last[] = {{"Mul", match_product},
                {"Div", match_quotient},
                {"Slice", match_slices},
                {"Concat", match_roll}};
    *done = false;
    for (size_t i = 0; i < PQ_COUNT(last); i++) {
        if (pq_span_is(im->node->op, last[i].op))
            return last[i].match(im, done);
    }
    return 0;
}
