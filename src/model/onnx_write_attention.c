/* SPDX-License-Identifier: MIT */
/* Attention in windows. The picture is padded until all windows are whole, cut into them by Reshape
 * and Transpose, and put together again; keys that are there for the padding alone get a bias that
 * leaves nothing of them. */
#include "base/alloc.h"
#include "model/onnx_write_ops.h"

/* Of a product, for a key that does not count: exp() of it is 0 beside any other. */
static const float NEVER = -1e9F;

/* ---- windows ---- */

/* One axis of the windows of queries or of keys. */
struct side {
    int size;   /* from one window to the next */
    int reach;  /* how far a window goes beyond, on both sides */
    int before; /* of the first window, outside of the picture; without reach */
};

struct windows {
    struct side side[2];        /* rows and columns */
    struct pq_onnx_name counts; /* a size: how many windows there are */
    bool grid;                  /* windows of every n-th pixel; counts is n */
    bool whole;                 /* the picture is nothing but whole windows */
};

/* Whether rows, or columns with hor, of an operation's result are always a multiple of size; false
 * where that is not seen. */
static bool is_multiple(const struct pq_graph *g, int i, bool hor, int64_t size)
{
    while (size > 1 && size <= PQ_MAX_TOKENS) {
        const struct pq_op *op = &g->ops[i];
        const struct pq_window *win = hor ? &op->hor : &op->ver;
        const int border = win->before + win->after;
        switch (op->kind) {
        case PQ_OP_PAD:
            return op->multiple % size == 0 && op->least % size == 0 && border % size == 0;
        case PQ_OP_CONV2D:
        case PQ_OP_DEPTHWISE:
            if (border != (win->kernel - 1) * win->dilation + 1 - win->stride)
                return false;
            size *= win->stride;
            break;
        case PQ_OP_PIXEL_UNSHUFFLE:
            size *= op->factor;
            break;
        case PQ_OP_PIXEL_SHUFFLE:
            if (size % op->factor)
                return false;
            size /= op->factor;
            break;
        case PQ_OP_ACT:
        case PQ_OP_ADD:
        case PQ_OP_MUL:
        case PQ_OP_AFFINE:
        case PQ_OP_CONCAT:
        case PQ_OP_SLICE:
        case PQ_OP_LAYER_NORM:
        case PQ_OP_ATTENTION:
        case PQ_OP_CHANNEL_ATTENTION:
        case PQ_OP_MIX:
            break;
        default:
            return false;
        }
        i = op->in[op->global_inputs & 1];
    }
    return size == 1;
}

/* Whether no window is cut off by the border. */
static bool has_whole_windows(const struct pq_graph *g, const struct pq_op *op)
{
    const struct pq_attention *a = &op->attention;
    return a->grid || (!a->shift_y && !a->shift_x && is_multiple(g, op->in[0], false, a->height) &&
                       is_multiple(g, op->in[0], true, a->width));
}

static struct windows windows_of(const struct pq_exporting *x, const struct pq_op *op, bool keys)
{
    const struct pq_attention *a = &op->attention;
    struct windows v = {.grid = a->grid, .whole = has_whole_windows(x->g, op)};
    for (int i = 0; i < 2; i++) {
        const int full = i ? a->width : a->height, shift = i ? a->shift_x : a->shift_y;
        const int key_size = pq_attention_key_size(a, i), key_shift = pq_attention_key_shift(a, i);
        const int reach = ((i ? a->key_width : a->key_height) - key_size) / 2;
        if (keys)
            v.side[i] = (struct side){key_size, reach, shift ? key_size - key_shift : 0};
        else
            v.side[i] = (struct side){full, 0, shift ? full - shift : 0};
        v.whole = v.whole && !v.side[i].reach;
    }
    return v;
}

/* How many windows hold a picture of that size. */
static struct pq_onnx_name count_windows(struct pq_exporting *x, const struct windows *q,
                                         struct pq_onnx_name size)
{
    struct pq_onnx_writer *w = &x->w;
    const struct side *s = q->side;
    const int64_t sizes[] = {s[0].size, s[1].size};
    const int64_t more[] = {s[0].before + s[0].size - 1, s[1].before + s[1].size - 1};
    if (!q->whole)
        size = pq_onnx_node2(w, "Add", size, pq_onnx_ints(w, 2, more));
    return pq_onnx_node2(w, "Div", size, pq_onnx_ints(w, 2, sizes));
}

/* A picture of that size with what its windows hold around it. value: an input of Pad, or "". */
static struct pq_onnx_name framed(struct pq_exporting *x, const struct windows *k,
                                  struct pq_onnx_name v, struct pq_onnx_name size,
                                  struct pq_onnx_name value)
{
    struct pq_onnx_writer *w = &x->w;
    const struct side *s = k->side;
    const int64_t sizes[] = {s[0].size, s[1].size};
    const int64_t before[] = {0, 0, s[0].before + s[0].reach, s[1].before + s[1].reach, 0, 0};
    const int64_t less[] = {s[0].reach - s[0].before, s[1].reach - s[1].before};
    struct pq_onnx_name after = pq_onnx_node2(w, "Mul", k->counts, pq_onnx_ints(w, 2, sizes));
    after = pq_onnx_node2(w, "Add", after, pq_onnx_ints(w, 2, less));
    after = pq_onnx_node2(w, "Sub", after, size);
    const struct pq_onnx_name pads[] = {pq_onnx_ints(w, 6, before), after};
    const struct pq_onnx_name all[] = {v, pq_export_joined(x, 2, pads), value};
    return pq_onnx_node(w, "Pad", value.text[0] ? 3 : 2, all);
}

/* Windows that overlap, along an axis: [.., n, size + 2 reach, ..] in its place. */
static struct pq_onnx_name overlapping(struct pq_exporting *x, const struct windows *k, int i,
                                       struct pq_onnx_name v)
{
    struct pq_onnx_writer *w = &x->w;
    const struct side *s = &k->side[i];
    const struct pq_onnx_name n = pq_export_count(x, pq_export_extent(x, k->counts, i));
    const struct pq_onnx_name first =
        pq_onnx_node2(w, "Mul", pq_export_reshape(x, n, 2, (const int64_t[]){-1, 1}),
                      pq_export_whole(x, s->size));
    const struct pq_onnx_name places =
        pq_export_count(x, pq_export_whole(x, s->size + 2 * s->reach));
    const struct pq_onnx_name at = pq_onnx_node2(w, "Add", first, places);
    pq_onnx_put_int(w, "axis", i ? 4 : 2); /* rows are two axes by then */
    return pq_onnx_node2(w, "Gather", v, at);
}

/* [batch, c1, c2, ...] with windows in the places of rows and columns: the order of the axes. */
static struct pq_onnx_name window_shape(struct pq_exporting *x, const struct windows *k, int heads,
                                        int dim)
{
    struct pq_onnx_writer *w = &x->w;
    const struct side *s = k->side;
    const int64_t rows = s[0].size + 2 * s[0].reach, columns = s[1].size + 2 * s[1].reach;
    const struct pq_onnx_name channels = pq_onnx_ints(w, 3, (const int64_t[]){0, heads, dim});
    const struct pq_onnx_name ny = pq_export_extent(x, k->counts, 0);
    const struct pq_onnx_name nx = pq_export_extent(x, k->counts, 1);
    const struct pq_onnx_name h = pq_export_whole(x, rows), l = pq_export_whole(x, columns);
    const struct pq_onnx_name plain[] = {channels, ny, h, nx, l}, grid[] = {channels, h, ny, l, nx};
    return pq_export_joined(x, 5, k->grid ? grid : plain);
}

/* From a framed picture [batch, windows, heads, tokens, dim]; with across, the last two the other
 * way. */
static struct pq_onnx_name cut(struct pq_exporting *x, const struct windows *k,
                               struct pq_onnx_name v, int heads, int dim, bool across)
{
    static const int64_t orders[2][2][7] = {{{0, 3, 5, 1, 4, 6, 2}, {0, 3, 5, 1, 2, 4, 6}},
                                            {{0, 4, 6, 1, 3, 5, 2}, {0, 4, 6, 1, 2, 3, 5}}};
    const struct side *s = k->side;
    const int64_t tokens = (int64_t)(s[0].size + 2 * s[0].reach) * (s[1].size + 2 * s[1].reach);
    if (s[0].reach || s[1].reach) {
        for (int i = 0; i < 2; i++)
            v = overlapping(x, k, i, v);
    }
    v = pq_onnx_node2(&x->w, "Reshape", v, window_shape(x, k, heads, dim));
    v = pq_export_transpose(x, v, 7, orders[k->grid][across]);
    const int64_t shape[] = {0, -1, heads, across ? dim : tokens, across ? tokens : dim};
    return pq_export_reshape(x, v, 5, shape);
}

/* And back, without the frame. */
static struct pq_onnx_name join(struct pq_exporting *x, const struct windows *q,
                                struct pq_onnx_name v, int heads, int dim, bool across,
                                struct pq_onnx_name size)
{
    static const int64_t orders[2][2][7] = {{{0, 3, 6, 1, 4, 2, 5}, {0, 3, 4, 1, 5, 2, 6}},
                                            {{0, 3, 6, 4, 1, 5, 2}, {0, 3, 4, 5, 1, 6, 2}}};
    static const int64_t axes[] = {2, 3};
    struct pq_onnx_writer *w = &x->w;
    const struct side *s = q->side;
    const int64_t sizes[] = {s[0].size, s[1].size}, before[] = {s[0].before, s[1].before};
    const int64_t tokens_last[] = {heads, s[0].size, s[1].size, dim};
    const int64_t tokens_first[] = {heads, dim, s[0].size, s[1].size};
    const struct pq_onnx_name shape[] = {pq_export_whole(x, 0), q->counts,
                                         pq_onnx_ints(w, 4, across ? tokens_first : tokens_last)};
    v = pq_onnx_node2(w, "Reshape", v, pq_export_joined(x, 3, shape));
    v = pq_export_transpose(x, v, 7, orders[q->grid][across]);
    if (q->whole)
        return pq_export_picture(x, v, heads * dim, size);
    v = pq_export_picture(x, v, heads * dim,
                          pq_onnx_node2(w, "Mul", q->counts, pq_onnx_ints(w, 2, sizes)));
    if (before[0] || before[1])
        size = pq_onnx_node2(w, "Add", size, pq_onnx_ints(w, 2, before));
    return pq_export_slice(x, v, 2, before, size, axes);
}

/* ---- what is added to products ---- */

/* The index of an operation; many have the same. */
static struct pq_onnx_name index_of(struct pq_exporting *x, const struct pq_op *op)
{
    const struct pq_attention *a = &op->attention;
    const ptrdiff_t at = op - x->g->ops;
    for (ptrdiff_t i = 0; i < at; i++) {
        if (x->g->ops[i].kind == PQ_OP_ATTENTION && x->g->ops[i].attention.index == a->index)
            return x->indices[at] = x->indices[i];
    }
    return x->indices[at] =
               pq_onnx_index(&x->w, a->height * a->width, a->key_height * a->key_width, a->index);
}

/* [heads, queries, keys] */
static struct pq_onnx_name bias_of(struct pq_exporting *x, const struct pq_op *op)
{
    const struct pq_onnx_name index = index_of(x, op), table = pq_export_as_it_is(x, &op->weight);
    pq_onnx_put_int(&x->w, "axis", 0);
    const struct pq_onnx_name bias = pq_onnx_node2(&x->w, "Gather", table, index);
    return pq_export_transpose(x, bias, 3, (const int64_t[]){2, 0, 1});
}

/* [1, windows, 1, 1, keys]: 0 for what lies in the picture, or below and to the right of it up to
 * the multiple, NEVER for the rest. size: that of the picture of keys. */
static struct pq_onnx_name mask_of(struct pq_exporting *x, const struct pq_attention *a,
                                   const struct windows *k, struct pq_onnx_name size)
{
    struct pq_onnx_writer *w = &x->w;
    if (a->multiple > 1) {
        const struct pq_onnx_name m = pq_export_whole(x, a->multiple);
        size = pq_onnx_node2(w, "Add", size, pq_export_whole(x, a->multiple - 1));
        size = pq_onnx_node2(w, "Mul", pq_onnx_node2(w, "Div", size, m), m);
    }
    const struct pq_onnx_name shape[] = {pq_onnx_ints(w, 2, (const int64_t[]){1, 1}), size};
    const struct pq_onnx_name zeros =
        pq_onnx_node1(w, "ConstantOfShape", pq_export_joined(x, 2, shape));
    const struct pq_onnx_name frame = framed(x, k, zeros, size, pq_onnx_scalar(w, NEVER));
    return cut(x, k, frame, 1, 1, true);
}

/* ---- attention ---- */

/* Divided by the norms of the last axis. */
static struct pq_onnx_name unit(struct pq_exporting *x, struct pq_onnx_name v)
{
    struct pq_onnx_writer *w = &x->w;
    pq_onnx_put_ints(w, "axes", 1, (const int64_t[]){-1});
    const struct pq_onnx_name norm = pq_onnx_node1(w, "ReduceL2", v);
    return pq_onnx_node2(w, "Div", v, pq_onnx_node2(w, "Max", norm, pq_onnx_scalar(w, 1e-12F)));
}

/* softmax(temperature q k / (|q| |k|)), all [.., heads, channels, tokens] */
static struct pq_onnx_name channel_shares(struct pq_exporting *x, const struct pq_tensor *t,
                                          struct pq_onnx_name q, struct pq_onnx_name k, int dims)
{
    struct pq_onnx_writer *w = &x->w;
    const int64_t turned[2][5] = {{0, 1, 3, 2}, {0, 1, 2, 4, 3}};
    k = pq_export_transpose(x, unit(x, k), dims, turned[dims == 5]);
    struct pq_onnx_name scores = pq_onnx_node2(w, "MatMul", unit(x, q), k);
    if (t->data) {
        const int64_t shape[] = {t->shape[0], 1, 1};
        scores = pq_onnx_node2(w, "Mul", scores, pq_onnx_weight(w, t, 3, shape));
    }
    return pq_export_softmax(x, scores, -1);
}

static struct pq_onnx_name token_shares(struct pq_exporting *x, const struct pq_op *op,
                                        struct pq_onnx_name q, struct pq_onnx_name k,
                                        const struct pq_onnx_name *mask)
{
    struct pq_onnx_writer *w = &x->w;
    struct pq_onnx_name scores =
        pq_onnx_node2(w, "MatMul", pq_export_times(x, q, op->attention.scale), k);
    if (op->attention.index)
        scores = pq_onnx_node2(w, "Add", scores, bias_of(x, op));
    if (mask)
        scores = pq_onnx_node2(w, "Add", scores, *mask);
    return pq_export_softmax(x, scores, -1);
}

struct pq_onnx_name pq_export_attention(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_attention *a = &op->attention;
    const int heads = a->heads, dim = op->channels / heads;
    const bool channels = op->kind == PQ_OP_CHANNEL_ATTENTION;
    struct windows of[] = {windows_of(x, op, false), windows_of(x, op, true),
                           windows_of(x, op, true)};
    struct pq_onnx_name v[3], size[3];
    for (int i = 0; i < 3; i++) {
        v[i] = pq_export_in(x, op, i);
        size[i] = pq_export_size(x, v[i]);
        of[i].counts = i ? of[0].counts : count_windows(x, &of[0], size[0]);
        if (!of[i].whole)
            v[i] = framed(x, &of[i], v[i], size[i], (struct pq_onnx_name){""});
        v[i] = cut(x, &of[i], v[i], heads, dim, channels || i == 1);
    }
    struct pq_onnx_name y;
    if (channels) {
        y = pq_onnx_node2(w, "MatMul", channel_shares(x, &op->weight, v[0], v[1], 5), v[2]);
    } else {
        if (!of[1].side[0].reach != !of[1].side[1].reach)
            pq_onnx_refuse(w, "attention whose keys reach beyond its windows on one axis alone");
        const bool all = of[1].whole || of[1].side[0].reach || of[1].side[1].reach;
        const struct pq_onnx_name mask =
            all ? (struct pq_onnx_name){""} : mask_of(x, a, &of[1], size[1]);
        y = pq_onnx_node2(w, "MatMul", token_shares(x, op, v[0], v[1], all ? NULL : &mask), v[2]);
    }
    return join(x, &of[0], y, heads, dim, channels, size[0]);
}

/* ---- channel mix: the same over the whole picture ---- */

/* [batch, heads, channels, pixels] */
static struct pq_onnx_name in_heads(struct pq_exporting *x, const struct pq_op *op, int k,
                                    int heads)
{
    const int64_t shape[] = {0, heads, x->g->ops[op->in[k]].channels / heads, -1};
    return pq_export_reshape(x, pq_export_in(x, op, k), 4, shape);
}

struct pq_onnx_name pq_export_gram_softmax(struct pq_exporting *x, const struct pq_op *op)
{
    const struct pq_op *gram = &x->g->ops[op->in[0]];
    return channel_shares(x, &op->weight, in_heads(x, gram, 0, op->groups),
                          in_heads(x, gram, 1, op->groups), 4);
}

struct pq_onnx_name pq_export_mix(struct pq_exporting *x, const struct pq_op *op)
{
    const struct pq_onnx_name v = in_heads(x, op, 0, op->groups);
    const struct pq_onnx_name y = pq_onnx_node2(&x->w, "MatMul", pq_export_in(x, op, 1), v);
    return pq_export_picture(x, y, op->channels, pq_export_size(x, pq_export_in(x, op, 0)));
}
