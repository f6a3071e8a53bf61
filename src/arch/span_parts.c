/* SPDX-License-Identifier: MIT */
#include "arch/span_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { KERNEL = 3, TAPS = KERNEL * KERNEL, CENTRE = TAPS / 2, NAME = 96 };

bool pq_span_has(const struct pq_statedict *sd, const char *name)
{
    char weight[NAME];
    snprintf(weight, sizeof weight, "%s.sk.weight", name);
    if (pq_statedict_find(sd, weight))
        return true;
    snprintf(weight, sizeof weight, "%s.eval_conv.weight", name);
    return pq_statedict_find(sd, weight) != NULL;
}

int pq_span_weight(const struct pq_parts *p, const char *name, char *weight, int size)
{
    snprintf(weight, (size_t)size, "%s.eval_conv.weight", name);
    if (!pq_statedict_find(p->sd, weight) || pq_parts_has(p, "%s.sk.weight", name))
        snprintf(weight, (size_t)size, "%s.sk.weight", name);
    if (pq_statedict_find(p->sd, weight))
        return 0;
    return pq_parts_fail(p, PIQUE_EFORMAT, "tensor '%s' is missing", weight);
}

/* ---- the folded convolution ---- */

/* A weight of the file and its values in double. */
static int take(struct pq_parts *p, const char *base, const char *part, int dims,
                const int64_t *shape, double **out)
{
    const struct pq_tensor *t = NULL;
    int rc = pq_take(&p->taking, base, part, dims, shape, &t, p->err);
    size_t n;
    if (rc || !pq_tensor_count(t, &n))
        return rc ? rc : PIQUE_EFORMAT;
    float *values = pq_malloc(n * sizeof *values);
    *out = pq_malloc(n * sizeof **out);
    if (!values || !*out) {
        pq_free(values);
        return pq_fail_nomem(p->err, n * (sizeof *values + sizeof **out));
    }
    pq_tensor_to_f32(t, 0, n, values);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = values[i];
    pq_free(values);
    return 0;
}

/* The parts of one convolution; wN is [outputs][inputs][taps]. */
struct threefold {
    int in, out, mid_in, mid_out; /* channels; those between the parts */
    double *w1, *b1, *w2, *b2, *w3, *b3, *sk, *sk_b;
};

static void free_threefold(struct threefold *f)
{
    double **all[] = {&f->w1, &f->b1, &f->w2, &f->b2, &f->w3, &f->b3, &f->sk, &f->sk_b};
    for (size_t i = 0; i < PQ_COUNT(all); i++)
        pq_free(*all[i]);
}

/* The channels between the parts follow from the first and the last of them. */
static int find_widths(struct pq_parts *p, const char *base, struct threefold *f)
{
    f->mid_in = pq_parts_extent(p, 0, "%s.conv.0.weight", base);
    if (f->mid_in < 0)
        return f->mid_in;
    f->mid_out = pq_parts_extent(p, 1, "%s.conv.2.weight", base);
    if (f->mid_out < 0)
        return f->mid_out;
    if (f->mid_in <= PQ_MAX_CHANNELS && f->mid_out <= PQ_MAX_CHANNELS)
        return 0;
    return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "'%s.conv' has %d and %d channels inside", base,
                         f->mid_in, f->mid_out);
}

static int take_parts(struct pq_parts *p, const char *base, struct threefold *f)
{
    int64_t in = f->in, out = f->out;
    int rc = find_widths(p, base, f);
    int64_t a = f->mid_in, b = f->mid_out;
    const struct {
        const char *name;
        int dims;
        int64_t shape[4];
        double **to;
    } all[] = {
        {".conv.0.weight", 4, {a, in, 1, 1}, &f->w1},
        {".conv.0.bias", 1, {a}, &f->b1},
        {".conv.1.weight", 4, {b, a, KERNEL, KERNEL}, &f->w2},
        {".conv.1.bias", 1, {b}, &f->b2},
        {".conv.2.weight", 4, {out, b, 1, 1}, &f->w3},
        {".conv.2.bias", 1, {out}, &f->b3},
        {".sk.weight", 4, {out, in, 1, 1}, &f->sk},
        {".sk.bias", 1, {out}, &f->sk_b},
    };
    for (size_t i = 0; i < PQ_COUNT(all) && !rc; i++)
        rc = take(p, base, all[i].name, all[i].dims, all[i].shape, all[i].to);
    return rc;
}

/* One output channel: W[i][t] = sum_k w3[k] sum_j w2[k][j][t] w1[j][i], the 1x1 beside it added to
 * the middle tap. row: mid_in x TAPS numbers of scratch. */
static void fold_output(const struct threefold *f, int o, double *row, float *weight, float *bias)
{
    double b = f->b3[o] + f->sk_b[o];
    memset(row, 0, (size_t)f->mid_in * TAPS * sizeof *row);
    for (int k = 0; k < f->mid_out; k++) {
        double w3 = f->w3[(size_t)o * (size_t)f->mid_out + (size_t)k];
        const double *w2 = f->w2 + (size_t)k * (size_t)f->mid_in * TAPS;
        for (int i = 0; i < f->mid_in * TAPS; i++)
            row[i] += w3 * w2[i];
        b += w3 * f->b2[k];
    }
    for (int j = 0; j < f->mid_in; j++) {
        for (int t = 0; t < TAPS; t++)
            b += row[j * TAPS + t] * f->b1[j];
    }
    for (int i = 0; i < f->in; i++) {
        for (int t = 0; t < TAPS; t++) {
            double w = t == CENTRE ? f->sk[(size_t)o * (size_t)f->in + (size_t)i] : 0;
            for (int j = 0; j < f->mid_in; j++)
                w += row[j * TAPS + t] * f->w1[(size_t)j * (size_t)f->in + (size_t)i];
            weight[i * TAPS + t] = (float)w;
        }
    }
    *bias = (float)b;
}

static int fold(struct pq_parts *p, const struct threefold *f, struct pq_tensor *weight,
                struct pq_tensor *bias)
{
    size_t per_output = (size_t)f->in * TAPS, count = per_output * (size_t)f->out;
    float *w = pq_graph_own(p->g, count * sizeof *w);
    float *b = pq_graph_own(p->g, (size_t)f->out * sizeof *b);
    double *row = pq_malloc((size_t)f->mid_in * TAPS * sizeof *row);
    int rc = w && b && row ? 0 : pq_fail_nomem(p->err, count * sizeof *w);
    for (int o = 0; o < f->out && !rc; o++)
        fold_output(f, o, row, w + (size_t)o * per_output, &b[o]);
    pq_free(row);
    *weight = (struct pq_tensor){
        .dtype = PQ_F32, .dims = 4, .shape = {f->out, f->in, KERNEL, KERNEL}, .data = w};
    *bias = (struct pq_tensor){.dtype = PQ_F32, .dims = 1, .shape = {f->out}, .data = b};
    return rc;
}

static int add_folded(struct pq_parts *p, int in, int outputs, const char *base)
{
    struct threefold f = {.in = p->g->ops[in].channels, .out = outputs};
    struct pq_tensor weight, bias;
    int rc = take_parts(p, base, &f);
    if (!rc)
        rc = fold(p, &f, &weight, &bias);
    free_threefold(&f);
    /* Beside the parts it means nothing. */
    pq_parts_skip(p, "%s.eval_conv.weight", base);
    pq_parts_skip(p, "%s.eval_conv.bias", base);
    return rc ? rc : pq_graph_conv2d(p->g, in, &weight, &bias, p->err);
}

static int add_conv(struct pq_parts *p, int in, int outputs, const char *base)
{
    if (in < 0)
        return in;
    if (!pq_parts_has(p, "%s.sk.weight", base) && pq_parts_has(p, "%s.eval_conv.weight", base))
        return pq_parts_conv(p, in, outputs, KERNEL, "%s.eval_conv", base);
    return add_folded(p, in, outputs, base);
}

int pq_span_conv(struct pq_parts *p, int in, int outputs, const char *fmt, ...)
{
    char base[NAME];
    va_list args;
    va_start(args, fmt);
    vsnprintf(base, sizeof base, fmt, args);
    va_end(args);
    return add_conv(p, in, outputs, base);
}

/* ---- the block ---- */

static int add_act(struct pq_parts *p, int x, enum pq_span_kind kind)
{
    if (kind == PQ_SPAN_LEARNT)
        return pq_parts_act(p, x, 0);
    return pq_parts_curve(p, x, kind == PQ_SPAN_MISH ? PQ_ACT_MISH : PQ_ACT_SILU);
}

static int add_gate(struct pq_parts *p, int x, int features, enum pq_span_kind kind,
                    const char *base)
{
    const float less = -0.5f;
    if (kind == PQ_SPAN_LEARNT)
        return pq_parts_curve(p, pq_parts_conv(p, x, features, 1, "%s.att_conv", base),
                              PQ_ACT_TANH);
    return pq_parts_scale(p, pq_parts_curve(p, x, PQ_ACT_SIGMOID), 1, 1, &less);
}

int pq_span_block(struct pq_parts *p, int x, enum pq_span_kind kind, int *first, const char *fmt,
                  ...)
{
    char base[NAME];
    va_list args;
    va_start(args, fmt);
    vsnprintf(base, sizeof base, fmt, args);
    va_end(args);
    if (x < 0)
        return x;
    const int features = p->g->ops[x].channels;
    *first = add_act(p, pq_span_conv(p, x, features, "%s.c1_r", base), kind);
    int o = add_act(p, pq_span_conv(p, *first, features, "%s.c2_r", base), kind);
    o = pq_span_conv(p, o, features, "%s.c3_r", base);
    int sum = pq_parts_add(p, x, o);
    return pq_parts_mul(p, sum, add_gate(p, o, features, kind, base));
}
