/* SPDX-License-Identifier: MIT */
/* What is added to products of queries and keys, or multiplies them: one number a head, a table of
 * biases for all windows, or a mask that differs between windows. A mask must be the one of shifted
 * windows, nothing between pixels that are neighbours in the picture and a lot between others; then
 * it is dropped, since the operation cuts such windows. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_emit.h"
#include "model/onnx_scores.h"

enum { FAR = -80 /* or less: as good as a weight of 0 */ };

/* Extent of a number along a dimension of the products, to which it is broadcast. */
static int64_t extent_of(const struct pq_tensor *t, int dims, int d)
{
    const int at = t->dims - dims + d;
    return at < 0 ? 1 : t->shape[at];
}

/* Whether it can be broadcast to the products; *windows: it differs between pixels of the batch. */
static bool fits(struct pq_import *im, const struct pq_scores *s, const struct pq_tensor *t,
                 bool *windows)
{
    const int dims = pq_scores_dims(s), sample = pq_scores_sample(im);
    *windows = false;
    for (int e = 0; e < t->dims - dims; e++) {
        if (t->shape[e] != 1)
            return false;
    }
    for (int d = 0, i = 0; d < dims; d++) {
        const int64_t extent = extent_of(t, dims, d);
        if (extent != 1 && extent != pq_scores_extent(im, s, d, sample))
            return false;
        for (int end = d < dims - 2 ? i + s->at.length[d] : 0; i < end; i++)
            *windows = *windows || (extent != 1 && s->at.atoms[i].axis != PQ_CHANNELS);
    }
    return true;
}

/* Which element a head reads, of what has no windows: in steps of the last two dimensions. */
static size_t of_head(const struct pq_scores *s, const struct pq_tensor *t, int head)
{
    const int dims = pq_scores_dims(s);
    size_t at = 0;
    for (int d = 0, i = 0; d < dims - 2; d++) {
        size_t index = 0;
        for (int end = i + s->at.length[d]; i < end; i++) {
            const struct pq_atom *a = &s->at.atoms[i];
            if (a->axis == PQ_CHANNELS)
                index = index * (size_t)a->size + (size_t)(head * s->dim / a->inner % a->size);
        }
        const size_t extent = (size_t)extent_of(t, dims, d);
        at = at * extent + (extent > 1 ? index : 0);
    }
    return at;
}

static int add_bias(struct pq_import *im, struct pq_scores *s, const struct pq_number *n)
{
    const int dims = pq_scores_dims(s);
    const int64_t rows = extent_of(&n->tensor, dims, dims - 2),
                  columns = extent_of(&n->tensor, dims, dims - 1);
    const int64_t count = (int64_t)s->heads * s->queries * s->keys_count;
    struct pq_tensor t;
    float *to = pq_emit_floats(im, count, &t);
    if (!to)
        return pq_fail_nomem(im->err, (unsigned long long)count * sizeof *to);
    if (s->bias)
        memcpy(to, s->bias, (size_t)count * sizeof *to);
    else
        memset(to, 0, (size_t)count * sizeof *to);
    s->bias = to;
    for (int h = 0; h < s->heads; h++) {
        const size_t from = of_head(s, &n->tensor, h) * (size_t)(rows * columns);
        for (int q = 0; q < s->queries; q++) {
            for (int k = 0; k < s->keys_count; k++)
                *to++ += (float)pq_number_at(
                    n, 0, from + (size_t)((rows > 1 ? q * columns : 0) + (columns > 1 ? k : 0)));
        }
    }
    return 0;
}

/* ---- masks ---- */

static int64_t floor_mod(int64_t a, int64_t b)
{
    return (a % b + b) % b;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return (a - floor_mod(a, b)) / b;
}

/* Pixels by their index in the batch and in a dimension of a layout. */
struct places {
    struct pq_import *im;
    const struct pq_layout *layout;
    int op, sample, size[2], shift[2]; /* of windows; rows, columns */
};

/* Adds the digits of an index over dimensions first .. end - 1; those of channels are none of it.
 */
static void add_digits(const struct places *p, int first, int end, int64_t index, int64_t at[2])
{
    const struct pq_layout *l = p->layout;
    const int from = pq_layout_first(l, first);
    for (int i = pq_layout_first(l, end) - 1; i >= from; i--) {
        const struct pq_atom *a = &l->atoms[i];
        if (a->axis == PQ_CHANNELS)
            continue;
        const int64_t size =
            a->size ? a->size : pq_import_extent(p->im, p->op, a->axis, p->sample) / a->inner;
        at[a->axis == PQ_COLUMNS] += index % size * a->inner;
        index /= size;
    }
}

/* A number for each window of the picture. */
static int64_t window_of(const struct places *p, const int64_t at[2])
{
    int64_t window[2];
    for (int a = 0; a < 2; a++) {
        const int64_t extent = pq_import_extent(p->im, p->op, a ? PQ_COLUMNS : PQ_ROWS, p->sample);
        const int64_t place = floor_mod(at[a] + p->layout->roll[a], extent);
        window[a] = floor_div(place - p->shift[a], p->size[a]);
    }
    return window[0] * (1 << 20) + window[1];
}

/* The windows of the pixels of one element of the batch. */
static void find_windows(const struct places *p, int batch_dims, int64_t b, int dim, int count,
                         int64_t *to)
{
    int64_t start[2] = {0, 0};
    add_digits(p, 0, batch_dims, b, start);
    for (int i = 0; i < count; i++) {
        int64_t at[2] = {start[0], start[1]};
        add_digits(p, dim, dim + 1, i, at);
        to[i] = window_of(p, at);
    }
}

static bool is_mask(const struct pq_scores *s, const struct pq_number *n, const struct places *q,
                    const struct places *k, int64_t batch, int64_t *windows)
{
    const int batch_dims = s->at.dims - 1;
    int64_t *const of_q = windows, *const of_k = windows + s->queries;
    size_t at = 0;
    for (int64_t b = 0; b < batch; b++) {
        find_windows(q, batch_dims, b, batch_dims, s->queries, of_q);
        find_windows(k, batch_dims, b, batch_dims + 1, s->keys_count, of_k);
        for (int i = 0; i < s->queries; i++) {
            for (int j = 0; j < s->keys_count; j++) {
                const double x = pq_number_at(n, 0, at++);
                if (of_q[i] == of_k[j] ? !(fabs(x) <= 1e-4) : !(x <= FAR))
                    return false;
            }
        }
    }
    return true;
}

/* Whether a mask differs along all that tells windows apart, and along nothing else. */
static bool is_by_window(const struct pq_scores *s, const struct pq_tensor *t, int64_t *batch)
{
    const int dims = pq_scores_dims(s);
    *batch = 1;
    for (int d = 0, i = 0; d < dims - 2; d++) {
        bool channels = false;
        for (int end = i + s->at.length[d]; i < end; i++) {
            channels = channels || s->at.atoms[i].axis == PQ_CHANNELS;
        }
        const int64_t extent = extent_of(t, dims, d);
        if (extent > 1 && channels)
            return false;
        *batch *= extent;
    }
    return extent_of(t, dims, dims - 2) == s->queries &&
           extent_of(t, dims, dims - 1) == s->keys_count;
}

/* Whether only keys in the source of a border count. */
static bool is_frame(const struct pq_scores *s, const struct pq_number *n, const struct places *k,
                     int64_t batch, int source, const int border[2])
{
    const int batch_dims = s->at.dims - 1;
    const int64_t rows = pq_import_extent(k->im, source, PQ_ROWS, k->sample),
                  columns = pq_import_extent(k->im, source, PQ_COLUMNS, k->sample);
    size_t i = 0;
    for (int64_t b = 0; b < batch; b++) {
        int64_t start[2] = {0, 0};
        add_digits(k, 0, batch_dims, b, start);
        for (int j = 0; j < s->keys_count; j++) {
            int64_t at[2] = {start[0], start[1]};
            add_digits(k, batch_dims + 1, batch_dims + 2, j, at);
            const double x = pq_number_at(n, 0, i++);
            const bool inside = at[0] >= border[0] && at[0] < border[0] + rows &&
                                at[1] >= border[1] && at[1] < border[1] + columns;
            if (inside ? !(fabs(x) <= 1e-4) : !(x <= FAR))
                return false;
        }
    }
    return true;
}

/* A mask of the keys alone: of those that lie in a border of zeros, as pique writes it. */
static int drop_frame(struct pq_import *im, struct pq_scores *s, const struct pq_number *n,
                      const struct places *k, int64_t batch)
{
    enum { DEPTH = 3 };
    int source = s->k, border[2] = {0, 0};
    const bool plain = !pq_layout_rolled(&s->at) && !pq_layout_rolled(&s->keys) &&
                       pq_number_count(n) == (size_t)batch * (size_t)s->keys_count;
    for (int depth = 1; depth <= DEPTH && plain && !s->masked; depth++) {
        const struct pq_op *pad = &im->graph->ops[source];
        if (pad->kind != PQ_OP_PAD || pad->pad_mode != PQ_PAD_ZERO)
            break;
        border[0] += pad->ver.before;
        border[1] += pad->hor.before;
        source = pad->in[0];
        s->masked = is_frame(s, n, k, batch, source, border);
        s->frames = depth;
    }
    return s->masked ? 0
                     : pq_import_refuse(im, "what it adds to attention is not the mask of shifted "
                                            "windows");
}

static int drop_mask(struct pq_import *im, struct pq_scores *s, const struct pq_number *n)
{
    struct pq_attention a;
    int64_t batch, all = 1;
    const int sample = pq_scores_sample(im), batch_dims = s->at.dims - 1;
    int rc = pq_scores_windows(im, s, &a);
    if (rc)
        return rc;
    for (int i = 0; i < pq_layout_first(&s->at, batch_dims); i++) {
        const struct pq_atom *x = &s->at.atoms[i];
        if (x->axis != PQ_CHANNELS)
            all *= x->size ? x->size : pq_import_extent(im, s->q, x->axis, sample) / x->inner;
    }
    int64_t *windows = pq_malloc((size_t)(s->queries + s->keys_count) * sizeof *windows);
    if (!windows)
        return pq_fail_nomem(im->err, (size_t)(s->queries + s->keys_count) * sizeof *windows);
    const int fold = PQ_MAX(a.fold, 1);
    const struct places q = {im, &s->at, s->q, sample, {a.height, a.width}, {a.shift_y, a.shift_x}};
    const struct places k = {im,
                             &s->keys,
                             s->k,
                             sample,
                             {a.height / fold, a.width / fold},
                             {pq_attention_key_shift(&a, false), pq_attention_key_shift(&a, true)}};
    if (extent_of(&n->tensor, batch_dims + 2, batch_dims) == 1 && s->queries > 1) {
        pq_free(windows);
        return drop_frame(im, s, n, &k, all);
    }
    s->masked = is_by_window(s, &n->tensor, &batch) && batch == all &&
                is_mask(s, n, &q, &k, batch, windows);
    pq_free(windows);
    return s->masked ? 0
                     : pq_import_refuse(im, "what it adds to attention is not the mask of shifted "
                                            "windows");
}

int pq_scores_add(struct pq_import *im, struct pq_scores *s, int id)
{
    const struct pq_value *v = &im->values[id];
    struct pq_mask mask = {.number = {0}};
    bool windows = false;
    const bool known = v->kind == PQ_VALUE_NUMBER && pq_number_constant(&v->number);
    if (s->softmaxed)
        return pq_import_refuse(im, "something is added to the weights of attention");
    if (!known) {
        int rc = pq_mask_compute(im, id, pq_scores_sample(im), &mask);
        if (rc == PIQUE_EUNSUPPORTED && im->fixed)
            rc = pq_mask_compute(im, id, PQ_SMALL, &mask);
        if (rc) {
            pq_mask_free(&mask);
            return rc == PIQUE_EUNSUPPORTED
                       ? pq_import_refuse(im, "what it adds to attention cannot be computed")
                       : rc;
        }
    }
    const struct pq_number *n = known ? &v->number : &mask.number;
    int rc;
    if (!fits(im, s, &n->tensor, &windows)) {
        rc =
            pq_import_refuse(im, "what it adds to attention does not fit, or is for one size only");
    } else if (windows) {
        rc = drop_mask(im, s, n);
    } else {
        rc = add_bias(im, s, n);
    }
    pq_mask_free(&mask);
    return rc;
}

int pq_scores_scale(struct pq_import *im, struct pq_scores *s, const struct pq_number *n,
                    bool divides)
{
    const int dims = pq_scores_dims(s);
    bool windows;
    if (!pq_number_constant(n) || !fits(im, s, &n->tensor, &windows) || windows ||
        extent_of(&n->tensor, dims, dims - 2) != 1 || extent_of(&n->tensor, dims, dims - 1) != 1 ||
        s->softmaxed || s->masked || s->bias || !pq_number_count(n))
        return pq_import_refuse(im, "what attention is multiplied by is not one number a head");
    if (pq_number_count(n) == 1) {
        const double x = pq_number_at(n, 0, 0);
        s->factor *= divides ? 1 / x : x;
        return 0;
    }
    struct pq_tensor t;
    float *to = pq_emit_floats(im, s->heads, &t);
    if (!to)
        return pq_fail_nomem(im->err, (unsigned long long)s->heads * sizeof *to);
    for (int h = 0; h < s->heads; h++) {
        const double x = pq_number_at(n, 0, of_head(s, &n->tensor, h));
        to[h] = (float)(divides ? 1 / x : x) * (s->factors ? s->factors[h] : 1);
    }
    s->factors = to;
    return 0;
}
