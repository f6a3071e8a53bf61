/* SPDX-License-Identifier: MIT */
/* Which rows are kept in halves, in the tier int16 and in no other. */
#include "../net.h"
#include "backend/cpu/program.h"
#include "base/alloc.h"

/* The program of a finished graph; its pool is the caller's, too. */
static const struct cpu_step *steps_of(const struct pq_graph *g, const char *id,
                                       enum pique_precision tier, struct pq_pool **pool,
                                       struct pq_program **program)
{
    assert_int_equal(pq_pool_create(1, pool, NULL), 0);
    const struct pq_device_options options = {.id = id, .precision = tier, .pool = *pool};
    assert_int_equal(pq_program_compile(g, &options, program, NULL), 0);
    return ((const struct cpu_program *)*program)->steps;
}

static void release(struct pq_pool **pool, struct pq_program **program)
{
    pq_program_release(program);
    pq_pool_destroy(pool);
}

/* Of an ESRGAN network all but the picture, what is enlarged from and to, and the result. */
static void rows_between_words_and_their_sums_are_halves(void **state)
{
    (void)state;
    struct net net;
    struct pq_pool *pool;
    struct pq_program *program;
    net_rrdb(&net, 3, 32, 16, 2, true);
    const struct pq_graph *g = net.graph;
    const struct cpu_step *steps = steps_of(g, "cpu", PIQUE_PRECISION_INT16, &pool, &program);
    int sums = 0;
    for (int i = 0; i < g->count; i++) {
        const bool enlarged = g->ops[i].kind == PQ_OP_NEAREST;
        const bool enlarges = i + 1 < g->count && g->ops[i + 1].kind == PQ_OP_NEAREST;
        assert_int_equal(steps[i].halves, i > 0 && !enlarged && !enlarges && i != g->output);
        if (steps[i].halves)
            assert_int_equal(steps[i].stride % PQ_CONV_LANES, 0);
        sums += g->ops[i].kind == PQ_OP_ADD && steps[i].halves;
    }
    assert_int_equal(sums, 2);
    release(&pool, &program);
    net_free(&net);
}

static void no_other_tier_has_halves(void **state)
{
    (void)state;
    static const char *const ids[] = {"cpu", "cpu:direct", "cpu:fp16", "cpu:bf16"};
    struct net net;
    net_rrdb(&net, 3, 32, 16, 1, true);
    for (size_t k = 0; k < PQ_COUNT(ids); k++) {
        struct pq_pool *pool;
        struct pq_program *program;
        const struct cpu_step *steps =
            steps_of(net.graph, ids[k], PIQUE_PRECISION_AUTO, &pool, &program);
        for (int i = 0; i < net.graph->count; i++)
            assert_false(steps[i].halves);
        release(&pool, &program);
    }
    net_free(&net);
}

/* A map by itself, read by one operation after another: whether it stays halves. */
static void halves_are_what_every_reader_takes(void **state)
{
    (void)state;
    enum {
        WORDS,
        SMALL,
        SUM,
        SUMS,
        GATE,
        CROP,
        TAKE, /* the rest does not */
        SHUFFLE = TAKE,
        LAST_SUM, /* the result, which is floats */
        LAST_CROP,
        LARGE,
        ONE_CHANNEL,
        ACT,
        RESIDUAL,
        READERS
    };
    for (int reader = 0; reader < READERS; reader++) {
        struct rng r = {5};
        struct net net = {0};
        struct pq_pool *pool;
        struct pq_program *program;
        assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
        struct pq_graph *g = net.graph;
        const int input = pq_graph_input(g, 16, NULL);
        const int map = net_conv(&net, &r, input, 64, 3);
        const int mean = pq_graph_mean(g, input, NULL), gate = net_conv(&net, &r, mean, 64, 1);
        int at = -1;
        switch (reader) {
        case WORDS:
            at = net_conv(&net, &r, map, 64, 3);
            break;
        case SMALL:
            at = net_conv(&net, &r, map, 64, 5);
            break;
        case LARGE: /* too much for a stretch */
            at = net_conv(&net, &r, map, 64, 17);
            break;
        case SUM:
        case LAST_SUM:
            at = pq_graph_add(g, map, net_conv(&net, &r, input, 64, 1), 1, NULL);
            break;
        case SUMS:
            at = pq_graph_add(g, net_conv(&net, &r, input, 64, 3), pq_graph_mean(g, map, NULL), 1,
                              NULL);
            break;
        case GATE:
            at = pq_graph_mul(g, map, gate, NULL);
            break;
        case CROP:
        case LAST_CROP:
            at = pq_graph_crop(g, map, 3, NULL);
            break;
        case SHUFFLE:
            at = pq_graph_pixel_shuffle(g, map, 2, NULL);
            break;
        case ONE_CHANNEL: /* nor a product with a map */
            at = pq_graph_mul(g, map, net_conv(&net, &r, input, 1, 1), NULL);
            break;
        case ACT:
            at = pq_graph_curve(g, map, PQ_ACT_SILU, NULL);
            break;
        default: /* a direct convolution adds it */
            at = pq_graph_add(g, map, net_conv(&net, &r, input, 64, 1), 0.5f, NULL);
            assert_int_equal(pq_graph_finish(g, at, NULL), 0);
            at = g->output;
        }
        assert_true(at > 0);
        if (reader == SUM || reader == CROP)
            at = net_conv(&net, &r, at, 16, 3);
        g->output = at;
        const struct cpu_step *steps = steps_of(g, "cpu", PIQUE_PRECISION_INT16, &pool, &program);
        if (steps[map].halves != (reader < TAKE))
            fail_msg("reader %d: %d", reader, steps[map].halves);
        release(&pool, &program);
        net_free(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_between_words_and_their_sums_are_halves),
        cmocka_unit_test(no_other_tier_has_halves),
        cmocka_unit_test(halves_are_what_every_reader_takes),
    };
    return cmocka_run_group_tests_name("halves", tests, NULL, NULL);
}
