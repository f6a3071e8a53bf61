/* SPDX-License-Identifier: MIT */
/* What RCAN refuses, and small pictures. What it computes is held against PyTorch in
 * tests/golden. */
#include "refuse.h"

static const char *folder;
static const char *const unneeded[] = {NULL};

static void each_tensor_is_needed_in_its_shape(void **state)
{
    (void)state;
    every_tensor_counts(folder, "rcan-x4.pth", "RCAN", unneeded);
    every_tensor_counts(folder, "rcan-x3-no-norm.pth", "RCAN", unneeded);
    every_tensor_counts(folder, "rcan-x2-fold.pth", "RCAN", unneeded);
    every_tensor_counts(folder, "rcan-x1-fold-no-norm.pth", "RCAN", unneeded);
}

static void sizes_that_fit_nothing_are_refused(void **state)
{
    (void)state;
    static const struct spoilt cases[] = {
        {"rcan-x4.pth", "head.0.weight", 1, 4, "do not fit 3 channels"},
        {"rcan-x4.pth", "head.0.weight", 0, 65536, "'tail.0.0.weight'"},
        {"rcan-x4.pth", "tail.1.weight", 0, 5, "1 to 4 channels"},
        {"rcan-x4.pth", "tail.0.0.weight", 0, 31, "the square of a scale"},
        {"rcan-x4.pth", "tail.0.0.weight", 0, 648, "it enlarges by 18"},
        {"rcan-x2-fold.pth", "head.1.weight", 1, 27, "do not fit 3 channels"},
        {"rcan-x4.pth", "body.0.body.0.body.3.conv_du.0.weight", 0, 0,
         "'body.0.body.0.body.3.conv_du.0.weight'"},
    };
    sizes_are_refused(folder, "RCAN", PQ_COUNT(cases), cases);
}

static void any_size_runs(void **state)
{
    (void)state;
    pictures_of_any_size_run(folder, "rcan-x4.pth", "RCAN", 4);
    pictures_of_any_size_run(folder, "rcan-x3-no-norm.pth", "RCAN", 3);
    pictures_of_any_size_run(folder, "rcan-x2-fold.pth", "RCAN", 2);
    pictures_of_any_size_run(folder, "rcan-x1-fold-no-norm.pth", "RCAN", 1);
}

static void the_reach_is_known(void **state)
{
    (void)state;
    assert_int_equal(golden_radius(folder, "rcan-x4.pth", "RCAN"), -1);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    every_failed_allocation_is_a_status(folder, "rcan-x4.pth");
    every_failed_allocation_is_a_status(folder, "rcan-x3-no-norm.pth");
    every_failed_allocation_is_a_status(folder, "rcan-x2-fold.pth");
    every_failed_allocation_is_a_status(folder, "rcan-x1-fold-no-norm.pth");
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
    return cmocka_run_group_tests_name("rcan", tests, NULL, NULL);
}
