/* SPDX-License-Identifier: MIT */
/* The stand-in driver itself: right orders are silent, and each kind of missing order is told. */
#include "rig.h"

/* ---- right orders ---- */

static void right_orders_are_silent_and_compute(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    for (int round = 0; round < 20; round++) {
        const float sum = through_both_streams(&r);
        if (round % 2)
            OK(cuEventSynchronize(r.event));
        else
            OK(cuStreamSynchronize(r.a));
        standin_host_reads(r.to, BYTES);
        for (int i = 0; i < FLOATS; i++)
            assert_true(r.to[i] == (float)(i + round) + sum);
        standin_host_writes(r.from, BYTES);
        for (int i = 0; i < FLOATS; i++)
            r.from[i] = (float)(i + round + 1);
    }
    assert_int_equal(standin_pending(), 0);
    end(&r);
}

static void only_what_is_waited_for_is_executed(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    OK(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, r.a));
    OK(cuEventRecord(r.event, r.a));
    OK(add(&r, r.y, r.x, r.a));
    assert_int_equal(standin_pending(), 3);
    OK(cuEventSynchronize(r.event));
    assert_int_equal(standin_pending(), 1);
    assert_true(isnan(*(const float *)(uintptr_t)r.y));
    OK(cuStreamSynchronize(r.b));
    assert_int_equal(standin_pending(), 1);
    end(&r);
}

static void a_wait_is_for_the_last_record_before_it(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    OK(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, r.a));
    OK(cuEventRecord(r.event, r.a));
    OK(cuStreamWaitEvent(r.b, r.event, 0));
    OK(cuMemcpyHtoDAsync_v2(r.y, r.from, BYTES, r.a));
    OK(cuEventRecord(r.event, r.a)); /* too late for the wait */
    OK(cuMemcpyDtoHAsync_v2(r.to, r.x, BYTES, r.b));
    assert_int_equal(standin_faults(), 0);
    if (CAN_RACE)
        OK(cuMemcpyDtoHAsync_v2(r.to, r.y, BYTES, r.b));
    else
        return end(&r);
    assert_int_equal(standin_faults(), 1);
    end_told(&r, "reads what cuMemcpyHtoDAsync_v2", "writes");
}

static void what_the_host_has_seen_is_before_what_it_enqueues(void **state)
{
    (void)state;
    struct rig r;
    cuda_stream c;
    begin(&r);
    OK(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, r.a));
    OK(cuStreamWaitEvent(r.b, r.other, 0)); /* never recorded: no wait */
    OK(cuStreamSynchronize(r.a));
    OK(add(&r, r.y, r.x, r.b)); /* no event needed */
    OK(cuEventRecord(r.other, r.b));
    OK(cuEventSynchronize(r.other));
    OK(cuStreamCreate(&c, 1));
    OK(cuMemcpyDtoHAsync_v2(r.to, r.y, BYTES, c));
    OK(cuStreamSynchronize(c));
    OK(cuStreamDestroy_v2(c));
    assert_true(r.to[5] == 6);
    end(&r);
}

static void streams_come_and_go(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    for (int i = 0; i < 200; i++) {
        cuda_stream c;
        OK(cuStreamCreate(&c, 1));
        OK(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, c));
        OK(cuEventRecord(r.event, c));
        OK(cuEventSynchronize(r.event));
        OK(cuStreamWaitEvent(c, r.event, 0));
        OK(cuStreamDestroy_v2(c));
    }
    end(&r);
}

/* A stream that was never waited for keeps its place in the clocks. */
static void a_stream_that_is_gone_is_not_forgotten(void **state)
{
    (void)state;
    struct rig r;
    cuda_stream c, d;
    begin(&r);
    OK(cuStreamCreate(&c, 1));
    OK(add(&r, r.y, r.x, c));
    OK(cuStreamDestroy_v2(c));
    OK(cuStreamCreate(&d, 1));
    OK(cuMemcpyDtoHAsync_v2(r.to, r.y, BYTES, d));
    assert_int_equal(standin_faults(), 1);
    OK(cuStreamSynchronize(d));
    OK(cuStreamDestroy_v2(d));
    end_told(&r, "add_one", "stream 4");
}

/* ---- missing orders ---- */

static void a_read_that_nothing_orders_after_a_write_is_told(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    OK(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, r.a));
    OK(add(&r, r.y, r.x, r.b));
    assert_int_equal(standin_faults(), 1);
    end_told(&r, "add_one (call 17, stream 2) reads",
             "cuMemcpyHtoDAsync_v2 (call 16, stream 1) writes");
}

static void a_write_that_nothing_orders_after_a_read_is_told(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    OK(add(&r, r.y, r.x, r.a));
    OK(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, r.b));
    assert_int_equal(standin_faults(), 1);
    end_told(&r, "cuMemcpyHtoDAsync_v2", "add_one (call 16, stream 1) reads");
}

static void two_writes_that_nothing_orders_are_told(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    OK(add(&r, r.y, r.x, r.a));
    OK(add(&r, r.y, r.z, r.b));
    assert_int_equal(standin_faults(), 1);
    end_told(&r, "writes what add_one", "stream 1) writes");
}

static void scratch_that_two_streams_share_is_told(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    for (int i = 0; i < 2; i++) {
        struct cuda_args args = {
            .count = 1, .frames = 1, .scratch = (float *)(uintptr_t)r.x, .scratch_floats = FLOATS};
        assert_int_equal(standin_faults(), 0);
        OK(launch(r.scratch, &args, i ? r.b : r.a));
    }
    assert_int_equal(standin_faults(), 1);
    end_told(&r, "use_scratch", "stream 2");
}

static void weights_that_are_not_there_yet_are_told(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    OK(cuMemcpyHtoDAsync_v2(r.z, r.from, BYTES, r.a));
    struct cuda_args args = args_of(r.y, r.x);
    args.bias = (const float *)(uintptr_t)r.z;
    OK(launch(r.add, &args, r.b));
    end_told(&r, "add_one", "cuMemcpyHtoDAsync_v2");
}

static void results_that_are_copied_too_early_are_told(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    OK(add(&r, r.y, r.x, r.a));
    OK(cuMemcpyDtoHAsync_v2(r.to, r.y, BYTES, r.b));
    end_told(&r, "cuMemcpyDtoHAsync_v2", "add_one");
}

/* Every reader counts, however many there are. */
static void each_of_many_readers_is_remembered(void **state)
{
    (void)state;
    enum { READERS = 7 };
    for (int missing = 0; missing < READERS; missing++) {
        struct rig r;
        cuda_stream streams[READERS];
        cuda_ptr result;
        begin(&r);
        OK(cuMemAlloc_v2(&result, READERS * BYTES));
        for (int i = 0; i < READERS; i++) {
            OK(cuStreamCreate(&streams[i], 1));
            OK(add(&r, result + (cuda_ptr)(i * BYTES), r.x, streams[i]));
            OK(cuEventRecord(r.event, streams[i]));
            if (i != missing)
                OK(cuStreamWaitEvent(r.a, r.event, 0));
        }
        assert_int_equal(standin_faults(), 0);
        OK(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, r.a));
        assert_int_equal(standin_faults(), 1);
        for (int i = 0; i < READERS; i++) {
            OK(cuStreamSynchronize(streams[i]));
            OK(cuStreamDestroy_v2(streams[i]));
        }
        OK(cuMemFree_v2(result));
        char stream[24];
        snprintf(stream, sizeof stream, "stream %d)", missing + 3);
        end_told(&r, stream, "reads");
    }
}

static void the_host_that_reads_before_it_waits_is_told(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    OK(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, r.a));
    OK(cuMemcpyDtoHAsync_v2(r.to, r.x, BYTES, r.a));
    standin_host_reads(r.from, BYTES); /* both read it */
    assert_int_equal(standin_faults(), 0);
    standin_host_reads(r.to + 3, 4);
    assert_int_equal(standin_faults(), 1);
    standin_host_writes(r.from, 4);
    assert_int_equal(standin_faults(), 2);
    end_told(&r, "the host (call 17) writes", "cuMemcpyHtoDAsync_v2 (call 16, stream 1) reads");
}

static void to_free_what_is_still_used_is_told(void **state)
{
    (void)state;
    struct rig r;
    cuda_ptr p;
    void *pinned;
    begin(&r);
    OK(cuMemAlloc_v2(&p, BYTES));
    OK(cuMemHostAlloc(&pinned, BYTES, 0));
    OK(cuMemcpyHtoDAsync_v2(p, r.from, BYTES, r.a));
    OK(cuMemFree_v2(p));
    assert_int_equal(standin_faults(), 1);
    assert_int_equal(standin_pending(), 0);
    OK(cuMemcpyDtoHAsync_v2(pinned, r.x, BYTES, r.b));
    OK(cuMemFreeHost(pinned));
    assert_int_equal(standin_faults(), 2);
    assert_non_null(strstr(standin_fault(0), "cuMemFree_v2"));
    end_told(&r, "cuMemFreeHost", "frees what cuMemcpyDtoHAsync_v2");
}

/* Rows of a ring: what lies in other slots is not touched. */
static void rows_of_a_ring_wrap_around(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    struct cuda_args args = args_of(r.y, r.x);
    args.y0 = 14; /* slots 6, 7, 0, 1 */
    args.rows = 4;
    args.count = 4 * WIDTH;
    OK(launch(r.add, &args, r.a));
    OK(cuMemcpyDtoHAsync_v2(r.to + 2 * WIDTH, r.y + 2 * ROW_BYTES, 4 * ROW_BYTES, r.b));
    assert_int_equal(standin_faults(), 0);
    OK(cuMemcpyDtoHAsync_v2(r.to, r.y, 4, r.b));
    assert_int_equal(standin_faults(), 1);
    OK(cuMemcpyDtoHAsync_v2(r.to, r.y + 7 * ROW_BYTES, 4, r.b));
    assert_int_equal(standin_faults(), 2);
    end_told(&r, "cuMemcpyDtoHAsync_v2", "add_one");
}

static void what_lies_outside_of_memory_is_told_and_not_done(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    OK(cuMemcpyHtoDAsync_v2(r.x + 4, r.from, BYTES, r.a));
    assert_int_equal(standin_faults(), 1);
    OK(cuMemcpyDtoHAsync_v2(r.to + 1, r.x, BYTES, r.a));
    assert_int_equal(standin_faults(), 2);
    OK(cuMemcpyHtoDAsync_v2((cuda_ptr)(uintptr_t)r.from, r.from, BYTES, r.a));
    assert_int_equal(standin_faults(), 3);
    struct cuda_args args = args_of(r.y, r.x);
    args.frames = 2;
    args.count *= 2;
    OK(launch(r.add, &args, r.a));
    assert_int_equal(standin_faults(), 4);
    assert_int_equal(cuStreamSynchronize(r.a), CUDA_ERROR_ILLEGAL_ADDRESS);
    end_told(&r, "add_one", "reads 96 bytes");
}

/* ---- a host that is too early ---- */

static void a_host_that_reads_too_early_gets_nan(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    for (int i = 0; i < FLOATS; i++)
        r.to[i] = 7;
    OK(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, r.a));
    OK(cuMemcpyDtoHAsync_v2(r.to + 8, r.x + 32, BYTES - 32, r.a));
    assert_true(r.to[7] == 7);
    for (int i = 8; i < FLOATS; i++)
        assert_true(isnan(r.to[i]));
    OK(cuStreamSynchronize(r.a));
    assert_true(r.to[9] == 9);
    end(&r);
}

static void a_host_that_overwrites_too_early_spoils_it(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    OK(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, r.a));
    OK(cuMemcpyDtoHAsync_v2(r.to, r.x, BYTES, r.a));
    r.from[9] = -1;
    OK(cuStreamSynchronize(r.a));
    assert_true(r.to[9] == -1);
    end(&r);
}

/* ---- planted mistakes ---- */

static void a_wait_that_is_ignored_is_missing(void **state)
{
    (void)state;
    for (int nth = 1; nth <= 2; nth++) {
        struct rig r;
        begin(&r);
        standin_ignore("cuStreamWaitEvent", nth);
        through_both_streams(&r);
        assert_true(standin_faults() > 0);
        end_told(&r, "nothing orders them", "");
    }
}

static void a_synchronisation_that_is_ignored_is_missing(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        struct rig r;
        begin(&r);
        standin_ignore(which ? "cuStreamSynchronize" : "cuEventSynchronize", 1);
        through_both_streams(&r);
        if (which)
            OK(cuStreamSynchronize(r.a));
        else
            OK(cuEventSynchronize(r.event));
        standin_host_reads(r.to, BYTES);
        assert_int_equal(standin_faults(), 1);
        end_told(&r, "the host", "cuMemcpyDtoHAsync_v2");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(right_orders_are_silent_and_compute),
        LAZY(only_what_is_waited_for_is_executed),
        RACES(a_wait_is_for_the_last_record_before_it),
        BOTH(what_the_host_has_seen_is_before_what_it_enqueues),
        BOTH(streams_come_and_go),
        RACES(a_stream_that_is_gone_is_not_forgotten),
        RACES(a_read_that_nothing_orders_after_a_write_is_told),
        RACES(a_write_that_nothing_orders_after_a_read_is_told),
        RACES(two_writes_that_nothing_orders_are_told),
        RACES(scratch_that_two_streams_share_is_told),
        RACES(weights_that_are_not_there_yet_are_told),
        RACES(results_that_are_copied_too_early_are_told),
        RACES(each_of_many_readers_is_remembered),
        BOTH(the_host_that_reads_before_it_waits_is_told),
        BOTH(to_free_what_is_still_used_is_told),
        RACES(rows_of_a_ring_wrap_around),
        BOTH(what_lies_outside_of_memory_is_told_and_not_done),
        LAZY(a_host_that_reads_too_early_gets_nan),
        LAZY(a_host_that_overwrites_too_early_spoils_it),
        RACES(a_wait_that_is_ignored_is_missing),
        BOTH(a_synchronisation_that_is_ignored_is_missing),
    };
    return cmocka_run_group_tests_name("stand-in driver: orders", tests, NULL, NULL);
}
