/* SPDX-License-Identifier: MIT */
/* A block that is kept: who gets it, and that none is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/spare.h"

struct heap {
    int live, calls;
};

static void *take(void *user, size_t bytes, size_t align)
{
    struct heap *h = user;
    h->live++;
    h->calls++;
    return aligned_alloc(align, bytes);
}

static void put(void *user, void *memory)
{
    ((struct heap *)user)->live--;
    free(memory);
}

/* Written to, so that a sanitizer sees one that is too small. */
static struct pq_block block_of(struct pq_spare *spare, const pique_allocator *a, size_t bytes)
{
    struct pq_block b = pq_spare_take(spare, a, bytes);
    assert_non_null(b.data);
    assert_true(b.bytes >= bytes);
    memset(b.data, 1, b.bytes);
    return b;
}

static void the_next_one_of_its_size_gets_it(void **state)
{
    (void)state;
    struct pq_spare *spare;
    struct heap heap = {0};
    const pique_allocator a = {sizeof a, &heap, take, put};
    assert_int_equal(pq_spare_new(&spare, NULL), 0);
    struct pq_block b = block_of(spare, &a, 1 << 20);
    const void *first = b.data;
    pq_spare_put(spare, &a, b);
    assert_int_equal(heap.live, 1);
    b = block_of(spare, &a, (1 << 20) - (1 << 16));
    assert_ptr_equal(b.data, first);
    assert_int_equal(b.bytes, 1 << 20);
    struct pq_block second = block_of(spare, &a, 1 << 20); /* nothing is kept now */
    assert_int_equal(heap.calls, 2);
    pq_spare_put(spare, &a, b);
    pq_spare_put(spare, &a, second);
    assert_int_equal(heap.live, 1);
    pq_spare_free(&spare);
    assert_int_equal(heap.live, 0);
    assert_null(spare);
    pq_spare_free(&spare);
}

/* What is kept is gone before other memory is asked for. */
static void what_does_not_fit_goes_first(void **state)
{
    (void)state;
    struct pq_spare *spare;
    struct heap heap = {0};
    const pique_allocator a = {sizeof a, &heap, take, put};
    static const size_t others[] = {100, 1 << 19, (1 << 20) + 1, 1 << 22};
    assert_int_equal(pq_spare_new(&spare, NULL), 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        pq_spare_put(spare, &a, block_of(spare, &a, 1 << 20));
        assert_int_equal(heap.live, 1);
        struct pq_block b = block_of(spare, &a, others[i]);
        assert_int_equal(heap.live, 1);
        pq_spare_put(spare, &a, b);
        pq_spare_clear(spare);
        assert_int_equal(heap.live, 0);
    }
    pq_spare_free(&spare);
}

static void the_larger_of_two_is_kept(void **state)
{
    (void)state;
    struct pq_spare *spare;
    struct heap heap = {0};
    const pique_allocator a = {sizeof a, &heap, take, put};
    assert_int_equal(pq_spare_new(&spare, NULL), 0);
    for (int order = 0; order < 2; order++) {
        struct pq_block small = block_of(spare, &a, 1 << 12), large = block_of(spare, &a, 1 << 20);
        pq_spare_put(spare, &a, order ? small : large);
        pq_spare_put(spare, &a, order ? large : small);
        assert_int_equal(heap.live, 1);
        assert_int_equal(heap.calls, 2 + 2 * order);
        struct pq_block b = block_of(spare, &a, 1 << 20);
        assert_ptr_equal(b.data, large.data);
        pq_spare_put(spare, &a, b);
        pq_spare_clear(spare);
    }
    pq_spare_free(&spare);
}

static void each_allocator_gets_its_own_back(void **state)
{
    (void)state;
    struct pq_spare *spare;
    struct heap heaps[2] = {{0}};
    const pique_allocator a = {sizeof a, &heaps[0], take, put},
                          b = {sizeof b, &heaps[1], take, put};
    assert_int_equal(pq_spare_new(&spare, NULL), 0);
    pq_spare_put(spare, &a, block_of(spare, &a, 1 << 20));
    struct pq_block block = block_of(spare, &b, 1 << 20);
    assert_int_equal(heaps[0].live, 0);
    assert_int_equal(heaps[1].live, 1);
    pq_spare_put(spare, &b, block);
    pq_spare_put(spare, NULL, block_of(spare, NULL, 1 << 21));
    assert_int_equal(heaps[1].live, 0);
    pq_spare_put(spare, &a, block_of(spare, &a, 1 << 22));
    pq_spare_free(&spare);
    assert_int_equal(heaps[0].live, 0);
}

/* Its pages may be taken by the system, and are there again when they are written. */
static void our_own_memory_stays_usable(void **state)
{
    (void)state;
    struct pq_spare *spare;
    assert_int_equal(pq_spare_new(&spare, NULL), 0);
    for (int i = 0; i < 5; i++) {
        struct pq_block b = block_of(spare, NULL, (8 << 20) + 4096 * (size_t)(5 - i));
        pq_spare_put(spare, NULL, b);
    }
    pq_spare_free(&spare);
}

static void without_a_place_nothing_is_kept(void **state)
{
    (void)state;
    struct heap heap = {0};
    const pique_allocator a = {sizeof a, &heap, take, put};
    pq_spare_put(NULL, &a, block_of(NULL, &a, 1 << 20));
    assert_int_equal(heap.live, 0);
    pq_spare_clear(NULL);
}

static void out_of_memory_is_told(void **state)
{
    (void)state;
    struct pq_spare *spare;
    pq_fault_arm(PQ_FAULT_ALLOC, 1, 0, false);
    assert_int_equal(pq_spare_new(&spare, NULL), PIQUE_ENOMEM);
    assert_int_equal(pq_spare_new(&spare, NULL), 0);
    pq_fault_arm(PQ_FAULT_ALLOC, 1, 0, false);
    struct pq_block b = pq_spare_take(spare, NULL, 100);
    assert_null(b.data);
    pq_spare_put(spare, NULL, b);
    pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
    pq_spare_free(&spare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_one_of_its_size_gets_it),
        cmocka_unit_test(what_does_not_fit_goes_first),
        cmocka_unit_test(the_larger_of_two_is_kept),
        cmocka_unit_test(each_allocator_gets_its_own_back),
        cmocka_unit_test(our_own_memory_stays_usable),
        cmocka_unit_test(without_a_place_nothing_is_kept),
        cmocka_unit_test(out_of_memory_is_told),
    };
    return cmocka_run_group_tests_name("spare", tests, NULL, NULL);
}
