/* SPDX-License-Identifier: MIT */
#include "model/onnx_emit.h"

#include <string.h>

#include "base/alloc.h"
#include "graph/build.h"

static int no_memory(struct pq_import *im, int64_t floats)
{
    return pq_fail_nomem(im->err, (unsigned long long)floats * sizeof(float));
}

static float *own_floats(struct pq_import *im, int dims, const int64_t *shape, struct pq_tensor *t)
{
    size_t count;
    *t = (struct pq_tensor){.dtype = PQ_F32, .dims = dims};
    memcpy(t->shape, shape, (size_t)dims * sizeof *shape);
    if (!pq_tensor_count(t, &count) || count > im->floats_left)
        return NULL;
    im->floats_left -= count;
    *t = pq_graph_own_tensor(im->graph, dims, shape);
    return (float *)t->data;
}

float *pq_emit_floats(struct pq_import *im, int64_t count, struct pq_tensor *t)
{
    return own_floats(im, 1, &count, t);
}

int pq_emit_mix(struct pq_import *im, int op, const float *weight, int out)
{
    const struct pq_tensor t = {.dtype = PQ_F32,
                                .dims = 4,
                                .shape = {out, im->graph->ops[op].channels, 1, 1},
                                .data = weight};
    pique_error e = {0};
    return pq_import_placed(im, pq_graph_conv2d(im->graph, op, &t, NULL, &e), &e);
}

/* ---- channels ---- */

/* A convolution that nobody else need to read can yield its channels in any order itself. */
static int select_outputs(struct pq_import *im, int op, const int *from, int count)
{
    struct pq_op conv = im->graph->ops[op];
    struct pq_tensor weight = conv.weight, bias = {0};
    size_t all;
    weight.shape[0] = 1;
    if (!pq_tensor_count(&weight, &all))
        return pq_import_fail(im, PIQUE_EFORMAT, "its input has a weight that is too large");
    weight.shape[0] = count;
    float *w = own_floats(
        im, 4, (const int64_t[]){count, weight.shape[1], weight.shape[2], weight.shape[3]},
        &weight);
    float *b = conv.bias.data ? pq_emit_floats(im, count, &bias) : NULL;
    if (!w || (conv.bias.data && !b))
        return no_memory(im, count * (int64_t)all);
    for (int c = 0; c < count; c++) {
        pq_tensor_to_f32(&conv.weight, (size_t)from[c] * all, all, w + (size_t)c * all);
        if (b)
            pq_tensor_to_f32(&conv.bias, (size_t)from[c], 1, b + c);
    }
    conv.weight = weight;
    conv.bias = bias;
    conv.channels = count;
    pique_error e = {0};
    return pq_import_placed(im, pq_graph_append(im->graph, conv, &e), &e);
}

int pq_emit_select(struct pq_import *im, int op, const int *from, int count)
{
    const int channels = im->graph->ops[op].channels;
    bool run = count <= channels, same = count == channels;
    for (int c = 0; c < count; c++) {
        run = run && from[c] == from[0] + c;
        same = same && from[c] == c;
    }
    pique_error e = {0};
    if (same)
        return op;
    if (run)
        return pq_import_placed(im, pq_graph_slice(im->graph, op, from[0], count, &e), &e);
    if (im->graph->ops[op].kind == PQ_OP_CONV2D)
        return select_outputs(im, op, from, count);
    struct pq_tensor t;
    float *w = pq_emit_floats(im, (int64_t)count * channels, &t);
    if (!w)
        return no_memory(im, (int64_t)count * channels);
    memset(w, 0, (size_t)count * (size_t)channels * sizeof *w);
    for (int c = 0; c < count; c++)
        w[(size_t)c * (size_t)channels + (size_t)from[c]] = 1;
    return pq_emit_mix(im, op, w, count);
}

int pq_emit_spread(struct pq_import *im, int op, int count)
{
    struct pq_tensor t;
    float *w = pq_emit_floats(im, count, &t);
    if (!w)
        return no_memory(im, count);
    for (int c = 0; c < count; c++)
        w[c] = 1;
    return pq_emit_mix(im, op, w, count);
}

int pq_emit_channel_mean(struct pq_import *im, int op)
{
    const int channels = im->graph->ops[op].channels;
    struct pq_tensor t;
    float *w = pq_emit_floats(im, channels, &t);
    if (!w)
        return no_memory(im, channels);
    for (int c = 0; c < channels; c++)
        w[c] = 1 / (float)channels;
    return pq_emit_mix(im, op, w, 1);
}

int pq_emit_unshuffle(struct pq_import *im, int op, int factor, bool by_place)
{
    pique_error e = {0};
    for (int s = 0; s < PQ_SAMPLES; s++) {
        if (pq_import_extent(im, op, PQ_ROWS, s) % factor ||
            pq_import_extent(im, op, PQ_COLUMNS, s) % factor)
            im->size_matters = true;
    }
    if (im->size_matters)
        return pq_import_refuse(im, "the size must be a multiple of %d", factor);
    op = by_place ? pq_graph_pixel_unshuffle_by_place(im->graph, op, factor, &e)
                  : pq_graph_pixel_unshuffle(im->graph, op, factor, &e);
    return pq_import_placed(im, op, &e);
}

int pq_emit_shuffle(struct pq_import *im, int op, int factor, bool by_place)
{
    pique_error e = {0};
    op = by_place ? pq_graph_pixel_shuffle_by_place(im->graph, op, factor, &e)
                  : pq_graph_pixel_shuffle(im->graph, op, factor, &e);
    return pq_import_placed(im, op, &e);
}

/* ---- factors and terms ---- */

static bool all_are(const struct pq_tensor *t, float value)
{
    for (int64_t i = 0; i < t->shape[0]; i++) {
        float x;
        pq_tensor_to_f32(t, (size_t)i, 1, &x);
        if (x != value)
            return false;
    }
    return true;
}

/* A convolution that has no bias takes the terms for it. */
static int as_bias(struct pq_import *im, int op, const struct pq_tensor *terms)
{
    struct pq_op conv = im->graph->ops[op];
    conv.bias = *terms;
    pique_error e = {0};
    return pq_import_placed(im, pq_graph_append(im->graph, conv, &e), &e);
}

/* A group norm is an affine operation whose factors and terms another one computes, from weights
 * that these here become part of. */
static int scale_group_norm(struct pq_import *im, int op, const float *factors, const float *terms)
{
    struct pq_op apply = im->graph->ops[op], norm = im->graph->ops[apply.in[1]];
    const int n = apply.channels;
    struct pq_tensor w, b;
    float *to_w = pq_emit_floats(im, n, &w), *to_b = pq_emit_floats(im, n, &b);
    if (!to_w || !to_b)
        return no_memory(im, 2 * n);
    for (int c = 0; c < n; c++) {
        to_w[c] = 1;
        to_b[c] = 0;
        if (norm.weight.data)
            pq_tensor_to_f32(&norm.weight, (size_t)c, 1, &to_w[c]);
        if (norm.bias.data)
            pq_tensor_to_f32(&norm.bias, (size_t)c, 1, &to_b[c]);
        to_w[c] *= factors[c];
        to_b[c] = to_b[c] * factors[c] + terms[c];
    }
    norm.weight = w;
    norm.bias = b;
    pique_error e = {0};
    apply.in[1] = pq_graph_append(im->graph, norm, &e);
    const int result = apply.in[1] < 0 ? apply.in[1] : pq_graph_append(im->graph, apply, &e);
    return pq_import_placed(im, result, &e);
}

int pq_emit_affine(struct pq_import *im, int op, const float *factors, const float *terms)
{
    const struct pq_op before = im->graph->ops[op];
    const int n = before.channels;
    struct pq_tensor f, t;
    float *to_f = pq_emit_floats(im, n, &f), *to_t = pq_emit_floats(im, n, &t);
    if (!to_f || !to_t)
        return no_memory(im, 2 * n);
    for (int c = 0; c < n; c++) {
        to_f[c] = factors ? factors[c] : 1;
        to_t[c] = terms ? terms[c] : 0;
    }
    if (!factors && before.kind == PQ_OP_CONV2D && !before.bias.data && !before.act.on)
        return as_bias(im, op, &t);
    if (before.kind == PQ_OP_LAYER_NORM && !before.bias.data && (!factors || !before.weight.data)) {
        struct pq_op norm = before;
        if (factors)
            norm.weight = f;
        if (terms)
            norm.bias = t;
        pique_error why = {0};
        return pq_import_placed(im, pq_graph_append(im->graph, norm, &why), &why);
    }
    if (before.kind == PQ_OP_AFFINE && before.inputs == 2)
        return scale_group_norm(im, op, to_f, to_t);
    /* What only multiplies and what only adds behind it are one. */
    if (!factors && before.kind == PQ_OP_AFFINE && before.inputs == 1 && all_are(&before.bias, 0)) {
        pq_tensor_to_f32(&before.weight, 0, (size_t)n, to_f);
        op = before.in[0];
    }
    pique_error e = {0};
    return pq_import_placed(im, pq_graph_affine(im->graph, op, &f, &t, &e), &e);
}

int pq_emit_scaled(struct pq_import *im, int op, const double *factors, const double *terms)
{
    struct pq_op conv = im->graph->ops[op];
    const int n = conv.channels;
    const bool folds = (conv.kind == PQ_OP_CONV2D || conv.kind == PQ_OP_DEPTHWISE) && !conv.act.on;
    struct pq_tensor f, t;
    float *to_f = pq_emit_floats(im, n, &f), *to_t = pq_emit_floats(im, n, &t);
    if (!to_f || !to_t)
        return no_memory(im, 2 * n);
    for (int c = 0; c < n; c++) {
        float bias = 0;
        if (folds && conv.bias.data)
            pq_tensor_to_f32(&conv.bias, (size_t)c, 1, &bias);
        to_f[c] = (float)factors[c];
        to_t[c] = (float)((double)bias * factors[c] + terms[c]);
    }
    pique_error e = {0};
    if (!folds)
        return pq_import_placed(im, pq_graph_affine(im->graph, op, &f, &t, &e), &e);
    struct pq_tensor w;
    float *to = own_floats(im, 4, conv.weight.shape, &w);
    size_t count;
    if (!to || !pq_tensor_count(&w, &count))
        return no_memory(im, n);
    pq_tensor_to_f32(&conv.weight, 0, count, to);
    for (size_t i = 0; i < count; i++)
        to[i] = (float)((double)to[i] * factors[i / (count / (size_t)n)]);
    conv.weight = w;
    conv.bias = t;
    return pq_import_placed(im, pq_graph_append(im->graph, conv, &e), &e);
}

/* ---- sizes ---- */

int pq_emit_skip(struct pq_import *im, int op, int factor)
{
    const int channels = im->graph->ops[op].channels;
    struct pq_tensor t;
    float *w = pq_emit_floats(im, channels, &t);
    if (!w)
        return no_memory(im, channels);
    for (int c = 0; c < channels; c++)
        w[c] = 1;
    t.dims = 4;
    t.shape[1] = t.shape[2] = t.shape[3] = 1;
    const struct pq_conv_shape shape = {.stride_y = factor, .stride_x = factor, .groups = channels};
    pique_error e = {0};
    return pq_import_placed(im, pq_graph_conv(im->graph, op, &t, NULL, &shape, &e), &e);
}

int pq_find_like(struct pq_import *im, const int64_t rows[PQ_SAMPLES],
                 const int64_t columns[PQ_SAMPLES])
{
    (void)pq_import_extent(im, im->graph->count - 1, PQ_ROWS, 0); /* know them all */
    for (int i = 0; i < im->extent_count; i++) {
        const struct pq_op *op = &im->graph->ops[i];
        if (!op->global && !op->column &&
            memcmp(im->extents[i][0], rows, sizeof im->extents[i][0]) == 0 &&
            memcmp(im->extents[i][1], columns, sizeof im->extents[i][1]) == 0)
            return i;
    }
    return -1;
}

int pq_emit_like(struct pq_import *im, int op, int num, int den)
{
    int64_t rows[PQ_SAMPLES], columns[PQ_SAMPLES];
    for (int s = 0; s < PQ_SAMPLES; s++) {
        rows[s] = pq_import_extent(im, op, PQ_ROWS, s) * num / den;
        columns[s] = pq_import_extent(im, op, PQ_COLUMNS, s) * num / den;
    }
    const int like = pq_find_like(im, rows, columns);
    if (like >= 0)
        return like;
    pique_error e = {0};
    const int one = pq_graph_slice(im->graph, op, 0, 1, &e);
    if (one < 0)
        return pq_import_placed(im, one, &e);
    return pq_import_placed(im, pq_graph_bicubic(im->graph, one, num, den, &e), &e);
}

int pq_emit_crop(struct pq_import *im, int op, const int64_t side[4])
{
    if (!side[0] && !side[1] && !side[2] && !side[3])
        return op;
    for (int i = 0; i < 4; i++) {
        if (side[i] < 0 || side[i] > PQ_MAX_PAD)
            return pq_import_refuse(im, "it takes more than %d pixels off a side", PQ_MAX_PAD);
    }
    pique_error e = {0};
    struct pq_op crop = pq_op_new(im->graph, PQ_OP_CROP, op, im->graph->ops[op].channels);
    crop.ver.before = (int)side[0];
    crop.hor.before = (int)side[1];
    crop.ver.after = (int)side[2];
    crop.hor.after = (int)side[3];
    return pq_import_placed(im, pq_graph_append(im->graph, crop, &e), &e);
}
