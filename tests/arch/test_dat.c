/* SPDX-License-Identifier: MIT */
/* What DAT refuses, and its table of position biases. What it computes is held against PyTorch in
 * tests/golden. */
#include "refuse.h"

#include <math.h>
#include <stdio.h>

static const char *folder;

static const char *const unneeded[] = {".attn_mask_0", ".attn_mask_1", ".relative_position_index",
                                       ".num_batches_tracked", NULL};

static void each_tensor_is_needed_in_its_shape(void **state)
{
    (void)state;
    every_tensor_counts(folder, "dat-x2.pth", "DAT", unneeded);
}

static void a_light_network_is_needed_as_a_whole_too(void **state)
{
    (void)state;
    every_tensor_counts(folder, "dat-x4-light.pth", "DAT", unneeded);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    every_failed_allocation_is_a_status(folder, "dat-x2.pth");
}

/* The windows' sides come from numbers in the file. */
static void distances_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *said;
    } cases[] = {
        {-1, "ends with the distance -1"},
        {0.5f, "ends with the distance 0.5"},
        {64, "ends with the distance 64"},
        {3e9f, "ends with the distance 3e+09"},
        {NAN, "ends with the distance"},
        {INFINITY, "ends with the distance inf"},
        {2, "'layers.0.blocks.0.attn.attns.1.rpe_biases'"}, /* of windows with other tables */
    };
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct pq_container c;
        golden_open(folder, "dat-x2.pth", &c);
        struct pq_tensor *t = (struct pq_tensor *)pq_statedict_find(
            &c.sd, "layers.0.blocks.0.attn.attns.0.rpe_biases");
        float values[64];
        size_t count;
        assert_non_null(t);
        assert_true(pq_tensor_count(t, &count) && count <= PQ_COUNT(values));
        pq_tensor_to_f32(t, 0, count, values);
        values[count - 1] = cases[i].value;
        *t = (struct pq_tensor){
            .dtype = PQ_F32, .dims = 2, .shape = {(int64_t)count / 2, 2}, .data = values};
        built_or_refused(&c.sd, "DAT", cases[i].said, "rpe_biases");
        pq_container_close(&c);
    }
}

/* Table, index and windows of the first half and of the second. */
static void halves_have_windows_that_lie_and_stand(void **state)
{
    (void)state;
    struct pq_container c;
    pique_error err;
    golden_open(folder, "dat-x2.pth", &c);
    struct pq_graph *g = golden_build(&c.sd, "DAT", &err);
    assert_non_null(g);
    int seen = 0;
    for (int i = 0; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        if (op->kind != PQ_OP_ATTENTION)
            continue;
        const struct pq_attention *a = &op->attention;
        const bool second = seen % 2;
        assert_int_equal(a->height, second ? 4 : 2);
        assert_int_equal(a->width, second ? 2 : 4);
        assert_int_equal(a->multiple, 4);
        /* Blocks 0 and 2 of group 0, block 0 of group 1. */
        const bool shifted = seen >= 2;
        assert_int_equal(a->shift_y, shifted ? a->height / 2 : 0);
        assert_int_equal(a->shift_x, shifted ? a->width / 2 : 0);
        assert_int_equal(op->weight.shape[0], 3 * 7);
        assert_int_equal(a->index[0], (a->height - 1) * (2 * a->width - 1) + a->width - 1);
        assert_int_equal(a->index[7], 0); /* from the first pixel to the last */
        assert_int_equal(a->index[7 * 8], 20);
        seen++;
    }
    assert_int_equal(seen, 6);
    struct pq_graph_facts facts;
    pq_graph_facts(g, &facts);
    assert_int_equal(facts.radius, -1);
    pq_graph_free(&g);
    pq_container_close(&c);
}

static void a_picture_may_be_smaller_than_a_window(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {2, 1}, {3, 5}};
    struct pq_container c;
    pique_error err;
    golden_open(folder, "dat-x2.pth", &c);
    struct pq_graph *g = golden_build(&c.sd, "DAT", &err);
    assert_non_null(g);
    for (size_t i = 0; i < PQ_COUNT(sizes); i++) {
        struct rng r = {7};
        const struct pq_geometry geometry = {1, sizes[i][0], sizes[i][1], 1};
        float *in = net_picture(&r, &geometry, 3);
        int width, height, rc;
        float *out = net_run(g, "cpu", 2, &geometry, in, &width, &height, &rc);
        assert_int_equal(rc, 0);
        assert_int_equal(width, 2 * sizes[i][0]);
        for (int k = 0; k < width * height * 3; k++)
            assert_true(isfinite(out[k]));
        free(in);
        free(out);
    }
    pq_graph_free(&g);
    pq_container_close(&c);
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tensor_is_needed_in_its_shape),
        cmocka_unit_test(a_light_network_is_needed_as_a_whole_too),
        cmocka_unit_test(distances_that_are_none_are_refused),
        cmocka_unit_test(halves_have_windows_that_lie_and_stand),
        cmocka_unit_test(a_picture_may_be_smaller_than_a_window),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests_name("dat", tests, NULL, NULL);
}
