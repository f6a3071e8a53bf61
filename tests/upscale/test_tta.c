/* SPDX-License-Identifier: MIT */
/* The mean over the eight turns, over an engine of a few lines. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "fake.h"
#include "kernels/colour.h"
#include "upscale/size.h"
#include "upscale/stages.h"

static pique_engine engine_of(enum fake_network network, int scale)
{
    return (pique_engine){
        .network = network, .scale = scale, .channels = 3, .band = 5, .lag = 2, .budget = 1 << 30};
}

static struct image run(const struct image *in, pique_engine *engine, int rows)
{
    struct pq_stage *chain = image_stage(in);
    struct pq_tally tally = {.engine = engine};
    pique_error err = {0};
    assert_int_equal(
        pq_tta_stage(
            &chain,
            &(struct pq_pass){.engine = engine, .memory_bytes = 1000, .number = 1, .tally = &tally},
            &err),
        0);
    const uint64_t turned = 4u * ((uint64_t)chain->width + (uint64_t)chain->height);
    assert_true(tally.total == turned && tally.done == 0);
    struct image out = drain(chain, rows);
    assert_true(tally.done == turned);
    assert_int_equal(image_stages_open + engine->streams_open, 0);
    return out;
}

static float at(const struct image *in, int x, int y, int c)
{
    x = x < 0 ? 0 : PQ_MIN(x, in->width - 1);
    y = y < 0 ? 0 : PQ_MIN(y, in->height - 1);
    return image_at(in, x, y)[c];
}

/* A network that looks one pixel to the right looks to each side twice in the eight turns. */
static void each_side_counts_twice_and_the_mean_is_clipped(void **state)
{
    (void)state;
    const struct image in = image_random(37, 23, 3, 5);
    pique_engine engine = engine_of(FAKE_RIGHT, 2);
    struct image out = run(&in, &engine, 7);
    assert_int_equal(out.width, 74);
    assert_int_equal(out.height, 46);
    int clipped = 0;
    for (int y = 0; y < out.height; y++)
        for (int x = 0; x < out.width; x++)
            for (int c = 0; c < 3; c++) {
                const int u = x / 2, v = y / 2;
                const float sides = at(&in, u + 1, v, c) + at(&in, u - 1, v, c) +
                                    at(&in, u, v + 1, c) + at(&in, u, v - 1, c);
                const float mean = 3 * sides / 4 - 1;
                clipped += mean < 0 || mean > 1;
                assert_true(fabsf(image_at(&out, x, y)[c] - pq_clip01(mean)) < 1e-6f);
            }
    assert_true(clipped > 100);
    image_free(&out);
    image_free((struct image *)&in);
}

static void a_network_that_is_the_same_in_every_turn_changes_nothing(void **state)
{
    (void)state;
    struct image in = image_random(37, 23, 4, 6);
    pique_engine engine = engine_of(FAKE_NEAREST, 1);
    struct image out = run(&in, &engine, 0);
    for (int i = 0; i < 37 * 23 * 4; i++)
        assert_true(fabsf(out.data[i] - in.data[i]) < 2e-7f);
    image_free(&out);
    image_free(&in);
}

static void opaque_and_empty_stay_so(void **state)
{
    (void)state;
    struct image in = image_random(40, 30, 4, 7);
    for (int y = 0; y < 30; y++)
        for (int x = 0; x < 40; x++)
            image_at(&in, x, y)[3] = x < 20;
    pique_engine engine = engine_of(FAKE_RIGHT, 2);
    struct image out = run(&in, &engine, 0);
    for (int y = 0; y < 60; y++)
        for (int x = 0; x < 80; x++)
            if (x < 36 || x >= 44)
                assert_true(image_at(&out, x, y)[3] == (x < 36 ? 1 : 0));
    image_free(&out);
    image_free(&in);
}

static void neither_rows_nor_bands_nor_threads_change_a_bit(void **state)
{
    (void)state;
    struct image in = image_random(150, 41, 4, 8);
    struct pq_pool *pool;
    assert_int_equal(pq_pool_create(3, &pool, NULL), 0);
    struct image want = {0};
    for (int i = 0; i < 12; i++) {
        pique_engine engine = engine_of(FAKE_RIGHT, 2);
        engine.band = 1 + 3 * i;
        engine.lag = i % 3;
        engine.pool = i % 2 ? pool : NULL;
        struct image out = run(&in, &engine, i % 4);
        if (i == 0) {
            want = out;
            continue;
        }
        assert_memory_equal(out.data, want.data, sizeof(float) * 300 * 82 * 4);
        image_free(&out);
    }
    pq_pool_destroy(&pool);
    image_free(&want);
    image_free(&in);
}

static void a_value_that_is_no_number_in_one_turn_is_refused(void **state)
{
    (void)state;
    struct image in = image_random(37, 23, 3, 9);
    for (int turn = 1; turn <= 8; turn++) {
        pique_engine engine = engine_of(FAKE_NEAREST, 2);
        struct pq_stage *chain = image_stage(&in);
        struct pq_tally tally = {.engine = &engine};
        pique_error err = {0};
        assert_int_equal(
            pq_tta_stage(&chain,
                         &(struct pq_pass){
                             .engine = &engine, .memory_bytes = 1000, .number = 1, .tally = &tally},
                         &err),
            0);
        float *row = malloc(sizeof(float) * 74 * 3);
        engine.bad_after = turn - 1;
        engine.bad_streams = 1;
        assert_int_equal(chain->read(chain, 1, row, &err), PIQUE_EDEVICE);
        chain->close(chain);
        assert_int_equal(image_stages_open + engine.streams_open, 0);
        free(row);
    }
    image_free(&in);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    struct image in = image_random(20, 11, 4, 10);
    bool whole = false;
    long n = 1;
    for (; !whole; n++) {
        pique_engine engine = engine_of(FAKE_BLUR, 2);
        struct pq_stage *chain = image_stage(&in);
        struct pq_tally tally = {.engine = &engine};
        struct image out = image_new(40, 22, 4);
        pique_error err = {0};
        pq_fault_arm(PQ_FAULT_ALLOC, n, 12, false);
        int rc =
            pq_tta_stage(&chain,
                         &(struct pq_pass){
                             .engine = &engine, .memory_bytes = 1000, .number = 1, .tally = &tally},
                         &err);
        if (!rc)
            rc = read_all(chain, 3, out.data, &err);
        whole = pq_fault_count(PQ_FAULT_ALLOC) < n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        chain->close(chain);
        assert_int_equal(rc, whole ? 0 : PIQUE_ENOMEM);
        assert_int_equal(image_stages_open + engine.streams_open, 0);
        image_free(&out);
    }
    assert_true(n > 60);
    image_free(&in);
}

static void what_is_kept_is_counted(void **state)
{
    (void)state;
    struct pq_size size = {.passes = 2};
    const int widths[] = {10, 20, 40}, heights[] = {7, 14, 28};
    memcpy(size.pass_width, widths, sizeof widths);
    memcpy(size.pass_height, heights, sizeof heights);
    assert_true(pq_tta_bytes(&size, 4) == (20 * 14 + 40 * 28) * 16);
    size.passes = 1;
    assert_true(pq_tta_bytes(&size, 3) == (10 * 7 + 20 * 14) * 12);
    size.passes = 2; /* one that does not enlarge has made what the next copies */
    size.pass_width[2] = 2;
    size.pass_height[2] = 2;
    assert_true(pq_tta_bytes(&size, 3) == 2 * 20 * 14 * 12);
    size.pass_width[2] = size.pass_height[2] = INT32_MAX;
    assert_true(pq_tta_bytes(&size, 4) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_side_counts_twice_and_the_mean_is_clipped),
        cmocka_unit_test(a_network_that_is_the_same_in_every_turn_changes_nothing),
        cmocka_unit_test(opaque_and_empty_stay_so),
        cmocka_unit_test(neither_rows_nor_bands_nor_threads_change_a_bit),
        cmocka_unit_test(a_value_that_is_no_number_in_one_turn_is_refused),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(what_is_kept_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
