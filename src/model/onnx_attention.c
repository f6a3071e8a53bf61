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

#include "base/alloc.h"
#include "graph/build.h"
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

/* ---- windows ---- */

/* One axis: the digit among queries, among keys, and above both. */
struct axis {
    const struct pq_atom *q, *k, *batch_q, *batch_k;
};

static const struct pq_atom *find(const struct pq_layout *l, int first, int end, int axis,
                                  bool *twice)
{
    const struct pq_atom *found = NULL;
    for (int i = pq_layout_first(l, first); i < pq_layout_first(l, end); i++) {
        if ((int)l->atoms[i].axis != axis)
            continue;
        *twice = *twice || found;
        found = &l->atoms[i];
    }
    return found;
}

static int mod(int a, int b)
{
    return (a % b + b) % b;
}

static int size_of(const struct pq_atom *a)
{
    return a ? a->size : 1;
}

/* a / b, rounded up */
static int up(int a, int b)
{
    return (a - mod(a, b)) / b + (mod(a, b) != 0);
}

/* The window's side along an axis; 0: none. */
static int read_axis(struct pq_import *im, const struct pq_scores *s, const struct axis *x,
                     bool hor, bool *grid, int *fold)
{
    const struct pq_atom *b = x->batch_q, *c = x->batch_k;
    if (!b || !c)
        return 0;
    if (!b->size && b->above <= 1) {
        const int side = size_of(x->q);
        if (b->inner != side || (x->q && x->q->inner != 1) || (x->k && x->k->inner != 1) ||
            c->size || c->above > 1 || c->inner != size_of(x->k) || side % c->inner)
            return 0;
        *grid = false;
        *fold = side / c->inner;
        return side;
    }
    if (!x->q || !x->k || x->q->axis != x->k->axis || x->q->size != x->k->size ||
        x->q->inner != x->k->inner || b->size != c->size || b->inner != c->inner || b->inner != 1)
        return 0;
    *grid = true;
    *fold = 1;
    if (x->q->size && !x->q->inner && b->above == x->q->size)
        return x->q->size;
    /* At one size, what is known is the distance. */
    if (im->fixed && !x->q->size && x->q->above <= 1 && x->q->inner == b->size)
        return (int)PQ_MIN(pq_import_extent(im, s->q, hor ? PQ_COLUMNS : PQ_ROWS, 0) / b->size,
                           PQ_MAX_WINDOW + 1);
    return 0;
}

int pq_scores_windows(struct pq_import *im, const struct pq_scores *s, struct pq_attention *a)
{
    const int batch = s->at.dims - 1;
    int side[2], fold[2];
    bool grid[2], twice = false;
    const int order = pq_layout_first(&s->at, batch);
    bool fits = !s->unit && (s->at.length[batch] < 2 || s->at.atoms[order].axis == PQ_ROWS) &&
                (s->keys.length[batch + 1] < 2 ||
                 s->keys.atoms[pq_layout_first(&s->keys, batch + 1)].axis == PQ_ROWS);
    for (int x = 0; x < 2 && fits; x++) {
        const int axis = x ? PQ_COLUMNS : PQ_ROWS;
        const struct axis at = {find(&s->at, batch, batch + 1, axis, &twice),
                                find(&s->keys, batch + 1, batch + 2, axis, &twice),
                                find(&s->at, 0, batch, axis, &twice),
                                find(&s->keys, 0, batch, axis, &twice)};
        side[x] = read_axis(im, s, &at, x, &grid[x], &fold[x]);
        fits = side[x] > 0 && side[x] <= PQ_MAX_WINDOW;
    }
    /* The same window, or element of the batch, in both. */
    struct pq_layout q = s->at, k = s->keys;
    for (int i = 0; i < k.count && fits; i++) {
        if (k.atoms[i].axis != PQ_CHANNELS && !grid[0])
            k.atoms[i].inner *= fold[0];
    }
    fits = fits && grid[0] == grid[1] && fold[0] == fold[1] && !twice;
    for (int x = 0; x < 2 && fits; x++)
        fits = s->keys.roll[x] == up(s->at.roll[x], fold[0]);
    if (fits) {
        q.dims = k.dims = batch;
        q.count = pq_layout_first(&s->at, batch);
        k.count = pq_layout_first(&s->keys, batch);
        memcpy(k.roll, q.roll, sizeof k.roll);
        fits = pq_layout_beside(&q, &k, -1);
    }
    if (!fits || (grid[0] && pq_layout_rolled(&s->at)))
        return pq_import_refuse(im, "attention can be run in windows of rows and columns only");
    *a = (struct pq_attention){.heads = s->heads,
                               .height = side[0],
                               .width = side[1],
                               .key_height = side[0] / fold[0],
                               .key_width = side[1] / fold[0],
                               .shift_y = grid[0] ? 0 : mod(s->at.roll[0], side[0]),
                               .shift_x = grid[0] ? 0 : mod(s->at.roll[1], side[1]),
                               .grid = grid[0],
                               .fold = fold[0]};
    return 0;
}

/* ---- the operation ---- */

static int refuse_size(struct pq_import *im, int op, int height, int width)
{
    im->size_matters = true;
    pq_import_want(im, op, height);
    pq_import_want(im, op, width);
    return im->fixed
               ? pq_import_refuse_fixed(im)
               : pq_import_refuse(im, "its windows are right for pictures of some sizes only");
}

static int biases(struct pq_import *im, const struct pq_scores *s, struct pq_attention *a,
                  struct pq_tensor *table)
{
    const int64_t rows = (int64_t)s->queries * s->keys_count;
    struct pq_tensor t;
    float *to = pq_emit_floats(im, rows * s->heads, &t);
    int32_t *index = to ? pq_graph_own(im->graph, (size_t)rows * sizeof *index) : NULL;
    if (!index)
        return pq_fail_nomem(im->err, (unsigned long long)rows * sizeof *index);
    for (int64_t i = 0; i < rows; i++) {
        index[i] = (int32_t)i;
        for (int h = 0; h < s->heads; h++)
            *to++ = s->bias[h * rows + i];
    }
    *table =
        (struct pq_tensor){.dtype = PQ_F32, .dims = 2, .shape = {rows, s->heads}, .data = t.data};
    a->index = index;
    return 0;
}

/* Queries times one factor a head. */
static int by_head(struct pq_import *im, const struct pq_scores *s)
{
    struct pq_tensor t;
    const int channels = s->heads * s->dim;
    float *to = s->factors ? pq_emit_floats(im, channels, &t) : NULL;
    if (!s->factors)
        return s->q;
    if (!to)
        return pq_fail_nomem(im->err, (unsigned long long)channels * sizeof *to);
    for (int c = 0; c < channels; c++)
        to[c] = s->factors[c / s->dim];
    return pq_emit_affine(im, s->q, to, NULL);
}

/* What is inside of that many borders; where it begins. */
static int inside(const struct pq_import *im, int op, int frames, int border[2])
{
    border[0] = border[1] = 0;
    for (int i = 0; i < frames; i++) {
        const struct pq_op *pad = &im->graph->ops[op];
        if (pad->kind != PQ_OP_PAD || pad->pad_mode != PQ_PAD_ZERO)
            return -1;
        border[0] += pad->ver.before;
        border[1] += pad->hor.before;
        op = pad->in[0];
    }
    return op;
}

/* The borders around `like`, around `op`. */
static int framed_as(struct pq_import *im, int like, int frames, int op)
{
    if (!frames)
        return op;
    struct pq_op pad = im->graph->ops[like];
    pique_error e = {0};
    op = framed_as(im, pad.in[0], frames - 1, op);
    if (op < 0)
        return op;
    pad.in[0] = op;
    pad.channels = im->graph->ops[op].channels;
    return pq_import_placed(im, pq_graph_append(im->graph, pad, &e), &e);
}

/* Attention of a picture in a border whose pixels do not count: the picture alone, in windows that
 * the border shifts. *frame is what is inside of the result. */
static int in_frame(struct pq_import *im, const struct pq_scores *s, int v, struct pq_attention *a,
                    const struct pq_tensor *table, int *frame)
{
    int border[3][2], of[] = {s->q, s->k, v};
    pique_error e = {0};
    for (int i = 0; i < 3; i++) {
        of[i] = inside(im, of[i], s->frames, border[i]);
        if (of[i] < 0)
            return pq_import_refuse(im, "queries, keys and values have different borders");
    }
    a->shift_y = mod(-border[0][0], a->height);
    a->shift_x = mod(-border[0][1], a->width);
    const int fold = PQ_MAX(a->fold, 1);
    bool fits = border[1][0] == border[2][0] && border[1][1] == border[2][1] && !a->grid &&
                pq_attention_key_shift(a, false) == mod(-border[1][0], a->key_height) &&
                pq_attention_key_shift(a, true) == mod(-border[1][1], a->key_width);
    for (int i = 0; i < PQ_SAMPLES; i++) {
        for (int axis = PQ_ROWS; axis <= PQ_COLUMNS; axis++) {
            const int64_t q = pq_import_extent(im, of[0], (enum pq_axis)axis, i),
                          k = pq_import_extent(im, of[1], (enum pq_axis)axis, i);
            fits = fits && q == k * fold && k == pq_import_extent(im, of[2], (enum pq_axis)axis, i);
        }
    }
    if (!fits)
        return pq_import_refuse(im, "queries, keys and values have different borders");
    *frame =
        pq_import_placed(im, pq_graph_attention(im->graph, of[0], of[1], of[2], a, table, &e), &e);
    return *frame < 0 ? *frame : framed_as(im, s->q, s->frames, *frame);
}

static int in_windows(struct pq_import *im, const struct pq_scores *s, int v, int *frame)
{
    struct pq_attention a;
    struct pq_tensor table;
    pique_error e = {0};
    int rc = pq_scores_windows(im, s, &a);
    if (rc)
        return rc;
    if (pq_layout_rolled(&s->at) && !s->masked)
        return pq_import_refuse(im, "attention that goes round the picture cannot be run");
    for (int i = 0; i < PQ_SAMPLES; i++) {
        if (pq_import_extent(im, s->q, PQ_ROWS, i) % a.height ||
            pq_import_extent(im, s->q, PQ_COLUMNS, i) % a.width)
            return refuse_size(im, s->q, a.height, a.width);
    }
    a.scale = (float)s->factor;
    if (s->bias)
        rc = biases(im, s, &a, &table);
    if (!rc && s->frames && !s->factors)
        return in_frame(im, s, v, &a, s->bias ? &table : NULL, frame);
    if (!rc && s->frames)
        return refuse(im);
    const int q = rc ? rc : by_head(im, s);
    if (q < 0)
        return q;
    return pq_import_placed(
        im, pq_graph_attention(im->graph, q, s->k, v, &a, s->bias ? &table : NULL, &e), &e);
}

/* Temperatures, `times` over. */
static int temperatures(struct pq_import *im, const struct pq_scores *s, int times,
                        struct pq_tensor *t)
{
    float *to = pq_emit_floats(im, (int64_t)s->heads * times, t);
    for (int i = 0; i < s->heads * times && to; i++)
        to[i] = (float)s->factor * (s->factors ? s->factors[i % s->heads] : 1);
    return to ? 0 : pq_fail_nomem(im->err, (unsigned long long)(s->heads * times) * sizeof *to);
}

/* Among channels, over every n-th pixel: each place of an n x n block is a picture of its own. */
static int over_grid(struct pq_import *im, const struct pq_scores *s, int v, int n)
{
    struct pq_tensor t;
    pique_error e = {0};
    int in[] = {s->q, s->k, v};
    if (n > PQ_MAX_FACTOR)
        return pq_import_refuse(im, "a grid of more than %d cannot be run", PQ_MAX_FACTOR);
    int rc = temperatures(im, s, n * n, &t);
    for (int i = 0; i < 3 && rc >= 0; i++)
        rc = in[i] = pq_emit_unshuffle(im, in[i], n, true);
    int op = rc < 0 ? rc
                    : pq_import_placed(im,
                                       pq_graph_channel_mix(im->graph, in[0], in[1], in[2],
                                                            s->heads * n * n, &t, &e),
                                       &e);
    return op < 0 ? op : pq_emit_shuffle(im, op, n, true);
}

static int among_channels(struct pq_import *im, const struct pq_scores *s, int v)
{
    const struct pq_atom *y = &s->sum[0], *x = &s->sum[1];
    const int batch = pq_layout_first(&s->at, s->at.dims - 1);
    int above = 0; /* digits of pixels in the batch */
    struct pq_tensor t;
    pique_error e = {0};
    for (int i = 0; i < batch; i++)
        above += s->at.atoms[i].axis != PQ_CHANNELS;
    if (s->bias || s->masked || s->sums != 2 || y->axis == x->axis ||
        s->at.roll[0] != s->keys.roll[0] || s->at.roll[1] != s->keys.roll[1])
        return pq_import_refuse(im, "attention among channels can be run over all pixels, those "
                                    "of windows and those of a grid only");
    const bool rest = !y->size && !x->size && y->above <= 1 && x->above <= 1;
    if (rest && y->inner == 1 && x->inner == 1 && !above) {
        int rc = temperatures(im, s, 1, &t);
        return rc ? rc
                  : pq_import_placed(
                        im, pq_graph_channel_mix(im->graph, s->q, s->k, v, s->heads, &t, &e), &e);
    }
    if (pq_layout_rolled(&s->at) || above != 2)
        return pq_import_refuse(im, "attention among channels has windows that go round");
    if (rest && y->inner == x->inner)
        return over_grid(im, s, v, y->inner);
    if (y->axis != PQ_ROWS || !y->size || !x->size || y->inner != 1 || x->inner != 1)
        return pq_import_refuse(im, "attention among channels has windows of another kind");
    for (int i = 0; i < PQ_SAMPLES; i++) {
        if (pq_import_extent(im, s->q, PQ_ROWS, i) % y->size ||
            pq_import_extent(im, s->q, PQ_COLUMNS, i) % x->size)
            return refuse_size(im, s->q, y->size, x->size);
    }
    const struct pq_attention a = {.heads = s->heads,
                                   .height = y->size,
                                   .width = x->size,
                                   .key_height = y->size,
                                   .key_width = x->size,
                                   .scale = 1};
    int rc = temperatures(im, s, 1, &t);
    return rc ? rc
              : pq_import_placed(
                    im, pq_graph_channel_attention(im->graph, s->q, s->k, v, &a, &t, &e), &e);
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
    int frame = -1;
    const int op = s->unit ? among_channels(im, s, v.op) : in_windows(im, s, v.op, &frame);
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
