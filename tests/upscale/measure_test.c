/* SPDX-License-Identifier: MIT */
/* What an engine's steps take, the peak of the processor, and kernels by number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../model/small_model.h"
#include "pique/pique.h"

enum { WIDTH = 23, HEIGHT = 17, FRAMES = 2, SCALE = 2, CONVS = 3 };

static pique_model *model;

static int set_up(void **state)
{
    (void)state;
    const struct maker maker = {
        .features = 12, .convs = CONVS, .scale = SCALE, .channels = 3, .seed = 5};
    return small_model_open(&maker, &model);
}

static int tear_down(void **state)
{
    (void)state;
    pique_model_close(&model);
    return 0;
}

static pique_engine *open_on(const char *device)
{
    pique_engine *engine;
    pique_error err;
    const pique_engine_options o = {.size = sizeof o, .threads = 2, .device = device};
    if (pique_engine_open(model, &o, &engine, &err))
        fail_msg("%s", err.message);
    return engine;
}

static unsigned char in[FRAMES][HEIGHT][WIDTH][3];
static unsigned char out[FRAMES][HEIGHT * SCALE][WIDTH * SCALE][3];

static void run(pique_engine *engine)
{
    const pique_rows from = {in, sizeof in[0][0], sizeof in[0], PIQUE_SAMPLE_U8};
    const pique_rows to = {out, sizeof out[0][0], sizeof out[0], PIQUE_SAMPLE_U8};
    pique_error err;
    for (size_t i = 0; i < sizeof in; i++)
        ((unsigned char *)in)[i] = (unsigned char)(i * i % 251);
    if (pique_batch_run(engine, FRAMES, WIDTH, HEIGHT, &from, &to, &err))
        fail_msg("%s", err.message);
}

static void steps_have_all_pixels_of_all_runs_and_no_bit_changes(void **state)
{
    (void)state;
    static unsigned char want[sizeof out];
    pique_engine *engine = open_on("cpu");
    pique_step_info step = {.size = sizeof step};
    run(engine);
    memcpy(want, out, sizeof want);
    assert_int_equal(pique_engine_get_step(engine, 1, &step, NULL), PIQUE_EINVAL);
    assert_int_equal(pique_engine_measure(engine, true, NULL), 0);
    run(engine);
    run(engine);
    assert_memory_equal(out, want, sizeof want);
    int convolutions = 0;
    uint64_t macs = 0;
    for (size_t i = 0; pique_engine_get_step(engine, i, &step, NULL) == 0; i++) {
        if (strcmp(step.kind, "conv2d") != 0)
            continue;
        convolutions++;
        assert_int_equal(step.pixels, 2 * FRAMES * WIDTH * HEIGHT);
        assert_int_equal(step.kernel_width, 3);
        assert_int_equal(step.in_channels, convolutions == 1 ? 3 : 12);
        assert_int_equal(step.channels, convolutions == CONVS + 2 ? 3 * SCALE * SCALE : 12);
        assert_string_equal(step.how, convolutions == 1 ? "direct" : "winograd");
        assert_true(step.seconds > 0 && step.seconds < 60);
        macs += step.planned - step.pixels * (uint64_t)step.channels;
    }
    assert_int_equal(convolutions, CONVS + 2);
    pique_model_info info = {.size = sizeof info};
    assert_int_equal(pique_model_get_info(model, &info, NULL), 0);
    assert_true(2 * macs >= info.flops_per_pixel * 2 * FRAMES * WIDTH * HEIGHT * 99 / 100);
    /* Anew from 0, then no more. */
    assert_int_equal(pique_engine_measure(engine, true, NULL), 0);
    assert_int_equal(pique_engine_get_step(engine, 1, &step, NULL), 0);
    assert_true(step.pixels == 0 && step.seconds == 0);
    assert_int_equal(pique_engine_measure(engine, false, NULL), 0);
    assert_int_equal(pique_engine_get_step(engine, 1, &step, NULL), PIQUE_EINVAL);
    pique_engine_close(&engine);
}

static void a_device_that_does_not_tell_says_so(void **state)
{
    (void)state;
    pique_engine *engine = open_on("fault:nan@1000");
    pique_error err;
    assert_int_equal(pique_engine_measure(engine, true, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "does not tell what each step takes"));
    assert_int_equal(pique_engine_measure(engine, false, &err), 0);
    pique_engine_close(&engine);
}

static void a_peak_is_measured_on_as_many_threads_as_are_asked_for(void **state)
{
    (void)state;
    double one, two;
    bool here;
    assert_int_equal(pique_cpu_peak(1, 0.02, &one, NULL), 0);
    assert_int_equal(pique_cpu_peak(2, 0.02, &two, NULL), 0);
    assert_true(one > 1e7 && two > 1e7 && one < 1e13 && two < 2e13);
    assert_int_equal(pique_cpu_peak(-1, 0.02, &one, NULL), PIQUE_EINVAL);
    assert_int_equal(pique_cpu_peak(1025, 0.02, &one, NULL), PIQUE_EINVAL);
    assert_string_equal(pique_cpu_level_get(0, &here), "scalar");
    assert_true(here);
    assert_null(pique_cpu_level_get(99, &here));
}

static void kernels_are_found_by_number_and_refuse_what_makes_no_sense(void **state)
{
    (void)state;
    pique_kernel_info info = {.size = sizeof info};
    pique_kernel_rate rate = {.size = sizeof rate}, none = {0};
    pique_error err;
    size_t count = 0;
    while (pique_kernel_get(count, &info, NULL) == 0)
        count++;
    assert_true(count >= 20);
    assert_int_equal(pique_kernel_check(0, "scalar", 3, &err), 0);
    assert_int_equal(pique_kernel_check(0, "scalar", 0, &err), PIQUE_EINVAL);
    assert_int_equal(pique_kernel_check(0, "mmx", 3, &err), PIQUE_EINVAL);
    assert_int_equal(pique_kernel_check(count, "scalar", 3, &err), PIQUE_EINVAL);
    assert_int_equal(pique_kernel_time(0, "scalar", 0, &rate, &err), 0);
    assert_true(rate.rate > 1e6 && rate.shape[0]);
    assert_int_equal(pique_kernel_time(0, "scalar", 0, &none, &err), PIQUE_EINVAL);
    assert_int_equal(pique_kernel_time(count, "scalar", 0, &rate, &err), PIQUE_EINVAL);
    bool here = true;
    const char *level = "scalar";
    for (size_t i = 0; here && (level = pique_cpu_level_get(i, &here)); i++)
        ;
    if (level)
        assert_int_equal(pique_kernel_check(0, level, 3, &err), PIQUE_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_have_all_pixels_of_all_runs_and_no_bit_changes),
        cmocka_unit_test(a_device_that_does_not_tell_says_so),
        cmocka_unit_test(a_peak_is_measured_on_as_many_threads_as_are_asked_for),
        cmocka_unit_test(kernels_are_found_by_number_and_refuse_what_makes_no_sense),
    };
    return cmocka_run_group_tests_name("measure", tests, set_up, tear_down);
}
