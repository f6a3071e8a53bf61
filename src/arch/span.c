/* SPDX-License-Identifier: MIT */
/* SPAN, the swift parameter-free attention network (Wan et al. 2023).
 *
 *     x -> normalise -> conv_1 = f -> block_1 = b1 -> block_2 -> ... -> block_6 -> conv_2
 *     out = shuffle(upsampler(conv_cat([f, conv_2, b1, s])))
 *
 * where s is SiLU of the first convolution of block_6. A block is
 *
 *     s = SiLU(c1 x);  o = c3 SiLU(c2 s);  result = (o + x) (sigmoid(o) - 1/2)
 *
 * Every 3x3 convolution but the upsampler is stored as it was trained: 1x1, 3x3 and 1x1 in a row
 * plus a 1x1 beside them. They are one linear map, so they are folded into one 3x3 here, in double.
 * Files for use alone may hold only that one, as eval_conv; where both are there, the parts count,
 * for the reference code computes eval_conv anew from them.
 *
 * The mean and the range of the normalisation are not in the file; the tensor no_norm says that
 * there is none. The result is not brought back, as in the reference code. */
#include "arch/arch.h"

#include <stdio.h>
#include <string.h>

#include "arch/take.h"
#include "base/alloc.h"

enum { BLOCKS = 6, KERNEL = 3, TAPS = KERNEL * KERNEL, CENTRE = TAPS / 2, NAME = 96 };

/* A network while it is built. */
struct span {
    const struct pq_statedict *sd;
    struct pq_graph *g;
    int channels, features, scale;
    struct pq_taking taking;
    pique_error *err;
};

bool pq_span_detect(const struct pq_statedict *sd)
{
    return pq_statedict_find(sd, "conv_cat.weight") &&
           pq_statedict_find(sd, "upsampler.0.weight") &&
           (pq_statedict_find(sd, "block_1.c1_r.sk.weight") ||
            pq_statedict_find(sd, "block_1.c1_r.eval_conv.weight"));
}

/* ---- the folded convolution ---- */

/* A weight of the file and its values in double. */
static int take(struct span *s, const char *base, const char *part, int dims, const int64_t *shape,
                double **out)
{
    const struct pq_tensor *t = NULL;
    int rc = pq_take(&s->taking, base, part, dims, shape, &t, s->err);
    size_t n;
    if (rc || !pq_tensor_count(t, &n))
        return rc ? rc : PIQUE_EFORMAT;
    float *values = pq_malloc(n * sizeof *values);
    *out = pq_malloc(n * sizeof **out);
    if (!values || !*out) {
        pq_free(values);
        return pq_fail_nomem(s->err, n * (sizeof *values + sizeof **out));
    }
    pq_tensor_to_f32(t, 0, n, values);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = values[i];
    pq_free(values);
    return 0;
}

/* The parts of one convolution; wN is [outputs][inputs][taps]. */
struct parts {
    int in, out, mid_in, mid_out; /* channels; those between the parts */
    double *w1, *b1, *w2, *b2, *w3, *b3, *sk, *sk_b;
};

static void free_parts(struct parts *p)
{
    double **all[] = {&p->w1, &p->b1, &p->w2, &p->b2, &p->w3, &p->b3, &p->sk, &p->sk_b};
    for (size_t i = 0; i < PQ_COUNT(all); i++)
        pq_free(*all[i]);
}

/* The channels between the parts follow from the first and the last of them. */
static int find_widths(struct span *s, const char *base, struct parts *p)
{
    static const char *const ends[] = {"conv.0.weight", "conv.2.weight"};
    int *widths[] = {&p->mid_in, &p->mid_out};
    for (int i = 0; i < 2; i++) {
        char name[NAME];
        snprintf(name, sizeof name, "%s.%s", base, ends[i]);
        const struct pq_tensor *t = pq_statedict_find(s->sd, name);
        if (!t)
            return pq_fail(s->err, PIQUE_EFORMAT, "%s: tensor '%s' is missing", s->sd->map.path,
                           name);
        int64_t width = t->dims == 4 ? t->shape[i] : 0;
        if (width < 1 || width > PQ_MAX_CHANNELS) {
            char text[96];
            return pq_fail(s->err, PIQUE_EFORMAT, "%s: tensor '%s' has shape %s", s->sd->map.path,
                           name, pq_tensor_shape_text(t, text, sizeof text));
        }
        *widths[i] = (int)width;
    }
    return 0;
}

static int take_parts(struct span *s, const char *base, struct parts *p)
{
    int64_t in = p->in, out = p->out;
    int rc = find_widths(s, base, p);
    int64_t a = p->mid_in, b = p->mid_out;
    const struct {
        const char *name;
        int dims;
        int64_t shape[4];
        double **to;
    } all[] = {
        {".conv.0.weight", 4, {a, in, 1, 1}, &p->w1},
        {".conv.0.bias", 1, {a}, &p->b1},
        {".conv.1.weight", 4, {b, a, KERNEL, KERNEL}, &p->w2},
        {".conv.1.bias", 1, {b}, &p->b2},
        {".conv.2.weight", 4, {out, b, 1, 1}, &p->w3},
        {".conv.2.bias", 1, {out}, &p->b3},
        {".sk.weight", 4, {out, in, 1, 1}, &p->sk},
        {".sk.bias", 1, {out}, &p->sk_b},
    };
    for (size_t i = 0; i < PQ_COUNT(all) && !rc; i++)
        rc = take(s, base, all[i].name, all[i].dims, all[i].shape, all[i].to);
    return rc;
}

/* One output channel: W[i][t] = sum_k w3[k] sum_j w2[k][j][t] w1[j][i], the 1x1 beside it added to
 * the middle tap. row: mid_in x TAPS numbers of scratch. */
static void fold_output(const struct parts *p, int o, double *row, float *weight, float *bias)
{
    double b = p->b3[o] + p->sk_b[o];
    memset(row, 0, (size_t)p->mid_in * TAPS * sizeof *row);
    for (int k = 0; k < p->mid_out; k++) {
        double w3 = p->w3[(size_t)o * (size_t)p->mid_out + (size_t)k];
        const double *w2 = p->w2 + (size_t)k * (size_t)p->mid_in * TAPS;
        for (int i = 0; i < p->mid_in * TAPS; i++)
            row[i] += w3 * w2[i];
        b += w3 * p->b2[k];
    }
    for (int j = 0; j < p->mid_in; j++) {
        for (int t = 0; t < TAPS; t++)
            b += row[j * TAPS + t] * p->b1[j];
    }
    for (int i = 0; i < p->in; i++) {
        for (int t = 0; t < TAPS; t++) {
            double w = t == CENTRE ? p->sk[(size_t)o * (size_t)p->in + (size_t)i] : 0;
            for (int j = 0; j < p->mid_in; j++)
                w += row[j * TAPS + t] * p->w1[(size_t)j * (size_t)p->in + (size_t)i];
            weight[i * TAPS + t] = (float)w;
        }
    }
    *bias = (float)b;
}

static int fold(struct span *s, const struct parts *p, struct pq_tensor *weight,
                struct pq_tensor *bias)
{
    size_t per_output = (size_t)p->in * TAPS, count = per_output * (size_t)p->out;
    float *w = pq_graph_own(s->g, count * sizeof *w);
    float *b = pq_graph_own(s->g, (size_t)p->out * sizeof *b);
    double *row = pq_malloc((size_t)p->mid_in * TAPS * sizeof *row);
    int rc = w && b && row ? 0 : pq_fail_nomem(s->err, count * sizeof *w);
    for (int o = 0; o < p->out && !rc; o++)
        fold_output(p, o, row, w + (size_t)o * per_output, &b[o]);
    pq_free(row);
    *weight = (struct pq_tensor){
        .dtype = PQ_F32, .dims = 4, .shape = {p->out, p->in, KERNEL, KERNEL}, .data = w};
    *bias = (struct pq_tensor){.dtype = PQ_F32, .dims = 1, .shape = {p->out}, .data = b};
    return rc;
}

/* A plain convolution that the file holds as it is. */
static int add_plain(struct span *s, const char *base, int in, int out_channels, int kernel)
{
    const struct pq_tensor *weight = NULL, *bias = NULL;
    const int64_t shape[] = {out_channels, s->g->ops[in].channels, kernel, kernel};
    int rc = pq_take(&s->taking, base, ".weight", 4, shape, &weight, s->err);
    if (!rc)
        rc = pq_take(&s->taking, base, ".bias", 1, shape, &bias, s->err);
    return rc ? rc : pq_graph_conv2d(s->g, in, weight, bias, s->err);
}

/* A trained or deployed 3x3 convolution. */
static int add_folded(struct span *s, const char *base, int in)
{
    char name[NAME];
    snprintf(name, sizeof name, "%s.sk.weight", base);
    if (!pq_statedict_find(s->sd, name)) {
        snprintf(name, sizeof name, "%s.eval_conv", base);
        return add_plain(s, name, in, s->features, KERNEL);
    }
    struct parts parts = {.in = s->g->ops[in].channels, .out = s->features};
    struct pq_tensor weight, bias;
    int rc = take_parts(s, base, &parts);
    if (!rc)
        rc = fold(s, &parts, &weight, &bias);
    free_parts(&parts);
    /* Beside the parts it means nothing. */
    pq_take_any(&s->taking, base, ".eval_conv.weight");
    pq_take_any(&s->taking, base, ".eval_conv.bias");
    return rc ? rc : pq_graph_conv2d(s->g, in, &weight, &bias, s->err);
}

/* ---- the network ---- */

/* conv_cat joins four maps of `features`; the upsampler's outputs are channels x scale squared. */
static int find_sizes(struct span *s)
{
    const struct pq_tensor *cat = pq_statedict_find(s->sd, "conv_cat.weight");
    const struct pq_tensor *up = pq_statedict_find(s->sd, "upsampler.0.weight");
    const struct pq_tensor *first = pq_statedict_find(s->sd, "conv_1.sk.weight");
    if (!first)
        first = pq_statedict_find(s->sd, "conv_1.eval_conv.weight");
    if (!first)
        return pq_fail(s->err, PIQUE_EFORMAT, "%s: tensor 'conv_1.sk.weight' is missing",
                       s->sd->map.path);
    char text[96];
    if (cat->dims != 4 || cat->shape[0] < 1 || cat->shape[0] > PQ_MAX_CHANNELS)
        return pq_fail(s->err, PIQUE_EFORMAT, "%s: tensor 'conv_cat.weight' has shape %s",
                       s->sd->map.path, pq_tensor_shape_text(cat, text, sizeof text));
    s->features = (int)cat->shape[0];
    int64_t channels = first->dims == 4 ? first->shape[1] : 0;
    if (channels != 1 && channels != 3)
        return pq_fail(s->err, PIQUE_EUNSUPPORTED,
                       "%s: the first convolution has shape %s; 1 or 3 channels can come in",
                       s->sd->map.path, pq_tensor_shape_text(first, text, sizeof text));
    s->channels = (int)channels;
    for (s->scale = 1; s->scale <= PQ_MAX_FACTOR; s->scale++) {
        if (up->dims == 4 && up->shape[0] == channels * s->scale * s->scale)
            return 0;
    }
    return pq_fail(s->err, PIQUE_EFORMAT,
                   "%s: tensor 'upsampler.0.weight' has shape %s, which is no square scale of %d "
                   "channels",
                   s->sd->map.path, pq_tensor_shape_text(up, text, sizeof text), s->channels);
}

/* (x - mean) 255 */
static int add_normalise(struct span *s, int x)
{
    static const double mean[3] = {0.4488, 0.4371, 0.4040};
    if (pq_take_any(&s->taking, "no_norm", ""))
        return x;
    if (s->channels != 3)
        return pq_fail(s->err, PIQUE_EUNSUPPORTED,
                       "%s: a SPAN of %d channel without 'no_norm' has no known mean",
                       s->sd->map.path, s->channels);
    float *values = pq_graph_own(s->g, 6 * sizeof *values);
    if (!values)
        return pq_fail_nomem(s->err, 6 * sizeof *values);
    for (int c = 0; c < 3; c++) {
        values[c] = 255;
        values[3 + c] = (float)(-255 * mean[c]);
    }
    struct pq_tensor factors = {.dtype = PQ_F32, .dims = 1, .shape = {3}, .data = values};
    struct pq_tensor terms = {.dtype = PQ_F32, .dims = 1, .shape = {3}, .data = values + 3};
    return pq_graph_affine(s->g, x, &factors, &terms, s->err);
}

/* x - 1/2 on all channels */
static int add_minus_half(struct span *s, int x)
{
    size_t n = (size_t)s->features;
    float *values = pq_graph_own(s->g, 2 * n * sizeof *values);
    if (!values)
        return pq_fail_nomem(s->err, 2 * n * sizeof *values);
    for (size_t c = 0; c < n; c++) {
        values[c] = 1;
        values[n + c] = -0.5f;
    }
    struct pq_tensor factors = {.dtype = PQ_F32, .dims = 1, .shape = {s->features}, .data = values};
    struct pq_tensor terms = factors;
    terms.data = values + n;
    return pq_graph_affine(s->g, x, &factors, &terms, s->err);
}

static int then_silu(struct span *s, int x)
{
    return x < 0 ? x : pq_graph_curve(s->g, x, PQ_ACT_SILU, s->err);
}

/* Block n over x; *first is SiLU of its first convolution. */
static int add_block(struct span *s, int n, int x, int *first)
{
    static const char *const names[] = {"c1_r", "c2_r", "c3_r"};
    int at = x;
    for (int i = 0; i < 3 && at >= 0; i++) {
        char base[NAME];
        snprintf(base, sizeof base, "block_%d.%s", n, names[i]);
        at = add_folded(s, base, at);
        if (i < 2)
            at = then_silu(s, at);
        if (i == 0)
            *first = at;
    }
    if (at < 0)
        return at;
    int sum = pq_graph_add(s->g, at, x, 1, s->err);
    int gate = sum < 0 ? sum : pq_graph_curve(s->g, at, PQ_ACT_SIGMOID, s->err);
    if (gate >= 0)
        gate = add_minus_half(s, gate);
    return gate < 0 ? gate : pq_graph_mul(s->g, sum, gate, s->err);
}

static int add_body(struct span *s, int first)
{
    int at = first, early = -1, attention = -1;
    for (int n = 1; n <= BLOCKS && at >= 0; n++) {
        at = add_block(s, n, at, &attention);
        if (n == 1)
            early = at;
    }
    if (at >= 0)
        at = add_folded(s, "conv_2", at);
    if (at < 0)
        return at;
    at = pq_graph_concat(s->g, 4, (const int[]){first, at, early, attention}, s->err);
    if (at >= 0)
        at = add_plain(s, "conv_cat", at, s->features, 1);
    if (at >= 0)
        at = add_plain(s, "upsampler.0", at, s->channels * s->scale * s->scale, KERNEL);
    return at < 0 ? at : pq_graph_pixel_shuffle(s->g, at, s->scale, s->err);
}

static int add_network(struct span *s)
{
    int at = pq_graph_input(s->g, s->channels, s->err);
    if (at >= 0)
        at = add_normalise(s, at);
    if (at >= 0)
        at = add_folded(s, "conv_1", at);
    return at < 0 ? at : add_body(s, at);
}

int pq_span_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct span s = {.sd = sd, .g = g, .err = err};
    int rc = find_sizes(&s);
    if (!rc)
        rc = pq_taking_begin(&s.taking, sd, err);
    if (rc)
        return rc;
    int at = add_network(&s);
    rc = at < 0 ? at : pq_taking_check(&s.taking, "a SPAN", err);
    pq_taking_end(&s.taking);
    return rc ? rc : pq_graph_finish(g, at, err);
}
