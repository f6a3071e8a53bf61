/* SPDX-License-Identifier: MIT */
#include <fenv.h>
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/pool.h"

enum { TASKS = 1000 };

struct loop {
    atomic_int hits[TASKS];
    atomic_int wrong_worker, wrong_rounding, lost_denormals;
    int threads;
};

/* Is half of the smallest normal number more than nothing? */
static bool keeps_denormals(void)
{
    volatile float smallest = FLT_MIN;
    return smallest * 0.5f > 0.0f;
}

/* What a program sets that is in a hurry: numbers that are not normal become zero. */
static void lose_denormals(void)
{
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr | 1u << 24));
#endif
}

static void hit(void *context, int index, int worker)
{
    struct loop *l = context;
    atomic_fetch_add(&l->hits[index], 1);
    if (worker < 0 || worker >= l->threads)
        atomic_store(&l->wrong_worker, 1);
    if (fegetround() != FE_TONEAREST)
        atomic_store(&l->wrong_rounding, 1);
    if (!keeps_denormals())
        atomic_store(&l->lost_denormals, 1);
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

static void tasks_keep_denormals_and_the_callers_mode_comes_back(void **state)
{
    (void)state;
    static struct loop loop;
    struct pq_pool *pool;
    fenv_t ours;
    fegetenv(&ours);
    lose_denormals();
    const bool kept = keeps_denormals();
    assert_int_equal(pq_pool_create(3, &pool, NULL), 0); /* its threads take over our mode */
    loop.threads = 3;
    pq_pool_run(pool, TASKS, hit, &loop);
    const bool kept_after = keeps_denormals();
    fesetenv(&ours);
    assert_false(atomic_load(&loop.lost_denormals));
    assert_int_equal(kept, kept_after);
#if defined(__x86_64__) || defined(__aarch64__)
    assert_false(kept);
#endif
    pq_pool_destroy(&pool);
}

/* Sums of plain values that earlier tasks write. */
struct chain {
    struct pq_pool *pool;
    int reach; /* a task reads what was written so many tasks before it */
    int values[TASKS];
};

static void add_up(void *context, int index, int worker)
{
    (void)worker;
    struct chain *c = context;
    if (index % 100 == 50) /* the others wait long enough to go to sleep */
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    if (index < c->reach) {
        c->values[index] = 1;
        return;
    }
    pq_pool_wait(c->pool, index - c->reach + 1);
    c->values[index] = c->values[index - c->reach] + 1;
}

static void a_task_waits_for_those_before_it(void **state)
{
    (void)state;
    static struct chain chain;
    for (int threads = 1; threads <= 4; threads++) {
        assert_int_equal(pq_pool_create(threads, &chain.pool, NULL), 0);
        for (chain.reach = 1; chain.reach <= 5; chain.reach++) {
            memset(chain.values, 0, sizeof chain.values);
            pq_pool_run(chain.pool, TASKS, add_up, &chain);
            for (int i = 0; i < TASKS; i++)
                assert_int_equal(chain.values[i], i / chain.reach + 1);
        }
        pq_pool_destroy(&chain.pool);
    }
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
        cmocka_unit_test(tasks_keep_denormals_and_the_callers_mode_comes_back),
        cmocka_unit_test(a_task_waits_for_those_before_it),
        cmocka_unit_test(absurd_counts_and_failed_allocations_are_refused),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
