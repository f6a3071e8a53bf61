/* SPDX-License-Identifier: MIT */
/* The device that fails on purpose does so, and only then; and memory that runs out is a status. */
#include "../net.h"
#include "base/alloc.h"
#include "base/fault.h"

#include <math.h>

static float *run_on(struct net *net, const char *device, int *rc, size_t *count)
{
    struct pq_geometry g = {1, 20, 16, 4};
    struct rng r = {2};
    float *in = net_picture(&r, &g, 3);
    int width = 0, height = 0;
    float *out = net_run(net->graph, device, 1, &g, in, &width, &height, rc);
    free(in);
    *count = (size_t)width * (size_t)height * 3;
    return out;
}

static void faults_happen_at_their_step_alone(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 1, 8, 1, 2, 3, 0);
    int rc;
    size_t n;
    float *good = run_on(&net, "cpu", &rc, &n);
    assert_int_equal(rc, 0);
    float *bad = run_on(&net, "fault:nan@2", &rc, &n);
    assert_int_equal(rc, 0);
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++)
        wrong += memcmp(&good[i], &bad[i], sizeof *bad) != 0;
    assert_int_equal(wrong, 1);
    free(bad);
    bad = run_on(&net, "fault:flat@1+", &rc, &n);
    assert_int_equal(rc, 0);
    for (size_t i = 0; i < n; i++)
        assert_true(bad[i] == 0);
    free(bad);
    bad = run_on(&net, "fault:nan@99", &rc, &n);
    assert_memory_equal(good, bad, n * sizeof *bad);
    free(bad);
    free(run_on(&net, "fault:error@3", &rc, &n));
    assert_int_equal(rc, PIQUE_EDEVICE);
    free(run_on(&net, "fault:sloth@3", &rc, &n));
    assert_int_equal(rc, PIQUE_EINVAL);
    free(good);
    net_free(&net);
}

static void every_failed_allocation_is_a_status(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 1, 8, 1, 2, 3, 0);
    static const char *const devices[] = {"cpu", "fault:nan@99"};
    for (size_t d = 0; d < PQ_COUNT(devices); d++) {
        for (int n = 1;; n++) {
            struct pq_pool *pool = NULL;
            struct pq_program *program = NULL;
            struct pq_run *run = NULL;
            pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
            int rc = pq_pool_create(2, &pool, NULL);
            struct pq_device_options options = {.id = devices[d], .pool = pool};
            if (!rc)
                rc = pq_program_compile(net.graph, &options, &program, NULL);
            if (!rc)
                rc = pq_run_begin(program, &(struct pq_geometry){2, 9, 9, 4}, false, &run, NULL);
            bool failed = pq_fault_count(PQ_FAULT_ALLOC) >= n;
            pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
            assert_int_equal(rc, failed ? PIQUE_ENOMEM : 0);
            pq_run_end(&run);
            pq_program_release(&program);
            pq_pool_destroy(&pool);
            if (!failed)
                break;
        }
    }
    net_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_happen_at_their_step_alone),
        cmocka_unit_test(every_failed_allocation_is_a_status),
    };
    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
