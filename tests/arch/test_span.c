/* SPDX-License-Identifier: MIT */
/* SPAN against its definition in double, in which the convolutions are found another way than in
 * span.c: by what the three stored parts make of one impulse after another. */
#include "../net.h"

#include <math.h>
#include <stdio.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/fault.h"

enum { WIDTH = 13, HEIGHT = 11, PIXELS = WIDTH * HEIGHT, NF = 6, SCALE = 2, MID = 2 };

/* A state dict in memory; the data of each tensor is freed with it. */
static void put(struct pq_statedict *sd, struct rng *r, const char *name, int dims, int64_t a,
                int64_t b, int k, float size)
{
    struct pq_tensor t = {.dtype = PQ_F32, .dims = dims, .shape = {a, b, k, k}};
    if (dims < 4)
        memset(t.shape + dims, 0, sizeof t.shape - (size_t)dims * sizeof *t.shape);
    size_t n = (size_t)(dims == 4 ? a * b * k * k : a);
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = rng_float(r) * size;
    t.data = v;
    assert_int_equal(pq_statedict_add(sd, name, &t, NULL), 0);
}

static void put_conv(struct pq_statedict *sd, struct rng *r, const char *base, const char *part,
                     int out, int in, int k, float size)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s.weight", base, part);
    put(sd, r, name, 4, out, in, k, size);
    snprintf(name, sizeof name, "%s%s.bias", base, part);
    put(sd, r, name, 1, out, 0, 0, 0.1f);
}

enum form { TRAINED, BOTH, DEPLOYED };

static void put_folded(struct pq_statedict *sd, struct rng *r, const char *base, int in,
                       enum form form)
{
    if (form != DEPLOYED) {
        put_conv(sd, r, base, ".sk", NF, in, 1, 0.3f);
        put_conv(sd, r, base, ".conv.0", MID * in, in, 1, 0.5f);
        put_conv(sd, r, base, ".conv.1", MID * NF, MID * in, 3, 0.2f);
        put_conv(sd, r, base, ".conv.2", NF, MID * NF, 1, 0.4f);
    }
    if (form != TRAINED) /* where both are there, this one must not count */
        put_conv(sd, r, base, ".eval_conv", NF, in, 3, 0.25f);
}

static void make(struct pq_statedict *sd, enum form form, bool norm)
{
    struct rng r = {31};
    *sd = (struct pq_statedict){.map = {.path = (char *)"span.safetensors"}};
    put_folded(sd, &r, "conv_1", 3, form);
    for (int n = 1; n <= 6; n++) {
        for (int c = 1; c <= 3; c++) {
            char base[32];
            snprintf(base, sizeof base, "block_%d.c%d_r", n, c);
            put_folded(sd, &r, base, NF, form);
        }
    }
    put_folded(sd, &r, "conv_2", NF, form);
    put_conv(sd, &r, "conv_cat", "", NF, 4 * NF, 1, 0.4f);
    put_conv(sd, &r, "upsampler.0", "", 3 * SCALE * SCALE, NF, 3, 0.2f);
    if (!norm)
        put(sd, &r, "no_norm", 1, 1, 0, 0, 1);
}

static void unmake(struct pq_statedict *sd)
{
    for (size_t i = 0; i < sd->count; i++)
        free((void *)sd->tensors[i].tensor.data);
    sd->map.path = NULL;
    pq_statedict_free(sd);
}

/* ---- the definition ---- */

static const float *values(const struct pq_statedict *sd, const char *base, const char *part,
                           int *out, int *in)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s", base, part);
    const struct pq_tensor *t = pq_statedict_find(sd, name);
    assert_non_null(t);
    if (out)
        *out = (int)t->shape[0];
    if (in)
        *in = (int)t->shape[1];
    return t->data;
}

/* 3x3 maps of `in` channels -> 3x3 maps of `out` channels by a stored k x k convolution, the middle
 * pixel alone where k is 3. with_bias false: the linear part. */
static void stored(const struct pq_statedict *sd, const char *base, const char *part, int k,
                   bool with_bias, const double *x, double *y)
{
    char name[64];
    int out, in;
    snprintf(name, sizeof name, "%s.weight", part);
    const float *w = values(sd, base, name, &out, &in);
    snprintf(name, sizeof name, "%s.bias", part);
    const float *b = values(sd, base, name, NULL, NULL);
    for (int o = 0; o < out; o++) {
        for (int p = 0; p < 9; p++) {
            double sum = with_bias ? b[o] : 0;
            for (int i = 0; i < in; i++) {
                for (int t = 0; t < k * k; t++)
                    sum += w[(o * in + i) * k * k + t] * x[i * 9 + (k == 3 ? t : p)];
            }
            y[o * 9 + p] = sum;
        }
    }
}

/* What the parts make of a 3x3 picture in its middle: one number a channel. */
static void respond(const struct pq_statedict *sd, const char *base, bool with_bias,
                    const double *x, double *y)
{
    double a[MID * NF * 9], b[MID * NF * 9], c[NF * 9], d[NF * 9];
    stored(sd, base, ".conv.0", 1, with_bias, x, a);
    stored(sd, base, ".conv.1", 3, with_bias, a, b);
    stored(sd, base, ".conv.2", 1, with_bias, b, c);
    stored(sd, base, ".sk", 1, with_bias, x, d);
    for (int o = 0; o < NF; o++)
        y[o] = c[o * 9] + d[o * 9 + 4];
}

/* A 3x3 convolution with zeros around the picture; maps are [channel][pixel]. */
static double *convolve(const struct pq_statedict *sd, const char *base, enum form form, int in,
                        const double *x)
{
    static double w[NF][NF][9], bias[NF];
    double probe[NF * 9] = {0}, answer[NF];
    if (form == DEPLOYED) {
        const float *ew = values(sd, base, ".eval_conv.weight", NULL, NULL);
        const float *eb = values(sd, base, ".eval_conv.bias", NULL, NULL);
        for (int o = 0; o < NF; o++) {
            bias[o] = eb[o];
            for (int i = 0; i < in; i++) {
                for (int t = 0; t < 9; t++)
                    w[o][i][t] = ew[(o * in + i) * 9 + t];
            }
        }
    } else {
        respond(sd, base, true, probe, bias);
        for (int i = 0; i < in * 9; i++) {
            probe[i] = 1;
            respond(sd, base, false, probe, answer);
            probe[i] = 0;
            for (int o = 0; o < NF; o++)
                w[o][i / 9][i % 9] = answer[o];
        }
    }
    double *y = malloc(NF * PIXELS * sizeof *y);
    for (int o = 0; o < NF; o++) {
        for (int p = 0; p < PIXELS; p++) {
            double sum = bias[o];
            for (int i = 0; i < in; i++) {
                for (int t = 0; t < 9; t++) {
                    int yy = p / WIDTH + t / 3 - 1, xx = p % WIDTH + t % 3 - 1;
                    if (yy >= 0 && yy < HEIGHT && xx >= 0 && xx < WIDTH)
                        sum += w[o][i][t] * x[i * PIXELS + yy * WIDTH + xx];
                }
            }
            y[o * PIXELS + p] = sum;
        }
    }
    return y;
}

static double sigmoid(double v)
{
    return 1 / (1 + exp(-v));
}

static void silu(double *x)
{
    for (int i = 0; i < NF * PIXELS; i++)
        x[i] *= sigmoid(x[i]);
}

/* out: [3][SCALE HEIGHT][SCALE WIDTH] */
static void define(const struct pq_statedict *sd, enum form form, bool norm, const float *picture,
                   double *out)
{
    static const double mean[3] = {0.4488, 0.4371, 0.4040};
    double x[3 * PIXELS];
    for (int c = 0; c < 3; c++) {
        for (int p = 0; p < PIXELS; p++) {
            double v = picture[p * 3 + c];
            x[c * PIXELS + p] = norm ? (v - mean[c]) * 255 : v;
        }
    }
    double *first = convolve(sd, "conv_1", form, 3, x), *at = first, *early = NULL, *late = NULL;
    for (int n = 1; n <= 6; n++) {
        char base[32];
        snprintf(base, sizeof base, "block_%d.c1_r", n);
        double *a = convolve(sd, base, form, NF, at);
        silu(a);
        snprintf(base, sizeof base, "block_%d.c2_r", n);
        double *b = convolve(sd, base, form, NF, a);
        silu(b);
        snprintf(base, sizeof base, "block_%d.c3_r", n);
        double *c = convolve(sd, base, form, NF, b);
        for (int i = 0; i < NF * PIXELS; i++)
            c[i] = (c[i] + at[i]) * (sigmoid(c[i]) - 0.5);
        free(b);
        if (at != first && at != early)
            free(at);
        at = c;
        early = n == 1 ? c : early;
        if (n == 6)
            late = a;
        else
            free(a);
    }
    double *last = convolve(sd, "conv_2", form, NF, at);
    const double *joined[4] = {first, last, early, late};
    const float *cat = values(sd, "conv_cat", ".weight", NULL, NULL);
    const float *cat_b = values(sd, "conv_cat", ".bias", NULL, NULL);
    double *y = malloc(NF * PIXELS * sizeof *y);
    for (int o = 0; o < NF; o++) {
        for (int p = 0; p < PIXELS; p++) {
            double sum = cat_b[o];
            for (int i = 0; i < 4 * NF; i++)
                sum += cat[o * 4 * NF + i] * joined[i / NF][i % NF * PIXELS + p];
            y[o * PIXELS + p] = sum;
        }
    }
    const float *up = values(sd, "upsampler.0", ".weight", NULL, NULL);
    const float *up_b = values(sd, "upsampler.0", ".bias", NULL, NULL);
    for (int o = 0; o < 3 * SCALE * SCALE; o++) {
        for (int p = 0; p < PIXELS; p++) {
            double sum = up_b[o];
            for (int i = 0; i < NF * 9; i++) {
                int yy = p / WIDTH + i % 9 / 3 - 1, xx = p % WIDTH + i % 3 - 1;
                if (yy >= 0 && yy < HEIGHT && xx >= 0 && xx < WIDTH)
                    sum += up[o * NF * 9 + i] * y[i / 9 * PIXELS + yy * WIDTH + xx];
            }
            int c = o / (SCALE * SCALE), dy = o / SCALE % SCALE, dx = o % SCALE;
            out[(c * SCALE * HEIGHT + p / WIDTH * SCALE + dy) * SCALE * WIDTH + p % WIDTH * SCALE +
                dx] = sum;
        }
    }
    free(first);
    free(early);
    free(late);
    free(last);
    free(at);
    free(y);
}

/* ---- tests ---- */

static void check(enum form form, bool norm)
{
    struct pq_statedict sd;
    struct pq_graph *g = NULL;
    const char *name;
    pique_error err;
    make(&sd, form, norm);
    if (pq_arch_build(&sd, &g, &name, &err))
        fail_msg("%s", err.message);
    assert_string_equal(name, "SPAN");
    struct pq_graph_facts facts;
    pq_graph_facts(g, &facts);
    assert_int_equal(facts.num, SCALE);
    assert_int_equal(facts.radius, 21);
    struct pq_geometry geometry = {1, WIDTH, HEIGHT, 3};
    struct rng r = {17};
    float *in = net_picture(&r, &geometry, 3);
    int width, height, rc;
    float *have = net_run(g, "cpu", 2, &geometry, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    static double want[3 * PIXELS * SCALE * SCALE];
    define(&sd, form, norm, in, want);
    double worst = 0, largest = 0;
    for (int i = 0; i < width * height * 3; i++) {
        double w = want[i % 3 * width * height + i / 3];
        worst = fmax(worst, fabs(w - have[i]));
        largest = fmax(largest, fabs(w));
    }
    print_message("form %d, norm %d: at most %.2g off, values to %.3g\n", form, norm, worst,
                  largest);
    assert_true(largest > 0.1);
    assert_true(worst < 2e-6 * fmax(largest, 1));
    free(in);
    free(have);
    pq_graph_free(&g);
    unmake(&sd);
}

static void every_form_of_the_file_is_what_its_definition_says(void **state)
{
    (void)state;
    for (int form = TRAINED; form <= DEPLOYED; form++) {
        check((enum form)form, false);
        check((enum form)form, true);
    }
}

/* Remove the i-th tensor, or spoil its shape, or add one. */
static void what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    struct pq_statedict sd;
    make(&sd, TRAINED, true);
    const char *name;
    pique_error err;
    for (size_t i = 0; i < sd.count; i++) {
        struct pq_graph *g = NULL;
        struct pq_tensor *t = &sd.tensors[i].tensor;
        t->shape[0]--; /* still within its memory */
        assert_int_not_equal(pq_arch_build(&sd, &g, &name, &err), 0);
        assert_null(g);
        t->shape[0]++;
        char *old = sd.tensors[i].name;
        sd.tensors[i].name = (char *)"somewhere.else";
        assert_int_not_equal(pq_arch_build(&sd, &g, &name, &err), 0);
        assert_null(g);
        sd.tensors[i].name = old;
    }
    struct rng r = {1};
    put(&sd, &r, "block_7.c1_r.sk.bias", 1, NF, 0, 0, 1);
    struct pq_graph *g = NULL;
    assert_int_equal(pq_arch_build(&sd, &g, &name, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "'block_7.c1_r.sk.bias' has no place in a SPAN network"));
    unmake(&sd);
}

static void every_failed_allocation_is_a_status(void **state)
{
    (void)state;
    struct pq_statedict sd;
    make(&sd, TRAINED, true);
    for (int n = 1;; n++) {
        struct pq_graph *g = NULL;
        const char *name;
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        int rc = pq_arch_build(&sd, &g, &name, NULL);
        bool struck = pq_fault_count(PQ_FAULT_ALLOC) >= n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_int_equal(rc, struck ? PIQUE_ENOMEM : 0);
        pq_graph_free(&g);
        if (!struck)
            break;
    }
    unmake(&sd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_the_file_is_what_its_definition_says),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(every_failed_allocation_is_a_status),
    };
    return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
