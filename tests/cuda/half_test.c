/* SPDX-License-Identifier: MIT */
/* Halves of both types on a GPU: the kernels of products of matrices, lane by lane as the device
 * has them, against the processor's emulation of a device that stores halves. */
#include "../net.h"
#include "../sanitized.h"
#include "base/alloc.h"
#include "nothing.h"

#include <math.h>

/* place: from 1 to the next half. */
static const struct tier {
    enum pique_precision precision;
    const char *emulated, *key;
    double place;
} tiers[] = {{PIQUE_PRECISION_FP16, "cpu:fp16", "cuda/fp16/tiles-3", 0x1p-10},
             {PIQUE_PRECISION_BF16, "cpu:bf16", "cuda/bf16/tiles-3", 0x1p-7}};

static float *run(const struct pq_graph *graph, const char *device, enum pique_precision tier,
                  const struct pq_geometry *geometry, const float *in, size_t *floats)
{
    int width, height, rc;
    float *out = net_run_tier(graph, device, tier, 1, geometry, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    *floats = (size_t)geometry->frames * (size_t)width * (size_t)height *
              (size_t)graph->ops[graph->output].channels;
    return out;
}

/* docs/numerics.md has where the bound comes from: 2 places for one convolution. It is 4 where what
 * it reads, or is added to, is the result of another, and 6 for a network: at most twice what was
 * seen.
 */
static void compare_in(const struct tier *tier, const struct pq_graph *graph,
                       const struct pq_geometry *g, const float *in, double places,
                       const char *what)
{
    size_t floats;
    float *want = run(graph, tier->emulated, tier->precision, g, in, &floats);
    float *have = run(graph, "cuda", tier->precision, g, in, &floats);
    for (size_t i = 0; i < floats; i++) {
        const double bound = places * fmax(fabs((double)want[i]), 0.25) * tier->place;
        const double off = fabs((double)have[i] - (double)want[i]);
        if (!(off <= bound))
            fail_msg("%s in %s, %d x %d x %d in bands of %d: float %zu is %g, not %g", what,
                     tier->key, g->frames, g->width, g->height, g->band, i, (double)have[i],
                     (double)want[i]);
    }
    free(want);
    free(have);
    nothing_is_wrong();
}

static void compare(const struct pq_graph *graph, const struct pq_geometry *g, const float *in,
                    double places, const char *what)
{
    for (size_t t = 0; t < PQ_COUNT(tiers); t++)
        compare_in(&tiers[t], graph, g, in, places, what);
}

/* Every shape: kernels, channels that fill no sixteen and more than one block, maps that are
 * joined, residuals, activations, pictures smaller and larger than a tile. */
static void a_convolution_is_that_of_the_processor(void **state)
{
    (void)state;
    static const int kernels[] = {1, 3, 3, 5, 7};
    static const int outs[] = {1, 3, 12, 16, 20, 33, 48, 64, 70, 100, 130};
    for (uint64_t seed = 1; seed <= 30; seed += (uint64_t)test_much(1, 3, 7)) {
        struct rng r = {seed};
        struct net net = {0};
        const int kernel = kernels[rng_below(&r, 5)], out = outs[rng_below(&r, 11)];
        const bool joined = rng_below(&r, 3) == 0, residual = rng_below(&r, 3) == 0;
        const int channels = 1 + rng_below(&r, seed % 7 ? 40 : 150);
        assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
        const int x = pq_graph_input(net.graph, channels, NULL);
        int y = x;
        if (joined) {
            int parts[] = {x, net_conv(&net, &r, x, 1 + rng_below(&r, 30), 1), x};
            y = pq_graph_concat(net.graph, 3, parts, NULL);
        }
        const int from = y;
        y = net_conv(&net, &r, y, out, kernel);
        if (rng_below(&r, 2)) {
            struct pq_tensor slopes = net_tensor(&net, &r, 1, (const int64_t[]){out}, 1.0f);
            y = pq_graph_act(net.graph, y, 0, &slopes, NULL);
        }
        if (residual)
            y = pq_graph_add(net.graph, net_conv(&net, &r, from, out, 1), y, 0.5f, NULL);
        assert_int_equal(pq_graph_finish(net.graph, y, NULL), 0);
        const struct pq_geometry g = {1 + rng_below(&r, 2), 1 + rng_below(&r, 45),
                                      1 + rng_below(&r, 24), 1 + rng_below(&r, 14)};
        float *in = net_picture(&r, &g, channels);
        standin_mode(STANDIN_LAZY, seed, 0);
        compare(net.graph, &g, in, joined || residual ? 4 : 2, "a convolution");
        free(in);
        net_free(&net);
    }
}

static void a_network_stays_near_the_emulation(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed += (uint64_t)test_much(1, 3, 3)) {
        struct rng r = {seed};
        struct net net;
        if (seed % 2)
            net_compact(&net, seed, 24, 4, 3, 3, seed == 3 ? 3 : 0);
        else
            net_rrdb(&net, seed, 20, 12, 1, true);
        const struct pq_geometry g = {2, 37, 19, 7};
        float *in = net_picture(&r, &g, 3);
        compare(net.graph, &g, in, 6, "a network");
        free(in);
        net_free(&net);
    }
}

/* The same bits from a batch of three in any bands, and from each picture alone. */
static void place_batch_and_band_change_no_bit_of(enum pique_precision tier)
{
    struct rng r = {5};
    struct net net;
    net_compact(&net, 5, 20, 2, 2, 3, 0);
    const struct pq_geometry whole = {3, 41, 23, 23};
    float *in = net_picture(&r, &whole, 3);
    size_t floats, some;
    float *want = run(net.graph, "cuda", tier, &whole, in, &floats);
    for (int band = 1; band <= 23; band += 4 * test_much(1, 3, 3)) {
        const struct pq_geometry g = {3, 41, 23, band};
        float *have = run(net.graph, "cuda", tier, &g, in, &some);
        assert_memory_equal(have, want, floats * sizeof *want);
        free(have);
    }
    for (size_t f = 0; f < 3; f++) {
        const struct pq_geometry g = {1, 41, 23, 9};
        float *have = run(net.graph, "cuda", tier, &g, in + f * 41 * 23 * 3, &some);
        assert_int_equal(some * 3, floats);
        assert_memory_equal(have, want + f * some, some * sizeof *want);
        free(have);
    }
    free(in);
    free(want);
    net_free(&net);
    nothing_is_wrong();
}

static void place_batch_and_band_change_no_bit(void **state)
{
    (void)state;
    for (size_t t = 0; t < PQ_COUNT(tiers); t++)
        place_batch_and_band_change_no_bit_of(tiers[t].precision);
}

/* Everything else that reads and writes halves. NULL behind the last. */
enum { CHANNELS = 8 };

static const char *one_operation(struct net *net, struct rng *r, int which, int x, int *y)
{
    struct pq_graph *g = net->graph;
    const int place = pq_graph_slice(g, x, 1, 3, NULL);
    const int64_t taps[] = {CHANNELS, 1, 3, 3}, offsets[] = {8, CHANNELS, 1, 1};
    struct pq_tensor w = net_tensor(net, r, 4, which == 13 ? offsets : taps, 1.0f);
    for (int i = 0; i < CHANNELS * (which == 13 ? 8 : 9); i++) /* few bits, so no half rounds it */
        net->weights[net->count - 1][i] = (float)(i * 37 % 127 - 63) / 64;
    const struct pq_conv_shape deep = {
        .groups = CHANNELS, .top = 1, .left = 1, .bottom = 1, .right = 1};
    switch (which) {
    case 0:
        *y = pq_graph_pixel_shuffle(g, x, 2, NULL);
        return "pixel shuffle";
    case 1:
        *y = pq_graph_pixel_unshuffle(g, x, 2, NULL);
        return "pixel unshuffle";
    case 2:
        *y = pq_graph_nearest(g, x, 3, NULL);
        return "nearest";
    case 3:
        *y = pq_graph_add(g, place, pq_graph_slice(g, x, 4, 3, NULL), 0.3f, NULL);
        return "addition";
    case 4:
        *y = pq_graph_mul(g, place, pq_graph_slice(g, x, 4, 3, NULL), NULL);
        return "product";
    case 5:
        *y = pq_graph_scale(g, x, 0.75f, 0.125f, NULL);
        return "affine";
    case 6:
        *y = pq_graph_concat(g, 3, (const int[]){place, x, place}, NULL);
        return "joined channels";
    case 7:
        *y = pq_graph_bicubic(g, x, 3, 2, NULL);
        return "bicubic";
    case 8:
        *y = pq_graph_bilinear(g, pq_graph_nearest(g, x, 2, NULL), x, NULL);
        return "bilinear";
    case 9:
        *y = pq_graph_crop(g, pq_graph_pad(g, x, PQ_PAD_REFLECT, 3, 1, NULL), 1, NULL);
        return "pad and crop";
    case 10:
        *y = pq_graph_pool(g, x, PQ_OP_MAX_POOL, 3, 2, NULL);
        return "largest of a window";
    case 11:
        *y = pq_graph_pool(g, x, PQ_OP_MEAN_POOL, 3, 2, NULL);
        return "mean of a window";
    case 12:
        *y = pq_graph_conv(g, x, &w, NULL, &deep, NULL);
        return "depthwise convolution";
    case 13:
        *y = pq_graph_dysample(g, x, pq_graph_slice(g, x, 0, 8, NULL), 2, 1, NULL);
        return "dysample";
    case 14:
        *y = pq_graph_curve(g, x, PQ_ACT_GELU, NULL);
        return "activation";
    default:
        return NULL;
    }
}

/* What is computed in the processor's order is rounded once, too. */
static void other_operations_have_the_bits_of_the_emulation(void **state)
{
    (void)state;
    struct rng r = {12};
    const struct pq_geometry g = {2, 34, 18, 5};
    float *in = net_picture(&r, &g, CHANNELS);
    for (int which = 0;; which++) {
        struct net net = {0};
        int y = -1;
        assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
        const int x = pq_graph_input(net.graph, CHANNELS, NULL);
        const char *what = one_operation(&net, &r, which, x, &y);
        if (what) {
            assert_int_equal(pq_graph_finish(net.graph, y, NULL), 0);
            for (size_t t = 0; t < PQ_COUNT(tiers); t++)
                compare_in(&tiers[t], net.graph, &g, in, 0, what);
        }
        net_free(&net);
        if (!what)
            break;
    }
    free(in);
}

/* What is beyond fp16 is within bf16; NaN stays itself in both, and touches no other pixel. */
static void bf16_holds_what_fp16_cannot(void **state)
{
    (void)state;
    struct net net = {0};
    assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
    const int64_t shape[] = {1, 1, 1, 1};
    const float weight = 1024;
    struct pq_tensor w = {.dtype = PQ_F32, .dims = 4, .data = &weight};
    memcpy(w.shape, shape, sizeof shape);
    const int y = pq_graph_conv2d(net.graph, pq_graph_input(net.graph, 1, NULL), &w, NULL, NULL);
    assert_int_equal(pq_graph_finish(net.graph, y, NULL), 0);
    const struct pq_geometry g = {1, 5, 1, 1};
    const float in[] = {1000, -1000, NAN, 0x1p-140f, 3};
    size_t floats;
    float *half = run(net.graph, "cuda", PIQUE_PRECISION_FP16, &g, in, &floats);
    float *brain = run(net.graph, "cuda", PIQUE_PRECISION_BF16, &g, in, &floats);
    assert_int_equal(floats, 5);
    assert_true(half[0] == INFINITY && half[1] == -INFINITY && isnan(half[2]));
    assert_true(half[3] == 0 && half[4] == 3072);
    assert_true(brain[0] == 1024000 && brain[1] == -1024000 && isnan(brain[2]));
    assert_true(brain[3] == 0 && brain[4] == 3072);
    free(half);
    free(brain);
    net_free(&net);
    nothing_is_wrong();
}

static void each_tier_has_a_key_of_its_own(void **state)
{
    (void)state;
    struct net net;
    struct pq_pool *pool = NULL;
    net_compact(&net, 1, 8, 1, 1, 3, 0);
    assert_int_equal(pq_pool_create(1, &pool, NULL), 0);
    for (size_t t = 0; t < PQ_COUNT(tiers); t++) {
        struct pq_device_options options = {
            .id = "cuda", .precision = tiers[t].precision, .pool = pool};
        struct pq_program *program = NULL;
        assert_int_equal(pq_program_compile(net.graph, &options, &program, NULL), 0);
        assert_string_equal(pq_program_numeric_key(program), tiers[t].key);
        pq_program_release(&program);
    }
    pq_pool_destroy(&pool);
    net_free(&net);
}

/* What reads maps with sums of its own gets floats between the halves. */
static void other_operations_take_floats(void **state)
{
    (void)state;
    struct rng r = {9};
    struct net net = {0};
    assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
    const int x = pq_graph_input(net.graph, 20, NULL);
    int y = net_conv(&net, &r, x, 24, 3);
    y = pq_graph_group_norm(net.graph, y, 4, NULL, NULL, 0.1f, NULL);
    y = pq_graph_mul(net.graph, y, pq_graph_mean(net.graph, y, NULL), NULL);
    y = net_conv(&net, &r, y, 12, 3);
    y = pq_graph_pixel_shuffle(net.graph, y, 2, NULL);
    assert_int_equal(pq_graph_finish(net.graph, y, NULL), 0);
    const struct pq_geometry g = {2, 33, 20, 6};
    float *in = net_picture(&r, &g, 20);
    compare(net.graph, &g, in, 6, "a network with statistics");
    free(in);
    net_free(&net);
}

static void old_gpus_have_floats_alone(void **state)
{
    (void)state;
    assert_int_equal(pq_backend_find("cuda")->tiers("cuda"), 1u << PIQUE_PRECISION_FP32 |
                                                                 1u << PIQUE_PRECISION_FP16 |
                                                                 1u << PIQUE_PRECISION_BF16);
    standin_device(0)->major = 7;
    standin_device(0)->minor = 5;
    assert_int_equal(pq_backend_find("cuda")->tiers("cuda"), 1u << PIQUE_PRECISION_FP32);
    assert_int_equal(standin_reset(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_is_that_of_the_processor),
        cmocka_unit_test(a_network_stays_near_the_emulation),
        cmocka_unit_test(place_batch_and_band_change_no_bit),
        cmocka_unit_test(other_operations_have_the_bits_of_the_emulation),
        cmocka_unit_test(bf16_holds_what_fp16_cannot),
        cmocka_unit_test(each_tier_has_a_key_of_its_own),
        cmocka_unit_test(other_operations_take_floats),
        cmocka_unit_test(old_gpus_have_floats_alone),
    };
    return cmocka_run_group_tests_name("cuda half", tests, NULL, NULL);
}
