/* SPDX-License-Identifier: MIT */
/* ESRGAN from names of every style and from shapes: built exactly, or refused with the tensor's
 * name; and known again by its structure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "dict.h"
#include "model/ncnn.h"

static const struct maker tiny = {
    .features = 4, .growth = 3, .blocks = 1, .scale = 2, .channels = 3, .seed = 11};

static int build(const struct pq_statedict *sd, struct pq_graph **g, pique_error *err)
{
    const char *name = "";
    *g = NULL;
    *err = (pique_error){0};
    int rc = pq_arch_build(sd, g, &name, err);
    if (!rc)
        assert_string_equal(name, "ESRGAN");
    else
        assert_null(*g);
    return rc;
}

static struct pq_graph *build_or_fail(const struct maker *m, struct pq_statedict *sd)
{
    struct pq_graph *g;
    pique_error err;
    read_dict(m, sd);
    if (build(sd, &g, &err))
        fail_msg("%s", err.message);
    return g;
}

static void any_size_of_network_is_built(void **state)
{
    (void)state;
    static const struct maker sizes[] = {
        {.features = 16, .growth = 8, .blocks = 2, .scale = 4, .channels = 3},
        {.features = 64, .growth = 32, .blocks = 1, .scale = 2, .channels = 3, .half = true},
        {.features = 7, .growth = 5, .blocks = 3, .scale = 1, .channels = 1},
        {.features = 4, .growth = 4, .blocks = 1, .scale = 8, .channels = 4},
        {.features = 1, .growth = 1, .blocks = 23, .scale = 16, .channels = 1},
        {.features = 2, .growth = 1, .blocks = 100, .scale = 1, .channels = 3},
        {.features = 12, .growth = 6, .blocks = 2, .scale = 4, .channels = 3, .plus = true},
    };
    for (size_t i = 0; i < 3 * sizeof sizes / sizeof *sizes; i++) {
        struct maker m = sizes[i / 3];
        m.names = (enum maker_names)(i % 3);
        struct pq_statedict sd;
        struct pq_graph *g = build_or_fail(&m, &sd);
        struct pq_graph_facts facts;
        int features, ups = 0;
        while (1 << ups < m.scale)
            ups++;
        pq_graph_facts(g, &facts);
        assert_int_equal(facts.in_channels, m.channels);
        assert_int_equal(facts.out_channels, m.channels);
        assert_int_equal(facts.num, m.scale);
        assert_int_equal(facts.den, 1);
        assert_int_equal(facts.convolutions, m.blocks * 3 * (5 + m.plus) + ups + 4);
        assert_in_range(facts.radius, 15 * m.blocks + 2, 15 * m.blocks + 4);
        /* One pass a convolution but for the additions of blocks and the nearest: nothing is joined
         * or added in a pass of its own. */
        assert_int_equal(g->count, 1 + facts.convolutions + m.blocks + ups);
        assert_string_equal(pq_arch_of_graph(g, &features), "ESRGAN");
        assert_int_equal(features, m.features);
        pq_graph_free(&g);
        memory_free(&sd);
    }
}

static void every_style_of_names_gives_the_same_graph_and_weights(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct maker m = tiny;
        m.plus = variant & 1;
        m.scale = variant & 2 ? 4 : 1;
        m.names = NAMES_ESRGAN;
        struct pq_statedict first, other;
        struct pq_graph *a = build_or_fail(&m, &first);
        for (m.names = NAMES_BASICSR; m.names <= NAMES_BSRGAN; m.names++) {
            struct pq_graph *b = build_or_fail(&m, &other);
            same_graph(a, b);
            pq_graph_free(&b);
            memory_free(&other);
        }
        pq_graph_free(&a);
        memory_free(&first);
    }
}

static void both_containers_give_the_same_graph_and_weights(void **state)
{
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        struct maker m = tiny;
        m.half = variant & 1;
        m.plus = variant & 2;
        m.scale = variant & 4 ? 1 : 4;
        m.blocks = 2;
        struct pq_statedict sd;
        struct pq_graph *g = build_or_fail(&m, &sd);
        same_as_ncnn(&m, g, "ESRGAN");
        pq_graph_free(&g);
        memory_free(&sd);
    }
}

/* ---- what does not fit ---- */

static void every_missing_tensor_is_named(void **state)
{
    (void)state;
    struct maker m = tiny;
    m.plus = true;
    for (m.names = NAMES_ESRGAN; m.names <= NAMES_BSRGAN; m.names++) {
        for (size_t i = 0;; i++) {
            struct pq_statedict sd;
            struct pq_graph *g;
            pique_error err;
            read_dict(&m, &sd);
            if (i == sd.count) {
                memory_free(&sd);
                break;
            }
            char says[96];
            snprintf(says, sizeof says, "tensor '%s' is missing", sd.tensors[i].name);
            remove_tensor(&sd, i);
            if (build(&sd, &g, &err) != PIQUE_EFORMAT || !strstr(err.message, says))
                fail_msg("without %s: '%s'", says, err.message);
            memory_free(&sd);
        }
    }
}

/* Where a shape decides a size, another tensor may be the one that does not fit it. */
static void every_wrong_shape_is_refused(void **state)
{
    (void)state;
    int tried = 0;
    struct pq_statedict sd;
    struct maker m = tiny;
    m.plus = true;
    read_dict(&m, &sd);
    for (size_t i = 0; i < sd.count; i++) {
        struct pq_tensor *t = &sd.tensors[i].tensor;
        const struct pq_tensor good = *t;
        for (int d = -1; d < good.dims; d++) {
            static const int64_t to[] = {-1, 0, 1, 2, 7, 65536};
            if (i == 0 && d == 1)
                continue; /* the picture's channels: any number of them can be */
            for (size_t k = 0; k < sizeof to / sizeof *to; k++) {
                struct pq_graph *g;
                pique_error err;
                if (d < 0)
                    t->dims = (int)(to[k] & 7);
                else
                    t->shape[d] = to[k];
                bool same = pq_tensor_is(t, good.dims, good.shape);
                int rc = build(&sd, &g, &err);
                if ((rc == 0) != same || (rc && !strstr(err.message, "tensor '")) ||
                    (rc && !strstr(err.message, "shape")))
                    fail_msg("%s[%d] = %d: %d '%s'", sd.tensors[i].name, d, (int)to[k], rc,
                             err.message);
                pq_graph_free(&g);
                *t = good;
                tried++;
            }
        }
    }
    assert_true(tried > 500);
    memory_free(&sd);
}

static void an_unused_tensor_is_named(void **state)
{
    (void)state;
    static const struct {
        enum maker_names names;
        const char *extra;
    } cases[] = {
        {NAMES_ESRGAN, "model.1.sub.0.RDB4.conv1.0.weight"},
        {NAMES_ESRGAN, "model.1.sub.0.RDB1.conv6.0.weight"},
        {NAMES_ESRGAN, "model.1.sub.2.weight"},
        {NAMES_ESRGAN, "model.4.weight"},
        {NAMES_ESRGAN, "model.03.weight"},
        {NAMES_ESRGAN, "conv_first.weight"},
        {NAMES_BASICSR, "body.0.rdb1.conv01.weight"},
        {NAMES_BASICSR, "body.0.rdb1.conv1.0.weight"},
        {NAMES_BASICSR, "body.00.rdb1.conv1.weight"},
        {NAMES_BASICSR, "upconv1.weight"},
        {NAMES_BASICSR, "conv_up0.weight"},
        {NAMES_BSRGAN, "trunk_conv.weight2"},
        {NAMES_BSRGAN, "foo"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pq_statedict sd;
        struct pq_graph *g;
        pique_error err;
        struct maker m = tiny;
        m.names = cases[i].names;
        read_dict(&m, &sd);
        struct pq_tensor t = sd.tensors[1].tensor;
        assert_int_equal(pq_statedict_add(&sd, cases[i].extra, &t, NULL), 0);
        char says[96];
        snprintf(says, sizeof says, "x.safetensors: tensor '%s' has no place", cases[i].extra);
        if (build(&sd, &g, &err) != PIQUE_EFORMAT || !strstr(err.message, says))
            fail_msg("%s: '%s'", cases[i].extra, err.message);
        memory_free(&sd);
    }
}

static void senseless_numbers_of_parts_are_refused(void **state)
{
    (void)state;
    static const char *const extra[] = {"body.100.rdb1.conv1.weight",
                                        "body.999999.rdb1.conv1.weight", "conv_up5.weight",
                                        "conv_up999999.weight"};
    for (size_t i = 0; i < sizeof extra / sizeof *extra; i++) {
        struct pq_statedict sd;
        struct pq_graph *g;
        pique_error err;
        struct maker m = tiny;
        m.names = NAMES_BASICSR;
        read_dict(&m, &sd);
        struct pq_tensor t = sd.tensors[1].tensor;
        assert_int_equal(pq_statedict_add(&sd, extra[i], &t, NULL), 0);
        assert_int_equal(build(&sd, &g, &err), PIQUE_EUNSUPPORTED);
        assert_non_null(strstr(err.message, "blocks and"));
        memory_free(&sd);
    }
}

/* Real-ESRGAN's x2 and x1 networks: 12 or 48 channels in, 3 out. */
static void a_pixel_unshuffle_takes_its_factor_off_the_scale(void **state)
{
    (void)state;
    for (int channels = 1; channels <= 3; channels += 2) {
        for (int factor = 2; factor <= 4; factor += 2) {
            struct pq_statedict sd;
            struct pq_graph *g;
            pique_error err;
            struct pq_graph_facts facts;
            struct maker m = tiny;
            m.channels = channels;
            m.scale = 4;
            m.names = NAMES_BASICSR;
            read_dict(&m, &sd);
            sd.tensors[0].tensor.shape[1] = channels * factor * factor; /* nobody reads it here */
            assert_int_equal(build(&sd, &g, &err), 0);
            pq_graph_facts(g, &facts);
            assert_int_equal(facts.in_channels, channels);
            assert_int_equal(facts.num, 4 / factor);
            assert_int_equal(facts.den, 1);
            assert_int_equal(g->ops[1].kind, PQ_OP_PAD);
            assert_int_equal(g->ops[2].kind, PQ_OP_PIXEL_UNSHUFFLE);
            assert_int_equal(g->ops[g->output].kind, PQ_OP_CROP);
            pq_graph_free(&g);
            memory_free(&sd);
        }
    }
    struct pq_statedict sd;
    struct pq_graph *g;
    pique_error err;
    read_dict(&tiny, &sd);
    sd.tensors[0].tensor.shape[1] = 5;
    assert_int_equal(build(&sd, &g, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "at most 4"));
    memory_free(&sd);
}

/* One change of a finished graph, and it is no ESRGAN. */
static void another_structure_is_just_a_graph(void **state)
{
    (void)state;
    struct maker m = tiny;
    m.plus = true;
    struct pq_statedict sd;
    struct pq_graph *g = build_or_fail(&m, &sd);
    int features;
    assert_string_equal(pq_arch_of_graph(g, &features), "ESRGAN");
    for (int i = 1; i < g->count; i++) {
        struct pq_op *op = &g->ops[i];
        const struct pq_op good = *op;
        for (int change = 0; change < 5; change++) {
            bool conv = op->kind == PQ_OP_CONV2D;
            if (change == 0 && i > 1)
                op->in[op->inputs - 1] = op->in[op->inputs - 1] ? 0 : i - 1;
            else if (change == 1 && conv)
                op->act.on = !op->act.on;
            else if (change == 2 && op->act.on)
                op->act.slope = 0.1f;
            else if (change == 3 && (op->residual || op->kind == PQ_OP_ADD))
                op->scale = 0.5f;
            else if (change == 4)
                op->kind = PQ_OP_BICUBIC;
            else
                continue;
            if (strcmp(pq_arch_of_graph(g, &features), "graph") != 0)
                fail_msg("operation %d, change %d: still ESRGAN", i, change);
            assert_int_equal(features, 0);
            *op = good;
        }
    }
    for (int count = g->count - 1; count > 1; count--) {
        g->count = count;
        g->output = count - 1;
        assert_string_not_equal(pq_arch_of_graph(g, &features), "ESRGAN");
    }
    pq_graph_free(&g);
    memory_free(&sd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_size_of_network_is_built),
        cmocka_unit_test(every_style_of_names_gives_the_same_graph_and_weights),
        cmocka_unit_test(both_containers_give_the_same_graph_and_weights),
        cmocka_unit_test(every_missing_tensor_is_named),
        cmocka_unit_test(every_wrong_shape_is_refused),
        cmocka_unit_test(an_unused_tensor_is_named),
        cmocka_unit_test(senseless_numbers_of_parts_are_refused),
        cmocka_unit_test(a_pixel_unshuffle_takes_its_factor_off_the_scale),
        cmocka_unit_test(another_structure_is_just_a_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
