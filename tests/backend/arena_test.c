/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/arena.h"
#include "base/rng.h"

static void what_lives_at_one_time_does_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 200, ROUNDS = 50 };
    struct rng r = {7};
    for (int round = 0; round < ROUNDS; round++) {
        struct pq_place p[COUNT];
        size_t floats, all = 0;
        for (int i = 0; i < COUNT; i++) {
            const int born = rng_below(&r, 60);
            p[i] = (struct pq_place){.floats = 16 * (size_t)(1 + rng_below(&r, 9)),
                                     .born = born,
                                     .dies = born + rng_below(&r, 1 + round)};
            all += p[i].floats;
        }
        assert_int_equal(pq_arena_place(p, COUNT, &floats, NULL), 0);
        assert_true(floats <= all);
        for (int i = 0; i < COUNT; i++) {
            assert_true(p[i].offset % 16 == 0 && p[i].offset + p[i].floats <= floats);
            for (int k = 0; k < i; k++) {
                const bool together = p[i].born <= p[k].dies && p[k].born <= p[i].dies;
                assert_false(together && p[i].offset < p[k].offset + p[k].floats &&
                             p[k].offset < p[i].offset + p[i].floats);
            }
        }
    }
}

/* As many as a network may have operations; to look at all for each takes half a minute. */
static void many_that_all_live_at_once_are_placed_in_time(void **state)
{
    (void)state;
    enum { COUNT = 65536 };
    struct pq_place *p = calloc(COUNT, sizeof *p);
    size_t floats;
    assert_non_null(p);
    for (int i = 0; i < COUNT; i++)
        p[i] = (struct pq_place){.floats = 16, .born = i / 2, .dies = COUNT};
    assert_int_equal(pq_arena_place(p, COUNT, &floats, NULL), 0);
    assert_true(floats == 16 * (size_t)COUNT);
    free(p);
}

static void a_size_that_overflows_is_refused(void **state)
{
    (void)state;
    struct pq_place p[] = {{.floats = SIZE_MAX - 15}, {.floats = 16}};
    size_t floats;
    assert_int_equal(pq_arena_place(p, 2, &floats, NULL), PIQUE_ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lives_at_one_time_does_not_overlap),
        cmocka_unit_test(many_that_all_live_at_once_are_placed_in_time),
        cmocka_unit_test(a_size_that_overflows_is_refused),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
