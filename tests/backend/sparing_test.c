/* SPDX-License-Identifier: MIT */
/* Graphs as they are run (pq_graph_sparing), beside the same as they are written: as few whole maps
 * as can be, and the same bits. */
#include "../net.h"
#include "base/alloc.h"

enum { WIDE = 8, DEEP = 16 };

/* A convolution without padding. */
static int valid(struct net *net, struct rng *r, int in, int out, int kernel, int stride)
{
    const int c = net->graph->ops[in].channels;
    const struct pq_tensor w = net_tensor(net, r, 4, (const int64_t[]){out, c, kernel, kernel},
                                          1.5f / (float)(c * kernel));
    const struct pq_tensor b = net_tensor(net, r, 1, (const int64_t[]){out}, 0.2f);
    const struct pq_conv_shape shape = {.stride_y = stride, .stride_x = stride};
    const int op = pq_graph_conv(net->graph, in, &w, &b, &shape, NULL);
    assert_true(op >= 0);
    return op;
}

static int leaky(struct net *net, int in)
{
    return pq_graph_act(net->graph, in, 0.1f, NULL, NULL);
}

/* A map by what its own mean makes of each channel. */
static int weighed(struct net *net, struct rng *r, int in)
{
    int gate = pq_graph_mean(net->graph, in, NULL);
    gate = net_conv(net, r, gate, net->graph->ops[in].channels, 1);
    gate = pq_graph_curve(net->graph, gate, PQ_ACT_SIGMOID, NULL);
    return pq_graph_mul(net->graph, in, gate, NULL);
}

/* A deconvolution, 2 x 2 of stride 2. */
static int enlarged(struct net *net, struct rng *r, int in, int out)
{
    const int c = net->graph->ops[in].channels;
    const struct pq_tensor w =
        net_tensor(net, r, 4, (const int64_t[]){c, out, 2, 2}, 1.5f / (float)c);
    const struct pq_tensor b = net_tensor(net, r, 1, (const int64_t[]){out}, 0.2f);
    return leaky(net, pq_graph_deconv(net->graph, in, &w, &b, 2, 0, NULL));
}

/* The sum of what is cut, by number or to the size of the other, and that one; in both orders. */
static int joined(struct net *net, int way, int cut, int border, int other)
{
    const int crop = way & 2 ? pq_graph_crop_at(net->graph, cut, border, border, other, NULL)
                             : pq_graph_crop(net->graph, cut, border, NULL);
    return pq_graph_add(net->graph, way & 1 ? crop : other, way & 1 ? other : crop, 1, NULL);
}

/* Two levels down and up again, for pictures of 6 + 4n pixels a side:
 *
 *     wide -- down -- deep -- weighed -- down -- deepest -- weighed -- up -- + -- up -- +
 *        \              \______________ cut _______________________________/           /
 *         \______________________________ cut _______________________________________/ */
static void make_unet(struct net *net, uint64_t seed, int way)
{
    struct rng r = {seed};
    *net = (struct net){0};
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    const int wide = leaky(net, valid(net, &r, pq_graph_input(net->graph, 3, NULL), WIDE, 3, 1));
    int deep = leaky(net, valid(net, &r, wide, DEEP, 2, 2));
    deep = weighed(net, &r, leaky(net, valid(net, &r, deep, DEEP, 3, 1)));
    int x = leaky(net, valid(net, &r, deep, DEEP, 2, 2));
    x = weighed(net, &r, leaky(net, valid(net, &r, x, DEEP, 3, 1)));
    x = joined(net, way, deep, 2, enlarged(net, &r, x, DEEP));
    x = joined(net, 3 - way, wide, 6, enlarged(net, &r, x, WIDE));
    x = valid(net, &r, x, 3, 3, 1);
    assert_int_equal(pq_graph_finish(net->graph, x, NULL), 0);
}

static int count(const struct pq_graph *g, enum pq_op_kind kind)
{
    int n = 0;
    for (int i = 0; i < g->count; i++)
        n += g->ops[i].kind == kind;
    return n;
}

static void a_unet_copies_no_map(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct net net;
        struct pq_graph *g;
        struct pq_line lines[64];
        make_unet(&net, 3, way);
        assert_int_equal(count(net.graph, PQ_OP_CROP), 2);
        assert_int_equal(pq_graph_sparing(net.graph, &g, NULL), 0);
        assert_int_equal(count(g, PQ_OP_CROP), 0);
        assert_int_equal(count(g, PQ_OP_MUL), 3);
        assert_true(g->count <= 64);
        assert_int_equal(pq_plan_lines(g, NULL, &(struct pq_geometry){1, 206, 406, 4}, lines, NULL),
                         0);
        int maps = 0;
        for (int i = 0; i < g->count; i++) {
            const bool whole = lines[i].rows > lines[i].height / 2 && lines[i].height > 1;
            maps += whole && !g->ops[i].column;
            if (g->ops[i].again)
                assert_in_range(lines[i].rows, 1, 12);
        }
        assert_int_equal(maps, 3); /* the wide one, the deep one and the deepest */
        pq_graph_free(&g);
        net_free(&net);
    }
}

static void it_changes_no_bit(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rng r = {seed};
        struct net net;
        struct pq_graph *g;
        const struct pq_geometry geometry = {1 + rng_below(&r, 2), 18 + 4 * rng_below(&r, 12),
                                             18 + 4 * rng_below(&r, 12), 1 + rng_below(&r, 40)};
        int width[2], height[2], rc;
        make_unet(&net, seed, (int)(seed % 4));
        assert_int_equal(pq_graph_sparing(net.graph, &g, NULL), 0);
        float *in = net_picture(&r, &geometry, 3);
        float *want = net_run(net.graph, TEST_DEVICE, 1, &geometry, in, &width[0], &height[0], &rc);
        assert_int_equal(rc, 0);
        float *have = net_run(g, TEST_DEVICE, 1 + rng_below(&r, 3), &geometry, in, &width[1],
                              &height[1], &rc);
        assert_int_equal(rc, 0);
        assert_int_equal(width[0], geometry.width - 16);
        assert_int_equal(width[0], width[1]);
        assert_int_equal(height[0], height[1]);
        assert_memory_equal(want, have,
                            (size_t)geometry.frames * (size_t)width[0] * (size_t)height[0] * 3 *
                                sizeof *want);
        free(in);
        free(want);
        free(have);
        pq_graph_free(&g);
        net_free(&net);
    }
}

/* A sum that is not one and the other takes only its first input where it lies; and where it would
 * be added once for all pixels, nothing. */
static void what_is_weighed_in_a_sum_is_cut_first(void **state)
{
    (void)state;
    struct rng r = {7};
    for (int way = 0; way < 3; way++) {
        struct net net = {0};
        struct pq_graph *g;
        assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
        const int x = pq_graph_input(net.graph, 3, NULL);
        const int crop = pq_graph_crop4(net.graph, x, 1, 2, 3, 4, NULL);
        const int other = way < 2 ? pq_graph_crop4(net.graph, x, 3, 1, 1, 5, NULL)
                                  : pq_graph_mean(net.graph, x, NULL);
        const int sum = way == 1 ? pq_graph_add(net.graph, other, crop, 0.5f, NULL)
                                 : pq_graph_add(net.graph, crop, other, 0.5f, NULL);
        assert_int_equal(pq_graph_finish(net.graph, sum, NULL), 0);
        assert_int_equal(pq_graph_sparing(net.graph, &g, NULL), 0);
        assert_int_equal(count(g, PQ_OP_CROP), 1);
        const struct pq_geometry geometry = {1, 30, 20, 3};
        int width, height, rc;
        float *in = net_picture(&r, &geometry, 3);
        float *want = net_run(net.graph, TEST_DEVICE, 1, &geometry, in, &width, &height, &rc);
        assert_int_equal(rc, 0);
        float *have = net_run(g, TEST_DEVICE, 2, &geometry, in, &width, &height, &rc);
        assert_int_equal(rc, 0);
        assert_int_equal(width, 24);
        assert_int_equal(height, 16);
        assert_memory_equal(want, have, 24 * 16 * 3 * sizeof *want);
        free(in);
        free(want);
        free(have);
        pq_graph_free(&g);
        net_free(&net);
    }
}

/* As it is where it is cut first. */
static void sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    for (int border = 1; border <= 3; border++) {
        struct net net = {0};
        struct pq_graph *g;
        struct pq_line lines[8];
        pique_error err;
        assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
        const int x = pq_graph_input(net.graph, 3, NULL);
        const int other = pq_graph_curve(net.graph, pq_graph_crop4(net.graph, x, 2, 1, 2, 3, NULL),
                                         PQ_ACT_TANH, NULL);
        assert_int_equal(pq_graph_finish(net.graph, joined(&net, 1, x, border, other), NULL), 0);
        assert_int_equal(pq_graph_sparing(net.graph, &g, NULL), 0);
        const int rc = pq_plan_lines(g, NULL, &(struct pq_geometry){1, 9, 8, 1}, lines, &err);
        assert_int_equal(rc, border == 2 ? 0 : PIQUE_EFORMAT);
        if (rc)
            assert_non_null(strstr(err.message, "add, joins a map of"));
        pq_graph_free(&g);
        net_free(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unet_copies_no_map),
        cmocka_unit_test(it_changes_no_bit),
        cmocka_unit_test(what_is_weighed_in_a_sum_is_cut_first),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("sparing", tests, NULL, NULL);
}
