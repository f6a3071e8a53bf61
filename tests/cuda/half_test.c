/* SPDX-License-Identifier: MIT */
/* Halves on a GPU: the kernels of products of matrices, lane by lane as the device has them,
 * against the processor's emulation of a device that stores halves. */
#include "../net.h"
#include "base/alloc.h"
#include "standin.h"

#include <math.h>

static void nothing_is_wrong(void)
{
    if (standin_faults())
        fail_msg("%d faults; the first: %s", standin_faults(), standin_fault(0));
}

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

/* The halves of a GPU differ from those of the processor by the order of a sum, and so by one place
 * where the sum lies between two halves; what is the difference of two sums, and what a network
 * makes of it, differs by as much in larger places. The bound is at most twice what was seen. */
static void compare(const struct pq_graph *graph, const struct pq_geometry *g, const float *in,
                    double places, const char *what)
{
    size_t floats;
    float *want = run(graph, "cpu:fp16", PIQUE_PRECISION_FP16, g, in, &floats);
    float *have = run(graph, "cuda", PIQUE_PRECISION_FP16, g, in, &floats);
    for (size_t i = 0; i < floats; i++) {
        const double bound = places * fmax(fabs((double)want[i]), 0.25) * 0x1p-10;
        if (!(fabs((double)have[i] - (double)want[i]) <= bound))
            fail_msg("%s, %d x %d x %d in bands of %d: float %zu is %g, not %g", what, g->frames,
                     g->width, g->height, g->band, i, (double)have[i], (double)want[i]);
    }
    free(want);
    free(have);
    nothing_is_wrong();
}

/* Every shape: kernels, channels that fill no sixteen and more than one block, maps that are
 * joined, residuals, activations, pictures smaller and larger than a tile. */
static void a_convolution_is_that_of_the_processor(void **state)
{
    (void)state;
    static const int kernels[] = {1, 3, 3, 5, 7};
    static const int outs[] = {1, 3, 12, 16, 20, 33, 48, 64, 70, 100, 130};
    for (uint64_t seed = 1; seed <= 30; seed++) {
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
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct rng r = {seed};
        struct net net;
        if (seed % 2)
            net_compact(&net, seed, 24, 4, 3, 3, seed == 3 ? 3 : 0);
        else
            net_rrdb(&net, seed, 20, 12, 1, true);
        const struct pq_geometry g = {2, 37, 19, 7};
        float *in = net_picture(&r, &g, 3);
        compare(net.graph, &g, in, 8, "a network");
        free(in);
        net_free(&net);
    }
}

/* The same bits from a batch of three in any bands, and from each picture alone. */
static void place_batch_and_band_change_no_bit(void **state)
{
    (void)state;
    struct rng r = {5};
    struct net net;
    net_compact(&net, 5, 20, 2, 2, 3, 0);
    const struct pq_geometry whole = {3, 41, 23, 23};
    float *in = net_picture(&r, &whole, 3);
    size_t floats, some;
    float *want = run(net.graph, "cuda", PIQUE_PRECISION_FP16, &whole, in, &floats);
    for (int band = 1; band <= 23; band += 4) {
        const struct pq_geometry g = {3, 41, 23, band};
        float *have = run(net.graph, "cuda", PIQUE_PRECISION_FP16, &g, in, &some);
        assert_memory_equal(have, want, floats * sizeof *want);
        free(have);
    }
    for (size_t f = 0; f < 3; f++) {
        const struct pq_geometry g = {1, 41, 23, 9};
        float *have = run(net.graph, "cuda", PIQUE_PRECISION_FP16, &g, in + f * 41 * 23 * 3, &some);
        assert_int_equal(some * 3, floats);
        assert_memory_equal(have, want + f * some, some * sizeof *want);
        free(have);
    }
    free(in);
    free(want);
    net_free(&net);
    nothing_is_wrong();
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
    compare(net.graph, &g, in, 8, "a network with statistics");
    free(in);
    net_free(&net);
}

static void old_gpus_have_floats_alone(void **state)
{
    (void)state;
    assert_int_equal(pq_backend_find("cuda")->tiers("cuda"),
                     1u << PIQUE_PRECISION_FP32 | 1u << PIQUE_PRECISION_FP16);
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
        cmocka_unit_test(other_operations_take_floats),
        cmocka_unit_test(old_gpus_have_floats_alone),
    };
    return cmocka_run_group_tests_name("cuda half", tests, NULL, NULL);
}
