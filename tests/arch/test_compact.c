/* SPDX-License-Identifier: MIT */
/* Compact from names and shapes: built exactly, or refused with the tensor's name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "dict.h"
#include "model/ncnn.h"

static const struct maker tiny = {.features = 4, .convs = 1, .scale = 2, .channels = 3, .seed = 11};

static int build(const struct pq_statedict *sd, struct pq_graph **g, pique_error *err)
{
    const char *name = "";
    *g = NULL;
    *err = (pique_error){0};
    int rc = pq_arch_build(sd, g, &name, err);
    if (!rc)
        assert_string_equal(name, "Compact");
    else
        assert_null(*g);
    return rc;
}

static void any_size_of_network_is_built(void **state)
{
    (void)state;
    static const struct maker sizes[] = {
        {.features = 24, .convs = 8, .scale = 4, .channels = 3},
        {.features = 64, .convs = 16, .scale = 2, .channels = 3},
        {.features = 48, .convs = 32, .scale = 1, .channels = 3},
        {.features = 7, .convs = 0, .scale = 3, .channels = 1},
        {.features = 24, .convs = 3, .scale = 4, .channels = 4, .half = true},
        {.features = 5, .convs = 2, .scale = 16, .channels = 1, .leaky = true},
        {.features = 1, .convs = 100, .scale = 1, .channels = 1},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct maker *m = &sizes[i];
        struct pq_statedict sd;
        struct pq_graph *g;
        struct pq_graph_facts facts;
        pique_error err;
        read_dict(m, &sd);
        if (build(&sd, &g, &err))
            fail_msg("network %zu: %s", i, err.message);
        pq_graph_facts(g, &facts);
        assert_int_equal(facts.in_channels, m->channels);
        assert_int_equal(facts.out_channels, m->channels);
        assert_int_equal(facts.num, m->scale);
        assert_int_equal(facts.den, 1);
        assert_int_equal(facts.convolutions, m->convs + 2);
        assert_int_equal(facts.radius, m->convs + 2);
        int features;
        assert_string_equal(pq_arch_of_graph(g, &features), "Compact");
        assert_int_equal(features, m->features);
        for (int k = 0; k < g->count; k++) {
            if (g->ops[k].act.on)
                assert_true(m->leaky ? g->ops[k].act.slope == 0.1f && !g->ops[k].act.slopes.data
                                     : g->ops[k].act.slopes.data != NULL);
        }
        pq_graph_free(&g);
        memory_free(&sd);
    }
}

/* ---- the same network from both containers ---- */

static void both_containers_give_the_same_graph_and_weights(void **state)
{
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        struct maker m = tiny;
        m.half = variant & 1;
        m.leaky = variant & 2;
        m.scale = variant & 4 ? 1 : 3;
        m.seed = (uint64_t)variant;
        struct pq_statedict sd;
        struct pq_graph *g;
        pique_error err;
        read_dict(&m, &sd);
        assert_int_equal(build(&sd, &g, &err), 0);
        same_as_ncnn(&m, g, "Compact");
        pq_graph_free(&g);
        memory_free(&sd);
    }
}

/* ---- what does not fit ---- */

static void every_missing_tensor_is_named(void **state)
{
    (void)state;
    for (int leaky = 0; leaky < 2; leaky++) {
        struct maker m = tiny;
        m.leaky = leaky;
        m.convs = 2;
        for (size_t i = 0;; i++) {
            struct pq_statedict sd;
            struct pq_graph *g;
            pique_error err;
            read_dict(&m, &sd);
            if (i == sd.count) {
                memory_free(&sd);
                break;
            }
            char says[64];
            snprintf(says, sizeof says, "tensor '%s' is missing", sd.tensors[i].name);
            remove_tensor(&sd, i);
            if (build(&sd, &g, &err) != PIQUE_EFORMAT || !strstr(err.message, says))
                fail_msg("without %s: '%s'", says, err.message);
            memory_free(&sd);
        }
    }
}

static void every_wrong_shape_is_named(void **state)
{
    (void)state;
    int tried = 0;
    struct pq_statedict sd;
    read_dict(&tiny, &sd);
    for (size_t i = 0; i < sd.count; i++) {
        struct pq_tensor *t = &sd.tensors[i].tensor;
        const struct pq_tensor good = *t;
        for (int d = -1; d < good.dims; d++) {
            static const int64_t to[] = {0, 1, 2, 5, 65536};
            for (size_t k = 0; k < sizeof to / sizeof *to; k++) {
                struct pq_graph *g;
                pique_error err;
                if (d < 0)
                    t->dims = (int)to[k] % PQ_MAX_DIMS;
                else
                    t->shape[d] = to[k];
                bool same = pq_tensor_is(t, good.dims, good.shape);
                int rc = build(&sd, &g, &err);
                if ((rc == 0) != same || (rc && !strstr(err.message, "tensor 'body.")) ||
                    (rc && !strstr(err.message, "shape")))
                    fail_msg("%s[%d] = %d: %d '%s'", sd.tensors[i].name, d, (int)to[k], rc,
                             err.message);
                pq_graph_free(&g);
                *t = good;
                tried++;
            }
        }
    }
    assert_true(tried > 100);
    memory_free(&sd);
}

static void an_unused_tensor_is_named(void **state)
{
    (void)state;
    static const char *const extra[] = {"body.1.bias", "foo", "body.0.weight2", "body.00.weight",
                                        "body.999999999999.weight"};
    for (size_t i = 0; i < sizeof extra / sizeof *extra; i++) {
        struct pq_statedict sd;
        struct pq_graph *g;
        pique_error err;
        read_dict(&tiny, &sd);
        struct pq_tensor t = sd.tensors[1].tensor;
        assert_int_equal(pq_statedict_add(&sd, extra[i], &t, NULL), 0);
        assert_int_equal(build(&sd, &g, &err), PIQUE_EFORMAT);
        if (!strstr(err.message, extra[i]) || !strstr(err.message, "x.safetensors: "))
            fail_msg("%s: '%s'", extra[i], err.message);
        memory_free(&sd);
    }
}

static void integers_are_no_weights(void **state)
{
    (void)state;
    struct pq_statedict sd;
    struct pq_graph *g;
    pique_error err;
    read_dict(&tiny, &sd);
    sd.tensors[1].tensor.dtype = PQ_I32;
    assert_int_equal(build(&sd, &g, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "'body.0.bias' holds integers"));
    memory_free(&sd);
}

static void what_is_unknown_is_described(void **state)
{
    (void)state;
    struct pq_statedict sd = {.map = memory_map("", 0, "x.safetensors")};
    const struct pq_tensor t = {.dtype = PQ_F32};
    struct pq_graph *g;
    pique_error err;
    assert_int_equal(build(&sd, &g, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "no tensors"));
    for (int i = 0; i < 12; i++) {
        char name[32];
        snprintf(name, sizeof name, "key%d.x", i);
        assert_int_equal(pq_statedict_add(&sd, name, &t, NULL), 0);
    }
    assert_int_equal(build(&sd, &g, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "unsupported architecture"));
    assert_non_null(strstr(err.message, "key0.x, key1.x"));
    assert_non_null(strstr(err.message, "key9.x"));
    assert_null(strstr(err.message, "key10.x"));
    assert_int_equal(pq_statedict_add(&sd, "conv_cat.weight", &t, NULL), 0);
    assert_int_equal(build(&sd, &g, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "closest is SPAN, which needs 'conv_1.sk.weight'"));
    static const char *const known[] = {"before_RG.1.weight", "layers.0.blocks.0.gamma",
                                        "layers.0.blocks.0.attn.attns.0.rpe_biases",
                                        "layers.0.blocks.0.mlp.fc1.weight"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_int_equal(pq_statedict_add(&sd, known[i], &t, NULL), 0);
    assert_int_equal(build(&sd, &g, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "this is RGT, which this version cannot run"));
    memory_free(&sd);
}

static void another_structure_is_just_a_graph(void **state)
{
    (void)state;
    static const char param[] = "7767517\n4 4\nInput in 0 1 a\n"
                                "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9\n"
                                "Convolution d 1 1 b c 0=1 1=3 4=1 5=1 6=9\n"
                                "BinaryOp o 2 1 a c e 0=0\n";
    static const unsigned char zeros[88];
    struct pq_map text = memory_map(param, sizeof param - 1, "x.param");
    struct pq_statedict sd = {.map = memory_map(zeros, sizeof zeros, "x.bin")};
    struct pq_graph *g;
    int features;
    pique_error err;
    assert_int_equal(pq_graph_new(&g, &err), 0);
    assert_int_equal(pq_ncnn_read(&text, &sd, g, &err), 0);
    assert_string_equal(pq_arch_of_graph(g, &features), "graph"); /* no activation */
    assert_int_equal(features, 0);
    pq_graph_free(&g);
    memory_unmap(&text);
    memory_free(&sd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_size_of_network_is_built),
        cmocka_unit_test(both_containers_give_the_same_graph_and_weights),
        cmocka_unit_test(every_missing_tensor_is_named),
        cmocka_unit_test(every_wrong_shape_is_named),
        cmocka_unit_test(an_unused_tensor_is_named),
        cmocka_unit_test(integers_are_no_weights),
        cmocka_unit_test(what_is_unknown_is_described),
        cmocka_unit_test(another_structure_is_just_a_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
