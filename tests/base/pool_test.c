/* SPDX-License-Identifier: MIT */
#include <fenv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/pool.h"

enum { TASKS = 1000 };

struct loop {
    atomic_int hits[TASKS];
    atomic_int wrong_worker, wrong_rounding;
    int threads;
};

static void hit(void *context, int index, int worker)
{
    struct loop *l = context;
    atomic_fetch_add(&l->hits[index], 1);
    if (worker < 0 || worker >= l->threads)
        atomic_store(&l->wrong_worker, 1);
    if (fegetround() != FE_TONEAREST)
        atomic_store(&l->wrong_rounding, 1);
}

static void each_task_runs_exactly_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        struct pq_pool *pool;
        assert_int_equal(pq_pool_create(threads, &pool, NULL), 0);
        assert_int_equal(pq_pool_threads(pool), threads);
        for (int round = 0; round < 50; round++) {
            static struct loop loop;
            int count = round % 7 == 0 ? round % 3 : TASKS - round;
            for (int i = 0; i < TASKS; i++)
                atomic_store(&loop.hits[i], 0);
            loop.threads = threads;
            pq_pool_run(pool, count, hit, &loop);
            for (int i = 0; i < TASKS; i++)
                assert_int_equal(atomic_load(&loop.hits[i]), i < count);
            assert_false(atomic_load(&loop.wrong_worker));
        }
        pq_pool_destroy(&pool);
        assert_null(pool);
    }
}

/* A program around us may have set another rounding mode; results must not depend on it. */
static void tasks_round_to_nearest_and_the_callers_mode_comes_back(void **state)
{
    (void)state;
    static struct loop loop;
    struct pq_pool *pool;
    fesetround(FE_UPWARD);
    assert_int_equal(pq_pool_create(3, &pool, NULL), 0);
    loop.threads = 3;
    pq_pool_run(pool, TASKS, hit, &loop);
    assert_int_equal(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
    assert_false(atomic_load(&loop.wrong_rounding));
    pq_pool_destroy(&pool);
}

static void absurd_counts_and_failed_allocations_are_refused(void **state)
{
    (void)state;
    struct pq_pool *pool;
    assert_int_equal(pq_pool_create(0, &pool, NULL), PIQUE_EINVAL);
    assert_int_equal(pq_pool_create(100000, &pool, NULL), PIQUE_EINVAL);
    for (int n = 1; n <= 2; n++) {
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        assert_int_equal(pq_pool_create(2, &pool, NULL), PIQUE_ENOMEM);
    }
    pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
    assert_true(pq_cores() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_runs_exactly_once),
        cmocka_unit_test(tasks_round_to_nearest_and_the_callers_mode_comes_back),
        cmocka_unit_test(absurd_counts_and_failed_allocations_are_refused),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
