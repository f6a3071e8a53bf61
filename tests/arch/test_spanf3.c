/* SPDX-License-Identifier: MIT */
/* What SPANF3 refuses, and small pictures. What it computes is held against PyTorch in
 * tests/golden. */
#include "refuse.h"

static const char *folder;
static const char *const unneeded[] = {"eval_conv.weight", "eval_conv.bias", NULL};

static void each_tensor_is_needed_in_its_shape(void **state)
{
    (void)state;
    every_tensor_counts(folder, "spanf3-x4.pth", "SPANF3", unneeded);
    every_tensor_counts(folder, "spanf3-x2-fold.pth", "SPANF3", unneeded);
    every_tensor_counts(folder, "spanf3-x1-fold.safetensors", "SPANF3", unneeded);
}

static void sizes_that_fit_nothing_are_refused(void **state)
{
    (void)state;
    static const struct spoilt cases[] = {
        {"spanf3-x4.pth", "conv_1.sk.weight", 1, 5, "a picture of 1 to 4 channels"},
        {"spanf3-x4.pth", "to_pixel.sk.weight", 0, 47, "the square of a scale"},
        {"spanf3-x2-fold.pth", "to_pixel.sk.weight", 0, 47, "16 for each"},
        {"spanf3-x2-fold.pth", "to_pixel.sk.weight", 0, 80, "16 for each"},
        {"spanf3-x2-fold.pth", "conv_1.1.sk.weight", 1, 27, "folded by 2 or 4"},
        {"spanf3-x2-fold.pth", "conv_1.1.sk.weight", 1, 13, "folded by 2 or 4"},
    };
    sizes_are_refused(folder, "SPANF3", PQ_COUNT(cases), cases);
}

static void any_size_runs(void **state)
{
    (void)state;
    pictures_of_any_size_run(folder, "spanf3-x4.pth", "SPANF3", 4);
    pictures_of_any_size_run(folder, "spanf3-x2-fold.pth", "SPANF3", 2);
    pictures_of_any_size_run(folder, "spanf3-x1-fold.safetensors", "SPANF3", 1);
}

static void the_reach_is_known(void **state)
{
    (void)state;
    assert_int_equal(golden_radius(folder, "spanf3-x4.pth", "SPANF3"), 8);
    assert_int_equal(golden_radius(folder, "spanf3-x1-fold.safetensors", "SPANF3"), 35);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    every_failed_allocation_is_a_status(folder, "spanf3-x4.pth");
    every_failed_allocation_is_a_status(folder, "spanf3-x2-fold.pth");
    every_failed_allocation_is_a_status(folder, "spanf3-x1-fold.safetensors");
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tensor_is_needed_in_its_shape),
        cmocka_unit_test(sizes_that_fit_nothing_are_refused),
        cmocka_unit_test(any_size_runs),
        cmocka_unit_test(the_reach_is_known),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests_name("spanf3", tests, NULL, NULL);
}
