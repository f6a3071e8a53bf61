/* SPDX-License-Identifier: MIT */
/* Operators on one element after another, of one picture, of a picture and a constant, or of two.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_emit.h"
#include "model/onnx_ops.h"

static int placed(struct pq_import *im, const struct pq_value *v, int op, const pique_error *e)
{
    return pq_import_set_picture(im, 0, pq_import_placed(im, op, e), &v->layout);
}

/* ---- one picture ---- */

int pq_op_curve(struct pq_import *im, int what)
{
    struct pq_value v;
    pique_error e = {0};
    int rc = pq_op_input(im, &v);
    return rc ? rc
              : placed(im, &v, pq_graph_curve(im->graph, v.op, (enum pq_act_kind)what, &e), &e);
}

int pq_op_gelu(struct pq_import *im, int what)
{
    (void)what;
    const bool none = pq_import_text(im, "approximate", "none", true);
    if (!none && !pq_import_text(im, "approximate", "tanh", false))
        return pq_import_fail(im, PIQUE_EFORMAT, "its approximation is neither none nor tanh");
    return pq_op_curve(im, none ? PQ_ACT_GELU : PQ_ACT_GELU_TANH);
}

static int leaky(struct pq_import *im, float slope)
{
    struct pq_value v;
    pique_error e = {0};
    int rc = pq_op_input(im, &v);
    if (!rc && !isfinite(slope))
        rc = pq_import_fail(im, PIQUE_EFORMAT, "its slope is not a finite number");
    return rc ? rc : placed(im, &v, pq_graph_act(im->graph, v.op, slope, NULL, &e), &e);
}

int pq_op_relu(struct pq_import *im, int what)
{
    (void)what;
    return leaky(im, 0);
}

int pq_op_leaky(struct pq_import *im, int what)
{
    (void)what;
    return leaky(im, pq_import_float(im, "alpha", 0.01F));
}

int pq_op_prelu(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    struct pq_tensor t;
    int rc = pq_op_input(im, &v);
    const struct pq_number *n = rc ? NULL : pq_op_constant(im, 1, &rc);
    if (!n)
        return rc;
    if (pq_number_count(n) == 1)
        return leaky(im, (float)pq_number_at(n, 0, 0));
    float *slopes = pq_emit_floats(im, im->graph->ops[v.op].channels, &t);
    if (!slopes)
        return pq_fail_nomem(im->err, PQ_MAX_CHANNELS * sizeof(float));
    rc = pq_op_vector(im, &v, n, slopes);
    if (rc)
        return rc;
    pique_error e = {0};
    return placed(im, &v, pq_graph_act(im->graph, v.op, 0, &t, &e), &e);
}

static int clip(struct pq_import *im, double low, double high)
{
    struct pq_value v;
    pique_error e = {0};
    int rc = pq_op_input(im, &v);
    if (!rc && (isnan(low) || isnan(high)))
        rc = pq_import_fail(im, PIQUE_EFORMAT, "a bound is not a number");
    return rc ? rc
              : placed(im, &v, pq_graph_clip(im->graph, v.op, (float)low, (float)high, &e), &e);
}

int pq_op_clip(struct pq_import *im, int what)
{
    (void)what;
    double bound[2] = {-INFINITY, INFINITY};
    for (size_t i = 0; i < 2; i++) {
        int rc;
        if (pq_import_in(im, i + 1)->kind == PQ_VALUE_NONE)
            continue;
        const struct pq_number *n = pq_op_constant(im, i + 1, &rc);
        if (!n)
            return rc;
        if (pq_number_count(n) != 1)
            return pq_import_fail(im, PIQUE_EFORMAT, "a bound is not one number");
        bound[i] = pq_number_at(n, 0, 0);
    }
    return clip(im, bound[0], bound[1]);
}

/* HardSigmoid: max(0, min(1, alpha x + beta)); HardSwish: x times that with 1/6 and 1/2. */
int pq_op_hard(struct pq_import *im, int what)
{
    struct pq_value v;
    pique_error e = {0};
    int rc = pq_op_input(im, &v);
    if (rc)
        return rc;
    const float alpha = what ? 1 / 6.0F : pq_import_float(im, "alpha", 0.2F);
    const float beta = what ? 0.5F : pq_import_float(im, "beta", 0.5F);
    int op = pq_graph_scale(im->graph, v.op, alpha, beta, &e);
    if (op >= 0)
        op = pq_graph_clip(im->graph, op, 0, 1, &e);
    if (op >= 0 && what)
        op = pq_graph_mul(im->graph, v.op, op, &e);
    return placed(im, &v, op, &e);
}

int pq_op_negate(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    pique_error e = {0};
    int rc = pq_op_input(im, &v);
    return rc ? rc : placed(im, &v, pq_graph_scale(im->graph, v.op, -1, 0, &e), &e);
}

int pq_op_power(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    pique_error e = {0};
    int rc = pq_op_input(im, &v);
    const struct pq_number *n = rc ? NULL : pq_op_constant(im, 1, &rc);
    if (!n)
        return rc;
    const double power = pq_number_count(n) == 1 ? pq_number_at(n, 0, 0) : 0;
    if (power != 1 && power != 2 && power != 3)
        return pq_import_refuse(im, "only squares and cubes can be run");
    int op = v.op;
    for (int i = 1; i < power && op >= 0; i++)
        op = pq_graph_mul(im->graph, op, v.op, &e);
    return placed(im, &v, op, &e);
}

/* ---- a picture and a constant ---- */

static bool uniform(const float *x, int n)
{
    for (int i = 1; i < n; i++) {
        if (x[i] != x[0])
            return false;
    }
    return true;
}

/* factor and term of each channel. */
static int combine(struct pq_import *im, int what, bool swapped, int channels, const float *x,
                   float *factors, float *terms)
{
    for (int c = 0; c < channels; c++) {
        factors[c] = 1;
        terms[c] = 0;
        if (what == PQ_ADD)
            terms[c] = x[c];
        else if (what == PQ_SUB)
            terms[c] = swapped ? x[c] : -x[c];
        else
            factors[c] = what == PQ_MUL ? x[c] : 1 / x[c];
        if (what == PQ_SUB && swapped)
            factors[c] = -1;
    }
    return what == PQ_DIV && swapped
               ? pq_import_refuse(im, "a number divided by a picture cannot be run")
               : 0;
}

static int with_constant(struct pq_import *im, int what, const struct pq_value *picture,
                         const struct pq_number *n, bool swapped)
{
    struct pq_value v = *picture;
    if (!pq_number_constant(n))
        return pq_import_refuse(im, "a number that depends on the picture's size cannot be run");
    for (int d = v.layout.dims; d < n->tensor.dims && d < PQ_MAX_DIMS; d++) {
        /* The constant has more dimensions: the picture gets them, of extent 1, in front. */
        memmove(v.layout.length + 1, v.layout.length, (PQ_MAX_DIMS - 1) * sizeof(int));
        v.layout.length[0] = 0;
        v.layout.dims++;
    }
    const int channels = im->graph->ops[v.op].channels;
    float *x = pq_malloc((size_t)channels * 3 * sizeof *x);
    if (!x)
        return pq_fail_nomem(im->err, (size_t)channels * 3 * sizeof *x);
    float *factors = x + channels, *terms = factors + channels;
    pique_error e = {0};
    int op = -1;
    int rc = pq_op_vector(im, &v, n, x);
    /* Settling may have changed how many channels there are, but never to more than three lists
     * hold: it is done for tensors of one value or as many as the dimension has. */
    if (!rc && im->graph->ops[v.op].channels != channels)
        rc = pq_import_refuse(im, "it mixes channels and pixels in a way that cannot be run");
    if (!rc && (what == PQ_MIN_OF || what == PQ_MAX_OF)) {
        if (!uniform(x, channels))
            rc = pq_import_refuse(im, "bounds that differ between channels cannot be run");
        else
            op = pq_graph_clip(im->graph, v.op, what == PQ_MAX_OF ? x[0] : -INFINITY,
                               what == PQ_MAX_OF ? INFINITY : x[0], &e);
        op = rc ? op : pq_import_placed(im, op, &e);
    } else if (!rc) {
        rc = combine(im, what, swapped, channels, x, factors, terms);
        if (!rc)
            op = pq_emit_affine(
                im, v.op, what == PQ_ADD || (what == PQ_SUB && !swapped) ? NULL : factors, terms);
    }
    pq_free(x);
    return rc ? rc : pq_import_set_picture(im, 0, op, &v.layout);
}

/* ---- two pictures ---- */

static bool same_size(struct pq_import *im, int a, int b)
{
    for (int s = 0; s < PQ_SAMPLES; s++) {
        if (pq_import_extent(im, a, PQ_ROWS, s) != pq_import_extent(im, b, PQ_ROWS, s) ||
            pq_import_extent(im, a, PQ_COLUMNS, s) != pq_import_extent(im, b, PQ_COLUMNS, s))
            return false;
    }
    return true;
}

/* b times one factor: what an addition has a scale for. */
static bool scaled(const struct pq_import *im, int b, float *factor, int *of)
{
    const struct pq_op *op = &im->graph->ops[b];
    if (op->kind != PQ_OP_AFFINE || op->inputs != 1)
        return false;
    for (int c = 0; c < op->channels; c++) {
        float f, t;
        pq_tensor_to_f32(&op->weight, (size_t)c, 1, &f);
        pq_tensor_to_f32(&op->bias, (size_t)c, 1, &t);
        if (t != 0 || (c && f != *factor))
            return false;
        *factor = f;
    }
    *of = op->in[0];
    return true;
}

static int join(struct pq_import *im, int what, int a, int b)
{
    pique_error e = {0};
    float factor = 1;
    int of, op = -1;
    if (what == PQ_MUL)
        op = pq_graph_mul(im->graph, a, b, &e);
    else if (what == PQ_SUB)
        op = pq_graph_add(im->graph, a, b, -1, &e);
    else if (what == PQ_ADD && scaled(im, b, &factor, &of))
        op = pq_graph_add(im->graph, a, of, factor, &e);
    else if (what == PQ_ADD && scaled(im, a, &factor, &of))
        op = pq_graph_add(im->graph, b, of, factor, &e);
    else if (what == PQ_ADD)
        op = pq_graph_add(im->graph, a, b, 1, &e);
    else
        return pq_import_refuse(im, "this of two pictures cannot be run");
    return pq_import_placed(im, op, &e);
}

/* The layout of a picture where another one may be global or have one channel. */
static int grow_dims(struct pq_import *im, struct pq_value *v, int dims)
{
    while (v->layout.dims < dims) {
        memmove(v->layout.length + 1, v->layout.length, (PQ_MAX_DIMS - 1) * sizeof(int));
        v->layout.length[0] = 0;
        v->layout.dims++;
    }
    return pq_layout_settle(im, v, pq_op_channel_dim(im, v));
}

static int two_pictures(struct pq_import *im, int what, struct pq_value a, struct pq_value b)
{
    const struct pq_graph *g = im->graph;
    if (pq_layout_same(&a.layout, &b.layout) && g->ops[a.op].channels == g->ops[b.op].channels &&
        same_size(im, a.op, b.op))
        return pq_import_set_picture(im, 0, join(im, what, a.op, b.op), &a.layout);
    const int dims = PQ_MAX(a.layout.dims, b.layout.dims);
    int rc = grow_dims(im, &a, dims);
    if (!rc)
        rc = grow_dims(im, &b, dims);
    if (rc)
        return rc;
    if (!g->ops[a.op].global && !g->ops[b.op].global && !pq_layout_beside(&a.layout, &b.layout, -1))
        return pq_import_refuse(im, "it joins pixels of different places");
    int many = PQ_MAX(g->ops[a.op].channels, g->ops[b.op].channels);
    const bool global = g->ops[a.op].global && g->ops[b.op].global;
    if (!g->ops[a.op].global && !g->ops[b.op].global && !same_size(im, a.op, b.op)) {
        im->size_matters = true;
        return pq_import_refuse(im, "it joins pictures of different sizes");
    }
    struct pq_value *const each[] = {&a, &b};
    for (int k = 0; k < 2; k++) {
        struct pq_value *v = each[k];
        if (g->ops[v->op].channels == many)
            continue;
        if (g->ops[v->op].channels != 1)
            return pq_import_fail(im, PIQUE_EFORMAT, "it joins %d channels with %d",
                                  g->ops[a.op].channels, g->ops[b.op].channels);
        if (what == PQ_MUL && !g->ops[v->op].global == !g->ops[each[!k]->op].global)
            continue; /* one factor for all channels is what a multiplication can do */
        v->op = pq_emit_spread(im, v->op, many);
        if (v->op < 0)
            return v->op;
    }
    /* The result has the layout of the one that is a picture and has all channels. */
    const struct pq_value *whole = !global && g->ops[a.op].global ? &b : &a;
    const struct pq_value *other = whole == &a ? &b : &a;
    struct pq_layout l = whole->layout;
    if (!whole->layout.length[pq_op_channel_dim(im, whole)] && many > 1)
        l = other->layout;
    return pq_import_set_picture(im, 0, join(im, what, a.op, b.op), &l);
}

int pq_op_arithmetic(struct pq_import *im, int what)
{
    const struct pq_value *a = pq_import_in(im, 0), *b = pq_import_in(im, 1);
    if (im->node->ins != 2 || a->kind == PQ_VALUE_NONE || b->kind == PQ_VALUE_NONE)
        return pq_import_refuse(im, "it has %zu inputs; two can be run", im->node->ins);
    if (b->kind == PQ_VALUE_NUMBER)
        return with_constant(im, what, a, &b->number, false);
    if (a->kind == PQ_VALUE_NUMBER)
        return with_constant(im, what, b, &a->number, true);
    return two_pictures(im, what, *a, *b);
}
