/* SPDX-License-Identifier: MIT */
/* waifu2x's networks, with nunif's notes and without. That the numbers are right, tests/golden/
 * checks against PyTorch. */
#include "unet_dict.h"

static const struct {
    const char *name, *nunif, *network;
    int scale;
    bool unets;
} kinds[] = {{"VGG7", "waifu2x.vgg_7", "a vgg_7", 1, false},
             {"UpConv7", "waifu2x.upconv_7", "an upconv_7", 2, false},
             {"UpCunet", "waifu2x.cunet", "a cunet", 1, true},
             {"UpCunet", "waifu2x.upcunet", "a cunet", 2, true}};

static void note(struct pq_statedict *sd, const char *key, const char *value)
{
    assert_int_equal(pq_statedict_add_metadata(sd, key, value, NULL), 0);
}

static void make(size_t kind, bool noted, struct pq_statedict *sd)
{
    struct rng r = {43};
    dict_begin(sd);
    if (kinds[kind].unets)
        dict_unets(sd, &r, 3, 3, kinds[kind].scale);
    else
        dict_chain(sd, &r, kinds[kind].scale);
    if (noted) {
        note(sd, "nunif_model", "1");
        note(sd, "name", kinds[kind].nunif);
    }
}

static void every_kind_yields_exactly_its_scale(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < PQ_COUNT(kinds); kind++) {
        for (int noted = 0; noted < 2; noted++) {
            struct pq_statedict sd;
            make(kind, noted, &sd);
            /* The tensors alone are those of Real-CUGAN. */
            struct pq_graph *g =
                dict_build(&sd, kind == 3 && !noted ? "Real-CUGAN" : kinds[kind].name);
            check_sizes(g, kinds[kind].scale);
            pq_graph_free(&g);
            dict_end(&sd);
        }
    }
}

static void one_result_over_bands_threads_and_places(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < PQ_COUNT(kinds); kind++) {
        struct pq_statedict sd;
        make(kind, true, &sd);
        struct pq_graph *g = dict_build(&sd, kinds[kind].name);
        check_bits(g);
        pq_graph_free(&g);
        dict_end(&sd);
    }
}

static void an_ncnn_file_of_the_same_weights_gives_the_same_bits(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < PQ_COUNT(kinds); kind++) {
        struct pq_statedict sd;
        struct writer w;
        struct imported im;
        int features, at = 0;
        make(kind, true, &sd);
        note(&sd, "kwargs.no_clip", "true");
        writer_begin(&w, &sd, CAFFE);
        if (kinds[kind].unets)
            write_unets(&w, 0, kinds[kind].scale);
        for (int layer = 0; layer <= 12 && !kinds[kind].unets; layer += 2) {
            char name[16];
            snprintf(name, sizeof name, "net.%d", layer);
            at = layer == 12 && kinds[kind].scale == 2 ? write_deconv(&w, at, name, 2, 3, false)
                                                       : write_conv(&w, at, name, 1, layer < 12);
        }
        if (writer_end(&w, &im))
            fail_msg("%s", im.err.message);
        assert_string_equal(pq_arch_of_graph(im.part, &features), kinds[kind].name);
        assert_non_null(im.framed);
        check_sizes(im.framed, kinds[kind].scale);
        struct pq_graph *g = dict_build(&sd, kinds[kind].name);
        /* nunif pads upcunet to a multiple of 4, the ncnn program to one of 2: a mean sees that. */
        check_same(g, im.framed, kind == 3 ? 20 : 21, true);
        pq_graph_free(&g);
        imported_free(&im);
        dict_end(&sd);
    }
}

/* How many operations clip. */
static int clips_of(const struct pq_graph *g)
{
    int clips = 0;
    for (int i = 0; i < g->count; i++)
        clips += g->ops[i].kind == PQ_OP_ACT && g->ops[i].act.kind == PQ_ACT_CLIP;
    return clips;
}

static void what_lies_between_is_clipped_as_the_file_says(void **state)
{
    (void)state;
    static const char *const values[] = {NULL, "false", "true"};
    for (int i = 0; i < 3; i++) {
        struct pq_statedict sd;
        make(3, true, &sd);
        if (values[i])
            note(&sd, "kwargs.no_clip", values[i]);
        struct pq_graph *g = dict_build(&sd, "UpCunet");
        assert_int_equal(clips_of(g), i == 2 ? 1 : 2);
        pq_graph_free(&g);
        dict_end(&sd);
    }
}

static void what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < PQ_COUNT(kinds); kind++) {
        struct pq_statedict sd;
        make(kind, true, &sd);
        check_damage(&sd, kinds[kind].network);
        dict_end(&sd);
    }
}

/* The name of one network around the tensors of another. */
static void a_wrong_name_is_refused(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < PQ_COUNT(kinds); kind++) {
        struct pq_statedict sd;
        struct pq_graph *g = NULL;
        const char *name;
        pique_error err;
        make(kind, false, &sd);
        note(&sd, "nunif_model", "1");
        note(&sd, "name", kinds[kind < 2 ? 1 - kind : kind - 2].nunif);
        assert_int_equal(pq_arch_build(&sd, &g, &name, &err), PIQUE_EFORMAT);
        assert_non_null(strstr(err.message, "unet.pth: tensor '"));
        assert_null(g);
        dict_end(&sd);
    }
}

/* Other networks that take a border off get it back too, and those that cannot are refused. */
static void a_border_follows_from_the_graph(void **state)
{
    (void)state;
    static const struct {
        const char *layer;
        int rc, border, multiple;   /* -1: nothing to do */
    } tries[] = {{"4=1", 0, -1, 0}, /* as it is */
                 {"", 0, 1, 1},
                 {"14=1 16=1", PIQUE_EUNSUPPORTED, 0, 0},          /* columns alone get lost */
                 {"4=0 15=1 14=1 16=0", PIQUE_EUNSUPPORTED, 0, 0}, /* an odd number of them */
                 {"12=2 2=2", 0, 2, 1},
                 {"4=2", PIQUE_EUNSUPPORTED, 0, 0}}; /* yields more */
    for (size_t i = 0; i < PQ_COUNT(tries); i++) {
        static const unsigned char weights[4 + 9 * 4];
        char text[160];
        struct imported im = {0};
        snprintf(text, sizeof text,
                 "7767517\n2 2\nInput a 0 1 a\nConvolution b 1 1 a b 0=1 1=3 "
                 "6=9 %s\n",
                 tries[i].layer);
        struct pq_map param = memory_map(text, strlen(text), "x.param");
        im.sd.map = memory_map(weights, sizeof weights, "x.bin");
        assert_int_equal(pq_graph_new(&im.part, &im.err), 0);
        assert_int_equal(pq_ncnn_read(&param, &im.sd, im.part, &im.err), 0);
        int rc = pq_border_frame(im.part, "x.param", &im.framed, &im.err);
        if (rc != tries[i].rc)
            fail_msg("%s: %d %s", tries[i].layer, rc, im.err.message);
        assert_int_equal(im.framed != NULL, rc == 0 && tries[i].border >= 0);
        if (im.framed) {
            assert_int_equal(im.framed->ops[1].kind, PQ_OP_PAD);
            assert_int_equal(im.framed->ops[1].ver.before, tries[i].border);
            assert_int_equal(im.framed->ops[1].multiple, tries[i].multiple);
            check_sizes(im.framed, 1);
        }
        memory_unmap(&param);
        imported_free(&im);
    }
}

static void every_failed_allocation_is_a_status(void **state)
{
    (void)state;
    for (size_t kind = 1; kind < 4; kind += 2) {
        struct pq_statedict sd;
        make(kind, true, &sd);
        check_allocations(&sd);
        dict_end(&sd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_yields_exactly_its_scale),
        cmocka_unit_test(one_result_over_bands_threads_and_places),
        cmocka_unit_test(an_ncnn_file_of_the_same_weights_gives_the_same_bits),
        cmocka_unit_test(what_lies_between_is_clipped_as_the_file_says),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(a_wrong_name_is_refused),
        cmocka_unit_test(a_border_follows_from_the_graph),
        cmocka_unit_test(every_failed_allocation_is_a_status),
    };
    return cmocka_run_group_tests_name("waifu2x", tests, NULL, NULL);
}
