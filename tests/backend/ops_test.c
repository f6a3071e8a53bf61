/* SPDX-License-Identifier: MIT */
/* Each operation as a plan of one, against its definition in double, over odd sizes and bands. */
#include "../net.h"
#include "base/alloc.h"

#include <math.h>

/* The definition: value of channel c at (x, y) of one frame of the input, zero outside. */
struct picture {
    const float *data;
    int width, height, channels;
};

static double at(const struct picture *p, int x, int y, int c)
{
    if (x < 0 || y < 0 || x >= p->width || y >= p->height)
        return 0;
    return p->data[((size_t)y * (size_t)p->width + (size_t)x) * (size_t)p->channels + (size_t)c];
}

static double clamped(const struct picture *p, int x, int y, int c)
{
    x = x < 0 ? 0 : x >= p->width ? p->width - 1 : x;
    y = y < 0 ? 0 : y >= p->height ? p->height - 1 : y;
    return at(p, x, y, c);
}

static double keys(double d)
{
    const double a = -0.75;
    d = fabs(d);
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

static double activated(const struct pq_act *act, double v, int c)
{
    if (!act->on)
        return v;
    switch (act->kind) {
    case PQ_ACT_SILU:
        return v / (1 + exp(-v));
    case PQ_ACT_SIGMOID:
        return 1 / (1 + exp(-v));
    case PQ_ACT_GELU:
        return v / 2 * (1 + erf(v / sqrt(2)));
    case PQ_ACT_GELU_TANH:
        return v / 2 * (1 + tanh(sqrt(2 / acos(-1)) * (v + 0.044715 * v * v * v)));
    case PQ_ACT_MISH:
        return v * tanh(log1p(exp(v)));
    case PQ_ACT_TANH:
        return tanh(v);
    case PQ_ACT_SOFTPLUS:
        return log1p(exp(v));
    case PQ_ACT_CLIP:
        return fmin(fmax(v, (double)act->low), (double)act->high);
    default:
        break;
    }
    if (v >= 0)
        return v;
    return v * (act->slopes.data ? ((const float *)act->slopes.data)[c] : act->slope);
}

/* (x - mean) / sqrt(var + eps) weight + bias, or without the mean. */
static double normed(const struct pq_op *op, const struct picture *in, int x, int y, int c)
{
    double mean = 0, var = 0;
    for (int i = 0; i < in->channels && op->kind == PQ_OP_LAYER_NORM; i++)
        mean += at(in, x, y, i) / in->channels;
    for (int i = 0; i < in->channels; i++)
        var += (at(in, x, y, i) - mean) * (at(in, x, y, i) - mean) / in->channels;
    return (at(in, x, y, c) - mean) / sqrt(var + (double)op->eps) *
               ((const float *)op->weight.data)[c] +
           ((const float *)op->bias.data)[c];
}

static double defined(const struct pq_op *op, const struct picture *in, int x, int y, int c)
{
    double sum = 0;
    int k = op->ver.kernel, f = op->factor;
    switch (op->kind) {
    case PQ_OP_CONV2D:
        if (op->bias.data)
            sum = ((const float *)op->bias.data)[c];
        for (int i = 0; i < in->channels; i++) {
            for (int ky = 0; ky < k; ky++) {
                for (int kx = 0; kx < k; kx++) {
                    const float *w = op->weight.data;
                    sum += w[((c * in->channels + i) * k + ky) * k + kx] *
                           at(in, x + kx - k / 2, y + ky - k / 2, i);
                }
            }
        }
        return activated(&op->act, sum, c);
    case PQ_OP_ACT:
        return activated(&op->act, at(in, x, y, c), c);
    case PQ_OP_PIXEL_SHUFFLE:
        return at(in, x / f, y / f, c * f * f + y % f * f + x % f);
    case PQ_OP_NEAREST:
        return at(in, x / f, y / f, c);
    case PQ_OP_ADD:
        return 1.25 * at(in, x, y, c); /* the test adds a quarter of the input to itself */
    case PQ_OP_MUL:
        return at(in, x, y, c) * at(in, x, y, c); /* by itself */
    case PQ_OP_AFFINE:
        return at(in, x, y, c) * ((const float *)op->weight.data)[c] +
               ((const float *)op->bias.data)[c];
    case PQ_OP_LAYER_NORM:
    case PQ_OP_RMS_NORM:
        return normed(op, in, x, y, c);
    case PQ_OP_SLICE:
        return at(in, x, y, op->first + c);
    case PQ_OP_CONCAT:
        return at(in, x, y, c % in->channels); /* the test joins the input with itself */
    case PQ_OP_BICUBIC: {
        double sx = (x + 0.5) * op->rate_den / op->rate_num - 0.5;
        double sy = (y + 0.5) * op->rate_den / op->rate_num - 0.5;
        for (int j = (int)floor(sy) - 1; j <= (int)floor(sy) + 2; j++) {
            for (int i = (int)floor(sx) - 1; i <= (int)floor(sx) + 2; i++)
                sum += keys(sx - i) * keys(sy - j) * clamped(in, i, j, c);
        }
        return sum;
    }
    default:
        return at(in, x, y, c);
    }
}

/* A graph of the input and one operation of this kind. */
static void one_op(struct net *net, struct rng *r, enum pq_op_kind kind)
{
    *net = (struct net){0};
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    int factor = 1 + rng_below(r, 4), channels = 1 + rng_below(r, 20);
    if (kind == PQ_OP_PIXEL_SHUFFLE)
        channels = (1 + rng_below(r, 3)) * factor * factor;
    int x = pq_graph_input(net->graph, channels, NULL), y = -1;
    struct pq_tensor slopes = net_tensor(net, r, 1, (const int64_t[]){channels}, 1);
    static const int kernels[] = {1, 3, 5};
    switch (kind) {
    case PQ_OP_INPUT:
        y = x;
        break;
    case PQ_OP_CONV2D:
        y = net_conv(net, r, x, 1 + rng_below(r, 40), kernels[rng_below(r, 3)]);
        if (rng_below(r, 2))
            y = pq_graph_act(net->graph, y, 0.25f, NULL, NULL);
        break;
    case PQ_OP_ACT:
        if (rng_below(r, 3) == 0)
            y = pq_graph_act(net->graph, x, 0.5f, rng_below(r, 2) ? &slopes : NULL, NULL);
        else if (rng_below(r, 4) == 0)
            y = pq_graph_clip(net->graph, x, -0.25f, 0.5f, NULL);
        else
            y = pq_graph_curve(net->graph, x,
                               (enum pq_act_kind)(PQ_ACT_SILU + rng_below(r, PQ_ACT_CLIP - 1)),
                               NULL);
        break;
    case PQ_OP_LAYER_NORM:
    case PQ_OP_RMS_NORM: {
        struct pq_tensor terms = net_tensor(net, r, 1, (const int64_t[]){channels}, 1);
        y = pq_graph_norm(net->graph, x, kind, &slopes, &terms, 0.01f, NULL);
        break;
    }
    case PQ_OP_SLICE: {
        int wide = pq_graph_concat(net->graph, 2, (const int[]){x, x}, NULL);
        assert_true(wide > 0);
        y = pq_graph_slice(net->graph, x, rng_below(r, channels), 1, NULL);
        break;
    }
    case PQ_OP_MUL:
        y = pq_graph_mul(net->graph, x, x, NULL);
        break;
    case PQ_OP_AFFINE: {
        struct pq_tensor terms = net_tensor(net, r, 1, (const int64_t[]){channels}, 1);
        y = pq_graph_affine(net->graph, x, &slopes, &terms, NULL);
        break;
    }
    case PQ_OP_PIXEL_SHUFFLE:
        y = pq_graph_pixel_shuffle(net->graph, x, factor, NULL);
        break;
    case PQ_OP_NEAREST:
        y = pq_graph_nearest(net->graph, x, factor, NULL);
        break;
    case PQ_OP_ADD:
        y = pq_graph_add(net->graph, x, x, 0.25f, NULL);
        break;
    case PQ_OP_CONCAT:
        y = pq_graph_concat(net->graph, 3, (const int[]){x, x, x}, NULL);
        break;
    default:
        y = pq_graph_bicubic(net->graph, x, factor, 1 + rng_below(r, 2), NULL);
        break;
    }
    assert_true(y >= 0);
    assert_int_equal(pq_graph_finish(net->graph, y, NULL), 0);
}

/* Those that say nothing alone, or are windows or statistics of the whole picture: window_test.c
 * and whole_test.c. */
static bool is_tested_elsewhere(enum pq_op_kind kind)
{
    static const enum pq_op_kind local[] = {
        PQ_OP_INPUT,   PQ_OP_CONV2D,     PQ_OP_ACT,     PQ_OP_PIXEL_SHUFFLE, PQ_OP_NEAREST,
        PQ_OP_ADD,     PQ_OP_MUL,        PQ_OP_AFFINE,  PQ_OP_CONCAT,        PQ_OP_SLICE,
        PQ_OP_BICUBIC, PQ_OP_LAYER_NORM, PQ_OP_RMS_NORM};
    for (size_t i = 0; i < PQ_COUNT(local); i++) {
        if (local[i] == kind)
            return false;
    }
    return true;
}

static void check_one(const char *device, enum pq_op_kind kind, uint64_t seed)
{
    struct rng r = {seed};
    struct net net;
    one_op(&net, &r, kind);
    const struct pq_op *op = &net.graph->ops[net.graph->output];
    struct pq_geometry g = {1 + rng_below(&r, 3), 2 + rng_below(&r, 130), 2 + rng_below(&r, 30), 1};
    g.band = 1 + rng_below(&r, g.height + 2);
    int channels = net.graph->ops[0].channels, width, height, rc;
    float *in = net_picture(&r, &g, channels);
    float *out = net_run(net.graph, device, 2, &g, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    net_check_same_as_cpu(net.graph, &g, in, out);
    for (int f = 0; f < g.frames; f++) {
        struct picture p = {in + (size_t)f * (size_t)(g.width * g.height * channels), g.width,
                            g.height, channels};
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                for (int c = 0; c < op->channels; c++) {
                    double want = defined(op, &p, x, y, c);
                    double have =
                        out[(((size_t)f * (size_t)height + (size_t)y) * (size_t)width + (size_t)x) *
                                (size_t)op->channels +
                            (size_t)c];
                    if (!(fabs(have - want) <= 1e-5))
                        fail_msg("%s on %s, seed %llu: frame %d, (%d, %d), channel %d is %g, "
                                 "not %g",
                                 pq_op_name(kind), device, (unsigned long long)seed, f, x, y, c,
                                 have, want);
                }
            }
        }
    }
    free(in);
    free(out);
    net_free(&net);
}

static void each_operation_is_its_definition(void **state)
{
    (void)state;
    for (int kind = 0; kind < PQ_OP_KINDS; kind++) {
        for (uint64_t seed = 1; seed <= 20 && !is_tested_elsewhere((enum pq_op_kind)kind); seed++)
            check_one(TEST_DEVICE, (enum pq_op_kind)kind, seed);
    }
}

static void rows_out_of_turn_are_refused(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 1, 8, 1, 2, 3, 0);
    struct pq_pool *pool;
    struct pq_program *program;
    struct pq_run *run;
    assert_int_equal(pq_pool_create(1, &pool, NULL), 0);
    struct pq_device_options options = {.pool = pool};
    assert_int_equal(pq_program_compile(net.graph, &options, &program, NULL), 0);
    assert_int_equal(pq_run_begin(program, &(struct pq_geometry){1, 8, 8, 4}, false, &run, NULL),
                     0);
    int got;
    pique_error err;
    struct pq_band none = {0};
    assert_int_equal(pq_run_step(run, &none, 0, &none, &got, &err), PIQUE_EINVAL);
    assert_int_equal(pq_run_step(run, &none, 3, &none, &got, &err), PIQUE_EINVAL);
    assert_int_equal(pq_run_step(run, &none, 5, &none, &got, &err), PIQUE_EINVAL);
    pq_run_end(&run);
    pq_program_release(&program);
    options.id = "abacus";
    assert_int_equal(pq_program_compile(net.graph, &options, &program, &err), PIQUE_EDEVICE);
    assert_non_null(strstr(err.message, "abacus"));
    pq_pool_destroy(&pool);
    net_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_is_its_definition),
        cmocka_unit_test(rows_out_of_turn_are_refused),
    };
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
