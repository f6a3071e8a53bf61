/* SPDX-License-Identifier: MIT */
/* What SPANPlus refuses, and small pictures. What it computes is held against PyTorch in
 * tests/golden. */
#include "refuse.h"

static const char *folder;
static const char *const unneeded[] = {"eval_conv.weight", "eval_conv.bias", NULL};

static void each_tensor_is_needed_in_its_shape(void **state)
{
    (void)state;
    every_tensor_counts(folder, "spanplus-x2-ps.pth", "SPANPlus", unneeded);
    every_tensor_counts(folder, "spanplus-x4-dys.safetensors", "SPANPlus", unneeded);
    every_tensor_counts(folder, "spanplus-x1-conv.safetensors", "SPANPlus", unneeded);
    every_tensor_counts(folder, "spanplus-x2-ps-groups.safetensors", "SPANPlus", unneeded);
}

static void sizes_that_fit_nothing_are_refused(void **state)
{
    (void)state;
    static const struct spoilt cases[] = {
        {"spanplus-x2-ps.pth", "feats.0.sk.weight", 1, 5, "a picture of 1 to 4 channels"},
        {"spanplus-x2-ps.pth", "feats.0.sk.weight", 0, 70000, "'feats.0.sk.weight'"},
        {"spanplus-x2-ps.pth", "feats.0.conv.0.weight", 0, 5000, "5000 and"},
        {"spanplus-x2-ps.pth", "upsampler.0.weight", 0, 13, "the square of a scale"},
        {"spanplus-x4-dys.safetensors", "upsampler.offset.weight", 0, 7, "the square of a scale"},
    };
    sizes_are_refused(folder, "SPANPlus", PQ_COUNT(cases), cases);
}

static void any_size_runs(void **state)
{
    (void)state;
    pictures_of_any_size_run(folder, "spanplus-x2-ps.pth", "SPANPlus", 2);
    pictures_of_any_size_run(folder, "spanplus-x4-dys.safetensors", "SPANPlus", 4);
    pictures_of_any_size_run(folder, "spanplus-x1-conv.safetensors", "SPANPlus", 1);
    pictures_of_any_size_run(folder, "spanplus-x2-ps-groups.safetensors", "SPANPlus", 2);
}

static void the_reach_is_known(void **state)
{
    (void)state;
    assert_int_equal(golden_radius(folder, "spanplus-x2-ps.pth", "SPANPlus"), 15);
    assert_int_equal(golden_radius(folder, "spanplus-x4-dys.safetensors", "SPANPlus"), -1);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    every_failed_allocation_is_a_status(folder, "spanplus-x2-ps.pth");
    every_failed_allocation_is_a_status(folder, "spanplus-x4-dys.safetensors");
    every_failed_allocation_is_a_status(folder, "spanplus-x1-conv.safetensors");
    every_failed_allocation_is_a_status(folder, "spanplus-x2-ps-groups.safetensors");
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
    return cmocka_run_group_tests_name("spanplus", tests, NULL, NULL);
}
