/* SPDX-License-Identifier: MIT */
/* Attention, which exporters write as products of pictures. The first, of queries and keys, is not
 * computed but becomes a value of a kind of its own, which gathers what is done to it: a scale,
 * biases, a mask, Softmax. The product with the values then is one operation:
 *
 *     sums over channels, in windows or over a grid     pq_graph_attention()
 *     sums over all pixels, of unit norm                pq_graph_channel_mix()
 *     sums over the pixels of windows                   pq_graph_channel_attention()
 *     sums over every n-th pixel                        the second, of an unshuffled picture
 *
 * Which pixels meet follows from the layouts: where Reshape and Transpose have brought the digits
 * of rows and columns. */
#include <math.h>
#include <string.h>

#include "model/onnx_emit.h"
#include "model/onnx_ops.h"
#include "model/onnx_scores.h"

int pq_scores_dims(const struct pq_scores *s)
{
    return s->at.dims + 1;
}

int64_t pq_scores_extent(struct pq_import *im, const struct pq_scores *s, int dim, int sample)
{
    const bool key = dim == s->at.dims;
    const struct pq_value v = {
        .kind = PQ_VALUE_PICTURE, .op = key ? s->k : s->q, .layout = key ? s->keys : s->at};
    return pq_layout_extent(im, &v, key ? s->keys.dims - 1 : dim, sample);
}

int pq_scores_sample(const struct pq_import *im)
{
    return im->fixed ? 0 : PQ_SMALL;
}

static bool only(const struct pq_layout *l, int dim, bool channels)
{
    const struct pq_atom *a = &l->atoms[pq_layout_first(l, dim)];
    for (int i = 0; i < l->length[dim]; i++) {
        if ((a[i].axis == PQ_CHANNELS) != channels)
            return false;
    }
    return true;
}

static int64_t product(const struct pq_layout *l, int first, int end)
{
    int64_t all = 1;
    for (int i = pq_layout_first(l, first); i < pq_layout_first(l, end); i++)
        all *= l->atoms[i].axis == PQ_CHANNELS ? l->atoms[i].size : 1;
    return all;
}

/* ---- queries and keys ---- */

/* What multiplies all channels alike goes into the scale. */
static double take_factor(const struct pq_import *im, int *op)
{
    const struct pq_op *x = &im->graph->ops[*op];
    float factor = 1, f, t;
    if (x->kind != PQ_OP_AFFINE || x->inputs != 1)
        return 1;
    for (int c = 0; c < x->channels; c++) {
        pq_tensor_to_f32(&x->weight, (size_t)c, 1, &f);
        pq_tensor_to_f32(&x->bias, (size_t)c, 1, &t);
        if (t != 0 || (c && f != factor))
            return 1;
        factor = f;
    }
    *op = x->in[0];
    return (double)factor;
}

static int refuse(struct pq_import *im)
{
    return pq_import_refuse(im, "this product of two pictures cannot be run");
}

/* [batch, queries, sum] and [batch, sum, keys] */
static int begin(struct pq_import *im, struct pq_value q, struct pq_value k, struct pq_scores *s)
{
    const int dims = q.layout.dims, batch = dims - 2;
    if (dims < 2 || k.layout.dims != dims || q.kind != k.kind || im->graph->ops[q.op].global ||
        im->graph->ops[k.op].global)
        return refuse(im);
    s->unit = q.kind == PQ_VALUE_UNIT;
    const int sum_q = dims - 1, sum_k = dims - 2;
    if (s->unit ? q.layout.unit != sum_q + 1 || k.layout.unit != sum_k + 1
                : !only(&q.layout, sum_q, true) || !only(&k.layout, sum_k, true))
        return refuse(im);
    s->factor = 1;
    if (!s->unit)
        s->factor = take_factor(im, &q.op) * take_factor(im, &k.op);
    int rc = pq_layout_heads(im, &q, s->unit ? dims - 2 : sum_q);
    if (!rc)
        rc = pq_layout_heads(im, &k, s->unit ? dims - 1 : sum_k);
    if (rc)
        return rc;
    for (int d = 0; d < batch; d++) {
        if (product(&q.layout, d, d + 1) != product(&k.layout, d, d + 1))
            return refuse(im);
    }
    s->heads = (int)product(&q.layout, 0, batch);
    s->dim = im->graph->ops[q.op].channels / s->heads;
    if (im->graph->ops[k.op].channels != im->graph->ops[q.op].channels)
        return refuse(im);
    s->q = q.op;
    s->k = k.op;
    s->keys = k.layout;
    s->at = q.layout;
    const int first = pq_layout_first(&s->at, sum_q);
    s->sums = s->unit ? s->at.length[sum_q] : 0;
    if (s->sums > 2)
        return refuse(im);
    for (int i = 0; i < s->sums; i++)
        s->sum[i] = s->at.atoms[first + i];
    s->at.count = first;
    s->at.dims--;
    s->at.unit = 0;
    s->at.length[sum_q] = 0;
    const int sample = pq_scores_sample(im);
    const int64_t queries = pq_scores_extent(im, s, dims - 2, sample),
                  keys = pq_scores_extent(im, s, dims - 1, sample);
    if (queries > PQ_MAX_TOKENS || keys > PQ_MAX_TOKENS)
        return pq_import_refuse(im, "attention among more than %d pixels cannot be run",
                                PQ_MAX_TOKENS);
    s->queries = (int)queries;
    s->keys_count = (int)keys;
    return 0;
}

static int set_scores(struct pq_import *im, const struct pq_scores *s)
{
    struct pq_value *v = pq_import_out(im, 0);
    struct pq_scores *copy = pq_graph_own(im->graph, sizeof *copy);
    if (!copy)
        return pq_fail_nomem(im->err, sizeof *copy);
    *copy = *s;
    if (v) {
        v->kind = PQ_VALUE_SCORES;
        v->scores = copy;
    }
    return 0;
}

static bool same_dim(const struct pq_layout *a, int d, const struct pq_layout *b, int e)
{
    struct pq_layout x = *a, y = *b;
    const int i = pq_layout_first(a, d), j = pq_layout_first(b, e);
    memmove(x.atoms, a->atoms + i, (size_t)a->length[d] * sizeof *x.atoms);
    memmove(y.atoms, b->atoms + j, (size_t)b->length[e] * sizeof *y.atoms);
    x.count = x.length[0] = a->length[d];
    y.count = y.length[0] = b->length[e];
    x.dims = y.dims = 1;
    return pq_layout_same(&x, &y);
}

/* Softmax of scores, times [batch, keys, channels] or [batch, channels, pixels]. */
static int attend(struct pq_import *im, const struct pq_scores *s, struct pq_value v)
{
    const int dims = pq_scores_dims(s), channels = s->unit ? dims - 2 : dims - 1;
    const int keys = dims - 2, batch = dims - 2;
    if (!s->softmaxed || v.kind != PQ_VALUE_PICTURE || v.layout.dims != dims ||
        im->graph->ops[v.op].global || !only(&v.layout, channels, true))
        return refuse(im);
    int rc = pq_layout_heads(im, &v, channels);
    if (rc)
        return rc;
    bool fits = im->graph->ops[v.op].channels == s->heads * s->dim &&
                v.layout.roll[0] == s->keys.roll[0] && v.layout.roll[1] == s->keys.roll[1];
    for (int d = 0; d < batch && fits; d++) {
        fits = product(&v.layout, d, d + 1) == product(&s->at, d, d + 1);
    }
    struct pq_layout pixels = s->keys, of_v = v.layout;
    pixels.dims = of_v.dims = batch;
    fits = fits && pq_layout_beside(&pixels, &of_v, -1);
    if (fits && !s->unit)
        fits = same_dim(&v.layout, keys, &s->keys, dims - 1);
    if (fits && s->unit) {
        const int first = pq_layout_first(&v.layout, dims - 1);
        fits = v.layout.length[dims - 1] == s->sums &&
               memcmp(v.layout.atoms + first, s->sum, (size_t)s->sums * sizeof *s->sum) == 0 &&
               same_dim(&s->keys, dims - 2, &v.layout, dims - 1);
    }
    if (!fits)
        return refuse(im);
    int frame;
    const int op = pq_scores_emit(im, s, v.op, &frame);
    struct pq_layout l = s->unit ? v.layout : s->at;
    if (!s->unit) {
        l.length[l.dims++] = s->dim > 1;
        if (s->dim > 1)
            l.atoms[l.count++] = (struct pq_atom){PQ_CHANNELS, s->dim, 1, 0};
    }
    l.frame = op < 0 ? 0 : frame + 1;
    return pq_import_set_picture(im, 0, op, &l);
}

/* ---- what is done to scores ---- */

static int reshape(struct pq_import *im, struct pq_scores *s)
{
    const struct pq_value *shape = pq_import_in(im, 1);
    if (shape->kind != PQ_VALUE_NUMBER || shape->number.tensor.dims != 1 || !shape->number.whole)
        return pq_import_fail(im, PIQUE_EFORMAT, "it lacks a shape");
    const int64_t count = (int64_t)pq_number_count(&shape->number), keys = s->keys.dims - 1;
    if (count < 2 || count > PQ_MAX_DIMS)
        return refuse(im);
    /* The last dimension stays; what is before it is a layout like any other. */
    const double last = pq_number_at(&shape->number, 0, (size_t)count - 1);
    const double last_but_one = pq_number_at(&shape->number, 0, (size_t)count - 2);
    if ((last != s->keys_count && last != -1) || (last_but_one != s->queries && last_but_one != -1))
        return refuse(im);
    static const int64_t one = 1;
    struct pq_number list;
    int64_t shorter = count - 1;
    int rc = pq_import_folded(
        im, pq_number_view(&im->folder, &shape->number, 1, &shorter, &one, 0, &list));
    struct pq_value v = {.kind = PQ_VALUE_PICTURE, .op = s->q, .layout = s->at};
    struct pq_layout l;
    if (!rc)
        rc = pq_layout_reshape(im, &v, &list, pq_import_int(im, "allowzero", 0), &l);
    if (rc)
        return rc;
    if (!same_dim(&l, l.dims - 1, &s->at, s->at.dims - 1))
        return refuse(im);
    /* The batch of the keys goes with that of the queries. */
    v = (struct pq_value){.kind = PQ_VALUE_PICTURE, .op = s->k, .layout = s->keys};
    v.layout.dims = (int)keys - 1;
    v.layout.count = pq_layout_first(&s->keys, (int)keys - 1);
    shorter = count - 2;
    rc = pq_import_folded(im,
                          pq_number_view(&im->folder, &shape->number, 1, &shorter, &one, 0, &list));
    struct pq_layout k = {.dims = 0};
    if (!rc && shorter)
        rc = pq_layout_reshape(im, &v, &list, pq_import_int(im, "allowzero", 0), &k);
    if (rc)
        return rc;
    for (int d = (int)keys - 1; d <= keys; d++) {
        const int first = pq_layout_first(&s->keys, d);
        for (int i = 0; i < s->keys.length[d]; i++)
            k.atoms[k.count++] = s->keys.atoms[first + i];
        k.length[k.dims++] = s->keys.length[d];
    }
    memcpy(k.roll, s->keys.roll, sizeof k.roll);
    s->keys = k;
    s->at = l;
    return set_scores(im, s);
}

static int softmax(struct pq_import *im, struct pq_scores *s)
{
    int axis;
    const int dims = pq_scores_dims(s);
    int rc = pq_import_axis(im, pq_import_int(im, "axis", -1), dims, &axis);
    if (!rc && (axis != dims - 1 || s->softmaxed))
        rc = refuse(im);
    s->softmaxed = true;
    return rc ? rc : set_scores(im, s);
}

static int arithmetic(struct pq_import *im, struct pq_scores *s)
{
    const struct pq_span op = im->node->op;
    const bool first = pq_import_in(im, 0)->kind == PQ_VALUE_SCORES;
    const struct pq_value *other = pq_import_in(im, first);
    const bool div = pq_span_is(op, "Div");
    int rc;
    if (im->node->ins != 2 || (div && !first))
        return refuse(im);
    if (pq_span_is(op, "Add") &&
        (other->kind == PQ_VALUE_NUMBER || other->kind == PQ_VALUE_REFUSED))
        rc = pq_scores_add(im, s, (int)(other - im->values));
    else if ((div || pq_span_is(op, "Mul")) && other->kind == PQ_VALUE_NUMBER)
        rc = pq_scores_scale(im, s, &other->number, div);
    else
        rc = refuse(im);
    return rc ? rc : set_scores(im, s);
}

static bool moves_nothing(const struct pq_import *im)
{
    const struct pq_span op = im->node->op;
    return pq_span_is(op, "Cast") || pq_span_is(op, "Identity") || pq_span_is(op, "Dropout");
}

static int on_scores(struct pq_import *im, struct pq_scores s)
{
    const struct pq_span op = im->node->op;
    const bool first = pq_import_in(im, 0)->kind == PQ_VALUE_SCORES;
    if (pq_span_is(op, "MatMul") && first)
        return attend(im, &s, *pq_import_in(im, 1));
    if (pq_span_is(op, "Softmax") && first)
        return softmax(im, &s);
    if (pq_span_is(op, "Reshape") && first)
        return reshape(im, &s);
    if (moves_nothing(im) && first)
        return set_scores(im, &s);
    if (pq_span_is(op, "Add") || pq_span_is(op, "Mul") || pq_span_is(op, "Div"))
        return arithmetic(im, &s);
    return pq_import_refuse(im, "attention of this kind cannot be run");
}

/* A picture of norm 1 may be transposed, and is one again. */
static int on_unit(struct pq_import *im)
{
    struct pq_value *v = (struct pq_value *)pq_import_in(im, 0), *out = pq_import_out(im, 0);
    if (!moves_nothing(im) && !pq_span_is(im->node->op, "Transpose"))
        return pq_import_refuse(im, "a norm of a picture cannot be run but in attention");
    v->kind = PQ_VALUE_PICTURE;
    int rc = pq_import_op(im);
    v->kind = PQ_VALUE_UNIT;
    if (!rc && out)
        out->kind = PQ_VALUE_UNIT;
    return rc;
}

/* What only moves a border with the picture, or takes it off. */
static bool keeps_frames(const struct pq_import *im)
{
    const struct pq_span op = im->node->op;
    return pq_span_is(op, "Reshape") || pq_span_is(op, "Transpose") || pq_span_is(op, "Slice");
}

int pq_import_attention(struct pq_import *im, bool *done)
{
    const struct pq_value *a = pq_import_in(im, 0), *b = pq_import_in(im, 1);
    const bool shape = pq_span_is(im->node->op, "Shape");
    *done = false;
    for (size_t i = 0; i < im->node->ins && !shape; i++) {
        const struct pq_value *v = pq_import_in(im, i);
        const enum pq_value_kind kind = v->kind;
        if (kind == PQ_VALUE_PICTURE && v->layout.frame && !keeps_frames(im))
            return pq_import_refuse(im, "it reads a border of attention that says nothing");
        *done = *done || kind == PQ_VALUE_UNIT || kind == PQ_VALUE_SCORES;
    }
    if (pq_span_is(im->node->op, "MatMul") && im->node->ins == 2 &&
        (a->kind == PQ_VALUE_PICTURE || a->kind == PQ_VALUE_UNIT) && b->kind == a->kind) {
        struct pq_scores s = {0};
        *done = true;
        int rc = begin(im, *a, *b, &s);
        return rc ? rc : set_scores(im, &s);
    }
    if (!*done)
        return 0;
    if (a->kind == PQ_VALUE_SCORES || b->kind == PQ_VALUE_SCORES)
        return on_scores(im, a->kind == PQ_VALUE_SCORES ? *a->scores : *b->scores);
    if (a->kind == PQ_VALUE_UNIT)
        return on_unit(im);
    return pq_import_refuse(im, "attention of this kind cannot be run");
}
