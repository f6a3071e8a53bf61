/* SPDX-License-Identifier: MIT */
/* What SAFMN refuses, and small pictures. What it computes is held against PyTorch in
 * tests/golden. */
#include "refuse.h"

static const char *folder;
static const char *const unneeded[] = {NULL};

static void each_tensor_is_needed_in_its_shape(void **state)
{
    (void)state;
    every_tensor_counts(folder, "safmn-x2.pth", "SAFMN", unneeded);
    every_tensor_counts(folder, "safmn-x1-odd.safetensors", "SAFMN", unneeded);
}

static void sizes_that_fit_nothing_are_refused(void **state)
{
    (void)state;
    static const struct spoilt cases[] = {
        {"safmn-x2.pth", "to_feat.weight", 1, 5, "a picture of 1 to 4 channels"},
        {"safmn-x2.pth", "to_feat.weight", 0, 13, "no multiple of 4"},
        {"safmn-x2.pth", "to_img.0.weight", 0, 13, "the square of a scale"},
        {"safmn-x2.pth", "feats.0.ccm.ccm.0.weight", 0, 65537, "'feats.0.ccm.ccm.0.weight'"},
    };
    sizes_are_refused(folder, "SAFMN", PQ_COUNT(cases), cases);
}

static void any_size_runs(void **state)
{
    (void)state;
    pictures_of_any_size_run(folder, "safmn-x2.pth", "SAFMN", 2);
    pictures_of_any_size_run(folder, "safmn-x1-odd.safetensors", "SAFMN", 1);
}

static void the_reach_is_known(void **state)
{
    (void)state;
    assert_int_equal(golden_radius(folder, "safmn-x2.pth", "SAFMN"), 34);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    every_failed_allocation_is_a_status(folder, "safmn-x2.pth");
    every_failed_allocation_is_a_status(folder, "safmn-x1-odd.safetensors");
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
    return cmocka_run_group_tests_name("safmn", tests, NULL, NULL);
}
