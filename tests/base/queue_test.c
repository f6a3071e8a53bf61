/* SPDX-License-Identifier: MIT */
/* The queue between two stages, and small files. */
#include <errno.h>
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
#include "base/folder.h"
#include "base/queue.h"

static int dropped;

static void drop(void *item, void *context)
{
    (void)context;
    dropped++;
    free(item);
}

static int *number(int n)
{
    int *p = malloc(sizeof *p);
    *p = n;
    return p;
}

static struct pq_queue *make(uint64_t limit)
{
    struct pq_queue *q;
    pique_error err;
    dropped = 0;
    assert_int_equal(pq_queue_new(limit, drop, NULL, &q, &err), 0);
    return q;
}

static void items_come_out_in_order_and_then_the_end(void **state)
{
    (void)state;
    struct pq_queue *q = make(100);
    void *item;
    for (int i = 0; i < 5; i++)
        assert_int_equal(pq_queue_push(q, number(i), 20), PQ_QUEUE_ITEM);
    pq_queue_end(q);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pq_queue_pop(q, &item), PQ_QUEUE_ITEM);
        assert_int_equal(*(int *)item, i);
        free(item);
    }
    assert_int_equal(pq_queue_pop(q, &item), PQ_QUEUE_END);
    assert_int_equal(pq_queue_pop(q, &item), PQ_QUEUE_END);
    pq_queue_free(&q);
    assert_int_equal(dropped, 0);
}

static void who_does_not_wait_is_told_that_nothing_is_there(void **state)
{
    (void)state;
    struct pq_queue *q = make(100);
    void *item;
    assert_int_equal(pq_queue_try_pop(q, &item), PQ_QUEUE_EMPTY);
    pq_queue_push(q, number(1), 1);
    pq_queue_end(q);
    assert_int_equal(pq_queue_try_pop(q, &item), PQ_QUEUE_ITEM);
    assert_int_equal(*(int *)item, 1);
    free(item);
    assert_int_equal(pq_queue_try_pop(q, &item), PQ_QUEUE_END);
    pq_queue_cancel(q);
    assert_int_equal(pq_queue_try_pop(q, &item), PQ_QUEUE_CANCELLED);
    pq_queue_free(&q);
}

static void what_is_left_is_dropped(void **state)
{
    (void)state;
    struct pq_queue *q = make(100);
    pq_queue_push(q, number(1), 1);
    pq_queue_push(q, number(2), 1);
    pq_queue_cancel(q);
    void *item;
    assert_int_equal(pq_queue_pop(q, &item), PQ_QUEUE_CANCELLED);
    assert_int_equal(pq_queue_push(q, number(3), 1), PQ_QUEUE_CANCELLED);
    assert_int_equal(dropped, 1);
    pq_queue_free(&q);
    assert_int_equal(dropped, 3);
}

static void *push_hundred(void *context)
{
    struct pq_queue *q = context;
    for (int i = 0; i < 100; i++) {
        if (pq_queue_push(q, number(i), i % 7 == 0 ? 1000 : 30) != PQ_QUEUE_ITEM)
            return NULL;
    }
    pq_queue_end(q);
    return NULL;
}

static void a_full_queue_waits_and_an_item_over_the_bound_passes_alone(void **state)
{
    (void)state;
    struct pq_queue *q = make(64);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, push_hundred, q), 0);
    void *item;
    int i = 0;
    while (pq_queue_pop(q, &item) == PQ_QUEUE_ITEM) {
        assert_int_equal(*(int *)item, i++);
        free(item);
    }
    pthread_join(thread, NULL);
    assert_int_equal(i, 100);
    pq_queue_free(&q);
}

static void cancelling_wakes_who_waits(void **state)
{
    (void)state;
    struct pq_queue *q = make(64);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, push_hundred, q), 0);
    usleep(20000); /* most likely it waits by now; it must end in any case */
    pq_queue_cancel(q);
    pthread_join(thread, NULL);
    pq_queue_free(&q);
    assert_true(dropped >= 1);
}

static void memory_that_is_not_there_cancels(void **state)
{
    (void)state;
    struct pq_queue *q = make(64);
    pq_fault_arm(PQ_FAULT_ALLOC, 1, ENOMEM, false);
    assert_int_equal(pq_queue_push(q, number(1), 1), PQ_QUEUE_CANCELLED);
    pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
    void *item;
    assert_int_equal(pq_queue_pop(q, &item), PQ_QUEUE_CANCELLED);
    pq_queue_free(&q);
    assert_int_equal(dropped, 1);
}

static void small_files_come_back_and_large_ones_are_refused(void **state)
{
    (void)state;
    char folder[] = "/tmp/pique-folder-XXXXXX", path[64], *text;
    pique_error err;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a", folder);
    assert_int_equal(pq_read_text(path, 100, &text, &err), PIQUE_ENOENT);
    assert_int_equal(pq_write_text(path, "hello", &err), 0);
    assert_int_equal(pq_write_text(path, "again", &err), 0);
    assert_int_equal(pq_read_text(path, 5, &text, &err), 0);
    assert_string_equal(text, "again");
    pq_free(text);
    assert_int_equal(pq_read_text(path, 4, &text, &err), PIQUE_EFORMAT);
    uint64_t bytes;
    assert_int_equal(pq_disk_free(folder, &bytes, &err), 0);
    assert_true(bytes > 0);
    assert_int_not_equal(pq_remove_folder(folder, &err), 0); /* not empty */
    assert_int_equal(pq_remove_file(path, &err), 0);
    assert_int_equal(pq_remove_file(path, &err), 0);
    assert_int_equal(pq_remove_folder(folder, &err), 0);
    assert_int_equal(pq_remove_folder(folder, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_order_and_then_the_end),
        cmocka_unit_test(who_does_not_wait_is_told_that_nothing_is_there),
        cmocka_unit_test(what_is_left_is_dropped),
        cmocka_unit_test(a_full_queue_waits_and_an_item_over_the_bound_passes_alone),
        cmocka_unit_test(cancelling_wakes_who_waits),
        cmocka_unit_test(memory_that_is_not_there_cancels),
        cmocka_unit_test(small_files_come_back_and_large_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
