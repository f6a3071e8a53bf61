/* SPDX-License-Identifier: MIT */
#include <limits.h>

#include "../net.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "graph/plan.h"

static void facts_of_compact_are_those_of_the_paper(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 1, 64, 16, 4, 3, 0);
    struct pq_graph_facts f;
    pq_graph_facts(net.graph, &f);
    assert_int_equal(f.in_channels, 3);
    assert_int_equal(f.out_channels, 3);
    assert_int_equal(f.num, 4);
    assert_int_equal(f.den, 1);
    assert_int_equal(f.convolutions, 18);
    assert_int_equal(f.radius, 18);
    assert_int_equal(f.parameters, 621424);
    assert_int_equal(f.flops_per_pixel, 1238400);
    net_free(&net);
}

static void a_bicubic_tail_changes_scale_and_radius(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 1, 16, 2, 4, 3, 1);
    struct pq_graph_facts f;
    pq_graph_facts(net.graph, &f);
    assert_int_equal(f.num, 2);
    assert_int_equal(f.den, 1);
    assert_int_equal(f.radius, 5); /* 4 convolutions, and taps that reach into the next pixel */
    net_free(&net);
}

/* 2^24 output rows until what they read repeats, and no product of sizes that fits 64 bits. */
static void facts_of_an_absurd_network_take_no_time(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct pq_graph *g;
        assert_int_equal(pq_graph_new(&g, NULL), 0);
        int y = pq_graph_input(g, 1, NULL);
        for (int i = 0; i < 3; i++)
            y = pq_graph_pool(g, y, PQ_OP_MAX_POOL, 1, 16, NULL);
        for (int i = 0; i < 6; i++)
            y = pq_graph_nearest(g, y, 16, NULL);
        for (int i = 0; i < 3000; i++)
            y = k ? pq_graph_pad(g, y, PQ_PAD_ZERO, PQ_MAX_PAD, 1, NULL)
                  : pq_graph_curve(g, y, PQ_ACT_TANH, NULL);
        y = pq_graph_bilinear(g, y, y, NULL);
        assert_int_equal(pq_graph_finish(g, y, NULL), 0);
        struct pq_graph_facts f;
        pq_graph_facts(g, &f);
        assert_int_equal(f.num, 4096);
        assert_true(f.radius > 0);
        pq_graph_free(&g);
    }
}

static void activations_are_fused_only_where_nothing_else_reads_the_sum(void **state)
{
    (void)state;
    struct rng r = {1};
    struct net net = {0};
    pq_graph_new(&net.graph, NULL);
    int x = pq_graph_input(net.graph, 3, NULL);
    int a = net_conv(&net, &r, x, 3, 3);
    int b = pq_graph_act(net.graph, a, 0.1f, NULL, NULL);
    int unused = net_conv(&net, &r, b, 5, 1);
    assert_true(unused > 0);
    int c = net_conv(&net, &r, b, 3, 3);
    int d = pq_graph_act(net.graph, c, 0.0f, NULL, NULL);
    int e = pq_graph_add(net.graph, c, d, 1, NULL); /* reads the sum before the activation */
    assert_int_equal(pq_graph_finish(net.graph, e, NULL), 0);
    assert_int_equal(net.graph->count, 5);
    assert_true(net.graph->ops[1].act.on);
    assert_int_equal(net.graph->ops[2].kind, PQ_OP_CONV2D);
    assert_false(net.graph->ops[2].act.on);
    assert_int_equal(net.graph->ops[3].kind, PQ_OP_ACT);
    assert_int_equal(net.graph->ops[4].in[0], 2);
    assert_int_equal(net.graph->ops[4].in[1], 3);
    assert_int_equal(net.graph->output, 4);
    net_free(&net);
}

static void the_output_itself_keeps_its_sum(void **state)
{
    (void)state;
    struct rng r = {1};
    struct net net = {0};
    pq_graph_new(&net.graph, NULL);
    int x = pq_graph_input(net.graph, 3, NULL);
    int conv = net_conv(&net, &r, x, 3, 3);
    assert_true(pq_graph_act(net.graph, conv, 0.0f, NULL, NULL) > 0);
    assert_int_equal(pq_graph_finish(net.graph, conv, NULL), 0);
    assert_int_equal(net.graph->count, 2);
    assert_false(net.graph->ops[1].act.on);
    net_free(&net);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct rng r = {1};
    struct net net = {0};
    pique_error err = {0};
    pq_graph_new(&net.graph, NULL);
    assert_int_equal(pq_graph_finish(net.graph, 0, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_input(net.graph, 0, &err), PIQUE_EUNSUPPORTED);
    int x = pq_graph_input(net.graph, 3, NULL);
    assert_int_equal(pq_graph_input(net.graph, 3, &err), PIQUE_EUNSUPPORTED);
    struct pq_tensor w = net_tensor(&net, &r, 4, (const int64_t[]){4, 3, 3, 3}, 1);
    struct pq_tensor b = net_tensor(&net, &r, 1, (const int64_t[]){4}, 1);
    struct pq_tensor bad = w;
    bad.shape[1] = 4;
    assert_int_equal(pq_graph_conv2d(net.graph, x, &bad, &b, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "[4, 4, 3, 3]"));
    bad = w;
    bad.shape[3] = 2;
    assert_int_equal(pq_graph_conv2d(net.graph, x, &bad, &b, &err), PIQUE_EUNSUPPORTED);
    bad = w;
    bad.shape[2] = bad.shape[3] = 2;
    assert_int_equal(pq_graph_conv2d(net.graph, x, &bad, &b, &err), PIQUE_EUNSUPPORTED);
    bad = b;
    bad.shape[0] = 3;
    assert_int_equal(pq_graph_conv2d(net.graph, x, &w, &bad, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_conv2d(net.graph, 7, &w, &b, &err), PIQUE_EINTERNAL);
    assert_int_equal(pq_graph_pixel_shuffle(net.graph, x, 2, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_nearest(net.graph, x, 17, &err), PIQUE_EUNSUPPORTED);
    assert_int_equal(pq_graph_act(net.graph, x, 0, &b, &err), PIQUE_EFORMAT);
    int up = pq_graph_nearest(net.graph, x, 2, NULL);
    assert_int_equal(pq_graph_add(net.graph, x, up, 1, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_bicubic(net.graph, x, 0, 1, &err), PIQUE_EUNSUPPORTED);
    int deep = up;
    for (int i = 0; i < 3 && deep >= 0; i++)
        deep = pq_graph_nearest(net.graph, deep, 16, &err);
    assert_int_equal(deep, PIQUE_EUNSUPPORTED);
    assert_int_equal(pq_graph_finish(net.graph, up, NULL), 0);
    assert_int_equal(pq_graph_nearest(net.graph, x, 2, &err), PIQUE_EINTERNAL);
    net_free(&net);
}

/* Twice 2^31 - 1 is -2 in an int, which is a small reach. */
static void a_reach_beyond_an_int_is_refused(void **state)
{
    (void)state;
    struct rng r = {1};
    struct net net = {0};
    pique_error err;
    pq_graph_new(&net.graph, NULL);
    int x = pq_graph_input(net.graph, 3, NULL);
    struct pq_tensor w = net_tensor(&net, &r, 4, (const int64_t[]){3, 3, 3, 3}, 1);
    static const int far[] = {PQ_MAX_PAD / 2, 1 << 30, 2000000000, INT_MAX};
    for (size_t i = 0; i < PQ_COUNT(far); i++) {
        const struct pq_conv_shape across = {.dilation_x = far[i]}, down = {.dilation_y = far[i]};
        assert_int_equal(pq_graph_conv(net.graph, x, &w, NULL, &across, &err), PIQUE_EUNSUPPORTED);
        assert_int_equal(pq_graph_conv(net.graph, x, &w, NULL, &down, &err), PIQUE_EUNSUPPORTED);
    }
    net_free(&net);
}

/* 32 KiB of the file are 64 MiB once there are zeros between the groups, and as many again in every
 * operation that reads them. */
static void weights_without_end_are_refused(void **state)
{
    (void)state;
    enum { CHANNELS = 4096, GROUPS = 2048, MOST = PQ_MAX_WEIGHTS / (CHANNELS * CHANNELS) };
    struct rng r = {1};
    struct net net = {0};
    pique_error err;
    pq_graph_new(&net.graph, NULL);
    int y = pq_graph_input(net.graph, CHANNELS, NULL);
    struct pq_tensor grouped = net_tensor(&net, &r, 4, (const int64_t[]){CHANNELS, 2, 1, 1}, 1);
    struct pq_tensor large = grouped; /* only its shape is looked at */
    large.shape[1] = CHANNELS;
    const struct pq_conv_shape shape = {.groups = GROUPS}, dense = {0};
    y = pq_graph_conv(net.graph, y, &grouped, NULL, &shape, &err);
    assert_true(y > 0);
    for (int i = 1; i < MOST; i++)
        y = pq_graph_conv(net.graph, y, &large, NULL, &dense, &err);
    assert_true(y > 0);
    assert_int_equal(pq_graph_conv(net.graph, y, &grouped, NULL, &shape, &err), PIQUE_EUNSUPPORTED);
    assert_int_equal(pq_graph_conv(net.graph, y, &large, NULL, &dense, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "weights"));
    net_free(&net);
}

/* rows_ready() must be the largest count whose rows_needed() are there, and rows_kept() the lowest
 * row that any of the rows to come needs. */
static void check_rows(const struct pq_flow *flow, size_t k)
{
    const struct pq_op *op = flow->op;
    const int64_t height = flow->in_height, out = flow->out_height;
    int64_t in0, in1;
    if (out < 1)
        return;
    for (int64_t have = 0; have <= height; have++) {
        int64_t want = 0;
        while (want < out) {
            pq_rows_needed(flow, want, want + 1, &in0, &in1);
            if (PQ_MIN(in1, height) > have && have < height)
                break;
            want++;
        }
        int64_t ready = pq_rows_ready(flow, have);
        if (ready > want || (have == height && ready != out) ||
            (op->kind != PQ_OP_PAD && op->kind != PQ_OP_CONV2D && ready != want))
            fail_msg("operation %zu, %lld of %lld rows: %lld ready, not %lld", k, (long long)have,
                     (long long)height, (long long)ready, (long long)want);
    }
    int64_t low = height;
    for (int64_t y = out; y >= 0; y--) {
        if (y < out) {
            pq_rows_needed(flow, y, y + 1, &in0, &in1);
            low = in0 < in1 ? PQ_MIN(low, PQ_MAX(in0, 0)) : low;
        }
        int64_t kept = pq_rows_kept(flow, y);
        if (kept > low)
            fail_msg("operation %zu, %lld rows: from row %lld on %lld are kept, %lld is read", k,
                     (long long)height, (long long)y, (long long)kept, (long long)low);
    }
}

static void check_flow(const struct pq_op *op, struct pq_grid grid, size_t k, int input,
                       int64_t height, int64_t like)
{
    const int64_t extent = pq_op_extent(op, false, height * pq_op_fold(op, input), like);
    check_rows(&(struct pq_flow){op, input, height, extent, grid}, k);
}

static void rows_flow_as_they_are_read(void **state)
{
    (void)state;
    const struct pq_window same3 = {3, 1, 1, 1, 1}, valid3 = {3, 1, 1, 0, 0},
                           down = {2, 2, 1, 0, 0};
    const struct pq_window same17 = {17, 1, 1, 8, 8}, wide = {3, 1, 4, 4, 4}, one = {1, 1, 1, 0, 0};
    const struct pq_window border = {.before = 5, .after = 5}, left = {.before = 3, .after = 0};
    const struct pq_window seven = {7, 3, 1, 0, 0};
    const struct pq_attention swin = {.height = 8, .key_height = 8};
    const struct pq_attention shifted = {.height = 8, .key_height = 8, .shift_y = 4};
    const struct pq_attention overlap = {.height = 8, .key_height = 12};
    const struct pq_attention folded = {.height = 6, .key_height = 3, .shift_y = 3, .fold = 2};
    const struct pq_attention grid = {.height = 4, .key_height = 4, .grid = true};
    const struct pq_op ops[] = {
        {.kind = PQ_OP_CONV2D, .ver = one},
        {.kind = PQ_OP_CONV2D, .ver = same3},
        {.kind = PQ_OP_CONV2D, .ver = same17},
        {.kind = PQ_OP_CONV2D, .ver = valid3},
        {.kind = PQ_OP_CONV2D, .ver = down},
        {.kind = PQ_OP_DEPTHWISE, .ver = wide},
        {.kind = PQ_OP_MAX_POOL, .ver = seven},
        {.kind = PQ_OP_PIXEL_SHUFFLE, .factor = 3},
        {.kind = PQ_OP_PIXEL_UNSHUFFLE, .factor = 2},
        {.kind = PQ_OP_NEAREST, .factor = 4},
        {.kind = PQ_OP_ADD, .like = -1},
        {.kind = PQ_OP_ADD, .ver = border, .like = -1},
        {.kind = PQ_OP_ADD, .rate_num = 1, .rate_den = 1},
        {.kind = PQ_OP_BICUBIC, .rate_num = 1, .rate_den = 2},
        {.kind = PQ_OP_BICUBIC, .rate_num = 3, .rate_den = 4},
        {.kind = PQ_OP_BICUBIC, .rate_num = 5, .rate_den = 2},
        {.kind = PQ_OP_BICUBIC, .rate_num = 7, .rate_den = 3},
        {.kind = PQ_OP_BILINEAR},
        {.kind = PQ_OP_PAD, .ver = border, .multiple = 1, .pad_mode = PQ_PAD_ZERO},
        {.kind = PQ_OP_PAD, .ver = border, .multiple = 4, .pad_mode = PQ_PAD_EDGE},
        {.kind = PQ_OP_PAD, .ver = border, .multiple = 4, .pad_mode = PQ_PAD_REFLECT},
        {.kind = PQ_OP_PAD, .ver = left, .multiple = 8, .pad_mode = PQ_PAD_REFLECT},
        {.kind = PQ_OP_PAD, .multiple = 4, .least = 24, .pad_mode = PQ_PAD_ZERO},
        {.kind = PQ_OP_PAD, .multiple = 4, .least = 24, .pad_mode = PQ_PAD_REFLECT},
        {.kind = PQ_OP_PAD, .ver = left, .multiple = 1, .pad_mode = PQ_PAD_WRAP},
        {.kind = PQ_OP_PAD, .ver = border, .multiple = 4, .pad_mode = PQ_PAD_MIRROR},
        {.kind = PQ_OP_CROP, .ver = border, .like = -1},
        {.kind = PQ_OP_CROP, .rate_num = 1, .rate_den = 1},
        {.kind = PQ_OP_ATTENTION, .attention = swin},
        {.kind = PQ_OP_ATTENTION, .attention = shifted},
        {.kind = PQ_OP_ATTENTION, .attention = overlap},
        {.kind = PQ_OP_ATTENTION, .attention = folded},
        {.kind = PQ_OP_CHANNEL_ATTENTION, .attention = grid},
        {.kind = PQ_OP_MEAN, .global = true},
        {.kind = PQ_OP_DYSAMPLE, .factor = 2},
    };
    for (size_t k = 0; k < PQ_COUNT(ops); k++) {
        for (int64_t height = 1; height < 40; height++) {
            for (int64_t like = 1; like < 40; like += 7) {
                check_flow(&ops[k], (struct pq_grid){0}, k, 0, height, like);
                if (ops[k].kind == PQ_OP_ATTENTION)
                    check_flow(&ops[k], (struct pq_grid){0}, k, 1, height, like);
            }
        }
    }
}

/* Those whose result has a size of its own, and what is read beside it. */
static void rows_of_sizes_that_are_given_flow_as_they_are_read(void **state)
{
    (void)state;
    const struct pq_op bleed = {.kind = PQ_OP_BLEED, .ver = {65, 1, 1, 32, 32}};
    for (int in = 1; in < 40; in++) {
        for (int out = 1; out < 130; out += 3) {
            const struct pq_op alpha = {.kind = PQ_OP_ALPHA};
            const struct pq_op resize = {
                .kind = PQ_OP_RESIZE, .from = in, .extent = out, .by_alpha = true};
            for (int k = 0; k < 2; k++) {
                check_rows(&(struct pq_flow){.op = &resize, .k = k, in, out}, 1);
                check_rows(&(struct pq_flow){.op = &alpha, .k = k, out, out}, 2);
            }
            check_rows(&(struct pq_flow){.op = &alpha, .k = 2, in, out}, 3);
        }
        for (int k = 0; k < 2; k++)
            check_rows(&(struct pq_flow){.op = &bleed, .k = k, 3 * in, 3 * in}, 4);
    }
}

static void rows_of_tiles_flow_as_they_are_read(void **state)
{
    (void)state;
    const struct pq_window same3 = {3, 1, 1, 1, 1}, valid3 = {3, 1, 1, 0, 0};
    const struct pq_op ops[] = {
        {.kind = PQ_OP_CONV2D, .ver = same3},
        {.kind = PQ_OP_CONV2D, .ver = valid3},
        {.kind = PQ_OP_CONV2D, .ver = same3, .inputs = 2, .residual = true},
    };
    for (unsigned char phase = 0; phase < 4; phase++) {
        for (size_t k = 0; k < PQ_COUNT(ops); k++) {
            for (int64_t height = 1; height < 40; height++) {
                check_flow(&ops[k], (struct pq_grid){4, phase}, k, 0, height, 0);
                check_flow(&ops[k], (struct pq_grid){4, phase}, k, ops[k].residual, height, 0);
            }
        }
    }
}

/* A network of 3 x 3 layers that are computed in tiles of four rows. */
static void tiles_add_no_lag_and_no_row(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 1, 16, 8, 4, 3, 0);
    const int count = net.graph->count;
    struct pq_line plain[64], tiled[64];
    struct pq_grid grids[64] = {{0}};
    for (int i = 0; i < count; i++)
        grids[i].tile = net.graph->ops[i].kind == PQ_OP_CONV2D ? 4 : 0;
    assert_int_equal(pq_plan_grids(net.graph, grids, NULL), 0);
    for (int i = 1; i <= 10; i++)
        assert_int_equal(grids[i].phase, (40 - i) % 4);
    for (int band = 4; band <= 32; band += 4) {
        const struct pq_geometry geometry = {1, 64, 203, band};
        assert_int_equal(pq_plan_lines(net.graph, NULL, &geometry, plain, NULL), 0);
        assert_int_equal(pq_plan_lines(net.graph, grids, &geometry, tiled, NULL), 0);
        for (int i = 0; i < count; i++)
            assert_int_equal(tiled[i].rows, plain[i].rows);
    }
    /* Other bands cost the rows that a tile waits for. */
    for (int band = 1; band < 12; band++) {
        const struct pq_geometry geometry = {1, 64, 203, band};
        assert_int_equal(pq_plan_lines(net.graph, NULL, &geometry, plain, NULL), 0);
        assert_int_equal(pq_plan_lines(net.graph, grids, &geometry, tiled, NULL), 0);
        for (int i = 1; i <= 9; i++)
            assert_in_range(tiled[i].rows, plain[i].rows, plain[i].rows + 6);
    }
    net_free(&net);
}

/* What waits for a whole picture has the phases that it has where the statistics are given. */
static void given_statistics_change_no_phase(void **state)
{
    (void)state;
    struct net net = {0};
    struct rng r = {3};
    struct pq_grid grids[2][64] = {{{0}}};
    assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
    int y = net_conv(&net, &r, pq_graph_input(net.graph, 3, NULL), 16, 3);
    for (int i = 0; i < 3; i++) {
        y = net_conv(&net, &r, y, 16, 3);
        y = pq_graph_mul(net.graph, y, pq_graph_mean(net.graph, y, NULL), NULL);
    }
    y = net_conv(&net, &r, y, 3, 3);
    assert_int_equal(pq_graph_finish(net.graph, y, NULL), 0);
    struct pq_graph *given, *graphs[2] = {net.graph};
    assert_int_equal(pq_graph_given(net.graph, &given, NULL), 0);
    graphs[1] = given;
    unsigned char phases[2][8];
    for (int g = 0; g < 2; g++) {
        int convs = 0;
        for (int i = 0; i < graphs[g]->count; i++)
            grids[g][i].tile = graphs[g]->ops[i].kind == PQ_OP_CONV2D ? 4 : 0;
        assert_int_equal(pq_plan_grids(graphs[g], grids[g], NULL), 0);
        for (int i = 0; i < graphs[g]->count; i++) {
            if (grids[g][i].tile)
                phases[g][convs++] = grids[g][i].phase;
        }
        assert_int_equal(convs, 5);
    }
    assert_memory_equal(phases[0], phases[1], 5);
    assert_true(graphs[0]->count > graphs[1]->count);
    pq_graph_free(&given);
    net_free(&net);
}

static void padding_reaches_a_least_size(void **state)
{
    (void)state;
    struct pq_graph *g;
    pique_error err;
    assert_int_equal(pq_graph_new(&g, NULL), 0);
    int x = pq_graph_input(g, 3, NULL);
    int pad = pq_graph_pad_least(g, x, PQ_PAD_ZERO, 8, 16, NULL);
    assert_true(pad > x);
    static const int sizes[][2] = {{1, 16}, {8, 16}, {16, 16}, {17, 24}, {24, 24}};
    for (size_t i = 0; i < PQ_COUNT(sizes); i++)
        assert_int_equal(pq_op_extent(&g->ops[pad], false, sizes[i][0], 0), sizes[i][1]);
    assert_int_equal(pq_graph_pad_least(g, x, PQ_PAD_ZERO, 8, 12, &err), PIQUE_EUNSUPPORTED);
    assert_int_equal(pq_graph_pad_least(g, x, PQ_PAD_ZERO, 8, -8, &err), PIQUE_EUNSUPPORTED);
    pq_graph_free(&g);
}

/* The rows of one step are written side by side by several threads: none may have another's place,
 * not even those that nobody reads, such as what a crop takes off. */
static void each_row_of_a_step_has_a_place_of_its_own(void **state)
{
    (void)state;
    for (int band = 1; band < 20; band++) {
        struct net net = {0};
        struct rng r = {1};
        struct pq_line lines[16];
        int64_t done[16] = {0}, y0, y1;
        pq_graph_new(&net.graph, NULL);
        int at = net_conv(&net, &r, pq_graph_input(net.graph, 3, NULL), 3, 3);
        at = pq_graph_pixel_shuffle(net.graph, net_conv(&net, &r, at, 12, 3), 2, NULL);
        at = pq_graph_crop(net.graph, at, 9, NULL);
        at = pq_graph_pool(net.graph, at, PQ_OP_MAX_POOL, 1, 3, NULL);
        assert_int_equal(pq_graph_finish(net.graph, net_conv(&net, &r, at, 3, 3), NULL), 0);
        assert_int_equal(
            pq_plan_lines(net.graph, NULL, &(struct pq_geometry){1, 40, 40, band}, lines, NULL), 0);
        struct pq_progress progress = {done};
        while (done[net.graph->output] < lines[net.graph->output].height) {
            done[0] = PQ_MIN(done[0] + band, lines[0].height);
            for (int i = 1; i < net.graph->count; i++) {
                pq_plan_step(net.graph, lines, band, &progress, i, &y0, &y1);
                assert_true(y1 - y0 <= lines[i].rows);
                done[i] = y1;
            }
        }
        net_free(&net);
    }
}

/* Memory must grow with the width and the band alone. */
static void line_buffers_do_not_grow_with_the_height(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 1, 16, 8, 4, 3, 0);
    struct pq_line low[64], high[64];
    assert_int_equal(
        pq_plan_lines(net.graph, NULL, &(struct pq_geometry){1, 64, 200, 8}, low, NULL), 0);
    assert_int_equal(
        pq_plan_lines(net.graph, NULL, &(struct pq_geometry){1, 64, 20000, 8}, high, NULL), 0);
    for (int i = 0; i < net.graph->count; i++)
        assert_int_equal(low[i].rows, high[i].rows);
    /* A 3x3 layer's input: the band and the row above and below it. */
    assert_int_equal(high[1].rows, 8 + 2);
    net_free(&net);
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    struct net net;
    pique_error err;
    net_compact(&net, 1, 8, 1, 4, 3, 0);
    struct pq_line lines[64];
    assert_int_equal(
        pq_plan_lines(net.graph, NULL, &(struct pq_geometry){1, 1 << 30, 4, 1}, lines, &err),
        PIQUE_EINVAL);
    assert_non_null(strstr(err.message, "4294967296"));
    assert_int_equal(pq_plan_lines(net.graph, NULL, &(struct pq_geometry){1, 0, 4, 1}, lines, &err),
                     PIQUE_EINVAL);
    net_free(&net);
}

/* A map of millions of rows, which would be walked through, from a picture of one pixel. */
static void borders_without_end_are_refused(void **state)
{
    (void)state;
    enum { PADS = 60000 };
    struct pq_graph *g;
    pique_error err;
    struct pq_line *lines = calloc(PADS + 1, sizeof *lines);
    assert_non_null(lines);
    assert_int_equal(pq_graph_new(&g, NULL), 0);
    int y = pq_graph_input(g, 1, NULL);
    for (int i = 0; i < PADS; i++)
        y = pq_graph_pad(g, y, PQ_PAD_ZERO, PQ_MAX_PAD, 1, NULL);
    assert_int_equal(pq_graph_finish(g, y, NULL), 0);
    assert_int_equal(pq_plan_lines(g, NULL, &(struct pq_geometry){1, 1, 1, 1}, lines, &err),
                     PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "borders"));
    pq_graph_free(&g);
    free(lines);
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 1, 8, 1, 2, 3, 0);
    struct pq_line lines[64];
    pq_fault_arm(PQ_FAULT_ALLOC, 1, 0, false);
    assert_int_equal(pq_plan_lines(net.graph, NULL, &(struct pq_geometry){1, 8, 8, 4}, lines, NULL),
                     PIQUE_ENOMEM);
    net_free(&net);
    for (int n = 1; n <= 3; n++) {
        struct pq_graph *g = NULL;
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        int rc = pq_graph_new(&g, NULL);
        if (!rc)
            rc = pq_graph_input(g, 3, NULL);
        if (rc >= 0)
            rc = pq_graph_finish(g, 0, NULL);
        assert_int_equal(rc, PIQUE_ENOMEM);
        pq_graph_free(&g);
    }
    pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
}

/* A deep network, as it is run, and the number of what it computes again. */
static int deep(struct net *net, struct pq_graph **again, int blocks)
{
    int found = -1;
    net_rrdb(net, 21, 20, 12, blocks, true);
    assert_int_equal(pq_graph_sparing(net->graph, again, NULL), 0);
    assert_int_equal((*again)->count, net->graph->count + 1);
    for (int i = 0; i < (*again)->count; i++) {
        if (!(*again)->ops[i].again)
            continue;
        assert_int_equal(found, -1);
        found = i;
    }
    assert_true(found > 1);
    return found;
}

/* What the sum behind 30 convolutions adds. */
static void the_first_convolution_of_a_deep_network_is_computed_again(void **state)
{
    (void)state;
    struct net net;
    struct pq_graph *g;
    struct pq_graph_facts want, have;
    const int i = deep(&net, &g, 2);
    const struct pq_op *op = &g->ops[i], *sum = op + 1;
    assert_int_equal(op->in[0], 0);
    assert_ptr_equal(op->weight.data, g->ops[1].weight.data);
    assert_true(sum->residual);
    for (int k = 0; k < g->count; k++) {
        for (int n = 0; n < g->ops[k].inputs; n++)
            assert_true((g->ops[k].in[n] == i) == (k == i + 1 && n == sum->inputs - 1));
    }
    pq_graph_facts(net.graph, &want);
    pq_graph_facts(g, &have);
    assert_memory_equal(&want, &have, sizeof want);
    pq_graph_free(&g);
    net_free(&net);
}

/* Its rows are due when the sum has all else, and those of the first one are gone by then. */
static void what_is_computed_again_does_not_wait(void **state)
{
    (void)state;
    struct net net;
    struct pq_graph *g;
    struct pq_line lines[200];
    const int i = deep(&net, &g, 2);
    assert_true(g->count <= 200);
    for (int tiles = 0; tiles < 2; tiles++) {
        struct pq_grid grids[200] = {{0}};
        for (int k = 2; tiles && k < g->count; k++) {
            if (g->ops[k].kind == PQ_OP_CONV2D && k != i)
                grids[k].tile = 4;
        }
        assert_int_equal(pq_plan_grids(g, grids, NULL), 0);
        for (int band = 1; band <= 8; band *= 2) {
            const struct pq_geometry geometry = {1, 50, 500, band};
            assert_int_equal(pq_plan_lines(g, grids, &geometry, lines, NULL), 0);
            assert_in_range(lines[i].rows, 1, band + 8);
            assert_in_range(lines[1].rows, 1, 2 * band + 24); /* a block of 15 adds it, too */
            assert_in_range(lines[0].rows, 30, 2 * band + 48);
        }
    }
    pq_graph_free(&g);
    net_free(&net);
}

static void a_shallow_network_computes_nothing_again(void **state)
{
    (void)state;
    struct net net;
    struct pq_graph *g;
    net_compact(&net, 1, 24, 16, 2, 3, 0);
    assert_int_equal(pq_graph_sparing(net.graph, &g, NULL), 0);
    assert_int_equal(g->count, net.graph->count);
    assert_int_equal(g->output, net.graph->output);
    assert_memory_equal(g->ops, net.graph->ops, (size_t)g->count * sizeof *g->ops);
    pq_graph_free(&g);
    net_free(&net);
}

static void a_copy_that_finds_no_memory_says_so(void **state)
{
    (void)state;
    struct net net;
    struct pq_graph *g;
    net_rrdb(&net, 21, 20, 12, 2, true);
    for (int n = 1; n <= 7; n++) {
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        assert_int_equal(pq_graph_sparing(net.graph, &g, NULL), PIQUE_ENOMEM);
    }
    pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
    net_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_convolution_of_a_deep_network_is_computed_again),
        cmocka_unit_test(what_is_computed_again_does_not_wait),
        cmocka_unit_test(a_shallow_network_computes_nothing_again),
        cmocka_unit_test(a_copy_that_finds_no_memory_says_so),
        cmocka_unit_test(facts_of_compact_are_those_of_the_paper),
        cmocka_unit_test(a_bicubic_tail_changes_scale_and_radius),
        cmocka_unit_test(facts_of_an_absurd_network_take_no_time),
        cmocka_unit_test(activations_are_fused_only_where_nothing_else_reads_the_sum),
        cmocka_unit_test(the_output_itself_keeps_its_sum),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(a_reach_beyond_an_int_is_refused),
        cmocka_unit_test(weights_without_end_are_refused),
        cmocka_unit_test(rows_flow_as_they_are_read),
        cmocka_unit_test(rows_of_sizes_that_are_given_flow_as_they_are_read),
        cmocka_unit_test(rows_of_tiles_flow_as_they_are_read),
        cmocka_unit_test(tiles_add_no_lag_and_no_row),
        cmocka_unit_test(given_statistics_change_no_phase),
        cmocka_unit_test(padding_reaches_a_least_size),
        cmocka_unit_test(each_row_of_a_step_has_a_place_of_its_own),
        cmocka_unit_test(line_buffers_do_not_grow_with_the_height),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(borders_without_end_are_refused),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
