/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "server/events.h"

static struct pq_events *new_events(size_t bytes)
{
    struct pq_events *e;
    pique_error err;
    assert_int_equal(pq_events_new(bytes, &e, &err), 0);
    return e;
}

/* All that can be read from a place. */
static size_t read_all(struct pq_events *e, uint64_t *place, char *out, size_t size, bool *reset)
{
    size_t n = 0, got;
    while ((got = pq_events_read(e, place, out + n, PQ_MIN(size - n - 1, 7), reset)) > 0)
        n += got;
    out[n] = '\0';
    return n;
}

static void an_event_is_what_a_browser_reads(void **state)
{
    (void)state;
    struct pq_events *e = new_events(1024);
    char text[256], expected[256];
    bool reset;
    uint64_t place = pq_events_place(e, UINT64_MAX, &reset);
    assert_false(reset);
    pq_events_add(e, "item", "{\"id\":\n\"k3\"}");
    snprintf(expected, sizeof expected, "id: %" PRIu64 "\nevent: item\ndata: {\"id\": \"k3\"}\n\n",
             pq_events_last(e));
    read_all(e, &place, text, sizeof text, &reset);
    assert_false(reset);
    assert_string_equal(text, expected);
    assert_int_equal(pq_events_read(e, &place, text, sizeof text, &reset), 0);
    assert_false(reset);
    pq_events_free(&e);
    assert_null(e);
}

static void who_comes_back_gets_what_came_after_its_id(void **state)
{
    (void)state;
    struct pq_events *e = new_events(4096);
    char text[1024];
    bool reset;
    pq_events_add(e, "a", "1");
    uint64_t id = pq_events_last(e);
    pq_events_add(e, "b", "2");
    pq_events_add(e, "c", "3");
    assert_int_equal(pq_events_last(e), id + 2);
    uint64_t place = pq_events_place(e, id, &reset);
    assert_false(reset);
    read_all(e, &place, text, sizeof text, &reset);
    assert_null(strstr(text, "event: a\n"));
    assert_non_null(strstr(text, "event: b\n"));
    assert_non_null(strstr(text, "event: c\n"));
    place = pq_events_place(e, id + 2, &reset);
    assert_false(reset);
    assert_int_equal(read_all(e, &place, text, sizeof text, &reset), 0);
    pq_events_free(&e);
}

static void an_id_that_was_never_given_or_is_forgotten_is_a_reset(void **state)
{
    (void)state;
    struct pq_events *e = new_events(512);
    char text[1024];
    bool reset;
    uint64_t begin = pq_events_last(e);
    pq_events_place(e, begin, &reset);
    assert_false(reset); /* nothing has come, so nothing was missed */
    pq_events_place(e, begin + 1, &reset);
    assert_true(reset);
    pq_events_place(e, 7, &reset); /* of a server that runs no more */
    assert_true(reset);
    for (int i = 0; i < 100; i++)
        pq_events_add(e, "n", "0123456789");
    uint64_t place = pq_events_place(e, begin + 1, &reset);
    assert_true(reset);
    assert_int_equal(read_all(e, &place, text, sizeof text, &reset), 0);
    assert_false(reset); /* it goes on from now */
    pq_events_free(&e);
}

static void a_later_ring_gives_larger_ids(void **state)
{
    (void)state;
    struct pq_events *e = new_events(512);
    for (int i = 0; i < 5; i++)
        pq_events_add(e, "n", "0");
    uint64_t last = pq_events_last(e);
    pq_events_free(&e);
    usleep(1000);
    e = new_events(512);
    assert_true(pq_events_last(e) > last);
    assert_true(pq_events_last(e) < UINT64_C(1) << 53);
    pq_events_free(&e);
}

static void a_slow_reader_falls_out_and_is_told(void **state)
{
    (void)state;
    struct pq_events *e = new_events(256);
    char text[1024];
    bool reset;
    uint64_t place = pq_events_place(e, UINT64_MAX, &reset);
    for (int i = 0; i < 50; i++)
        pq_events_add(e, "n", "0123456789");
    assert_int_equal(pq_events_read(e, &place, text, sizeof text, &reset), 0);
    assert_true(reset);
    pq_events_add(e, "last", "1");
    read_all(e, &place, text, sizeof text, &reset);
    assert_false(reset);
    assert_non_null(strstr(text, "event: last\n"));
    pq_events_free(&e);
}

/* Whatever the sizes, a reader sees whole events in order, or a reset. */
static void every_reader_sees_whole_events_in_order(void **state)
{
    (void)state;
    struct pq_events *e = new_events(700);
    char data[64], text[4096];
    bool reset;
    uint64_t place = pq_events_place(e, UINT64_MAX, &reset), next = pq_events_last(e) + 1;
    for (int round = 0; round < 400; round++) {
        for (int i = 0; i <= round % 7; i++) {
            memset(data, 'x', sizeof data);
            data[(round * 5 + i * 3) % 60] = '\0';
            pq_events_add(e, "n", data);
        }
        read_all(e, &place, text, sizeof text, &reset);
        if (reset) {
            next = pq_events_last(e) + 1;
            continue;
        }
        for (const char *at = text; *at; next++) {
            assert_int_equal(strtoull(at + 4, NULL, 10), next);
            at = strstr(at, "\n\n");
            assert_non_null(at);
            at += 2;
        }
        assert_int_equal(next, pq_events_last(e) + 1);
    }
    pq_events_free(&e);
}

static void an_event_that_cannot_be_kept_is_a_reset_for_everybody(void **state)
{
    (void)state;
    struct pq_events *e = new_events(256);
    char large[400], text[256];
    bool reset;
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    for (int how = 0; how < 2; how++) {
        pq_events_add(e, "n", "1");
        uint64_t place = pq_events_place(e, UINT64_MAX, &reset), id = pq_events_last(e);
        if (how == 1)
            pq_fault_arm(PQ_FAULT_ALLOC, 1, 0, true);
        pq_events_add(e, "n", how == 1 ? "2" : large);
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_int_equal(pq_events_read(e, &place, text, sizeof text, &reset), 0);
        assert_true(reset);
        pq_events_place(e, id, &reset);
        assert_true(reset);
        pq_events_add(e, "n", "3"); /* and all goes on */
        assert_true(read_all(e, &place, text, sizeof text, &reset) > 0);
        assert_false(reset);
    }
    pq_events_free(&e);
}

static void a_ring_that_is_too_small_or_cannot_be_had_is_refused(void **state)
{
    (void)state;
    struct pq_events *e;
    pique_error err;
    assert_int_equal(pq_events_new(10, &e, &err), PIQUE_EINVAL);
    assert_null(e);
    for (long n = 1; n <= 3; n++) {
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        assert_int_equal(pq_events_new(1024, &e, &err), PIQUE_ENOMEM);
        assert_null(e);
    }
    pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
}

/* ---- threads ---- */

struct shared {
    struct pq_events *events;
    int woken;
};

static void count_wake(void *user)
{
    struct shared *s = user;
    s->woken++;
}

static void *add_many(void *user)
{
    struct shared *s = user;
    for (int i = 0; i < 2000; i++)
        pq_events_add(s->events, "n", "0123456789");
    return NULL;
}

static void many_add_while_others_read(void **state)
{
    (void)state;
    struct shared s = {.events = new_events(4096)};
    pthread_t threads[3];
    char text[8192];
    bool reset;
    uint64_t begin = pq_events_last(s.events);
    uint64_t place = pq_events_place(s.events, UINT64_MAX, &reset);
    pq_events_on_add(s.events, count_wake, &s);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &s), 0);
    while (pq_events_last(s.events) < begin + 6000)
        read_all(s.events, &place, text, sizeof text, &reset);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(s.woken, 6000);
    pq_events_on_add(s.events, NULL, NULL);
    pq_events_add(s.events, "n", "1");
    assert_int_equal(s.woken, 6000);
    pq_events_free(&s.events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_what_a_browser_reads),
        cmocka_unit_test(who_comes_back_gets_what_came_after_its_id),
        cmocka_unit_test(an_id_that_was_never_given_or_is_forgotten_is_a_reset),
        cmocka_unit_test(a_later_ring_gives_larger_ids),
        cmocka_unit_test(a_slow_reader_falls_out_and_is_told),
        cmocka_unit_test(every_reader_sees_whole_events_in_order),
        cmocka_unit_test(an_event_that_cannot_be_kept_is_a_reset_for_everybody),
        cmocka_unit_test(a_ring_that_is_too_small_or_cannot_be_had_is_refused),
        cmocka_unit_test(many_add_while_others_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
