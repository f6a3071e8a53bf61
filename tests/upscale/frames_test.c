/* SPDX-License-Identifier: MIT */
/* Pictures side by side in one inference: each as if it were alone, in every place, whatever else
 * the chain does. The real engine on small models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../model/small_model.h"
#include "../sanitized.h"
#include "base/rng.h"
#include "pique/pique.h"
#include "upscale/frames.h"

enum { WIDTH = 37, HEIGHT = 43, MOST = 8 };

static pique_model *model;
static char notes[4][512];
static int note_count;

static int set_up(void **state)
{
    (void)state;
    const struct maker maker = {.features = 12, .convs = 2, .scale = 2, .channels = 3, .seed = 5};
    return small_model_open(&maker, &model);
}

static int tear_down(void **state)
{
    (void)state;
    pique_model_close(&model);
    return 0;
}

static void on_event(void *user, const pique_event *event)
{
    (void)user;
    if (event->text && note_count < 4)
        strncpy(notes[note_count++], event->text, sizeof notes[0] - 1);
}

static pique_engine *open_engine(uint64_t memory, const char *device)
{
    pique_engine *engine;
    pique_error err;
    note_count = 0;
    const pique_engine_options o = {.size = sizeof o,
                                    .threads = 2,
                                    .memory_bytes = memory,
                                    .device = device,
                                    .event = on_event};
    if (pique_engine_open(model, &o, &engine, &err))
        fail_msg("%s", err.message);
    return engine;
}

/* What is upscaled, and how. */
struct way {
    pique_picture_options options;
    int planes, depth, out_depth, multiple;
};

static void make_picture(const struct way *w, int number, struct pq_image *out)
{
    struct rng r = {(unsigned)number + 11};
    assert_int_equal(pq_image_new(WIDTH, HEIGHT, w->planes, w->depth, NULL, out, NULL), 0);
    for (int p = 0; p < w->planes; p++) {
        for (int y = 0; y < HEIGHT; y++) {
            unsigned char *row = (unsigned char *)out->data[p] + y * out->stride[p];
            for (int x = 0; x < WIDTH * w->depth / 8; x++)
                row[x] = (unsigned char)rng_next(&r);
            /* Alpha in patches, so that evenness and invisible pixels take part. */
            for (int x = 0; p == 3 && x < WIDTH * w->depth / 8; x++) {
                const int patch = (x / (w->depth / 8) / 7 + y / 9 + number) % 3;
                row[x] = patch == 0 ? 0 : patch == 1 ? 255 : row[x];
            }
        }
    }
}

static struct pq_frames *open_frames(pique_engine *engine, const struct way *w, int batch)
{
    static pique_engine *list[1];
    static struct pq_engines engines;
    struct pq_frames *frames;
    pique_error err;
    list[0] = engine;
    engines = (struct pq_engines){list, 1};
    pique_picture_options options = w->options;
    options.size = sizeof options;
    const struct pq_frames_setup setup = {.engines = &engines,
                                          .options = &options,
                                          .width = WIDTH,
                                          .height = HEIGHT,
                                          .planes = w->planes,
                                          .depth = w->depth,
                                          .out_depth = w->out_depth,
                                          .multiple_x = w->multiple,
                                          .multiple_y = w->multiple,
                                          .batch = batch,
                                          .name = "film"};
    if (pq_frames_open(&setup, &frames, &err))
        fail_msg("%s", err.message);
    return frames;
}

static void new_output(const struct pq_frames *frames, struct pq_image *out)
{
    const struct pq_image like = pq_frames_output(frames);
    assert_int_equal(
        pq_image_new(like.width, like.height, like.planes, like.depth, NULL, out, NULL), 0);
}

static bool same(const struct pq_image *a, const struct pq_image *b)
{
    for (int p = 0; p < a->planes; p++) {
        for (int y = 0; y < a->height; y++) {
            if (memcmp((char *)a->data[p] + y * a->stride[p], (char *)b->data[p] + y * b->stride[p],
                       (size_t)a->width * (size_t)(a->depth / 8)) != 0)
                return false;
        }
    }
    return true;
}

/* In batches of each size; where all takes long, of 2 and 5, and of 2 and 3 where threads are
 * looked at. */
static void assert_places_do_not_matter(const struct way *w)
{
    struct pq_image in[MOST], alone[MOST], out[MOST];
    const int most = test_much(MOST, 5, 3);
    pique_error err;
    pique_engine *engine = open_engine(0, NULL);
    struct pq_frames *one = open_frames(engine, w, 1);
    for (int i = 0; i < most; i++) {
        make_picture(w, i, &in[i]);
        new_output(one, &alone[i]);
        new_output(one, &out[i]);
        if (pq_frames_run(one, 1, &in[i], &alone[i], &err))
            fail_msg("%s", err.message);
    }
    assert_int_equal(pq_frames_inferences(one), most);
    for (int batch = 2; batch <= most; batch += test_much(1, 3, 1)) {
        struct pq_frames *many = open_frames(engine, w, batch);
        assert_int_equal(pq_frames_batch(many), batch);
        if (pq_frames_run(many, batch, in, out, &err))
            fail_msg("%s", err.message);
        for (int i = 0; i < batch; i++)
            assert_true(same(&out[i], &alone[i]));
        /* A batch that is not full, and other places. */
        if (pq_frames_run(many, batch - 1, in + 1, out, &err))
            fail_msg("%s", err.message);
        for (int i = 0; i < batch - 1; i++)
            assert_true(same(&out[i], &alone[i + 1]));
        assert_int_equal(pq_frames_inferences(many), 2);
        pq_frames_close(&many);
    }
    for (int i = 0; i < most; i++) {
        pq_image_free(&in[i]);
        pq_image_free(&alone[i]);
        pq_image_free(&out[i]);
    }
    pq_frames_close(&one);
    pique_engine_close(&engine);
}

static void plain_pictures(void **state)
{
    (void)state;
    for (int depth = 8; depth <= 16; depth += 8)
        for (int out_depth = 8; out_depth <= 16; out_depth += 8)
            assert_places_do_not_matter(
                &(struct way){.planes = 3, .depth = depth, .out_depth = out_depth, .multiple = 1});
}

static void pictures_with_alpha(void **state)
{
    (void)state;
    for (int alpha = PIQUE_ALPHA_KEEP; alpha <= PIQUE_ALPHA_FLATTEN; alpha++)
        assert_places_do_not_matter(&(struct way){.options = {.alpha = (enum pique_alpha)alpha},
                                                  .planes = 4,
                                                  .depth = 8,
                                                  .out_depth = 16,
                                                  .multiple = 1});
}

static void several_passes_and_exact_sizes(void **state)
{
    (void)state;
    const pique_picture_options ways[] = {
        {.scale = 3}, {.scale = 4}, {.width = 101}, {.scale = 0.7}, {.pre_downscale = 20}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        assert_places_do_not_matter(&(struct way){
            .options = ways[i], .planes = 3, .depth = 8, .out_depth = 16, .multiple = 1});
    assert_places_do_not_matter(&(struct way){
        .options = {.scale = 3}, .planes = 4, .depth = 8, .out_depth = 16, .multiple = 1});
}

static void effects_about_the_mean_of_each_picture(void **state)
{
    (void)state;
    assert_places_do_not_matter(
        &(struct way){.options = {.sharpen = 0.5, .contrast = 1.2, .saturation = 0.8},
                      .planes = 3,
                      .depth = 8,
                      .out_depth = 16,
                      .multiple = 1});
}

static void eight_turns_of_several_pictures(void **state)
{
    (void)state;
    assert_places_do_not_matter(&(struct way){
        .options = {.tta = true}, .planes = 3, .depth = 8, .out_depth = 16, .multiple = 1});
    if (test_much(1, 1, 0)) /* of four passes: the turns are the same */
        assert_places_do_not_matter(&(struct way){.options = {.tta = true, .scale = 4},
                                                  .planes = 4,
                                                  .depth = 8,
                                                  .out_depth = 16,
                                                  .multiple = 1});
}

static void sides_are_rounded_up_to_what_an_encoder_takes(void **state)
{
    (void)state;
    const struct way w = {
        .options = {.scale = 1}, .planes = 3, .depth = 8, .out_depth = 8, .multiple = 2};
    pique_engine *engine = open_engine(0, NULL);
    struct pq_frames *frames = open_frames(engine, &w, 2);
    assert_int_equal(pq_frames_output(frames).width, WIDTH + 1);
    assert_int_equal(pq_frames_output(frames).height, HEIGHT + 1);
    pq_frames_close(&frames);
    pique_engine_close(&engine);
    assert_places_do_not_matter(&w);
}

static void a_batch_that_does_not_fit_is_lowered_and_said(void **state)
{
    (void)state;
    const struct way w = {.planes = 3, .depth = 8, .out_depth = 8, .multiple = 1};
    pique_engine *engine = open_engine(600 << 10, NULL);
    struct pq_frames *frames = open_frames(engine, &w, 8);
    assert_true(pq_frames_batch(frames) >= 1 && pq_frames_batch(frames) < 8);
    assert_true(pq_frames_memory(frames) <= 600 << 10);
    assert_int_equal(note_count, 1);
    assert_non_null(strstr(notes[0], "a batch of 8 is lowered to"));
    struct pq_image in, out;
    pique_error err;
    make_picture(&w, 0, &in);
    new_output(frames, &out);
    if (pq_frames_run(frames, 1, &in, &out, &err))
        fail_msg("%s", err.message);
    pq_image_free(&in);
    pq_image_free(&out);
    pq_frames_close(&frames);
    pique_engine_close(&engine);
}

static void images_that_were_not_agreed_on_are_refused(void **state)
{
    (void)state;
    const struct way w = {.planes = 3, .depth = 8, .out_depth = 16, .multiple = 1};
    pique_engine *engine = open_engine(0, NULL);
    struct pq_frames *frames = open_frames(engine, &w, 2);
    struct pq_image in[2], out[2];
    pique_error err;
    for (int k = 0; k < 2; k++) {
        make_picture(&w, k, &in[k]);
        new_output(frames, &out[k]);
    }
    for (int k = 0; k < 2; k++) {
        struct pq_image *image = k ? &in[1] : &out[1];
        int *const parts[] = {&image->width, &image->height, &image->planes, &image->depth};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            const int right = *parts[i];
            *parts[i] = right - 1;
            assert_int_equal(pq_frames_run(frames, 2, in, out, &err), PIQUE_EINVAL);
            assert_non_null(strstr(err.message, "film: frame 2 of the batch"));
            *parts[i] = right;
        }
    }
    assert_int_equal(pq_frames_run(frames, 0, in, out, &err), PIQUE_EINVAL);
    assert_int_equal(pq_frames_run(frames, 3, in, out, &err), PIQUE_EINVAL);
    assert_int_equal(pq_frames_run(frames, 2, in, out, &err), 0);
    for (int k = 0; k < 2; k++) {
        pq_image_free(&in[k]);
        pq_image_free(&out[k]);
    }
    pq_frames_close(&frames);
    pique_engine_close(&engine);
}

static void nonsense_is_computed_once_more_and_then_refused(void **state)
{
    (void)state;
    const struct way w = {.planes = 3, .depth = 8, .out_depth = 8, .multiple = 1};
    const char *const devices[] = {"fault:nan@1", "fault:nan@1+"};
    for (int i = 0; i < 2; i++) {
        pique_engine *engine = open_engine(0, devices[i]);
        struct pq_frames *frames = open_frames(engine, &w, 2);
        struct pq_image in[2], out[2];
        pique_error err;
        for (int k = 0; k < 2; k++) {
            make_picture(&w, k, &in[k]);
            new_output(frames, &out[k]);
        }
        assert_int_equal(pq_frames_run(frames, 2, in, out, &err), i ? PIQUE_EDEVICE : 0);
        assert_int_equal(pq_frames_retries(frames), 1);
        assert_int_equal(pq_frames_inferences(frames), !i);
        for (int k = 0; k < 2; k++) {
            pq_image_free(&in[k]);
            pq_image_free(&out[k]);
        }
        pq_frames_close(&frames);
        pique_engine_close(&engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_pictures),
        cmocka_unit_test(pictures_with_alpha),
        cmocka_unit_test(several_passes_and_exact_sizes),
        cmocka_unit_test(effects_about_the_mean_of_each_picture),
        cmocka_unit_test(eight_turns_of_several_pictures),
        cmocka_unit_test(sides_are_rounded_up_to_what_an_encoder_takes),
        cmocka_unit_test(a_batch_that_does_not_fit_is_lowered_and_said),
        cmocka_unit_test(images_that_were_not_agreed_on_are_refused),
        cmocka_unit_test(nonsense_is_computed_once_more_and_then_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
