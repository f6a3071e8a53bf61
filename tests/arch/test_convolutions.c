/* SPDX-License-Identifier: MIT */
/* What networks of convolutions refuse, how far they reach, and small pictures. What they compute
 * is held against PyTorch in tests/golden, where their files come from. */
#include "refuse.h"

static const char *folder;

enum { UNKNOWN = -2 }; /* a reach that is not checked */

static const struct {
    const char *file, *network;
    int scale, radius;
} networks[] = {
    {"mosr-x4-ps.pth", "MoSR", 4, 14},
    {"mosr-x4-gps.pth", "MoSR", 4, UNKNOWN},
    {"mosr-x2-dys.safetensors", "MoSR", 2, -1},
    {"mosr-x2-narrow.pth", "MoSR", 2, UNKNOWN},
    {"mosr-x3-grey.pth", "MoSR", 3, UNKNOWN},
    {"realplksr-x4.pth", "RealPLKSR", 4, -1},
    {"realplksr-x2-layer-norm.pth", "RealPLKSR", 2, 16},
    {"realplksr-x2-dysample.pth", "RealPLKSR", 2, UNKNOWN},
    {"plksr-x2-ccm.pth", "PLKSR", 2, UNKNOWN},
    {"plksr-x2-sparse.pth", "PLKSR", 2, UNKNOWN},
    {"plksr-x2-rectangular.safetensors", "PLKSR", 2, UNKNOWN},
    {"rcan-x4.pth", "RCAN", 4, -1},
    {"rcan-x3-no-norm.pth", "RCAN", 3, UNKNOWN},
    {"rcan-x2-fold.pth", "RCAN", 2, UNKNOWN},
    {"rcan-x1-fold-no-norm.pth", "RCAN", 1, UNKNOWN},
    {"safmn-x2.pth", "SAFMN", 2, 34},
    {"safmn-x1-odd.safetensors", "SAFMN", 1, UNKNOWN},
    {"spanf3-x4.pth", "SPANF3", 4, 8},
    {"spanf3-x2-fold.pth", "SPANF3", 2, UNKNOWN},
    {"spanf3-x1-fold.safetensors", "SPANF3", 1, 35},
    {"spanplus-x2-ps.pth", "SPANPlus", 2, 15},
    {"spanplus-x4-dys.safetensors", "SPANPlus", 4, -1},
    {"spanplus-x1-conv.safetensors", "SPANPlus", 1, UNKNOWN},
    {"spanplus-x2-ps-groups.safetensors", "SPANPlus", 2, UNKNOWN},
};

static void each_tensor_is_needed_in_its_shape(void **state)
{
    (void)state;
    /* Beside the parts that they were made of. */
    static const char *const unneeded[] = {"eval_conv.weight", "eval_conv.bias", NULL};
    for (size_t i = 0; i < PQ_COUNT(networks); i++)
        every_tensor_counts(folder, networks[i].file, networks[i].network, unneeded);
}

static const struct spoilt mosr_sizes[] = {
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

static const struct spoilt realplksr_sizes[] = {
    {"realplksr-x4.pth", "feats.4.weight", 0, 47, "no square scale"},
    {"realplksr-x4.pth", "feats.0.weight", 0, 65536, "'feats.0.bias'"},
    {"realplksr-x4.pth", "feats.1.lk.conv.weight", 0, 13, "13 of 12 channels"},
    {"realplksr-x4.pth", "feats.1.lk.conv.weight", 2, 12, "'feats.1.lk.conv.weight'"},
    {"realplksr-x2-dysample.pth", "to_img.offset.weight", 0, 31, "no multiple of 2 x 2 x 2"},
};

static const struct spoilt rcan_sizes[] = {
    {"rcan-x4.pth", "head.0.weight", 1, 4, "do not fit 3 channels"},
    {"rcan-x4.pth", "head.0.weight", 0, 65536, "'tail.0.0.weight'"},
    {"rcan-x4.pth", "tail.1.weight", 0, 5, "1 to 4 channels"},
    {"rcan-x4.pth", "tail.0.0.weight", 0, 31, "the square of a scale"},
    {"rcan-x4.pth", "tail.0.0.weight", 0, 648, "it enlarges by 18"},
    {"rcan-x2-fold.pth", "head.1.weight", 1, 27, "do not fit 3 channels"},
    {"rcan-x4.pth", "body.0.body.0.body.3.conv_du.0.weight", 0, 0,
     "'body.0.body.0.body.3.conv_du.0.weight'"},
};

static const struct spoilt safmn_sizes[] = {
    {"safmn-x2.pth", "to_feat.weight", 1, 5, "a picture of 1 to 4 channels"},
    {"safmn-x2.pth", "to_feat.weight", 0, 13, "no multiple of 4"},
    {"safmn-x2.pth", "to_img.0.weight", 0, 13, "the square of a scale"},
    {"safmn-x2.pth", "feats.0.ccm.ccm.0.weight", 0, 65537, "'feats.0.ccm.ccm.0.weight'"},
};

static const struct spoilt spanf3_sizes[] = {
    {"spanf3-x4.pth", "conv_1.sk.weight", 1, 5, "a picture of 1 to 4 channels"},
    {"spanf3-x4.pth", "to_pixel.sk.weight", 0, 47, "the square of a scale"},
    {"spanf3-x2-fold.pth", "to_pixel.sk.weight", 0, 47, "16 for each"},
    {"spanf3-x2-fold.pth", "to_pixel.sk.weight", 0, 80, "16 for each"},
    {"spanf3-x2-fold.pth", "conv_1.1.sk.weight", 1, 27, "folded by 2 or 4"},
    {"spanf3-x2-fold.pth", "conv_1.1.sk.weight", 1, 13, "folded by 2 or 4"},
};

static const struct spoilt spanplus_sizes[] = {
    {"spanplus-x2-ps.pth", "feats.0.sk.weight", 1, 5, "a picture of 1 to 4 channels"},
    {"spanplus-x2-ps.pth", "feats.0.sk.weight", 0, 70000, "'feats.0.sk.weight'"},
    {"spanplus-x2-ps.pth", "feats.0.conv.0.weight", 0, 5000, "5000 and"},
    {"spanplus-x2-ps.pth", "upsampler.0.weight", 0, 13, "the square of a scale"},
    {"spanplus-x4-dys.safetensors", "upsampler.offset.weight", 0, 7, "the square of a scale"},
};

static void sizes_that_fit_nothing_are_refused(void **state)
{
    (void)state;
    sizes_are_refused(folder, "MoSR", PQ_COUNT(mosr_sizes), mosr_sizes);
    sizes_are_refused(folder, "RealPLKSR", PQ_COUNT(realplksr_sizes), realplksr_sizes);
    sizes_are_refused(folder, "RCAN", PQ_COUNT(rcan_sizes), rcan_sizes);
    sizes_are_refused(folder, "SAFMN", PQ_COUNT(safmn_sizes), safmn_sizes);
    sizes_are_refused(folder, "SPANF3", PQ_COUNT(spanf3_sizes), spanf3_sizes);
    sizes_are_refused(folder, "SPANPlus", PQ_COUNT(spanplus_sizes), spanplus_sizes);
}

static void any_size_runs(void **state)
{
    (void)state;
    for (size_t i = 0; i < PQ_COUNT(networks); i++)
        pictures_of_any_size_run(folder, networks[i].file, networks[i].network, networks[i].scale);
}

static void the_reach_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < PQ_COUNT(networks); i++) {
        if (networks[i].radius != UNKNOWN)
            assert_int_equal(golden_radius(folder, networks[i].file, networks[i].network),
                             networks[i].radius);
    }
}

static void memory_may_run_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < PQ_COUNT(networks); i++)
        every_failed_allocation_is_a_status(folder, networks[i].file);
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
    return cmocka_run_group_tests_name("convolutions", tests, NULL, NULL);
}
