/* SPDX-License-Identifier: MIT */
/* Operations on one pixel after another, and those that only change the size. */
#include <stddef.h>

#include "base/alloc.h"
#include "graph/build.h"

/* ---- activations ---- */

int pq_graph_act(struct pq_graph *g, int in, float slope, const struct pq_tensor *slopes,
                 pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_ACT, err);
    if (!rc)
        rc = pq_build_check_vector(PQ_OP_ACT, slopes, g->ops[in].channels, "slopes", err);
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, PQ_OP_ACT, in, g->ops[in].channels);
    op.act = (struct pq_act){.on = true, .slope = slope};
    if (slopes)
        op.act.slopes = *slopes;
    return pq_graph_append(g, op, err);
}

static int append_curve(struct pq_graph *g, int in, struct pq_act act, pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_ACT, err);
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, PQ_OP_ACT, in, g->ops[in].channels);
    op.act = act;
    op.act.on = true;
    return pq_graph_append(g, op, err);
}

int pq_graph_curve(struct pq_graph *g, int in, enum pq_act_kind kind, pique_error *err)
{
    return append_curve(g, in, (struct pq_act){.kind = kind}, err);
}

int pq_graph_clip(struct pq_graph *g, int in, float low, float high, pique_error *err)
{
    return append_curve(g, in, (struct pq_act){.kind = PQ_ACT_CLIP, .low = low, .high = high}, err);
}

/* ---- two inputs ---- */

/* The picture first, the global one behind it. */
static int check_pair(const struct pq_graph *g, enum pq_op_kind kind, int a, int b, bool *swap,
                      pique_error *err)
{
    int rc = pq_build_check_input(g, a, kind, err);
    if (!rc)
        rc = pq_build_check_input(g, b, kind, err);
    if (rc)
        return rc;
    *swap = g->ops[a].global && !g->ops[b].global;
    if (g->ops[a].global != g->ops[b].global)
        return 0;
    return pq_build_check_size(g, kind, a, b, err);
}

static int append_pair(struct pq_graph *g, enum pq_op_kind kind, int a, int b, float scale,
                       pique_error *err)
{
    struct pq_op op = pq_op_new(g, kind, a, g->ops[a].channels);
    op.in[op.inputs++] = b;
    op.scale = scale;
    if (g->ops[b].global && !op.global)
        op.global_inputs = 1U << 1;
    return pq_graph_append(g, op, err);
}

int pq_graph_add(struct pq_graph *g, int a, int b, float scale, pique_error *err)
{
    bool swap;
    int rc = check_pair(g, PQ_OP_ADD, a, b, &swap, err);
    if (rc)
        return rc;
    if (g->ops[a].channels != g->ops[b].channels)
        return pq_fail(err, PIQUE_EFORMAT, "add joins %d channels with %d", g->ops[a].channels,
                       g->ops[b].channels);
    if (swap && scale != 1) {
        b = pq_graph_scale(g, b, scale, 0, err);
        if (b < 0)
            return b;
        scale = 1;
    }
    return swap ? append_pair(g, PQ_OP_ADD, b, a, scale, err)
                : append_pair(g, PQ_OP_ADD, a, b, scale, err);
}

int pq_graph_mul(struct pq_graph *g, int a, int b, pique_error *err)
{
    bool swap;
    int rc = check_pair(g, PQ_OP_MUL, a, b, &swap, err);
    if (rc)
        return rc;
    if (swap || (g->ops[a].channels == 1 && g->ops[a].global == g->ops[b].global)) {
        int other = a;
        a = b;
        b = other;
    }
    if (g->ops[a].channels != g->ops[b].channels && g->ops[b].channels != 1)
        return pq_fail(err, PIQUE_EFORMAT, "multiplication joins %d channels with %d",
                       g->ops[a].channels, g->ops[b].channels);
    return append_pair(g, PQ_OP_MUL, a, b, 1, err);
}

int pq_graph_affine(struct pq_graph *g, int in, const struct pq_tensor *factors,
                    const struct pq_tensor *terms, pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_AFFINE, err);
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, PQ_OP_AFFINE, in, g->ops[in].channels);
    rc = pq_build_check_vector(PQ_OP_AFFINE, factors, op.channels, "factors", err);
    if (!rc)
        rc = pq_build_check_vector(PQ_OP_AFFINE, terms, op.channels, "terms", err);
    if (rc)
        return rc;
    op.weight = *factors;
    op.bias = *terms;
    return pq_graph_append(g, op, err);
}

int pq_graph_scale(struct pq_graph *g, int in, float factor, float term, pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_AFFINE, err);
    if (rc)
        return rc;
    const int64_t n = g->ops[in].channels;
    struct pq_tensor factors = pq_graph_own_tensor(g, 1, &n), terms = pq_graph_own_tensor(g, 1, &n);
    if (!factors.data || !terms.data)
        return pq_fail_nomem(err, 2 * (size_t)n * sizeof(float));
    for (int64_t c = 0; c < n; c++) {
        ((float *)factors.data)[c] = factor;
        ((float *)terms.data)[c] = term;
    }
    return pq_graph_affine(g, in, &factors, &terms, err);
}

/* ---- channels ---- */

int pq_graph_concat(struct pq_graph *g, int count, const int *in, pique_error *err)
{
    if (count < 1 || count >= PQ_MAX_INPUTS)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%d inputs are joined; 1 to %d are possible", count,
                       PQ_MAX_INPUTS - 1);
    int channels = 0;
    for (int k = 0; k < count; k++) {
        int rc = pq_build_check_input(g, in[k], PQ_OP_CONCAT, err);
        if (!rc)
            rc = pq_build_check_size(g, PQ_OP_CONCAT, in[0], in[k], err);
        if (rc)
            return rc;
        channels += g->ops[in[k]].channels;
    }
    struct pq_op op = pq_op_new(g, PQ_OP_CONCAT, in[0], channels);
    op.inputs = count;
    for (int k = 0; k < count; k++)
        op.in[k] = in[k];
    return pq_graph_append(g, op, err);
}

int pq_graph_slice(struct pq_graph *g, int in, int first, int count, pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_SLICE, err);
    if (rc)
        return rc;
    int channels = g->ops[in].channels;
    if (first < 0 || count < 1 || first > channels - count)
        return pq_fail(err, PIQUE_EFORMAT, "a slice of %d channels from %d on out of %d", count,
                       first, channels);
    if (count == channels)
        return in;
    struct pq_op op = pq_op_new(g, PQ_OP_SLICE, in, count);
    op.first = first;
    return pq_graph_append(g, op, err);
}

static int append_factor(struct pq_graph *g, enum pq_op_kind kind, int in, int factor,
                         bool by_place, pique_error *err)
{
    int rc = pq_build_check_input(g, in, kind, err);
    if (!rc)
        rc = pq_build_check_factor(kind, factor, err);
    if (rc)
        return rc;
    int channels = g->ops[in].channels, area = factor * factor;
    if (g->ops[in].global || g->ops[in].column)
        return pq_fail(err, PIQUE_EFORMAT, "%s gets no picture", pq_op_name(kind));
    if (kind == PQ_OP_PIXEL_SHUFFLE && channels % area)
        return pq_fail(err, PIQUE_EFORMAT, "a pixel shuffle by %d gets %d channels", factor,
                       channels);
    channels = kind == PQ_OP_PIXEL_SHUFFLE     ? channels / area
               : kind == PQ_OP_PIXEL_UNSHUFFLE ? channels * area
                                               : channels;
    struct pq_op op = pq_op_new(g, kind, in, channels);
    op.factor = factor;
    op.by_place = by_place;
    if (kind == PQ_OP_PIXEL_UNSHUFFLE)
        op.rate_den = factor;
    else
        op.rate_num = factor;
    return pq_graph_append(g, op, err);
}

int pq_graph_pixel_shuffle(struct pq_graph *g, int in, int factor, pique_error *err)
{
    return append_factor(g, PQ_OP_PIXEL_SHUFFLE, in, factor, false, err);
}

int pq_graph_pixel_unshuffle(struct pq_graph *g, int in, int factor, pique_error *err)
{
    return append_factor(g, PQ_OP_PIXEL_UNSHUFFLE, in, factor, false, err);
}

int pq_graph_pixel_shuffle_by_place(struct pq_graph *g, int in, int factor, pique_error *err)
{
    return append_factor(g, PQ_OP_PIXEL_SHUFFLE, in, factor, true, err);
}

int pq_graph_pixel_unshuffle_by_place(struct pq_graph *g, int in, int factor, pique_error *err)
{
    return append_factor(g, PQ_OP_PIXEL_UNSHUFFLE, in, factor, true, err);
}

int pq_graph_nearest(struct pq_graph *g, int in, int factor, pique_error *err)
{
    return append_factor(g, PQ_OP_NEAREST, in, factor, false, err);
}

/* ---- sizes ---- */

int pq_graph_bicubic(struct pq_graph *g, int in, int rate_num, int rate_den, pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_BICUBIC, err);
    if (rc)
        return rc;
    if (g->ops[in].global || g->ops[in].column)
        return pq_fail(err, PIQUE_EFORMAT, "bicubic gets no picture");
    if (rate_num < 1 || rate_den < 1 || rate_num > 64 || rate_den > 64)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "bicubic by %d/%d; terms of 1 to 64 are possible",
                       rate_num, rate_den);
    struct pq_op op = pq_op_new(g, PQ_OP_BICUBIC, in, g->ops[in].channels);
    op.rate_num = rate_num;
    op.rate_den = rate_den;
    return pq_graph_append(g, op, err);
}

static int append_like(struct pq_graph *g, enum pq_op_kind kind, int in, int like, int num, int den,
                       pique_error *err)
{
    int rc = pq_build_check_input(g, in, kind, err);
    if (!rc)
        rc = pq_build_check_input(g, like, kind, err);
    if (rc)
        return rc;
    if (g->ops[in].global || g->ops[in].column || g->ops[like].global || g->ops[like].column ||
        num < 1 || den < 1 || num > PQ_MAX_FACTOR || den > PQ_MAX_FACTOR)
        return pq_fail(err, PIQUE_EFORMAT, "%s needs two pictures and a ratio of 1 to %d",
                       pq_op_name(kind), PQ_MAX_FACTOR);
    struct pq_op op = pq_op_new(g, kind, in, g->ops[in].channels);
    op.like = like;
    op.rate_num = num;
    op.rate_den = den;
    return pq_graph_append(g, op, err);
}

int pq_graph_bilinear(struct pq_graph *g, int in, int like, pique_error *err)
{
    return append_like(g, PQ_OP_BILINEAR, in, like, 1, 1, err);
}

int pq_graph_crop_like(struct pq_graph *g, int in, int like, int scale_num, int scale_den,
                       pique_error *err)
{
    return append_like(g, PQ_OP_CROP, in, like, scale_num, scale_den, err);
}

/* PAD and CROP by numbers. */
static int append_border(struct pq_graph *g, struct pq_op op, int top, int left, int bottom,
                         int right, pique_error *err)
{
    const int sides[] = {top, left, bottom, right};
    for (int i = 0; i < 4; i++) {
        if (sides[i] < 0 || sides[i] > PQ_MAX_PAD)
            return pq_fail(err, PIQUE_EUNSUPPORTED, "%s by %d; 0 to %d are possible",
                           pq_op_name(op.kind), sides[i], PQ_MAX_PAD);
    }
    op.ver.before = top;
    op.ver.after = bottom;
    op.hor.before = left;
    op.hor.after = right;
    return pq_graph_append(g, op, err);
}

int pq_graph_pad4(struct pq_graph *g, int in, enum pq_pad_mode mode, int top, int left, int bottom,
                  int right, int multiple, pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_PAD, err);
    if (rc)
        return rc;
    if (multiple < 1 || multiple > PQ_MAX_PAD || g->ops[in].global || g->ops[in].column)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "padding to a multiple of %d; 1 to %d are possible",
                       multiple, PQ_MAX_PAD);
    struct pq_op op = pq_op_new(g, PQ_OP_PAD, in, g->ops[in].channels);
    op.pad_mode = mode;
    op.multiple = multiple;
    return append_border(g, op, top, left, bottom, right, err);
}

int pq_graph_pad(struct pq_graph *g, int in, enum pq_pad_mode mode, int border, int multiple,
                 pique_error *err)
{
    return pq_graph_pad4(g, in, mode, border, border, border, border, multiple, err);
}

int pq_graph_pad_least(struct pq_graph *g, int in, enum pq_pad_mode mode, int multiple, int least,
                       pique_error *err)
{
    int pad = pq_graph_pad(g, in, mode, 0, multiple, err);
    if (pad < 0)
        return pad;
    if (least < 0 || least > PQ_MAX_PAD || least % multiple)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "padding to %d pixels, a multiple of %d, at least",
                       least, multiple);
    g->ops[pad].least = least;
    return pad;
}

int pq_graph_crop4(struct pq_graph *g, int in, int top, int left, int bottom, int right,
                   pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_CROP, err);
    if (rc)
        return rc;
    if (g->ops[in].global || g->ops[in].column)
        return pq_fail(err, PIQUE_EFORMAT, "crop gets no picture");
    struct pq_op op = pq_op_new(g, PQ_OP_CROP, in, g->ops[in].channels);
    return append_border(g, op, top, left, bottom, right, err);
}

int pq_graph_crop(struct pq_graph *g, int in, int border, pique_error *err)
{
    return pq_graph_crop4(g, in, border, border, border, border, err);
}

int pq_graph_crop_at(struct pq_graph *g, int in, int top, int left, int like, pique_error *err)
{
    if (top < 0 || left < 0 || top > PQ_MAX_PAD || left > PQ_MAX_PAD)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "crop from %d, %d on; 0 to %d are possible", top,
                       left, PQ_MAX_PAD);
    int at = pq_graph_crop_like(g, in, like, 1, 1, err);
    if (at < 0)
        return at;
    g->ops[at].ver.before = top;
    g->ops[at].hor.before = left;
    return at;
}

int pq_graph_pool(struct pq_graph *g, int in, enum pq_op_kind kind, int kernel, int stride,
                  pique_error *err)
{
    int rc = pq_build_check_input(g, in, kind, err);
    if (!rc)
        rc = pq_build_check_factor(kind, stride, err);
    if (rc)
        return rc;
    if (g->ops[in].global || g->ops[in].column)
        return pq_fail(err, PIQUE_EFORMAT, "%s gets no picture", pq_op_name(kind));
    if (kernel < 1 || kernel > PQ_MAX_KERNEL)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s of %d pixels; 1 to %d are possible",
                       pq_op_name(kind), kernel, PQ_MAX_KERNEL);
    struct pq_op op = pq_op_new(g, kind, in, g->ops[in].channels);
    op.ver = op.hor = (struct pq_window){.kernel = kernel, .stride = stride, .dilation = 1};
    op.rate_den = stride;
    return pq_graph_append(g, op, err);
}

int pq_graph_norm(struct pq_graph *g, int in, enum pq_op_kind kind, const struct pq_tensor *weight,
                  const struct pq_tensor *bias, float eps, pique_error *err)
{
    int rc = pq_build_check_input(g, in, kind, err);
    if (!rc)
        rc = pq_build_check_vector(kind, weight, g->ops[in].channels, "weights", err);
    if (!rc)
        rc = pq_build_check_vector(kind, bias, g->ops[in].channels, "biases", err);
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, kind, in, g->ops[in].channels);
    op.eps = eps;
    if (weight)
        op.weight = *weight;
    if (bias)
        op.bias = *bias;
    return pq_graph_append(g, op, err);
}
