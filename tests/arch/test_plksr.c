/* SPDX-License-Identifier: MIT */
/* What RealPLKSR and PLKSR refuse, and small pictures. What they compute is held against PyTorch in
 * tests/golden. */
#include "refuse.h"

static const char *folder;
static const char *const unneeded[] = {NULL};

static void each_tensor_is_needed_in_its_shape(void **state)
{
    (void)state;
    every_tensor_counts(folder, "realplksr-x4.pth", "RealPLKSR", unneeded);
    every_tensor_counts(folder, "realplksr-x2-layer-norm.pth", "RealPLKSR", unneeded);
    every_tensor_counts(folder, "realplksr-x2-dysample.pth", "RealPLKSR", unneeded);
    every_tensor_counts(folder, "plksr-x2-ccm.pth", "PLKSR", unneeded);
    every_tensor_counts(folder, "plksr-x2-sparse.pth", "PLKSR", unneeded);
    every_tensor_counts(folder, "plksr-x2-rectangular.safetensors", "PLKSR", unneeded);
}

static void sizes_that_fit_nothing_are_refused(void **state)
{
    (void)state;
    static const struct spoilt cases[] = {
        {"realplksr-x4.pth", "feats.4.weight", 0, 47, "no square scale"},
        {"realplksr-x4.pth", "feats.0.weight", 0, 65536, "'feats.0.bias'"},
        {"realplksr-x4.pth", "feats.1.lk.conv.weight", 0, 13, "13 of 12 channels"},
        {"realplksr-x4.pth", "feats.1.lk.conv.weight", 2, 12, "'feats.1.lk.conv.weight'"},
        {"realplksr-x2-dysample.pth", "to_img.offset.weight", 0, 31, "no multiple of 2 x 2 x 2"},
    };
    sizes_are_refused(folder, "RealPLKSR", PQ_COUNT(cases), cases);
}

static void any_size_runs(void **state)
{
    (void)state;
    pictures_of_any_size_run(folder, "realplksr-x4.pth", "RealPLKSR", 4);
    pictures_of_any_size_run(folder, "realplksr-x2-layer-norm.pth", "RealPLKSR", 2);
    pictures_of_any_size_run(folder, "realplksr-x2-dysample.pth", "RealPLKSR", 2);
    pictures_of_any_size_run(folder, "plksr-x2-ccm.pth", "PLKSR", 2);
    pictures_of_any_size_run(folder, "plksr-x2-sparse.pth", "PLKSR", 2);
    pictures_of_any_size_run(folder, "plksr-x2-rectangular.safetensors", "PLKSR", 2);
}

static void the_reach_is_known(void **state)
{
    (void)state;
    assert_int_equal(golden_radius(folder, "realplksr-x4.pth", "RealPLKSR"), -1);
    assert_int_equal(golden_radius(folder, "realplksr-x2-layer-norm.pth", "RealPLKSR"), 16);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    every_failed_allocation_is_a_status(folder, "realplksr-x4.pth");
    every_failed_allocation_is_a_status(folder, "realplksr-x2-layer-norm.pth");
    every_failed_allocation_is_a_status(folder, "realplksr-x2-dysample.pth");
    every_failed_allocation_is_a_status(folder, "plksr-x2-ccm.pth");
    every_failed_allocation_is_a_status(folder, "plksr-x2-sparse.pth");
    every_failed_allocation_is_a_status(folder, "plksr-x2-rectangular.safetensors");
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
    return cmocka_run_group_tests_name("plksr", tests, NULL, NULL);
}
