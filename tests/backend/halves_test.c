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

/* Sums of neighbours in a row, of which the first value is read by something else, so that each sum
 * takes the next one along; built from the last on, one at a time. However many they are, none is
 * halves, and what nothing but words reads still is. */
static void sums_that_depend_on_one_another_settle(void **state)
{
    (void)state;
    enum { LONGEST = 400 };
    static const int lengths[] = {2, 50, LONGEST};
    for (size_t k = 0; k < PQ_COUNT(lengths); k++) {
        const int n = lengths[k];
        struct rng r = {5};
        struct net net = {0};
        struct pq_pool *pool;
        struct pq_program *program;
        int values[LONGEST + 1], sums[LONGEST];
        assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
        struct pq_graph *g = net.graph;
        const int input = pq_graph_input(g, 16, NULL);
        const struct pq_tensor w = net_tensor(&net, &r, 4, (const int64_t[]){16, 16, 3, 3}, 0.1f);
        for (int i = 0; i <= n; i++)
            values[i] = pq_graph_conv2d(g, input, &w, NULL, NULL);
        assert_true(pq_graph_act(g, values[0], 0.1f, NULL, NULL) > 0);
        for (int i = n - 1; i >= 0; i--)
            sums[i] = pq_graph_add(g, values[i], values[i + 1], 1, NULL);
        const int between = pq_graph_conv2d(g, sums[n - 1], &w, NULL, NULL);
        g->output = pq_graph_conv2d(g, between, &w, NULL, NULL);
        const struct cpu_step *steps = steps_of(g, "cpu", PIQUE_PRECISION_INT16, &pool, &program);
        for (int i = 0; i < n; i++)
            assert_false(steps[values[i]].halves || steps[sums[i]].halves);
        assert_false(steps[values[n]].halves);
        assert_true(steps[between].halves);
        release(&pool, &program);
        net_free(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_between_words_and_their_sums_are_halves),
        cmocka_unit_test(no_other_tier_has_halves),
        cmocka_unit_test(sums_that_depend_on_one_another_settle),
    };
    return cmocka_run_group_tests_name("halves", tests, NULL, NULL);
}
