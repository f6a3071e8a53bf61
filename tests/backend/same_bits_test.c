/* SPDX-License-Identifier: MIT */
/* Promise 1: one result over threads, band heights, batch places and instruction sets, in each tier
 * of the processor. */
#include <math.h>

#include "../net.h"
#include "../sanitized.h"
#include "base/alloc.h"
#include "base/cpu.h"

static enum pique_precision tier; /* of "cpu"; its other forms have one */

static float *net_in_tier(const struct pq_graph *graph, const char *device, int threads,
                          const struct pq_geometry *g, const float *in, int *width, int *height,
                          int *rc)
{
    const bool choice = strcmp(device, "cpu") == 0;
    return net_run_tier(graph, device, choice ? tier : PIQUE_PRECISION_AUTO, threads, g, in, width,
                        height, rc);
}

/* Nothing here is left unnamed: what a machine lacks is said. */
static void one_result_over_threads_bands_and_levels(void **state)
{
    (void)state;
    static const int bands[] = {1, 3, 4, 8, 16, 64, 1000};
    struct net net;
    net_compact(&net, 7, 24, 4, 3, 3, 1);
    struct pq_geometry g = {1, 53, 41, 41};
    struct rng r = {11};
    float *in = net_picture(&r, &g, 3);
    int width, height, rc;
    assert_true(pq_cpu_force(PQ_CPU_SCALAR));
    float *want = net_in_tier(net.graph, "cpu", 1, &g, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    size_t bytes = (size_t)width * (size_t)height * 3 * sizeof *want;
    for (int level = 0; level < PQ_CPU_LEVELS; level++) {
        if (!pq_cpu_force((enum pq_cpu_level)level)) {
            print_message("skipped: this processor has no %s\n",
                          pq_cpu_level_name((enum pq_cpu_level)level));
            continue;
        }
        for (int threads = test_much(1, 1, 3); threads <= 3; threads += test_much(1, 2, 1)) {
            for (size_t b = 0; b < PQ_COUNT(bands); b += (size_t)test_much(1, 2, 3)) {
                g.band = bands[b];
                float *have = net_in_tier(net.graph, "cpu", threads, &g, in, &width, &height, &rc);
                assert_int_equal(rc, 0);
                if (memcmp(want, have, bytes) != 0)
                    fail_msg("%s, %d threads, bands of %d rows: other bits",
                             pq_cpu_level_name((enum pq_cpu_level)level), threads, bands[b]);
                free(have);
            }
        }
    }
    free(want);
    free(in);
    net_free(&net);
    pq_cpu_force(pq_cpu_best());
}

/* Networks that join channels and add residuals: parts are read where they lie and sums are added
 * to in registers, and neither changes a bit; nor do bands and levels. In int16 a value that a
 * convolution alone reads is a half, and one that is copied first is not. */
static void fusing_changes_no_bit(void **state)
{
    (void)state;
    struct net plain, fused;
    net_rrdb(&plain, 21, 20, 12, 2, false);
    net_rrdb(&fused, 21, 20, 12, 2, true);
    /* Per dense block five convolutions; per block one addition; two around them, and at the end
     * nearest and two convolutions. */
    assert_int_equal(fused.graph->count, 2 + 2 * (3 * 5 + 1) + 1 + 3);
    struct pq_graph *again;
    assert_int_equal(pq_graph_sparing(fused.graph, &again, NULL), 0);
    assert_int_equal(again->count, fused.graph->count + 1);
    struct pq_geometry g = {1, 47, 39, 39};
    struct rng r = {4};
    float *in = net_picture(&r, &g, 3);
    int width, height, rc;
    assert_true(pq_cpu_force(PQ_CPU_SCALAR));
    const struct net *first = tier == PIQUE_PRECISION_FP32 ? &plain : &fused;
    float *want = net_in_tier(first->graph, "cpu", 1, &g, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    for (int level = 0; level < PQ_CPU_LEVELS; level++) {
        if (!pq_cpu_force((enum pq_cpu_level)level))
            continue; /* the test above says what is missing */
        for (g.band = test_much(1, 14, 14); g.band < 40; g.band += test_some(13, 40, 40)) {
            const int threads = 1 + g.band % 3;
            for (int i = 0; i < 2; i++) {
                float *have = net_in_tier(i ? again : fused.graph, "cpu", threads, &g, in, &width,
                                          &height, &rc);
                assert_int_equal(rc, 0);
                assert_memory_equal(want, have, (size_t)width * (size_t)height * 3 * sizeof *want);
                free(have);
            }
        }
    }
    pq_cpu_force(pq_cpu_best());
    free(in);
    free(want);
    pq_graph_free(&again);
    net_free(&plain);
    net_free(&fused);
}

/* The input has three channels, and what is added to a convolution is read sixteen at a time. */
static void the_residual_may_be_the_input(void **state)
{
    (void)state;
    for (int fused = 0; fused < 2; fused++) {
        static float *first;
        struct rng r = {8};
        struct net net = {0};
        assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
        int x = pq_graph_input(net.graph, 3, NULL);
        int y = pq_graph_add(net.graph, x, net_conv(&net, &r, x, 3, 3), 0.5f, NULL);
        if (fused)
            assert_int_equal(pq_graph_finish(net.graph, y, NULL), 0);
        else
            net.graph->output = y;
        assert_int_equal(net.graph->count, fused ? 2 : 3);
        struct pq_geometry g = {2, 23, 14, 4};
        float *in = net_picture(&r, &g, 3);
        int width, height, rc;
        float *out = net_in_tier(net.graph, "cpu", 2, &g, in, &width, &height, &rc);
        assert_int_equal(rc, 0);
        if (fused) {
            assert_memory_equal(first, out, 2 * 23 * 14 * 3 * sizeof *out);
            free(first);
            free(out);
        } else {
            first = out;
        }
        free(in);
        net_free(&net);
    }
}

/* A batch of N frames is N pictures, each as if alone. */
static void a_frame_does_not_depend_on_its_place_in_the_batch(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 3, 16, 3, 2, 3, 0);
    enum { FRAMES = 4 };
    struct pq_geometry g = {FRAMES, 37, 19, 5};
    struct rng r = {5};
    float *in = net_picture(&r, &g, 3);
    int width, height, rc;
    float *all = net_in_tier(net.graph, "cpu", 2, &g, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    size_t frame = (size_t)width * (size_t)height * 3;
    g.frames = 1;
    for (int f = 0; f < FRAMES; f++) {
        float *one = net_in_tier(net.graph, "cpu", 2, &g, in + (size_t)f * 37 * 19 * 3, &width,
                                 &height, &rc);
        assert_int_equal(rc, 0);
        assert_memory_equal(one, all + (size_t)f * frame, frame * sizeof *one);
        free(one);
    }
    free(all);
    free(in);
    net_free(&net);
}

/* Promise 2: a part of the picture, from (x0, y0) on, with a margin around it gives the same
 * pixels.
 */
static void check_crop(const struct net *net, const char *device, int x0, int y0, int margin)
{
    struct pq_geometry g = {1, 60, 60, 16};
    struct rng r = {6};
    float *in = net_picture(&r, &g, 3);
    int width, height, rc;
    float *whole = net_in_tier(net->graph, device, 2, &g, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    int size = 12, crop_size = size + 2 * margin;
    float *crop = malloc((size_t)(crop_size * crop_size) * 3 * sizeof *crop);
    for (int y = 0; y < crop_size; y++)
        memcpy(crop + y * crop_size * 3, in + ((y0 - margin + y) * 60 + x0 - margin) * 3,
               (size_t)crop_size * 3 * sizeof *crop);
    struct pq_geometry cg = {1, crop_size, crop_size, 7};
    float *part = net_in_tier(net->graph, device, 1, &cg, crop, &width, &height, &rc);
    assert_int_equal(rc, 0);
    for (int y = 0; y < 2 * size; y++)
        assert_memory_equal(part + ((2 * margin + y) * width + 2 * margin) * 3,
                            whole + ((2 * y0 + y) * 120 + 2 * x0) * 3,
                            (size_t)(2 * size) * 3 * sizeof *part);
    free(in);
    free(whole);
    free(crop);
    free(part);
}

static void a_crop_with_its_receptive_field_gives_the_same_pixels(void **state)
{
    (void)state;
    struct net net;
    struct pq_graph_facts facts;
    net_compact(&net, 9, 16, 3, 2, 3, 0);
    pq_graph_facts(net.graph, &facts);
    check_crop(&net, "cpu:direct", 20, 23, facts.radius);
    net_free(&net);
}

/* A pixel of a tile is rounded with what the tile reads, so the crop begins where tiles do, and a
 * layer's reach is a tile. */
static void a_crop_of_whole_tiles_gives_the_same_pixels(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 9, 16, 3, 2, 3, 0);
    check_crop(&net, "cpu", 24, 24, 4 * 4 + 4);
    net_free(&net);
}

/* What Winograd's convolution and the direct one are apart is rounding, to words in int16. */
static void tiles_are_near_the_direct_sum(void **state)
{
    (void)state;
    double most = 0;
    for (uint64_t seed = 1; seed <= 20; seed += (uint64_t)test_much(1, 3, 9)) {
        struct net net;
        struct rng r = {seed};
        if (seed % 2)
            net_compact(&net, seed, 8 + rng_below(&r, 40), 3, 2, 3, 0);
        else
            net_rrdb(&net, seed, 8 + rng_below(&r, 24), 8 + rng_below(&r, 8), 1, true);
        const struct pq_geometry g = {1, 1 + rng_below(&r, 40), 1 + rng_below(&r, 40),
                                      1 + rng_below(&r, 12)};
        float *in = net_picture(&r, &g, 3);
        int width, height, rc;
        float *want = net_in_tier(net.graph, "cpu:direct", 2, &g, in, &width, &height, &rc);
        float *have = net_in_tier(net.graph, "cpu", 2, &g, in, &width, &height, &rc);
        assert_int_equal(rc, 0);
        for (int i = 0; i < width * height * 3; i++) {
            const double off = fabs((double)have[i] - (double)want[i]);
            most = off > most ? off : most;
        }
        free(in);
        free(want);
        free(have);
        net_free(&net);
    }
    print_message("at most %.2g apart\n", most);
    assert_true(most > 0 && most < (tier == PIQUE_PRECISION_FP32 ? 5e-6 : 2e-3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_result_over_threads_bands_and_levels),
        cmocka_unit_test(fusing_changes_no_bit),
        cmocka_unit_test(the_residual_may_be_the_input),
        cmocka_unit_test(a_frame_does_not_depend_on_its_place_in_the_batch),
        cmocka_unit_test(a_crop_with_its_receptive_field_gives_the_same_pixels),
        cmocka_unit_test(a_crop_of_whole_tiles_gives_the_same_pixels),
        cmocka_unit_test(tiles_are_near_the_direct_sum),
    };
    int failed = 0;
    static const enum pique_precision tiers[] = {PIQUE_PRECISION_FP32, PIQUE_PRECISION_INT16};
    for (size_t i = 0; i < PQ_COUNT(tiers); i++) {
        tier = tiers[i];
        failed += cmocka_run_group_tests_name(i ? "same bits, int16" : "same bits, fp32", tests,
                                              NULL, NULL);
    }
    return failed;
}
