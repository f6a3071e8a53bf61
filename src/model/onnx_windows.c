/* SPDX-License-Identifier: MIT */
/* Which windows the layouts of queries and keys tell of, and the operation that they become. */
#include <string.h>

#include "base/alloc.h"
#include "graph/build.h"
#include "model/onnx_emit.h"
#include "model/onnx_scores.h"

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
        return pq_import_refuse(im, "this product of two pictures cannot be run");
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

int pq_scores_emit(struct pq_import *im, const struct pq_scores *s, int v, int *frame)
{
    *frame = -1;
    return s->unit ? among_channels(im, s, v) : in_windows(im, s, v, frame);
}
