/* SPDX-License-Identifier: MIT */
/* A dictionary of tokens, pixels in the order of their categories, and attention in runs of them.
 * What the engine splits into rows is whole here: a softmax over all pixels, a sort. */
#include "model/onnx_write_ops.h"

/* [batch, channels, pixels] */
static struct pq_onnx_name flat(struct pq_exporting *x, const struct pq_op *op, int k)
{
    const int64_t shape[] = {0, x->g->ops[op->in[k]].channels, -1};
    return pq_export_reshape(x, pq_export_in(x, op, k), 3, shape);
}

static struct pq_onnx_name like_input(struct pq_exporting *x, const struct pq_op *op,
                                      struct pq_onnx_name v)
{
    return pq_export_picture(x, v, op->channels, pq_export_size(x, pq_export_in(x, op, 0)));
}

static struct pq_onnx_name turned(struct pq_exporting *x, struct pq_onnx_name v)
{
    return pq_export_transpose(x, v, 3, (const int64_t[]){0, 2, 1});
}

/* ---- tokens ---- */

/* Input k as so many rows of numbers. */
static struct pq_onnx_name rows_of(struct pq_exporting *x, const struct pq_op *op, int k, int rows)
{
    return pq_export_reshape(x, pq_export_in(x, op, k), 3, (const int64_t[]){0, rows, -1});
}

/* One number a token. */
static struct pq_onnx_name per_token(struct pq_exporting *x, const struct pq_tensor *t)
{
    return pq_onnx_weight(&x->w, t, 2, (const int64_t[]){t->shape[0], 1});
}

static struct pq_onnx_name put_linear(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name matrix =
        pq_export_transpose(x, pq_export_as_it_is(x, &op->weight), 2, (const int64_t[]){1, 0});
    const struct pq_onnx_name y = pq_onnx_node2(w, "MatMul", rows_of(x, op, 0, op->groups), matrix);
    return op->bias.data ? pq_onnx_node2(w, "Add", y, pq_export_as_it_is(x, &op->bias)) : y;
}

static struct pq_onnx_name put_unit(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name t = rows_of(x, op, 0, op->groups);
    pq_onnx_put_ints(w, "axes", 1, (const int64_t[]){2});
    struct pq_onnx_name norm = pq_onnx_node1(w, "ReduceL2", t);
    norm = pq_onnx_node2(w, "Max", norm, pq_onnx_scalar(w, 1e-12F));
    struct pq_onnx_name y = pq_onnx_node2(w, "Div", t, norm);
    if (op->weight.data)
        y = pq_onnx_node2(w, "Mul", y, per_token(x, &op->weight));
    return turned(x, y);
}

/* The matrix [channels in][channels out] of input 1, times each pixel. */
static struct pq_onnx_name put_product(struct pq_exporting *x, const struct pq_op *op)
{
    const struct pq_onnx_name matrix = turned(x, rows_of(x, op, 1, op->groups));
    struct pq_onnx_name y = pq_onnx_node2(&x->w, "MatMul", matrix, flat(x, op, 0));
    if (op->kind == PQ_OP_LOOK_UP)
        y = pq_export_softmax(x, y, 1);
    return like_input(x, op, y);
}

static struct pq_onnx_name put_update(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_op *shares = &x->g->ops[op->in[0]];
    const struct pq_onnx_name weights = pq_export_softmax(x, flat(x, shares, 0), 2);
    const struct pq_onnx_name mean =
        pq_onnx_node2(w, "MatMul", weights, turned(x, flat(x, shares, 2)));
    const struct pq_onnx_name keep = pq_onnx_node1(w, "Sigmoid", per_token(x, &op->weight));
    const struct pq_onnx_name rest = pq_onnx_node2(w, "Sub", pq_onnx_scalar(w, 1), keep);
    const struct pq_onnx_name old = rows_of(x, op, 1, op->groups);
    return pq_onnx_node2(w, "Add", pq_onnx_node2(w, "Mul", keep, old),
                         pq_onnx_node2(w, "Mul", rest, mean));
}

struct pq_onnx_name pq_export_tokens(struct pq_exporting *x, const struct pq_op *op)
{
    switch (op->kind) {
    case PQ_OP_CONSTANT:
        return pq_onnx_weight(&x->w, &op->weight, 4, (const int64_t[]){1, op->channels, 1, 1});
    case PQ_OP_TOKENS_LINEAR:
        return put_linear(x, op);
    case PQ_OP_TOKENS_UNIT:
        return put_unit(x, op);
    case PQ_OP_TOKENS_UPDATE:
        return put_update(x, op);
    default:
        return put_product(x, op);
    }
}

/* ---- sorting ---- */

/* Which pixel stands at each place. By category x pixels + pixel, a key that no two have alike, so
 * that the order is the same however TopK takes equals. */
static struct pq_onnx_name put_order(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    pq_onnx_put_int(w, "axis", 1);
    pq_onnx_put_int(w, "keepdims", 0);
    const struct pq_onnx_name most = pq_onnx_node1(w, "ArgMax", pq_export_in(x, op, 0));
    const struct pq_onnx_name category = pq_export_reshape(x, most, 2, (const int64_t[]){0, -1});
    const struct pq_onnx_name n = pq_export_shape(x, category, 1, 2);
    struct pq_onnx_name key = pq_onnx_node2(w, "Mul", category, n);
    key = pq_onnx_node2(w, "Add", key, pq_export_count(x, n));
    pq_onnx_put_int(w, "axis", 1);
    pq_onnx_put_int(w, "largest", 0);
    return pq_onnx_second(w, "TopK", 2, (const struct pq_onnx_name[]){key, n});
}

/* At which place each pixel stands. */
static struct pq_onnx_name put_rank(struct pq_exporting *x, struct pq_onnx_name order)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name places =
        pq_onnx_node2(w, "Expand", pq_export_count(x, pq_export_shape(x, order, 1, 2)),
                      pq_onnx_node1(w, "Shape", order));
    const struct pq_onnx_name all[] = {order, order, places};
    pq_onnx_put_int(w, "axis", 1);
    return pq_onnx_node(w, "ScatterElements", 3, all);
}

static struct pq_onnx_name put_pick(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name places =
        pq_onnx_node2(w, "Unsqueeze", pq_export_in(x, op, 1), pq_export_whole(x, 2));
    const struct pq_onnx_name pixels = turned(x, flat(x, op, 0));
    pq_onnx_put_int(w, "batch_dims", 1);
    return like_input(x, op, turned(x, pq_onnx_node2(w, "GatherND", pixels, places)));
}

/* ---- attention in runs ---- */

/* What stands at each place of all runs: behind the last pixel they come back. */
static struct pq_onnx_name run_places(struct pq_exporting *x, struct pq_onnx_name n,
                                      struct pq_onnx_name run)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name one = pq_export_whole(x, 1);
    struct pq_onnx_name runs = pq_onnx_node2(w, "Sub", pq_onnx_node2(w, "Add", n, run), one);
    runs = pq_onnx_node2(w, "Div", runs, run);
    const struct pq_onnx_name at = pq_export_count(x, pq_onnx_node2(w, "Mul", runs, run));
    const struct pq_onnx_name last = pq_onnx_node2(w, "Sub", pq_onnx_node2(w, "Add", n, n), one);
    return pq_onnx_node2(w, "Min", at, pq_onnx_node2(w, "Sub", last, at));
}

static struct pq_onnx_name put_runs(struct pq_exporting *x, const struct pq_op *op)
{
    static const int64_t orders[3][5] = {
        {0, 3, 1, 4, 2}, {0, 3, 1, 2, 4}, {0, 3, 1, 4, 2}}; /* keys lie across */
    static const int64_t back[] = {0, 2, 4, 1, 3}, none = 0, axis = 2;
    struct pq_onnx_writer *w = &x->w;
    const int heads = op->attention.heads, dim = op->channels / heads;
    const struct pq_onnx_name n = pq_export_shape(x, flat(x, op, 0), 2, 3);
    const struct pq_onnx_name run = pq_onnx_node2(w, "Min", n, pq_export_whole(x, op->multiple));
    const struct pq_onnx_name at = run_places(x, n, run);
    const int64_t head[] = {0, heads, dim, -1}, pixels[] = {0, op->channels, -1};
    const struct pq_onnx_name parts[] = {pq_onnx_ints(w, 4, head), run};
    const struct pq_onnx_name shape = pq_export_joined(x, 2, parts);
    struct pq_onnx_name v[3];
    for (int i = 0; i < 3; i++) {
        const struct pq_onnx_name all = flat(x, op, i);
        pq_onnx_put_int(w, "axis", 2);
        v[i] = pq_onnx_node2(w, "Reshape", pq_onnx_node2(w, "Gather", all, at), shape);
        v[i] = pq_export_transpose(x, v[i], 5, orders[i]);
    }
    const struct pq_onnx_name q = pq_export_times(x, v[0], op->attention.scale);
    const struct pq_onnx_name shares =
        pq_export_softmax(x, pq_onnx_node2(w, "MatMul", q, v[1]), -1);
    struct pq_onnx_name y = pq_onnx_node2(w, "MatMul", shares, v[2]);
    y = pq_export_reshape(x, pq_export_transpose(x, y, 5, back), 3, pixels);
    return like_input(x, op, pq_export_slice(x, y, 1, &none, n, &axis));
}

struct pq_onnx_name pq_export_sorted(struct pq_exporting *x, const struct pq_op *op)
{
    switch (op->kind) {
    case PQ_OP_CATEGORY:
        return put_order(x, op); /* nothing but the order is ever made of categories */
    case PQ_OP_ORDER:
        return pq_export_in(x, op, 0);
    case PQ_OP_RANK:
        return put_rank(x, pq_export_in(x, op, 0));
    case PQ_OP_PICK:
        return put_pick(x, op);
    default:
        return put_runs(x, op);
    }
}
