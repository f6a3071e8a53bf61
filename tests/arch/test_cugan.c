/* SPDX-License-Identifier: MIT */
/* Real-CUGAN of every kind. That the numbers are right, tests/golden/ checks against PyTorch. */
#include "unet_dict.h"

static const struct {
    const char *what;
    int scale;
    bool fast, pro;
} kinds[] = {{"x2", 2, false, false},     {"x3", 3, false, false},    {"x4", 4, false, false},
             {"x2 fast", 2, true, false}, {"x2 pro", 2, false, true}, {"x3 pro", 3, false, true},
             {"x4 pro", 4, false, true}};

static void make(size_t kind, struct pq_statedict *sd)
{
    struct rng r = {41};
    const bool final = kinds[kind].fast || kinds[kind].scale == 4;
    dict_begin(sd);
    dict_unets(sd, &r, kinds[kind].fast ? 12 : 3, final ? UNET_WIDE : 3,
               final ? 2 : kinds[kind].scale);
    if (final)
        dict_conv(sd, &r, "conv_final", 12, UNET_WIDE, 3, false);
    if (kinds[kind].pro)
        dict_put(sd, &r, "pro", 1, (const int64_t[]){1}, 1);
}

static void every_kind_yields_exactly_its_scale(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < PQ_COUNT(kinds); kind++) {
        struct pq_statedict sd;
        make(kind, &sd);
        struct pq_graph *g = dict_build(&sd, "Real-CUGAN");
        struct pq_graph_facts facts;
        pq_graph_facts(g, &facts);
        assert_int_equal(facts.num, kinds[kind].scale);
        assert_int_equal(facts.radius, -1);
        check_sizes(g, kinds[kind].scale);
        pq_graph_free(&g);
        dict_end(&sd);
    }
}

static void one_result_over_bands_threads_and_places(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 4; kind++) {
        struct pq_statedict sd;
        make(kind, &sd);
        struct pq_graph *g = dict_build(&sd, "Real-CUGAN");
        check_bits(g);
        pq_graph_free(&g);
        dict_end(&sd);
    }
}

static void an_ncnn_file_of_the_same_weights_gives_the_same_bits(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 3; kind++) {
        const int scale = kinds[kind].scale;
        struct pq_statedict sd;
        struct writer w;
        struct imported im;
        int features;
        make(kind, &sd);
        writer_begin(&w, &sd, PNNX);
        int at = write_unets(&w, 0, scale == 4 ? 2 : scale);
        if (scale == 4) {
            at = write_conv(&w, at, "conv_final", 1, false);
            at = write_layer(&w, "Crop", at, -1, "-23309=2,1,1 -23310=2,-1,-1 -23311=2,-2,-1");
            write_layer(&w, "PixelShuffle", at, -1, "0=2");
        }
        if (writer_end(&w, &im))
            fail_msg("%s", im.err.message);
        assert_string_equal(pq_arch_of_graph(im.part, &features), "UpCunet");
        assert_non_null(im.framed);
        check_sizes(im.framed, scale);
        struct pq_graph *g = dict_build(&sd, "Real-CUGAN");
        check_same(g, im.framed, 21, false);
        pq_graph_free(&g);
        imported_free(&im);
        dict_end(&sd);
    }
}

/* A key "pro" may be a number among the tensors; then it is metadata. */
static void a_noted_pro_is_as_good_as_a_tensor(void **state)
{
    (void)state;
    struct pq_statedict sd, noted;
    make(4, &sd);
    make(0, &noted);
    assert_int_equal(pq_statedict_add_metadata(&noted, "pro", "1", NULL), 0);
    struct pq_graph *a = dict_build(&sd, "Real-CUGAN"), *b = dict_build(&noted, "Real-CUGAN");
    check_same(a, b, 20, false);
    pq_graph_free(&a);
    pq_graph_free(&b);
    dict_end(&sd);
    dict_end(&noted);
}

static void what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 5; kind++) {
        struct pq_statedict sd;
        make(kind, &sd);
        check_damage(&sd, "a Real-CUGAN");
        dict_end(&sd);
    }
}

static void every_failed_allocation_is_a_status(void **state)
{
    (void)state;
    struct pq_statedict sd;
    make(6, &sd);
    check_allocations(&sd);
    dict_end(&sd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_yields_exactly_its_scale),
        cmocka_unit_test(one_result_over_bands_threads_and_places),
        cmocka_unit_test(an_ncnn_file_of_the_same_weights_gives_the_same_bits),
        cmocka_unit_test(a_noted_pro_is_as_good_as_a_tensor),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(every_failed_allocation_is_a_status),
    };
    return cmocka_run_group_tests_name("cugan", tests, NULL, NULL);
}
