/* SPDX-License-Identifier: MIT */
/* Trials of kernels that go over rows of pixels. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/trial/rows.h"
#include "kernels/wide.h"
#include "tensor/f16.h"

enum { TIMED_WIDTH = 192 };

static double moved(int pixels, int channels)
{
    return (double)pixels * channels * sizeof(float);
}

/* ---- windows ---- */

struct windows {
    struct pq_depthwise_args depthwise;
    struct pq_pool_args pool;
    const float *rows[7];
};

void pq_trial_depthwise_prepare(struct pq_trial *t)
{
    struct windows *w = pq_trial_memory(t, sizeof *w);
    if (!w)
        return;
    *w = (struct windows){.depthwise = {.rows = w->rows}};
    struct pq_depthwise_args *a = &w->depthwise;
    a->kernel_h = pq_trial_size(t, 3, 1 + pq_trial_below(t, 7));
    a->kernel_w = pq_trial_size(t, 3, 1 + pq_trial_below(t, 7));
    a->step = 1 + pq_trial_below(t, 2);
    a->dilation = 1 + pq_trial_below(t, 3);
    a->channels = pq_trial_channels(t);
    const int width = pq_trial_size(t, TIMED_WIDTH, 1 + pq_trial_below(t, 30));
    const int reach = (a->kernel_w - 1) * a->dilation;
    a->left = pq_trial_below(t, reach + 1);
    a->in_stride = pq_trial_stride(t, a->channels);
    a->out_stride = pq_trial_stride(t, a->channels);
    a->x0 = pq_trial_below(t, width);
    a->x1 = pq_trial_size(t, width, a->x0 + pq_trial_below(t, width - a->x0 + 1));
    for (int k = 0; k < a->kernel_h; k++)
        w->rows[k] = pq_trial_pixels_around(t, a->left, (width - 1) * a->step + reach + 1,
                                            a->in_stride, a->channels);
    const int taps = a->kernel_h * a->kernel_w;
    a->weights = pq_trial_values(t, (size_t)(taps * a->channels));
    a->bias = pq_trial_values(t, (size_t)a->channels);
    a->out = pq_trial_result(t, width, a->out_stride, a->channels, a->x0, a->x1);
    pq_trial_shape(t, "%dx%d, %d", a->kernel_w, a->kernel_h, a->channels);
    t->work = 2.0 * taps * a->channels * (a->x1 - a->x0);
    t->args = w;
}

void pq_trial_depthwise_run(const struct pq_trial *t)
{
    const struct windows *w = t->args;
    pq_wide(t->level)->depthwise(&w->depthwise);
}

void pq_trial_pool_prepare(struct pq_trial *t)
{
    struct windows *w = pq_trial_memory(t, sizeof *w);
    if (!w)
        return;
    *w = (struct windows){.pool = {.rows = w->rows}};
    struct pq_pool_args *a = &w->pool;
    a->in_width = pq_trial_size(t, TIMED_WIDTH, 1 + pq_trial_below(t, 20));
    a->kernel_h = pq_trial_size(t, 2, 1 + pq_trial_below(t, 5));
    a->kernel_w = pq_trial_size(t, 2, 1 + pq_trial_below(t, 5));
    a->step = pq_trial_size(t, 2, 1 + pq_trial_below(t, 3));
    a->channels = pq_trial_channels(t);
    a->left = pq_trial_below(t, a->kernel_w);
    a->in_stride = pq_trial_stride(t, a->channels);
    a->out_stride = pq_trial_stride(t, a->channels);
    a->out_width = pq_trial_size(t, a->in_width / a->step, 1 + a->in_width / a->step);
    for (int k = 0; k < a->kernel_h; k++)
        w->rows[k] = t->timed || pq_trial_below(t, 4)
                         ? pq_trial_pixels(t, a->in_width, a->in_stride, a->channels)
                         : NULL;
    a->out = pq_trial_result(t, a->out_width, a->out_stride, a->channels, 0, a->out_width);
    pq_trial_shape(t, "%dx%d, %d", a->kernel_w, a->kernel_h, a->channels);
    t->work = moved(a->kernel_h * a->in_width + a->out_width, a->channels);
    t->args = w;
}

void pq_trial_pool_run(const struct pq_trial *t)
{
    const struct windows *w = t->args;
    const struct pq_wide *wide = pq_wide(t->level);
    (t->kernel->which ? wide->mean_pool : wide->max_pool)(&w->pool);
}

/* ---- rows ---- */

/* One row, or two, into one or into sums. */
struct row {
    const float *in, *second, *gamma, *beta, *matrix;
    int in_stride, second_stride, width, channels, heads, dim, stride;
    float *out;
    double *sums, *squares, *more;
};

/* A row whose result may lie where it lies itself. */
static struct row *new_row(struct pq_trial *t)
{
    struct row *r = pq_trial_memory(t, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct row){.width = pq_trial_size(t, TIMED_WIDTH, pq_trial_below(t, 24)),
                      .channels = pq_trial_channels(t)};
    r->in_stride = pq_trial_stride(t, r->channels);
    r->stride = pq_trial_stride(t, r->channels);
    r->in = pq_trial_pixels(t, r->width, r->in_stride, r->channels);
    r->out = pq_trial_result(t, r->width, r->stride, r->channels, 0, r->width);
    if (pq_trial_below(t, 2) && !t->failed) { /* in place */
        for (int x = 0; x < r->width; x++)
            memcpy(r->out + x * r->stride, r->in + x * r->in_stride,
                   (size_t)r->channels * sizeof *r->out);
        r->in = r->out;
        r->in_stride = r->stride;
    }
    pq_trial_shape(t, "%d", r->channels);
    t->work = 2 * moved(r->width, r->channels);
    t->args = r;
    return r;
}

void pq_trial_curve_prepare(struct pq_trial *t)
{
    new_row(t);
}

void pq_trial_curve_run(const struct pq_trial *t)
{
    const struct pq_wide *wide = pq_wide(t->level);
    pq_curve_fn *const curves[] = {
        [PQ_TRIAL_SIGMOID] = wide->sigmoid,   [PQ_TRIAL_SILU] = wide->silu,
        [PQ_TRIAL_GELU] = wide->gelu,         [PQ_TRIAL_GELU_TANH] = wide->gelu_tanh,
        [PQ_TRIAL_MISH] = wide->mish,         [PQ_TRIAL_TANH] = wide->tanh,
        [PQ_TRIAL_SOFTPLUS] = wide->softplus,
    };
    const struct row *r = t->args;
    curves[t->kernel->which](r->in, r->in_stride, r->width, r->channels, r->out, r->stride);
}

void pq_trial_norm_prepare(struct pq_trial *t)
{
    struct row *r = new_row(t);
    if (!r)
        return;
    r->gamma = pq_trial_values(t, (size_t)r->channels);
    r->beta = pq_trial_values(t, (size_t)r->channels);
}

void pq_trial_norm_run(const struct pq_trial *t)
{
    const struct row *r = t->args;
    const struct pq_wide *wide = pq_wide(t->level);
    (t->kernel->which ? wide->rms_norm : wide->layer_norm)(
        r->in, r->in_stride, r->width, r->channels, r->gamma, r->beta, 1e-5f, r->out, r->stride);
}

void pq_trial_round_prepare(struct pq_trial *t)
{
    const int n = pq_trial_size(t, 4096, pq_trial_below(t, 300));
    float *out = pq_trial_result(t, n, 1, 1, 0, n);
    for (int i = 0; out && i < n; i++)
        out[i] = pq_trial_value(t);
    pq_trial_shape(t, "%d", n);
    t->work = 2 * moved(n, 1);
}

void pq_trial_round_run(const struct pq_trial *t)
{
    const struct pq_wide *wide = pq_wide(t->level);
    (t->kernel->which ? wide->round_bf16 : wide->round_f16)(t->out + PQ_TRIAL_GUARD,
                                                            (size_t)t->end);
}

struct halves {
    const float *values;
    uint16_t *halves; /* in, or out */
    size_t count;
};

static uint16_t *half_values(struct pq_trial *t, size_t n)
{
    uint16_t *p = pq_trial_memory(t, n * sizeof *p);
    for (size_t i = 0; p && i < n; i++)
        p[i] = pq_f32_to_f16(pq_trial_value(t));
    return p;
}

void pq_trial_halves_prepare(struct pq_trial *t)
{
    struct halves *h = pq_trial_memory(t, sizeof *h);
    const int n = pq_trial_size(t, 4096, pq_trial_below(t, 300));
    if (!h)
        return;
    *h = (struct halves){.count = (size_t)n};
    pq_trial_result(t, n, 1, 1, 0, n);
    if (t->kernel->which) {
        h->halves = half_values(t, h->count);
    } else {
        h->halves = pq_trial_half_result(t);
        h->values = pq_trial_values(t, h->count);
    }
    pq_trial_shape(t, "%d", n);
    t->work = 1.5 * moved(n, 1);
    t->args = h;
}

void pq_trial_halves_run(const struct pq_trial *t)
{
    const struct halves *h = t->args;
    if (t->kernel->which)
        pq_wide(t->level)->floats(h->halves, h->count, t->out + PQ_TRIAL_GUARD);
    else
        pq_wide(t->level)->halves(h->values, h->count, h->halves);
}

struct samples {
    const float *values;
    size_t count;
    void *samples; /* 8 or 16 bits each */
};

void pq_trial_samples_prepare(struct pq_trial *t)
{
    struct samples *s = pq_trial_memory(t, sizeof *s);
    const int n = pq_trial_size(t, 4096, pq_trial_below(t, 300));
    if (!s)
        return;
    *s = (struct samples){.count = (size_t)n};
    s->values = pq_trial_values(t, s->count);
    s->samples = pq_trial_memory(t, s->count * (size_t)(t->kernel->which / 8));
    pq_trial_result(t, n, 1, 1, 0, n);
    pq_trial_shape(t, "%d", n);
    t->work = moved(n, 1) + n * t->kernel->which / 8.0;
    t->args = s;
}

void pq_trial_samples_run(const struct pq_trial *t)
{
    const struct samples *s = t->args;
    const bool bytes = t->kernel->which == 8;
    if (bytes)
        pq_wide(t->level)->samples8(s->values, s->count, s->samples);
    else
        pq_wide(t->level)->samples16(s->values, s->count, s->samples);
    for (size_t i = 0; !t->timed && i < s->count; i++)
        t->out[PQ_TRIAL_GUARD + i] =
            bytes ? ((const uint8_t *)s->samples)[i] : ((const uint16_t *)s->samples)[i];
}

struct look {
    const float *in;
    int pixels, channels;
};

void pq_trial_look_prepare(struct pq_trial *t)
{
    struct look *l = pq_trial_memory(t, sizeof *l);
    if (!l)
        return;
    *l = (struct look){.pixels = pq_trial_size(t, 64, 1 + pq_trial_below(t, 70)),
                       .channels = pq_trial_size(t, 3, 1 + pq_trial_below(t, 5))};
    l->in = pq_trial_pixels(t, l->pixels, l->channels, l->channels);
    pq_trial_result(t, l->channels, 3, 3, 0, l->channels);
    pq_trial_shape(t, "%d x %d", l->pixels, l->channels);
    t->work = moved(l->pixels, l->channels);
    t->args = l;
}

void pq_trial_look_run(const struct pq_trial *t)
{
    const struct look *l = t->args;
    struct pq_range range[5];
    for (int c = 0; c < l->channels; c++)
        range[c] = pq_range_of_nothing();
    pq_wide(t->level)->look(l->in, l->pixels, l->channels, range);
    float *out = t->out + PQ_TRIAL_GUARD;
    for (int c = 0; c < l->channels; c++, out += 3) {
        out[0] = range[c].bad ? 0 : range[c].low;
        out[1] = range[c].bad ? 0 : range[c].high;
        out[2] = (float)range[c].bad;
    }
}

/* ---- sums ---- */

void pq_trial_sums_prepare(struct pq_trial *t)
{
    struct row *r = pq_trial_memory(t, sizeof *r);
    if (!r)
        return;
    *r = (struct row){.width = pq_trial_size(t, TIMED_WIDTH, pq_trial_below(t, 40)),
                      .channels = pq_trial_channels(t)};
    r->in_stride = pq_trial_stride(t, r->channels);
    r->in = pq_trial_pixels(t, r->width, r->in_stride, r->channels);
    const bool squares = t->timed || pq_trial_below(t, 2);
    const size_t n = (size_t)r->channels;
    r->sums = pq_trial_sums(t, 2 * n, squares ? 2 * n : n);
    r->squares = squares && r->sums ? r->sums + n : NULL;
    pq_trial_shape(t, "%d", r->channels);
    t->work = moved(r->width, r->channels);
    t->args = r;
}

void pq_trial_sums_run(const struct pq_trial *t)
{
    const struct row *r = t->args;
    memset(r->sums, 0, (size_t)(r->squares ? 2 * r->channels : r->channels) * sizeof *r->sums);
    pq_wide(t->level)->row_sums(r->in, r->in_stride, r->width, r->channels, r->sums, r->squares);
}

static struct row *new_heads(struct pq_trial *t)
{
    struct row *r = pq_trial_memory(t, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct row){.width = pq_trial_size(t, TIMED_WIDTH, pq_trial_below(t, 40)),
                      .heads = pq_trial_size(t, 6, 1 + pq_trial_below(t, 3)),
                      .dim = pq_trial_size(t, 30, pq_trial_channels(t))};
    r->channels = r->heads * r->dim;
    r->in_stride = pq_trial_stride(t, r->channels);
    r->in = pq_trial_pixels(t, r->width, r->in_stride, r->channels);
    pq_trial_shape(t, "%d x %d", r->heads, r->dim);
    t->work = 2.0 * r->width * r->channels * r->dim;
    t->args = r;
    return r;
}

void pq_trial_gram_prepare(struct pq_trial *t)
{
    struct row *r = new_heads(t);
    if (!r)
        return;
    const size_t n = (size_t)r->channels, products = n * (size_t)r->dim;
    r->second_stride = pq_trial_stride(t, r->channels);
    r->second = pq_trial_pixels(t, r->width, r->second_stride, r->channels);
    r->sums = pq_trial_sums(t, products + 2 * n, products + 2 * n);
    r->squares = r->sums ? r->sums + products : NULL;
    r->more = r->sums ? r->squares + n : NULL;
}

void pq_trial_gram_run(const struct pq_trial *t)
{
    const struct row *r = t->args;
    pq_wide(t->level)->row_gram(r->in, r->in_stride, r->second, r->second_stride, r->width,
                                r->heads, r->dim, r->sums, r->squares, r->more);
}

void pq_trial_mix_prepare(struct pq_trial *t)
{
    struct row *r = new_heads(t);
    if (!r)
        return;
    r->stride = pq_trial_stride(t, r->channels);
    r->matrix = pq_trial_values(t, (size_t)(r->channels * r->dim));
    r->out = pq_trial_result(t, r->width, r->stride, r->channels, 0, r->width);
}

void pq_trial_mix_run(const struct pq_trial *t)
{
    const struct row *r = t->args;
    pq_wide(t->level)->mix(r->in, r->in_stride, r->width, r->heads, r->dim, r->matrix, r->out,
                           r->stride);
}
