/* SPDX-License-Identifier: MIT */
/* The public API of models and engines, as a program that embeds us sees it. */
#include <fenv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../model/small_model.h"
#include "base/fault.h"
#include "base/rng.h"
#include "pique/pique.h"
#include "upscale/budget.h"
#include "upscale/engine.h"
#include "upscale/stages.h"

enum { WIDTH = 33, HEIGHT = 21, SCALE = 2, FRAMES = 2 };
enum { IN = WIDTH * HEIGHT * 3, OUT = IN * SCALE * SCALE };

static pique_model *model;
static unsigned char in[FRAMES * IN];

static int set_up(void **state)
{
    (void)state;
    const struct maker maker = {
        .features = 24, .convs = 3, .scale = SCALE, .channels = 3, .seed = 5};
    struct rng r = {3};
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)rng_next(&r);
    return small_model_open(&maker, &model);
}

static int tear_down(void **state)
{
    (void)state;
    pique_model_close(&model);
    return 0;
}

static pique_engine *open_engine(pique_engine_options options)
{
    pique_engine *engine;
    pique_error err;
    options.size = sizeof options;
    if (pique_engine_open(model, &options, &engine, &err))
        fail_msg("%s", err.message);
    return engine;
}

static pique_rows rows_of(void *data, int width, int height, enum pique_sample sample)
{
    ptrdiff_t size = sample == PIQUE_SAMPLE_U8 ? 1 : sample == PIQUE_SAMPLE_U16 ? 2 : 4;
    ptrdiff_t row = width * 3 * size;
    return (pique_rows){data, row, row * height, sample};
}

static unsigned char *run_all(pique_engine *engine, int frames)
{
    unsigned char *out = calloc((size_t)frames, OUT);
    pique_rows from = rows_of(in, WIDTH, HEIGHT, PIQUE_SAMPLE_U8);
    pique_rows to = rows_of(out, WIDTH * SCALE, HEIGHT * SCALE, PIQUE_SAMPLE_U8);
    pique_error err;
    if (pique_batch_run(engine, frames, WIDTH, HEIGHT, &from, &to, &err))
        fail_msg("%s", err.message);
    return out;
}

static void rows_pushed_and_pulled_are_the_whole_batch(void **state)
{
    (void)state;
    pique_engine *engine = open_engine((pique_engine_options){.threads = 2, .band_rows = 4});
    unsigned char *whole = run_all(engine, FRAMES);
    unsigned char *out = calloc(FRAMES, OUT);
    struct rng r = {9};
    int read = 0, written = 0, width, height;
    assert_int_equal(pique_batch_begin(engine, FRAMES, WIDTH, HEIGHT, NULL), 0);
    pique_batch_output_size(engine, &width, &height);
    assert_int_equal(width, WIDTH * SCALE);
    assert_int_equal(height, HEIGHT * SCALE);
    while (written < height) {
        int wants = pique_batch_wants(engine);
        if (wants) {
            int count = 1 + rng_below(&r, wants);
            pique_rows rows = rows_of(in + read * WIDTH * 3, WIDTH, HEIGHT, PIQUE_SAMPLE_U8);
            assert_int_equal(pique_batch_push(engine, &rows, count, NULL), 0);
            read += count;
        }
        pique_rows rows = rows_of(out + written * width * 3, width, height, PIQUE_SAMPLE_U8);
        int got = pique_batch_pull(engine, &rows, 1 + rng_below(&r, 5), NULL);
        assert_true(got >= 0);
        written += got;
    }
    assert_int_equal(pique_batch_wants(engine), 0);
    assert_memory_equal(out, whole, FRAMES * OUT);
    pique_engine_close(&engine);
    assert_null(engine);
    free(whole);
    free(out);
}

static void samples_of_every_depth_agree(void **state)
{
    (void)state;
    pique_engine *engine = open_engine((pique_engine_options){.threads = 1});
    unsigned char *u8 = run_all(engine, 1);
    uint16_t *in16 = malloc(IN * sizeof *in16), *out16 = malloc(OUT * sizeof *out16);
    float *f32 = malloc(OUT * sizeof *f32);
    for (int i = 0; i < IN; i++)
        in16[i] = (uint16_t)(in[i] * 257);
    pique_rows from = rows_of(in16, WIDTH, HEIGHT, PIQUE_SAMPLE_U16);
    pique_rows to = rows_of(out16, WIDTH * SCALE, HEIGHT * SCALE, PIQUE_SAMPLE_U16);
    assert_int_equal(pique_batch_run(engine, 1, WIDTH, HEIGHT, &from, &to, NULL), 0);
    from = rows_of(in, WIDTH, HEIGHT, PIQUE_SAMPLE_U8);
    to = rows_of(f32, WIDTH * SCALE, HEIGHT * SCALE, PIQUE_SAMPLE_F32);
    assert_int_equal(pique_batch_run(engine, 1, WIDTH, HEIGHT, &from, &to, NULL), 0);
    for (int i = 0; i < OUT; i++) {
        float v = f32[i] < 0 ? 0 : f32[i] > 1 ? 1 : f32[i];
        assert_int_equal(u8[i], (int)(v * 255 + 0.5f));
        assert_in_range(out16[i] + 2, (int)(v * 65535 + 0.5f), (int)(v * 65535 + 0.5f) + 4);
    }
    pique_engine_close(&engine);
    free(u8);
    free(in16);
    free(out16);
    free(f32);
}

static void the_callers_rounding_mode_changes_nothing(void **state)
{
    (void)state;
    pique_engine *engine = open_engine((pique_engine_options){.threads = 2});
    static float out[2][OUT];
    for (int i = 0; i < 2; i++) {
        pique_rows from = rows_of(in, WIDTH, HEIGHT, PIQUE_SAMPLE_U8);
        pique_rows to = rows_of(out[i], WIDTH * SCALE, HEIGHT * SCALE, PIQUE_SAMPLE_F32);
        fesetround(i ? FE_UPWARD : FE_TONEAREST);
        assert_int_equal(pique_batch_run(engine, 1, WIDTH, HEIGHT, &from, &to, NULL), 0);
        assert_int_equal(fegetround(), i ? FE_UPWARD : FE_TONEAREST);
    }
    fesetround(FE_TONEAREST);
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    pique_engine_close(&engine);
}

static void a_batch_ends_with_its_first_failure(void **state)
{
    (void)state;
    pique_engine *engine =
        open_engine((pique_engine_options){.device = "fault:error@2", .band_rows = 4});
    static unsigned char out[OUT];
    pique_rows rows = rows_of(in, WIDTH, HEIGHT, PIQUE_SAMPLE_U8);
    pique_rows to = rows_of(out, WIDTH * SCALE, HEIGHT * SCALE, PIQUE_SAMPLE_U8);
    assert_int_equal(pique_batch_begin(engine, 1, WIDTH, HEIGHT, NULL), 0);
    assert_int_equal(pique_batch_push(engine, &rows, 4, NULL), 0);
    while (pique_batch_pull(engine, &to, HEIGHT, NULL) > 0)
        ;
    /* The device has taken these rows, so to push them again would shift the picture. */
    assert_int_equal(pique_batch_push(engine, &rows, 4, NULL), PIQUE_EDEVICE);
    assert_int_equal(pique_batch_wants(engine), 0);
    assert_int_equal(pique_batch_push(engine, &rows, 4, NULL), PIQUE_EINVAL);
    assert_int_equal(pique_batch_pull(engine, &to, HEIGHT, NULL), PIQUE_EINVAL);
    /* The next batch is right again. */
    unsigned char *again = run_all(engine, 1);
    pique_engine *sound = open_engine((pique_engine_options){.band_rows = 4});
    unsigned char *expected = run_all(sound, 1);
    assert_memory_equal(again, expected, OUT);
    free(again);
    free(expected);
    pique_engine_close(&sound);
    pique_engine_close(&engine);
}

struct heap { /* asked by several threads */
    atomic_long live, calls;
    atomic_size_t bytes; /* in all */
};

static void *heap_alloc(void *user, size_t bytes, size_t align)
{
    struct heap *h = user;
    h->live++;
    h->calls++;
    h->bytes += bytes;
    return aligned_alloc(align, bytes);
}

static void heap_free(void *user, void *memory)
{
    ((struct heap *)user)->live--;
    free(memory);
}

/* The line buffers of a batch are kept for the next one. */
static void the_callers_allocator_gets_the_large_buffers_back(void **state)
{
    (void)state;
    struct heap heap = {0};
    pique_allocator a = {sizeof a, &heap, heap_alloc, heap_free};
    pique_engine *engine = open_engine((pique_engine_options){.allocator = &a});
    long packed = heap.live;
    assert_true(packed > 0);
    free(run_all(engine, FRAMES));
    const long calls = heap.calls;
    assert_int_equal(calls, packed + 1);
    assert_int_equal(heap.live, packed + 1);
    free(run_all(engine, FRAMES));
    assert_int_equal(heap.calls, calls);
    pique_engine_close(&engine);
    assert_int_equal(heap.live, 0);
}

static void listen_to_log(void *user, enum pique_log_level level, const char *line)
{
    (void)level;
    if (strstr(line, "cpu/int16"))
        ++*(int *)user;
}

static void listen_to_events(void *user, const pique_event *event)
{
    if (event->kind == PIQUE_EVENT_NOTE && strstr(event->text, "lowered"))
        ++*(int *)user;
}

static void a_device_computes_in_the_tiers_that_it_has(void **state)
{
    (void)state;
    pique_engine *engine = NULL;
    pique_error err;
    pique_engine_options options = {.size = sizeof options, .precision = PIQUE_PRECISION_FP16};
    assert_int_equal(pique_engine_open(model, &options, &engine, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "'cpu' does not compute in fp16"));
    options.precision = (enum pique_precision)(PIQUE_PRECISION_INT16 + 1);
    assert_int_equal(pique_engine_open(model, &options, &engine, &err), PIQUE_EINVAL);
    engine = open_engine((pique_engine_options){.precision = PIQUE_PRECISION_FP32});
    assert_string_equal(pique_engine_numeric_key(engine), "cpu/fp32/winograd-2");
    pique_engine_close(&engine);
    options = (pique_engine_options){
        .size = sizeof options, .device = "cpu:direct", .precision = PIQUE_PRECISION_INT16};
    assert_int_equal(pique_engine_open(model, &options, &engine, &err), PIQUE_EUNSUPPORTED);
    engine = open_engine((pique_engine_options){.device = "cpu:bf16"});
    assert_string_equal(pique_engine_numeric_key(engine), "cpu/bf16-emulated/direct-1");
    pique_engine_close(&engine);
}

static void a_budget_lowers_the_band_and_then_refuses(void **state)
{
    (void)state;
    int logged = 0, noted = 0;
    uint64_t least, wanted;
    pique_engine *engine =
        open_engine((pique_engine_options){.threads = 1, .band_rows = 16, .memory_bytes = 1 << 30});
    assert_int_equal(pq_stream_bytes(engine, 1, WIDTH, HEIGHT, 0, &least, &wanted, NULL), 0);
    pique_engine_close(&engine);
    engine = open_engine((pique_engine_options){.threads = 1,
                                                .band_rows = 16,
                                                .memory_bytes = wanted - 1,
                                                .log = listen_to_log,
                                                .log_user = &logged,
                                                .event = listen_to_events,
                                                .event_user = &noted});
    assert_int_equal(logged, 1);
    assert_string_equal(pique_engine_numeric_key(engine), "cpu/int16/winograd-3");
    assert_int_equal(pique_batch_begin(engine, 1, WIDTH, HEIGHT, NULL), 0);
    assert_int_equal(noted, 1);
    assert_in_range(pique_batch_wants(engine), 1, 8);
    pique_error err;
    assert_int_equal(pique_batch_begin(engine, 1, 5000, 5000, &err), PIQUE_ENOMEM);
    assert_non_null(strstr(err.message, "--memory"));
    pique_engine_close(&engine);
}

/* A band of a row or two takes no less than one of four, a row of tiles. */
static void no_band_is_given_more_than_it_takes(void **state)
{
    (void)state;
    for (int band = 1; band <= 40; band++) {
        pique_engine *engine = open_engine(
            (pique_engine_options){.threads = 1, .band_rows = band, .memory_bytes = 1ull << 40});
        const struct pq_engines engines = {&engine, 1};
        struct pq_size size = {.in_width = 300, .in_height = 90, .passes = 1};
        size.pass_width[0] = 300;
        size.pass_height[0] = 90;
        const struct pq_demand demand = {0};
        uint64_t share[PQ_MAX_PASSES], least, wanted;
        assert_int_equal(pq_stream_bytes(engine, 1, 300, 90, 0, &least, &wanted, NULL), 0);
        assert_in_range(least, 1, wanted);
        assert_int_equal(pq_budget_share(&engines, &size, &demand, "a.png", share, NULL), 0);
        assert_int_equal(share[0], wanted);
        pique_engine_close(&engine);
    }
}

static void engines_that_take_turns_share_their_threads(void **state)
{
    (void)state;
    pique_engine *first = open_engine((pique_engine_options){.threads = 3});
    pique_engine *second = open_engine((pique_engine_options){.threads = 7, .threads_of = first});
    assert_ptr_equal(pq_engine_pool(second), pq_engine_pool(first));
    assert_int_equal(pq_pool_threads(pq_engine_pool(second)), 3);
    pique_engine_close(&second);
    assert_int_equal(pique_batch_begin(first, 1, WIDTH, HEIGHT, NULL), 0);
    pique_engine_close(&first);
}

static void what_is_needed_is_said_whatever_the_budget(void **state)
{
    (void)state;
    pique_engine *engine = open_engine((pique_engine_options){.threads = 1, .memory_bytes = 50000});
    const struct pq_engines engines = {&engine, 1};
    struct pq_size size = {.in_width = 500, .in_height = 400, .passes = 1};
    size.pass_width[0] = 500;
    size.pass_height[0] = 400;
    const struct pq_demand demand = {0};
    uint64_t share[PQ_MAX_PASSES];
    pique_error err;
    assert_int_equal(pq_budget_share(&engines, &size, &demand, "a.png", share, &err), PIQUE_ENOMEM);
    assert_non_null(strstr(err.message, "a.png: 2 MiB are needed"));
    /* Beyond what a side may have, which no budget helps. */
    size.pass_width[0] = 1 << 30;
    size.pass_width[0] += 1 << 29;
    assert_int_equal(pq_budget_share(&engines, &size, &demand, "a.png", share, &err), PIQUE_EINVAL);
    assert_non_null(strstr(err.message, "a.png: 1610612736 x 400 pixels would become"));
    pique_engine_close(&engine);
}

static void whole_pictures_are_within_the_budget_or_refused(void **state)
{
    (void)state;
    pique_engine *engine = open_engine((pique_engine_options){.memory_bytes = 100 << 20});
    const struct pq_engines engines = {&engine, 1};
    struct pq_size size = {.in_width = 100, .in_height = 900, .passes = 2};
    const int widths[] = {100, 200, 400}, heights[] = {900, 1800, 3600};
    memcpy(size.pass_width, widths, sizeof widths);
    memcpy(size.pass_height, heights, sizeof heights);
    struct pq_demand demand = {.tta = true, .whole = pq_tta_bytes(&size, 3)};
    uint64_t share[PQ_MAX_PASSES], upright[PQ_MAX_PASSES];
    pique_error err;
    assert_int_equal(pq_budget_share(&engines, &size, &demand, "a.png", share, &err), 0);
    for (int i = 0; i < 2; i++)
        assert_true(share[i] + demand.whole <= 100 << 20);
    /* On its side the picture is nine times as wide. */
    assert_int_equal(
        pq_budget_share(&engines, &size, &(struct pq_demand){0}, "a.png", upright, &err), 0);
    assert_true(share[0] > upright[0] * 2);
    demand.whole = 100 << 20;
    assert_int_equal(pq_budget_share(&engines, &size, &demand, "a.png", share, &err), PIQUE_ENOMEM);
    assert_non_null(strstr(err.message, "100 MiB of it because --tta keeps whole pictures"));
    pique_engine_close(&engine);
}

static void a_budget_counts_the_rows_around_the_network(void **state)
{
    (void)state;
    pique_engine *engine = open_engine((pique_engine_options){.memory_bytes = 1 << 30});
    uint64_t least, wanted, bands = 32 * 3 * sizeof(float) * 100 * (1 + SCALE * SCALE);
    assert_int_equal(pq_stream_bytes(engine, 1, 100, 100, 0, &least, &wanted, NULL), 0);
    assert_true(least > 0 && wanted > least + bands / 2);
    struct heap heap = {0};
    pique_allocator a = {sizeof a, &heap, heap_alloc, heap_free};
    pique_engine_close(&engine);
    engine = open_engine((pique_engine_options){.memory_bytes = 1 << 30, .allocator = &a});
    heap.bytes = 0;
    assert_int_equal(pique_batch_begin(engine, 1, 100, 100, NULL), 0);
    assert_in_range(heap.bytes, wanted, wanted + 256); /* rounded up to whole cache lines */
    pique_engine_close(&engine);
}

static void a_cancelled_engine_stops(void **state)
{
    (void)state;
    pique_cancel *cancel = pique_cancel_new();
    pique_engine *engine = open_engine((pique_engine_options){.cancel = cancel});
    assert_false(pique_cancel_is_set(cancel));
    assert_false(pique_cancel_is_set(NULL));
    pique_cancel_set(cancel);
    unsigned char *out = malloc(OUT);
    pique_rows from = rows_of(in, WIDTH, HEIGHT, PIQUE_SAMPLE_U8);
    pique_rows to = rows_of(out, WIDTH * SCALE, HEIGHT * SCALE, PIQUE_SAMPLE_U8);
    pique_error err;
    assert_int_equal(pique_batch_run(engine, 1, WIDTH, HEIGHT, &from, &to, &err), PIQUE_ECANCELED);
    free(out);
    pique_engine_close(&engine);
    pique_cancel_free(&cancel);
    assert_null(cancel);
}

static void mistakes_are_refused_with_a_sentence(void **state)
{
    (void)state;
    pique_engine *engine;
    pique_error err;
    pique_engine_options o = {.size = 3};
    assert_int_equal(pique_engine_open(model, &o, &engine, &err), PIQUE_EINVAL);
    assert_null(engine);
    o = (pique_engine_options){.size = sizeof o, .threads = -1};
    assert_int_equal(pique_engine_open(model, &o, &engine, &err), PIQUE_EINVAL);
    o = (pique_engine_options){.size = sizeof o, .device = "abacus"};
    assert_int_equal(pique_engine_open(model, &o, &engine, &err), PIQUE_EDEVICE);
    assert_non_null(strstr(err.message, "abacus"));
    /* A caller built against an older header, whose struct ends early. */
    o = (pique_engine_options){.size = offsetof(pique_engine_options, log), .threads = 1};
    assert_int_equal(pique_engine_open(model, &o, &engine, &err), 0);
    assert_int_equal(pique_batch_begin(engine, 0, 8, 8, &err), PIQUE_EINVAL);
    assert_int_equal(pique_batch_begin(engine, 1, 8, -8, &err), PIQUE_EINVAL);
    pique_rows rows = rows_of(in, 8, 8, PIQUE_SAMPLE_U8);
    assert_int_equal(pique_batch_push(engine, &rows, 1, &err), PIQUE_EINVAL);
    assert_int_equal(pique_batch_pull(engine, &rows, 1, &err), PIQUE_EINVAL);
    pique_engine_close(&engine);
    pique_engine_close(&engine);
}

static void devices_and_levels_are_listed(void **state)
{
    (void)state;
    pique_device_info info = {.size = sizeof info};
    pique_error err;
    assert_int_equal(pique_device_get(0, &info, &err), 0);
    assert_string_equal(info.id, "cpu");
    assert_true(info.usable && info.threads >= 1);
    assert_true(info.memory_total > info.memory_free && info.memory_free > 0);
    assert_int_equal(pique_device_get(99, &info, &err), PIQUE_EINVAL);
    assert_int_equal(pique_set_cpu_level("mmx", &err), PIQUE_EINVAL);
    assert_int_equal(pique_set_cpu_level("scalar", &err), 0);
    assert_int_equal(pique_set_cpu_level(NULL, &err), 0);
    assert_true(strlen(pique_version()) >= 5);
}

static void every_failed_allocation_is_a_status(void **state)
{
    (void)state;
    for (int n = 1;; n++) {
        pique_engine *engine = NULL;
        pique_engine_options o = {.size = sizeof o, .threads = 2};
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        int rc = pique_engine_open(model, &o, &engine, NULL);
        if (!rc)
            rc = pique_batch_begin(engine, 1, 16, 16, NULL);
        bool struck = pq_fault_count(PQ_FAULT_ALLOC) >= n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_int_equal(rc, struck ? PIQUE_ENOMEM : 0);
        pique_engine_close(&engine);
        if (!struck)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_pushed_and_pulled_are_the_whole_batch),
        cmocka_unit_test(samples_of_every_depth_agree),
        cmocka_unit_test(the_callers_allocator_gets_the_large_buffers_back),
        cmocka_unit_test(the_callers_rounding_mode_changes_nothing),
        cmocka_unit_test(a_batch_ends_with_its_first_failure),
        cmocka_unit_test(a_device_computes_in_the_tiers_that_it_has),
        cmocka_unit_test(a_budget_lowers_the_band_and_then_refuses),
        cmocka_unit_test(no_band_is_given_more_than_it_takes),
        cmocka_unit_test(engines_that_take_turns_share_their_threads),
        cmocka_unit_test(what_is_needed_is_said_whatever_the_budget),
        cmocka_unit_test(whole_pictures_are_within_the_budget_or_refused),
        cmocka_unit_test(a_budget_counts_the_rows_around_the_network),
        cmocka_unit_test(a_cancelled_engine_stops),
        cmocka_unit_test(mistakes_are_refused_with_a_sentence),
        cmocka_unit_test(devices_and_levels_are_listed),
        cmocka_unit_test(every_failed_allocation_is_a_status),
    };
    return cmocka_run_group_tests_name("engine", tests, set_up, tear_down);
}
