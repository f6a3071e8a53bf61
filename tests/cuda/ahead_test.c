/* SPDX-License-Identifier: MIT */
/* Batches of frames on the device, whose driver stands in, each of which begins while the one
 * before it ends: the same bits, nothing read too early, and what fails takes no other with it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../model/small_model.h"
#include "../sanitized.h"
#include "backend/cuda/kernels/kernel.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "nothing.h"
#include "pique/pique.h"
#include "upscale/frames.h"

enum { WIDTH = 9, HEIGHT = 43, BATCH = 2, BATCHES = 3, FRAMES = BATCH * BATCHES };

static pique_model *model;
static struct pq_image pictures[FRAMES];
static struct pq_image wanted[FRAMES]; /* each batch alone */

/* ---- a film ---- */

struct film {
    pique_engine *engine;
    struct pq_engines engines;
    struct pq_frames *frames;
    struct pq_image out[FRAMES];
    int turn;     /* the batch that runs */
    int patience; /* how often a next batch is asked for before it is there */
    int asked;
};

static void open_film(struct film *f, const char *device, int band)
{
    const pique_engine_options o = {.size = sizeof o,
                                    .threads = 2,
                                    .device = device,
                                    .band_rows = band,
                                    .precision = PIQUE_PRECISION_FP32};
    const pique_picture_options picture = {.size = sizeof picture};
    pique_error err;
    *f = (struct film){0};
    if (pique_engine_open(model, &o, &f->engine, &err))
        fail_msg("%s", err.message);
    f->engines = (struct pq_engines){&f->engine, 1};
    const struct pq_frames_setup setup = {.engines = &f->engines,
                                          .options = &picture,
                                          .width = WIDTH,
                                          .height = HEIGHT,
                                          .planes = 3,
                                          .depth = 8,
                                          .out_depth = 16,
                                          .batch = BATCH,
                                          .name = "film"};
    if (pq_frames_open(&setup, &f->frames, &err))
        fail_msg("%s", err.message);
    const struct pq_image like = pq_frames_output(f->frames);
    for (int i = 0; i < FRAMES; i++)
        assert_int_equal(
            pq_image_new(like.width, like.height, like.planes, like.depth, NULL, &f->out[i], NULL),
            0);
}

static void close_film(struct film *f)
{
    pq_frames_close(&f->frames);
    pique_engine_close(&f->engine);
    for (int i = 0; i < FRAMES; i++)
        pq_image_free(&f->out[i]);
}

static bool get_next(void *user, int count, const struct pq_image **in, struct pq_image **out)
{
    struct film *f = user;
    assert_int_equal(count, BATCH);
    if (f->turn + 1 == BATCHES || f->asked++ < f->patience)
        return false;
    *in = pictures + (f->turn + 1) * BATCH;
    *out = f->out + (f->turn + 1) * BATCH;
    return true;
}

static int run_one(struct film *f, int turn, bool ahead, pique_error *err)
{
    const struct pq_frames_next next = {f, get_next};
    f->turn = turn;
    f->asked = 0;
    pq_frames_set_next(f->frames, ahead ? &next : NULL);
    return pq_frames_run(f->frames, BATCH, pictures + turn * BATCH, f->out + turn * BATCH, err);
}

static int run_film(struct film *f, bool ahead, pique_error *err)
{
    int rc = 0;
    for (int i = 0; !rc && i < BATCHES; i++)
        rc = run_one(f, i, ahead, err);
    return rc;
}

static bool is_same(const struct pq_image *a, const struct pq_image *b)
{
    bool same = true;
    for (int p = 0; p < 3; p++)
        for (int y = 0; y < a->height; y++)
            same &= memcmp((char *)a->data[p] + y * a->stride[p],
                           (char *)b->data[p] + y * b->stride[p], (size_t)a->width * 2) == 0;
    return same;
}

static bool is_as_wanted(const struct film *f, int turn)
{
    bool same = true;
    for (int i = turn * BATCH; i < (turn + 1) * BATCH; i++)
        same &= is_same(&f->out[i], &wanted[i]);
    return same;
}

static bool all_as_wanted(const struct film *f)
{
    bool same = true;
    for (int i = 0; i < BATCHES; i++)
        same &= is_as_wanted(f, i);
    return same;
}

static void start(enum standin_mode mode, uint64_t seed)
{
    assert_int_equal(standin_reset(), 0);
    standin_mode(mode, seed, 50);
}

static void end_film(struct film *f)
{
    close_film(f);
    nothing_is_wrong();
    nothing_is_left();
}

static int set_up(void **state)
{
    const struct maker maker = {.features = 4, .convs = 2, .scale = 2, .channels = 3, .seed = 5};
    struct rng r = {3};
    struct film f;
    (void)state;
    if (small_model_open(&maker, &model))
        return -1;
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(pq_image_new(WIDTH, HEIGHT, 3, 8, NULL, &pictures[i], NULL), 0);
        for (int k = 0; k < 3 * WIDTH * HEIGHT; k++)
            ((unsigned char *)pictures[i]
                 .data[k % 3])[k / 3 / WIDTH * pictures[i].stride[k % 3] + k / 3 % WIDTH] =
                (unsigned char)rng_below(&r, 256);
    }
    open_film(&f, "cpu:direct", 0);
    assert_int_equal(run_film(&f, false, NULL), 0);
    memcpy(wanted, f.out, sizeof wanted);
    memset(f.out, 0, sizeof f.out);
    close_film(&f);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < FRAMES; i++) {
        pq_image_free(&pictures[i]);
        pq_image_free(&wanted[i]);
    }
    pique_model_close(&model);
    return 0;
}

/* ---- what they become ---- */

/* Whatever the number of steps, and however late the next batch is there. */
static void batches_that_begin_early_have_the_same_bits(void **state)
{
    static const int bands[] = {1, 4, 5, 7, 9, 14, 20, 43};
    (void)state;
    for (int i = 0; i < (int)PQ_COUNT(bands) * 4; i += test_much(1, 1, 3)) {
        struct film f;
        pique_error err;
        start(i % 2 ? STANDIN_THREADS : STANDIN_LAZY, (uint64_t)i);
        open_film(&f, "cuda", bands[i / 4]);
        f.patience = i % 4;
        if (run_film(&f, true, &err))
            fail_msg("bands of %d: %s", bands[i / 4], err.message);
        assert_true(all_as_wanted(&f));
        assert_int_equal(pq_frames_inferences(f.frames), BATCHES);
        assert_int_equal(pq_frames_retries(f.frames), 0);
        end_film(&f);
    }
}

static void the_device_has_work_when_a_batch_ends(void **state)
{
    (void)state;
    struct film f;
    for (int ahead = 0; ahead < 2; ahead++) {
        start(STANDIN_LAZY, 1);
        open_film(&f, "cuda", 7);
        for (int i = 0; i < BATCHES; i++) {
            assert_int_equal(run_one(&f, i, ahead, NULL), 0);
            const bool works = standin_pending() > 3;
            if (works != (ahead && i + 1 < BATCHES))
                fail_msg("%zu operations are left behind batch %d", standin_pending(), i + 1);
        }
        end_film(&f);
    }
}

static void it_takes_no_more_memory(void **state)
{
    static const char *const makers[] = {"cuMemAlloc_v2", "cuMemHostAlloc", "cuStreamCreate",
                                         "cuEventCreate"};
    int calls[2][PQ_COUNT(makers)];
    size_t peak[2];
    (void)state;
    for (int ahead = 0; ahead < 2; ahead++) {
        struct film f;
        start(STANDIN_LAZY, 1);
        open_film(&f, "cuda", 7);
        assert_int_equal(run_film(&f, ahead, NULL), 0);
        for (size_t i = 0; i < PQ_COUNT(makers); i++)
            calls[ahead][i] = standin_calls(makers[i]);
        peak[ahead] = standin_peak_bytes();
        end_film(&f);
    }
    assert_int_equal(peak[0], peak[1]);
    assert_memory_equal(calls[0], calls[1], sizeof calls[0]);
}

/* ---- what goes wrong ---- */

/* Without any one of them something is read too early. */
static void every_wait_is_needed(void **state)
{
    static const char *const waits[] = {"cuStreamWaitEvent", "cuEventSynchronize"};
    (void)state;
    for (size_t w = 0; w < PQ_COUNT(waits); w++) {
        struct film f;
        int calls = 1;
        for (int nth = 0; nth <= calls; nth += nth ? test_much(1, 1, 7) : 1) {
            start(STANDIN_LAZY, 1);
            open_film(&f, "cuda", 7);
            if (nth)
                standin_ignore(waits[w], nth);
            const bool alike = run_film(&f, true, NULL) == 0 && all_as_wanted(&f);
            if (!nth) {
                assert_true(alike);
                nothing_is_wrong();
                calls = standin_calls(waits[w]);
            } else if (alike && standin_faults() == 0) {
                fail_msg("%s %d of %d is not missed", waits[w], nth, calls);
            }
            close_film(&f);
        }
    }
}

static int adds, spoiled; /* launches: so far, and the one that is spoiled */
static bool spoils_all;

static void spoil(const struct cuda_args *a)
{
    const struct standin_kernel *k = standin_kernels;
    while (strcmp(k->name, "cuda_add") != 0)
        k++;
    k->run(a);
    if (++adds == spoiled || spoils_all)
        a->out.data[cuda_offset(&a->out, 0, a->y0, 3)] = NAN;
}

/* It is computed once more, and so is what had begun behind it. */
static void a_result_that_is_refused_leaves_the_next_one_as_it_is(void **state)
{
    (void)state;
    int all = 1;
    for (spoiled = 0; spoiled <= all; spoiled += test_much(1, 1, 5)) {
        struct film f;
        pique_error err;
        start(STANDIN_LAZY, (uint64_t)spoiled);
        standin_add_kernel("cuda_add", spoil);
        adds = 0;
        open_film(&f, "cuda", 7);
        if (run_film(&f, true, &err))
            fail_msg("%s", err.message);
        assert_true(all_as_wanted(&f));
        assert_int_equal(pq_frames_retries(f.frames), spoiled > 0);
        assert_int_equal(pq_frames_inferences(f.frames), BATCHES);
        end_film(&f);
        if (!spoiled)
            all = adds;
    }
    assert_true(all >= BATCHES * 4);
}

static void swap_contents(int turn, int other)
{
    for (int i = 0; i < BATCH * 3 * HEIGHT; i++) {
        const int k = i / 3 / HEIGHT, p = i % 3, y = i / 3 % HEIGHT;
        unsigned char row[WIDTH];
        const struct pq_image *a = &pictures[turn * BATCH + k], *b = &pictures[other * BATCH + k];
        unsigned char *at = (unsigned char *)a->data[p] + y * a->stride[p];
        unsigned char *to = (unsigned char *)b->data[p] + y * b->stride[p];
        memcpy(row, at, WIDTH);
        memcpy(at, to, WIDTH);
        memcpy(to, row, WIDTH);
    }
}

/* The pictures behind it may be others by then, in the same places. */
static void what_began_behind_a_batch_that_failed_is_forgotten(void **state)
{
    (void)state;
    struct film f;
    start(STANDIN_LAZY, 1);
    standin_add_kernel("cuda_add", spoil);
    open_film(&f, "cuda", 7);
    spoils_all = true;
    assert_int_equal(run_one(&f, 0, true, NULL), PIQUE_EDEVICE);
    spoils_all = false;
    swap_contents(1, 2);
    assert_int_equal(run_one(&f, 1, false, NULL), 0);
    for (int i = 0; i < BATCH; i++)
        assert_true(is_same(&f.out[BATCH + i], &wanted[2 * BATCH + i]));
    assert_int_equal(pq_frames_retries(f.frames), 1); /* of the first */
    swap_contents(1, 2);
    end_film(&f);
}

/* Whatever fails, once or for good: a batch is right, or the device is said to have failed. */
static void a_call_that_fails_spoils_no_batch(void **state)
{
    static const char *const symbols[] = {"cuMemcpyHtoDAsync_v2",
                                          "cuMemcpyDtoHAsync_v2",
                                          "cuLaunchKernel",
                                          "cuGraphLaunch",
                                          "cuEventRecord",
                                          "cuStreamWaitEvent",
                                          "cuEventSynchronize",
                                          "cuMemAlloc_v2",
                                          "cuCtxPushCurrent_v2",
                                          "cuStreamBeginCapture_v2",
                                          "cuGraphInstantiateWithFlags"};
    (void)state;
    for (size_t s = 0; s < PQ_COUNT(symbols); s++) {
        int calls = 1;
        for (int nth = 0; nth <= calls; nth += nth ? test_much(1, 3, 11) : 1) {
            for (int sticky = 0; sticky < 2; sticky++) {
                struct film f;
                start(STANDIN_LAZY, 1);
                open_film(&f, "cuda", 7);
                const int before = standin_calls(symbols[s]);
                if (nth)
                    standin_fail(symbols[s], nth, CUDA_ERROR_LAUNCH_FAILED, sticky);
                int rc = 0;
                for (int i = 0; !rc && i < BATCHES; i++) {
                    rc = run_one(&f, i, true, NULL);
                    if (!rc && !is_as_wanted(&f, i))
                        fail_msg("%s %d: batch %d is wrong", symbols[s], nth, i + 1);
                }
                if (rc && (rc != PIQUE_EDEVICE || !sticky))
                    fail_msg("%s %d: status %d", symbols[s], nth, rc);
                if (!nth)
                    calls = standin_calls(symbols[s]) - before;
                close_film(&f);
                if (strcmp(symbols[s], "cuCtxPushCurrent_v2") == 0) {
                    standin_reset(); /* who is not let in cannot free anything */
                    continue;
                }
                if (strcmp(symbols[s], "cuEventSynchronize") != 0)
                    nothing_is_wrong();
                nothing_is_left();
            }
        }
    }
    start(STANDIN_LAZY, 1);
}

static void pictures_that_do_not_come_are_forgotten(void **state)
{
    (void)state;
    for (int m = 0; m < 4; m++) {
        struct film f;
        start(m % 2 ? STANDIN_THREADS : STANDIN_LAZY, 1);
        open_film(&f, "cuda", 7);
        assert_int_equal(run_one(&f, 0, true, NULL), 0);
        if (m / 2) { /* instead of the second batch */
            assert_int_equal(run_one(&f, 2, true, NULL), 0);
            assert_true(is_as_wanted(&f, 2));
            assert_int_equal(run_one(&f, 1, false, NULL), 0);
            assert_true(is_as_wanted(&f, 1));
        }
        assert_true(is_as_wanted(&f, 0));
        end_film(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_that_begin_early_have_the_same_bits),
        cmocka_unit_test(the_device_has_work_when_a_batch_ends),
        cmocka_unit_test(it_takes_no_more_memory),
        cmocka_unit_test(every_wait_is_needed),
        cmocka_unit_test(a_result_that_is_refused_leaves_the_next_one_as_it_is),
        cmocka_unit_test(what_began_behind_a_batch_that_failed_is_forgotten),
        cmocka_unit_test(a_call_that_fails_spoils_no_batch),
        cmocka_unit_test(pictures_that_do_not_come_are_forgotten),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
