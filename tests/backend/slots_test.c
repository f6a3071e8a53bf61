/* SPDX-License-Identifier: MIT */
/* Pieces of a step and the slots of their rows, without data: that every row is where its readers
 * look for it, and that none is written over before they have read it. */
#include "../net.h"
#include "backend/cpu/slots.h"
#include "base/alloc.h"

enum { MOST_OPS = 128 };

/* What lies in a slot, and how many of the step's tasks read it. */
struct content {
    int op;
    int64_t row, read;
    size_t frame;
};

struct look {
    const struct pq_graph *g;
    struct pq_line lines[MOST_OPS];
    size_t row_floats[MOST_OPS];
    int64_t done[MOST_OPS], end[MOST_OPS];
    struct pq_geometry geometry;
    struct cpu_slots *slots;
    struct content *contents[MOST_OPS]; /* of each stock */
    int64_t tasks;                      /* of the step so far */
};

static struct content *content_of(struct look *l, int op, int64_t row, size_t frame)
{
    const size_t stock = cpu_slots_stock(l->slots, op), frames = (size_t)l->geometry.frames;
    size_t count;
    const struct cpu_stock *stocks = cpu_slots_stocks(l->slots, &count);
    const int32_t slot =
        cpu_slots_table(l->slots, op)[(size_t)(row % l->lines[op].rows) * frames + frame];
    assert_in_range(stock, 0, count - 1);
    assert_in_range(slot, 0, stocks[stock].slots - 1);
    return &l->contents[stock][slot];
}

/* What a piece reads is there still, and from now on read by tasks up to `end`. */
static void read_rows(struct look *l, int op, int64_t y0, int64_t y1, int64_t end)
{
    y0 = PQ_MAX(y0, 0);
    y1 = PQ_MIN(y1, l->lines[op].height);
    assert_true(y1 <= l->done[op]);
    for (int64_t y = y0; y < y1; y++) {
        for (size_t f = 0; f < (size_t)l->geometry.frames; f++) {
            struct content *c = content_of(l, op, y, f);
            if (c->op != op || c->row != y || c->frame != f)
                fail_msg("row %lld of operation %d is gone: row %lld of %d lies there",
                         (long long)y, op, (long long)c->row, c->op);
            c->read = PQ_MAX(c->read, end);
        }
    }
}

/* What a piece writes to has been read, as far as it waits for. */
static void write_rows(struct look *l, const struct cpu_piece *p, int64_t idle, int64_t end)
{
    assert_true(idle <= l->tasks);
    for (int64_t y = p->y0; y < p->y1; y++) {
        for (size_t f = 0; f < (size_t)l->geometry.frames; f++) {
            struct content *c = content_of(l, p->i, y, f);
            if (c->read > idle)
                fail_msg("row %lld of operation %d waits for %lld tasks and not for %lld",
                         (long long)y, p->i, (long long)idle, (long long)c->read);
            *c = (struct content){p->i, y, end, f};
        }
    }
}

static void look_at_piece(struct look *l, const struct cpu_piece *p, struct rng *r)
{
    const int count = l->g->count;
    const int64_t idle = cpu_slots_take(l->slots, p), end = l->tasks + 1 + rng_below(r, 3);
    if (p->i == count) {
        read_rows(l, l->g->output, p->y0, p->y1, end);
    } else {
        for (int k = 0; k < l->g->ops[p->i].inputs; k++) {
            const struct pq_flow flow = pq_plan_flow(l->g, l->lines, p->i, k);
            int64_t in0, in1;
            pq_rows_needed(&flow, p->y0, p->y1, &in0, &in1);
            read_rows(l, l->g->ops[p->i].in[k], in0, in1, end);
        }
        if (l->g->ops[p->i].kind == PQ_OP_ATTENTION) /* they are touched at once */
            assert_int_equal(idle, 0);
        write_rows(l, p, idle, end);
    }
    l->tasks = end;
    cpu_slots_release(l->slots, l->done, p, end);
}

/* What the last step read, it has read. */
static void begin_step(struct look *l)
{
    size_t count;
    const struct cpu_stock *stocks = cpu_slots_stocks(l->slots, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < stocks[i].slots; k++)
            l->contents[i][k].read = 0;
    }
    l->tasks = 0;
    cpu_slots_step(l->slots, l->done);
}

static void look_at_steps(struct look *l, int piece_rows, struct rng *r)
{
    struct cpu_pieces pieces = {.g = l->g,
                                .lines = l->lines,
                                .band = l->geometry.band,
                                .rows = piece_rows,
                                .done = l->done,
                                .end = l->end};
    int64_t want[MOST_OPS] = {0};
    const struct pq_progress progress = {want};
    while (pieces.out < l->lines[l->g->output].height) {
        struct cpu_piece piece;
        int made = 0;
        const int64_t missing = l->lines[0].height - l->done[0];
        begin_step(l);
        cpu_pieces_begin(&pieces, (int)PQ_MIN(missing, l->geometry.band));
        while (cpu_pieces_next(&pieces, &piece)) {
            assert_true(piece.y0 < piece.y1);
            look_at_piece(l, &piece, r);
            made++;
        }
        assert_in_range(made, 1, cpu_slots_pieces(l->slots));
        /* One pass over the band brings everything as far. */
        want[0] += PQ_MIN(missing, l->geometry.band);
        for (int i = 1; i < l->g->count; i++) {
            int64_t y0;
            pq_plan_step(l->g, l->lines, l->geometry.band, &progress, i, &y0, &want[i]);
        }
        assert_memory_equal(l->done, want, (size_t)l->g->count * sizeof *want);
        assert_int_equal(pieces.out, l->done[l->g->output]);
    }
}

static void look_at(const struct pq_graph *g, const struct pq_grid *grids, struct rng *r)
{
    struct look l = {.g = g,
                     .geometry = {1 + rng_below(r, 3), 1 + rng_below(r, 40), 1 + rng_below(r, 90),
                                  1 + rng_below(r, 40)}};
    const int piece_rows = 1 + rng_below(r, l.geometry.band + 2);
    size_t count, all = 0, stocked = 0;
    assert_true(g->count <= MOST_OPS);
    assert_int_equal(pq_plan_lines(g, grids, &l.geometry, l.lines, NULL), 0);
    for (int i = 0; i < g->count; i++) {
        l.row_floats[i] = 16 * (size_t)g->ops[i].channels * (size_t)l.lines[i].width;
        all += (size_t)l.lines[i].rows * (size_t)l.geometry.frames;
    }
    assert_int_equal(
        cpu_slots_new(g, l.lines, &l.geometry, piece_rows, l.row_floats, &l.slots, NULL), 0);
    const struct cpu_stock *stocks = cpu_slots_stocks(l.slots, &count);
    for (size_t i = 0; i < count; i++) {
        l.contents[i] = calloc(stocks[i].slots, sizeof **l.contents);
        assert_non_null(l.contents[i]);
        for (size_t k = 0; k < stocks[i].slots; k++)
            l.contents[i][k].op = -1;
        stocked += stocks[i].slots;
    }
    assert_true(stocked <= all); /* never more than a ring for each */
    look_at_steps(&l, piece_rows, r);
    for (size_t i = 0; i < count; i++)
        free(l.contents[i]);
    cpu_slots_free(&l.slots);
}

/* One more operation, or two, that keep three channels and the size; the last one. */
static int more(struct net *net, struct rng *r, int at)
{
    static const struct pq_attention windows = {.heads = 1,
                                                .height = 4,
                                                .width = 4,
                                                .key_height = 4,
                                                .key_width = 4,
                                                .shift_y = 2,
                                                .shift_x = 2,
                                                .scale = 1};
    struct pq_graph *g = net->graph;
    switch (rng_below(r, 8)) {
    case 0:
        at = pq_graph_pixel_unshuffle(g, pq_graph_nearest(g, at, 2, NULL), 2, NULL);
        return net_conv(net, r, at, 3, 3);
    case 1:
        at = pq_graph_pixel_shuffle(g, net_conv(net, r, at, 12, 3), 2, NULL);
        return pq_graph_pool(g, at, PQ_OP_MAX_POOL, 2, 2, NULL);
    case 2:
        return pq_graph_add(g, at, net_conv(net, r, net_conv(net, r, at, 3, 3), 3, 5), 1, NULL);
    case 3:
        return net_conv(net, r, pq_graph_concat(g, 2, (int[]){at, 0}, NULL), 3, 3);
    case 4:
        return pq_graph_crop(g, pq_graph_pad(g, at, PQ_PAD_EDGE, 3, 1, NULL), 3, NULL);
    case 5:
        return pq_graph_mul(g, at, pq_graph_mean(g, at, NULL), NULL);
    case 6:
        return pq_graph_attention(g, at, at, at, &windows, NULL, NULL);
    default:
        return net_conv(net, r, at, 3, 3);
    }
}

/* Sizes that grow and shrink, maps that are joined, windows, statistics of which each makes a whole
 * map of something. */
static void net_of_all_kinds(struct net *net, struct rng *r)
{
    *net = (struct net){0};
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    int at = pq_graph_input(net->graph, 3, NULL);
    for (int i = 0; i < 12; i++) {
        at = more(net, r, at);
        assert_true(at > 0);
    }
    assert_int_equal(pq_graph_finish(net->graph, net_conv(net, r, at, 3, 3), NULL), 0);
}

static void rows_are_where_their_readers_look(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct net net;
        struct rng r = {seed};
        struct pq_grid grids[MOST_OPS] = {{0}};
        if (seed % 3 == 0)
            net_compact(&net, seed, 8, 1 + rng_below(&r, 9), 2 + rng_below(&r, 3), 3, 0);
        else if (seed % 3 == 1)
            net_rrdb(&net, seed, 8, 8, 1 + rng_below(&r, 2), rng_below(&r, 2));
        else
            net_of_all_kinds(&net, &r);
        for (int i = 0; i < net.graph->count && seed % 2; i++) {
            if (net.graph->ops[i].kind == PQ_OP_CONV2D && net.graph->ops[i].ver.kernel == 3)
                grids[i].tile = 4;
        }
        assert_int_equal(pq_plan_grids(net.graph, grids, NULL), 0);
        look_at(net.graph, grids, &r);
        net_free(&net);
    }
}

/* 16 layers carry two rows each from piece to piece; 12 more are on their way. */
static void a_deep_network_keeps_few_rows(void **state)
{
    (void)state;
    struct net net;
    size_t count, rows = 0, row_floats[MOST_OPS];
    struct pq_line lines[MOST_OPS];
    struct pq_grid grids[MOST_OPS] = {{0}};
    struct cpu_slots *slots;
    const struct pq_geometry geometry = {1, 64, 400, 32};
    net_compact(&net, 1, 64, 16, 4, 3, 0);
    for (int i = 0; i < net.graph->count; i++) {
        if (net.graph->ops[i].kind == PQ_OP_CONV2D)
            grids[i].tile = 4;
    }
    assert_int_equal(pq_plan_grids(net.graph, grids, NULL), 0);
    assert_int_equal(pq_plan_lines(net.graph, grids, &geometry, lines, NULL), 0);
    for (int i = 0; i < net.graph->count; i++)
        row_floats[i] = 16 * (size_t)net.graph->ops[i].channels;
    assert_int_equal(cpu_slots_new(net.graph, lines, &geometry, 4, row_floats, &slots, NULL), 0);
    const struct cpu_stock *stocks = cpu_slots_stocks(slots, &count);
    for (size_t i = 0; i < count; i++)
        rows += stocks[i].row_floats == 16 * 64 ? stocks[i].slots : 0;
    assert_in_range(rows, 1, 17 * 2 + 12);
    cpu_slots_free(&slots);
    net_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_where_their_readers_look),
        cmocka_unit_test(a_deep_network_keeps_few_rows),
    };
    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
