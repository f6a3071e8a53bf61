/* SPDX-License-Identifier: MIT */
/* What Omni-SR refuses, and pictures that are smaller than it was made for. What it computes is
 * held against PyTorch in tests/golden. */
#include "refuse.h"

#include <math.h>
#include <stdio.h>

static const char *folder;

/* A profiler's counts. */
static const char *const unneeded[] = {"total_ops", "total_params", NULL};

static void each_tensor_is_needed_in_its_shape(void **state)
{
    (void)state;
    every_tensor_counts(folder, "omnisr-x4-blocks.pth", "OmniSR", unneeded);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    every_failed_allocation_is_a_status(folder, "omnisr-x4-blocks.pth");
}

static struct pq_tensor *tensor(struct pq_container *c, const char *name)
{
    struct pq_tensor *t = (struct pq_tensor *)pq_statedict_find(&c->sd, name);
    assert_non_null(t);
    return t;
}

static void sizes_that_fit_nothing_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int dim;
        int64_t extent;
        const char *said;
    } cases[] = {
        {"residual_layer.0.residual_layer.0.layer.2.fn.rel_pos_bias.weight", 0, 196,
         "no square window"},
        {"residual_layer.0.residual_layer.0.layer.2.fn.rel_pos_bias.weight", 0, 63 * 63,
         "windows of 32 pixels"},
        {"up.0.weight", 0, 13, "no square scale"},
        {"up.0.weight", 0, 65536, "'up.0.weight'"},
        {"input.weight", 0, 11, "for 4 heads"},
        {"input.weight", 0, 65536, "'input.bias'"},
        {"input.weight", 1, 0, "'input.weight'"},
    };
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct pq_container c;
        golden_open(folder, "omnisr-x2.pth", &c);
        tensor(&c, cases[i].name)->shape[cases[i].dim] = cases[i].extent;
        built_or_refused(&c.sd, "OmniSR", cases[i].said, cases[i].name);
        pq_container_close(&c);
    }
}

static float *run(const struct pq_graph *g, int width, int height, const float *in)
{
    int out_width, out_height, rc;
    const struct pq_geometry geometry = {1, width, height, 2};
    float *out = net_run(g, "cpu", 2, &geometry, in, &out_width, &out_height, &rc);
    assert_int_equal(rc, 0);
    assert_int_equal(out_width, 2 * width);
    assert_int_equal(out_height, 2 * height);
    return out;
}

/* Below the least size a picture is what it would be as the corner of a black one of that size. */
static void a_small_picture_is_the_corner_of_a_large_one(void **state)
{
    (void)state;
    enum { LEAST = 16 };
    static const int sizes[][2] = {{1, 1}, {5, 3}, {1, 16}, {16, 7}, {15, 15}, {16, 16}};
    struct pq_container c;
    pique_error err;
    golden_open(folder, "omnisr-x2.pth", &c);
    struct pq_graph *g = golden_build(&c.sd, "OmniSR", &err);
    assert_non_null(g);
    struct pq_graph_facts facts;
    pq_graph_facts(g, &facts);
    assert_int_equal(facts.num, 2);
    assert_int_equal(facts.radius, -1);
    for (size_t i = 0; i < PQ_COUNT(sizes); i++) {
        const int width = sizes[i][0], height = sizes[i][1];
        struct rng r = {i + 1};
        const struct pq_geometry geometry = {1, width, height, 2};
        float *small = net_picture(&r, &geometry, 3);
        float *large = calloc((size_t)(LEAST * LEAST * 3), sizeof *large);
        assert_non_null(large);
        for (int y = 0; y < height; y++)
            memcpy(large + (ptrdiff_t)y * LEAST * 3, small + (ptrdiff_t)y * width * 3,
                   (size_t)(width * 3) * sizeof *large);
        float *have = run(g, width, height, small), *want = run(g, LEAST, LEAST, large);
        for (int y = 0; y < 2 * height; y++)
            assert_memory_equal(have + (ptrdiff_t)y * 2 * width * 3,
                                want + (ptrdiff_t)y * 2 * LEAST * 3,
                                (size_t)(2 * width * 3) * sizeof *have);
        free(small);
        free(large);
        free(have);
        free(want);
    }
    pq_graph_free(&g);
    pq_container_close(&c);
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tensor_is_needed_in_its_shape),
        cmocka_unit_test(sizes_that_fit_nothing_are_refused),
        cmocka_unit_test(a_small_picture_is_the_corner_of_a_large_one),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests_name("omnisr", tests, NULL, NULL);
}
