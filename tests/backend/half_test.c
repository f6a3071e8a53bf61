/* SPDX-License-Identifier: MIT */
/* The measuring devices cpu:fp16 and cpu:bf16: what a device with 16-bit storage would give. */
#include "../net.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "kernels/wide.h"

#include <math.h>

static const char *const devices[] = {"cpu:fp16", "cpu:bf16"};

static pq_round_fn *round_of(int device)
{
    return device ? pq_wide_c.round_bf16 : pq_wide_c.round_f16;
}

static float rounded(int device, double v)
{
    float f = (float)v;
    round_of(device)(&f, 1);
    return f;
}

static float *run(const struct pq_graph *graph, const char *device, const struct pq_geometry *g,
                  const float *in)
{
    int width, height, rc;
    float *out = net_run(graph, device, 2, g, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    assert_int_equal(width, g->width);
    assert_int_equal(height, g->height);
    return out;
}

static size_t values(const struct pq_geometry *g, int channels)
{
    return (size_t)g->frames * (size_t)g->height * (size_t)g->width * (size_t)channels;
}

/* A convolution with an activation, both with weights. */
static void one_conv(struct net *net)
{
    struct rng r = {23};
    *net = (struct net){0};
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    int y = net_conv(net, &r, pq_graph_input(net->graph, 5, NULL), 19, 3);
    struct pq_tensor s = net_tensor(net, &r, 1, (const int64_t[]){19}, 1.0f);
    y = pq_graph_act(net->graph, y, 0, &s, NULL);
    assert_int_equal(pq_graph_finish(net->graph, y, NULL), 0);
    assert_int_equal(net->graph->count, 2); /* they are one operation */
}

static void round_weights(struct net *net, int device)
{
    static const size_t counts[] = {19 * 5 * 9, 19, 19};
    assert_int_equal(net->count, 3);
    for (int i = 0; i < net->count; i++)
        round_of(device)(net->weights[i], counts[i]);
}

/* Weights, picture and result are rounded, and nothing between. */
static void a_convolution_is_that_of_rounded_numbers_rounded(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        struct net net;
        one_conv(&net);
        struct pq_geometry g = {2, 131, 9, 4};
        struct rng r = {5};
        float *in = net_picture(&r, &g, 5);
        float *have = run(net.graph, devices[d], &g, in);
        round_weights(&net, d);
        round_of(d)(in, values(&g, 5));
        float *want = run(net.graph, "cpu", &g, in);
        float *exact = malloc(values(&g, 19) * sizeof *exact);
        memcpy(exact, want, values(&g, 19) * sizeof *exact);
        round_of(d)(want, values(&g, 19));
        assert_memory_equal(have, want, values(&g, 19) * sizeof *want);
        assert_memory_not_equal(exact, want, values(&g, 19) * sizeof *want);
        free(exact);
        free(want);
        free(have);
        free(in);
        net_free(&net);
    }
}

/* With numbers of few bits the sum in fp32 is exact, and so is what is expected. */
static void a_sum_is_exact_and_rounded_once(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        struct net net;
        one_conv(&net);
        const float *w = net.weights[0], *bias = net.weights[1], *slopes = net.weights[2];
        for (int i = 0; i < net.count; i++) {
            for (int k = 0; k < (i ? 19 : 19 * 5 * 9); k++)
                net.weights[i][k] = (float)((k * 37 + i) % 127 - 63) / 64;
        }
        struct pq_geometry g = {1, 7, 6, 3};
        float in[6 * 7 * 5];
        for (int i = 0; i < 6 * 7 * 5; i++)
            in[i] = (float)(i * 29 % 128) / 128;
        float *have = run(net.graph, devices[d], &g, in);
        for (int y = 0; y < 6; y++) {
            for (int x = 0; x < 7; x++) {
                for (int c = 0; c < 19; c++) {
                    double sum = (double)bias[c];
                    for (int i = 0; i < 5 * 9; i++) {
                        int sy = y + i / 3 % 3 - 1, sx = x + i % 3 - 1;
                        if (sy >= 0 && sy < 6 && sx >= 0 && sx < 7)
                            sum += (double)w[c * 45 + i] * (double)in[(sy * 7 + sx) * 5 + i / 9];
                    }
                    if (sum < 0)
                        sum *= (double)slopes[c];
                    assert_true(have[(y * 7 + x) * 19 + c] == rounded(d, sum));
                }
            }
        }
        free(have);
        net_free(&net);
    }
}

/* x mean(x): the mean is one pixel, and stays float. */
static void what_is_one_pixel_for_all_is_not_rounded(void **state)
{
    (void)state;
    struct pq_geometry g = {1, 31, 17, 4};
    struct rng r = {3};
    float *in = net_picture(&r, &g, 3);
    struct pq_graph *graph = NULL;
    assert_int_equal(pq_graph_new(&graph, NULL), 0);
    int x = pq_graph_input(graph, 3, NULL);
    int y = pq_graph_mul(graph, x, pq_graph_mean(graph, x, NULL), NULL);
    assert_int_equal(pq_graph_finish(graph, y, NULL), 0);
    for (int d = 0; d < 2; d++) {
        float *have = run(graph, devices[d], &g, in);
        double sums[3] = {0};
        for (size_t i = 0; i < values(&g, 3); i++)
            sums[i % 3] += (double)rounded(d, (double)in[i]);
        bool told = false;
        for (size_t i = 0; i < values(&g, 3); i++) {
            float mean = (float)(sums[i % 3] / (31 * 17)), one = rounded(d, (double)in[i]);
            assert_true(have[i] == rounded(d, (double)(one * mean)));
            told |= have[i] != rounded(d, (double)(one * rounded(d, (double)mean)));
        }
        assert_true(told);
        free(have);
    }
    pq_graph_free(&graph);
    free(in);
}

/* Sorted and back again: places and categories are whole numbers, and stay them. */
static void whole_numbers_are_not_rounded(void **state)
{
    (void)state;
    struct pq_geometry g = {1, 29, 13, 4};
    struct rng r = {8};
    float *in = net_picture(&r, &g, 4);
    struct pq_graph *graph = NULL;
    assert_int_equal(pq_graph_new(&graph, NULL), 0);
    int x = pq_graph_input(graph, 4, NULL), order, rank;
    assert_int_equal(pq_graph_sort(graph, x, &order, &rank, NULL), 0);
    int y = pq_graph_pick(graph, pq_graph_pick(graph, x, order, NULL), rank, NULL);
    assert_int_equal(pq_graph_finish(graph, y, NULL), 0);
    for (int d = 0; d < 2; d++) {
        float *have = run(graph, devices[d], &g, in);
        for (size_t i = 0; i < values(&g, 4); i++)
            assert_true(have[i] == rounded(d, (double)in[i]));
        free(have);
    }
    pq_graph_free(&graph);
    free(in);
}

static void what_is_too_large_for_fp16_is_infinite_and_fits_bf16(void **state)
{
    (void)state;
    struct pq_geometry g = {1, 3, 2, 2};
    float in[6] = {300, 255, 257, -300, 1, 0};
    struct pq_graph *graph = NULL;
    assert_int_equal(pq_graph_new(&graph, NULL), 0);
    int x = pq_graph_input(graph, 1, NULL);
    assert_int_equal(pq_graph_finish(graph, pq_graph_scale(graph, x, 256, 0, NULL), NULL), 0);
    float *half = run(graph, "cpu:fp16", &g, in), *brain = run(graph, "cpu:bf16", &g, in);
    assert_true(isinf(half[0]) && half[0] > 0 && isinf(half[3]) && half[3] < 0);
    assert_true(half[1] == 65280 && isinf(half[2]) && half[4] == 256 && half[5] == 0);
    /* 300 is 302 or 300 in 8 bits: 1.171875 x 256 is exact. 257 is between 256 and 258. */
    assert_true(brain[0] == 76800 && brain[2] == 65536 && brain[3] == -76800);
    free(half);
    free(brain);
    pq_graph_free(&graph);
}

/* A network with all that takes another way through the backend: convolutions in stretches,
 * windows, statistics, rows. */
static void mixed(struct net *net)
{
    struct rng r = {31};
    *net = (struct net){0};
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    struct pq_graph *graph = net->graph;
    int x = pq_graph_input(graph, 3, NULL), y = net_conv(net, &r, x, 12, 3);
    struct pq_attention a = {.heads = 2,
                             .height = 4,
                             .width = 4,
                             .key_height = 4,
                             .key_width = 4,
                             .shift_y = 2,
                             .shift_x = 2,
                             .scale = 1};
    y = pq_graph_add(graph, y, pq_graph_attention(graph, y, y, y, &a, NULL, NULL), 1, NULL);
    y = pq_graph_norm(graph, y, PQ_OP_LAYER_NORM, NULL, NULL, 1e-5f, NULL);
    int gate = net_conv(net, &r, pq_graph_mean(graph, y, NULL), 12, 1);
    y = pq_graph_mul(graph, y, pq_graph_curve(graph, gate, PQ_ACT_SIGMOID, NULL), NULL);
    y = net_conv(net, &r, pq_graph_curve(graph, y, PQ_ACT_GELU, NULL), 3, 3);
    y = pq_graph_add(graph, y, x, 1, NULL);
    assert_true(y > 0);
    assert_int_equal(pq_graph_finish(graph, y, NULL), 0);
}

static void one_result_over_threads_bands_batches_and_levels(void **state)
{
    (void)state;
    struct net net;
    mixed(&net);
    struct pq_geometry g = {2, 117, 21, 21};
    struct rng r = {11};
    float *in = net_picture(&r, &g, 3);
    const size_t frame = values(&g, 3) / 2;
    for (int d = 0; d < 2; d++) {
        pq_cpu_force(PQ_CPU_SCALAR);
        float *want = run(net.graph, devices[d], &g, in);
        for (int level = 0; level < PQ_CPU_LEVELS; level++) {
            if (!pq_cpu_force((enum pq_cpu_level)level))
                continue;
            for (int threads = 1; threads <= 3; threads++) {
                for (int band = 1; band <= 21; band += 5) {
                    int width, height, rc;
                    struct pq_geometry one = {1 + band % 2, 117, 21, band};
                    const float *from = one.frames == 1 ? in + frame : in;
                    float *have =
                        net_run(net.graph, devices[d], threads, &one, from, &width, &height, &rc);
                    assert_int_equal(rc, 0);
                    assert_memory_equal(have, one.frames == 1 ? want + frame : want,
                                        (size_t)one.frames * frame * sizeof *want);
                    free(have);
                }
            }
        }
        pq_cpu_force(pq_cpu_best());
        float copy[64];
        memcpy(copy, want, sizeof copy);
        round_of(d)(copy, PQ_COUNT(copy));
        assert_memory_equal(copy, want, sizeof copy);
        free(want);
    }
    free(in);
    net_free(&net);
}

static const char *key_in(const char *device, enum pique_precision tier,
                          struct pq_program **program)
{
    static struct net net;
    struct pq_pool *pool = NULL;
    net_compact(&net, 1, 8, 1, 1, 3, 0);
    assert_int_equal(pq_pool_create(1, &pool, NULL), 0);
    struct pq_device_options options = {.id = device, .precision = tier, .pool = pool};
    int rc = pq_program_compile(net.graph, &options, program, NULL);
    const char *key = rc ? NULL : pq_program_numeric_key(*program);
    pq_program_release(program);
    pq_pool_destroy(&pool);
    net_free(&net);
    return key; /* static */
}

static const char *key_of(const char *device, struct pq_program **program)
{
    return key_in(device, PIQUE_PRECISION_AUTO, program);
}

static void they_are_found_by_name_and_have_keys_of_their_own(void **state)
{
    (void)state;
    struct pq_program *program = NULL;
    assert_string_equal(key_of("cpu", &program), "cpu/fp32/winograd-2");
    assert_string_equal(key_of(NULL, &program), "cpu/fp32/winograd-2");
    assert_string_equal(key_in("cpu", PIQUE_PRECISION_INT16, &program), "cpu/int16/winograd-3");
    assert_string_equal(key_of("cpu:direct", &program), "cpu/fp32/direct-1");
    assert_string_equal(key_of("cpu:fp16", &program), "cpu/fp16-emulated/direct-1");
    assert_string_equal(key_of("cpu:bf16", &program), "cpu/bf16-emulated/direct-1");
    assert_null(key_of("cpu:fp8", &program));
    assert_null(key_of("cpu:", &program));
    assert_null(key_of("cp", &program));
    assert_int_equal(pq_backend_find("cpu")->tiers("cpu"),
                     1u << PIQUE_PRECISION_FP32 | 1u << PIQUE_PRECISION_INT16);
    assert_int_equal(pq_backend_find("cpu:direct")->tiers("cpu:direct"),
                     1u << PIQUE_PRECISION_FP32);
    assert_int_equal(pq_backend_find("cpu:bf16")->tiers("cpu:bf16"), 1u << PIQUE_PRECISION_BF16);
    pique_device_info info = {.size = sizeof info};
    assert_true(pq_backend_find("cpu")->describe(0, &info));
    assert_false(pq_backend_find("cpu")->describe(1, &info)); /* they are not listed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_is_that_of_rounded_numbers_rounded),
        cmocka_unit_test(a_sum_is_exact_and_rounded_once),
        cmocka_unit_test(what_is_one_pixel_for_all_is_not_rounded),
        cmocka_unit_test(whole_numbers_are_not_rounded),
        cmocka_unit_test(what_is_too_large_for_fp16_is_infinite_and_fits_bf16),
        cmocka_unit_test(one_result_over_threads_bands_batches_and_levels),
        cmocka_unit_test(they_are_found_by_name_and_have_keys_of_their_own),
    };
    return cmocka_run_group_tests_name("half", tests, NULL, NULL);
}
