/* SPDX-License-Identifier: MIT */
/* What MoSR refuses, and small pictures. What it computes is held against PyTorch in
 * tests/golden. */
#include "refuse.h"

static const char *folder;
static const char *const unneeded[] = {NULL};

static void each_tensor_is_needed_in_its_shape(void **state)
{
    (void)state;
    every_tensor_counts(folder, "mosr-x4-ps.pth", "MoSR", unneeded);
    every_tensor_counts(folder, "mosr-x4-gps.pth", "MoSR", unneeded);
    every_tensor_counts(folder, "mosr-x2-dys.safetensors", "MoSR", unneeded);
    every_tensor_counts(folder, "mosr-x2-narrow.pth", "MoSR", unneeded);
    every_tensor_counts(folder, "mosr-x3-grey.pth", "MoSR", unneeded);
}

static void sizes_that_fit_nothing_are_refused(void **state)
{
    (void)state;
    static const struct spoilt cases[] = {
        {"mosr-x4-ps.pth", "gblocks.0.weight", 1, 5, "a picture of 1 to 4 channels"},
        {"mosr-x4-ps.pth", "gblocks.0.weight", 0, 65536, "'gblocks.0.bias'"},
        {"mosr-x4-ps.pth", "gblocks.1.fc1.weight", 0, 23, "no two halves"},
        {"mosr-x4-ps.pth", "gblocks.1.conv.weight", 0, 13, "no two halves"},
        {"mosr-x4-ps.pth", "gblocks.1.conv.weight", 2, 6, "'gblocks.1.conv.weight'"},
        {"mosr-x4-ps.pth", "upsampler.0.weight", 0, 47, "the square of a scale"},
        {"mosr-x4-gps.pth", "upsampler.in_to_k.weight", 0, 48, "the square of a scale"},
        {"mosr-x2-dys.safetensors", "upsampler.offset.weight", 0, 31, "the square of a scale"},
        {"mosr-x2-dys.safetensors", "upsampler.offset.weight", 0, 12800, "the square of a scale"},
    };
    sizes_are_refused(folder, "MoSR", PQ_COUNT(cases), cases);
}

static void any_size_runs(void **state)
{
    (void)state;
    pictures_of_any_size_run(folder, "mosr-x4-ps.pth", "MoSR", 4);
    pictures_of_any_size_run(folder, "mosr-x4-gps.pth", "MoSR", 4);
    pictures_of_any_size_run(folder, "mosr-x2-dys.safetensors", "MoSR", 2);
    pictures_of_any_size_run(folder, "mosr-x2-narrow.pth", "MoSR", 2);
    pictures_of_any_size_run(folder, "mosr-x3-grey.pth", "MoSR", 3);
}

static void the_reach_is_known(void **state)
{
    (void)state;
    assert_int_equal(golden_radius(folder, "mosr-x4-ps.pth", "MoSR"), 14);
    assert_int_equal(golden_radius(folder, "mosr-x2-dys.safetensors", "MoSR"), -1);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    every_failed_allocation_is_a_status(folder, "mosr-x4-ps.pth");
    every_failed_allocation_is_a_status(folder, "mosr-x4-gps.pth");
    every_failed_allocation_is_a_status(folder, "mosr-x2-dys.safetensors");
    every_failed_allocation_is_a_status(folder, "mosr-x2-narrow.pth");
    every_failed_allocation_is_a_status(folder, "mosr-x3-grey.pth");
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
    return cmocka_run_group_tests_name("mosr", tests, NULL, NULL);
}
