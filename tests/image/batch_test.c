/* SPDX-License-Identifier: MIT */
/* Picture files in one inference: each as it would be alone, whatever happens to the others. The
 * real engine on a small model, and real files. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../model/small_model.h"
#include "helper.h"
#include "pique/pique.h"
#include "upscale/engine.h"
#include "upscale/frames.h"
#include "upscale/module.h"

enum { WIDTH = 41, HEIGHT = 35, MOST = PIQUE_BATCH_PICTURES };

static pique_model *model;
static char notes[8][512];
static int note_count;

static int set_up(void **state)
{
    (void)state;
    const struct maker maker = {.features = 12, .convs = 2, .scale = 2, .channels = 3, .seed = 5};
    pq_picture_module_replace(io());
    return small_model_open(&maker, &model);
}

static int tear_down(void **state)
{
    (void)state;
    pique_model_close(&model);
    pq_picture_module_replace(NULL);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    empty_folder();
    return 0;
}

static void on_event(void *user, const pique_event *event)
{
    (void)user;
    if (event->text && note_count < 8)
        snprintf(notes[note_count++], sizeof notes[0], "%s", event->text);
}

static pique_engine *open_within(uint64_t memory, const char *device, pique_cancel *cancel)
{
    pique_engine *engine;
    pique_error err;
    note_count = 0;
    const pique_engine_options o = {.size = sizeof o,
                                    .threads = 2,
                                    .memory_bytes = memory,
                                    .device = device,
                                    .event = on_event,
                                    .cancel = cancel};
    assert_ok(pique_engine_open(model, &o, &engine, &err), err);
    return engine;
}

static pique_engine *open_engine(const char *device, pique_cancel *cancel)
{
    return open_within(0, device, cancel);
}

/* ---- pictures ---- */

/* No two of one size are equal, though draw() always draws the same. */
static void put_picture(const char *path, int number, int width, int height, int colours,
                        bool alpha, int depth)
{
    struct picture p = draw(width, height, colours, alpha, depth);
    const struct pq_save save = save_as(PIQUE_FORMAT_PNG);
    pique_error err;
    for (size_t i = 0; i < p.bytes / 3; i++)
        p.data[i] = (unsigned char)(p.data[i] + 29 * number);
    assert_ok(write_picture(path, &p, &save, NULL, &err), err);
    free_picture(&p);
}

struct set {
    char src[MOST][600], dst[MOST][600];
    pique_picture_item items[MOST];
    size_t count;
};

/* `count` pictures of one size and RGB. */
static void set_init(struct set *s, size_t count)
{
    s->count = count;
    memset(s->items, 0, sizeof s->items);
    for (size_t i = 0; i < count; i++) {
        snprintf(s->src[i], sizeof s->src[i], "%s/in-%zu.png", folder(), i);
        snprintf(s->dst[i], sizeof s->dst[i], "%s/out-%zu.png", folder(), i);
        put_picture(s->src[i], (int)i, WIDTH, HEIGHT, 3, false, 8);
        s->items[i].src = s->src[i];
        s->items[i].dst = s->dst[i];
    }
}

static void run(struct set *s, pique_engine *engine, const pique_picture_options *more)
{
    pique_picture_options o = more ? *more : (pique_picture_options){0};
    pique_error err;
    o.size = sizeof o;
    assert_ok(pique_pictures_upscale(&engine, 1, s->items, s->count, &o, &err), err);
}

static uint64_t hash_alone(pique_engine *engine, const char *src)
{
    pique_picture_report report = {.size = sizeof report};
    const pique_picture_options o = {.size = sizeof o, .overwrite = true};
    pique_error err;
    assert_ok(pique_picture_upscale(engine, src, in_folder("alone.png"), &o, &report, &err), err);
    return report.hash;
}

static void assert_done(const struct set *s, size_t i, pique_engine *engine)
{
    const pique_picture_item *item = &s->items[i];
    struct picture whole;
    pique_error err;
    assert_ok(item->status, item->err);
    assert_ok(read_picture(s->dst[i], false, 16, &whole, &err), err);
    assert_int_equal(whole.format.width, item->report.out_width);
    assert_int_equal(whole.format.height, item->report.out_height);
    free_picture(&whole);
    assert_true(item->report.hash == hash_alone(engine, s->src[i]));
}

static void assert_failed(const struct set *s, size_t i, int status, const char *sentence)
{
    const pique_picture_item *item = &s->items[i];
    assert_int_equal(item->status, status);
    if (!strstr(item->err.message, sentence))
        fail_msg("'%s' does not say '%s'", item->err.message, sentence);
}

/* ---- tests ---- */

static void every_picture_is_as_if_it_were_alone(void **state)
{
    (void)state;
    pique_engine *engine = open_engine(NULL, NULL);
    for (size_t count = 1; count <= MOST; count++) {
        struct set s;
        empty_folder();
        set_init(&s, count);
        run(&s, engine, NULL);
        for (size_t i = 0; i < count; i++) {
            assert_done(&s, i, engine);
            for (size_t k = 0; k < i; k++)
                assert_true(s.items[i].report.hash != s.items[k].report.hash);
        }
        assert_int_equal(note_count, 0);
    }
    pique_engine_close(&engine);
}

static void sizes_colours_and_depths_may_differ(void **state)
{
    (void)state;
    struct set s;
    pique_engine *engine = open_engine(NULL, NULL);
    set_init(&s, MOST);
    put_picture(s.src[1], 1, WIDTH + 1, HEIGHT, 3, false, 8);
    put_picture(s.src[2], 2, WIDTH, HEIGHT, 3, true, 8);
    put_picture(s.src[3], 3, WIDTH, HEIGHT, 1, false, 8);
    put_picture(s.src[4], 4, WIDTH, HEIGHT, 3, false, 16);
    put_picture(s.src[5], 5, WIDTH, HEIGHT, 3, true, 16);
    put_picture(s.src[6], 6, WIDTH + 1, HEIGHT, 3, false, 8);
    run(&s, engine, NULL);
    for (size_t i = 0; i < s.count; i++)
        assert_done(&s, i, engine);
    assert_int_equal(note_count, 0);
    pique_engine_close(&engine);
}

static void a_bad_one_leaves_the_others_alone(void **state)
{
    (void)state;
    struct set s;
    size_t size;
    pique_engine *engine = open_engine(NULL, NULL);
    set_init(&s, MOST);
    unsigned char *data = get_file(s.src[1], &size);
    put_file(s.src[1], data, size - size / 3); /* opens, and ends while rows are read */
    put_file(s.src[3], "no picture", 10);
    free(data);
    remove(s.src[4]);
    put_file(s.dst[6], "mine", 4);
    run(&s, engine, NULL);
    const bool good[MOST] = {1, 0, 1, 0, 0, 1, 0, 1};
    for (size_t i = 0; i < s.count; i++) {
        if (good[i])
            assert_done(&s, i, engine);
        else
            assert_non_null(strstr(s.items[i].err.message, i == 6 ? s.dst[i] : s.src[i]));
    }
    assert_int_equal(s.items[1].status, PIQUE_EFORMAT);
    assert_int_equal(s.items[3].status, PIQUE_EFORMAT);
    assert_int_equal(s.items[4].status, PIQUE_ENOENT);
    assert_int_equal(s.items[6].status, PIQUE_EEXIST);
    /* That the others were begun anew is told once. */
    assert_int_equal(note_count, 1);
    assert_non_null(strstr(notes[0], "a batch of 5 pictures failed"));
    assert_non_null(strstr(notes[0], s.src[1]));
    /* Nothing but the inputs there are, the results, the file that was there, and "alone.png". */
    assert_int_equal(entries_in_folder(), 7 + 4 + 1 + 1);
    pique_engine_close(&engine);
}

static void what_is_no_item_has_its_own_sentence(void **state)
{
    (void)state;
    struct set s;
    pique_engine *engine = open_engine(NULL, NULL);
    set_init(&s, 7);
    s.items[1].src = NULL;
    s.items[2].dst = NULL;
    s.items[3].src = "-";
    s.items[4].dst = "-";
    s.items[6].dst = s.dst[0];
    const pique_picture_options replace = {.overwrite = true};
    run(&s, engine, &replace);
    assert_done(&s, 0, engine);
    assert_done(&s, 5, engine);
    assert_failed(&s, 1, PIQUE_EINVAL, "a source and a destination");
    assert_failed(&s, 2, PIQUE_EINVAL, "a source and a destination");
    assert_failed(&s, 3, PIQUE_EINVAL, "pipe");
    assert_failed(&s, 4, PIQUE_EINVAL, "pipe");
    assert_failed(&s, 6, PIQUE_EEXIST, s.dst[0]);
    pique_engine_close(&engine);
}

static void a_call_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct set s;
    pique_error err;
    pique_engine *engine = open_engine(NULL, NULL);
    set_init(&s, 1);
    assert_int_equal(pique_pictures_upscale(&engine, 1, s.items, 0, NULL, &err), PIQUE_EINVAL);
    assert_int_equal(pique_pictures_upscale(&engine, 1, s.items, MOST + 1, NULL, &err),
                     PIQUE_EINVAL);
    assert_int_equal(pique_pictures_upscale(&engine, 1, NULL, 1, NULL, &err), PIQUE_EINVAL);
    assert_int_equal(pique_pictures_upscale(&engine, 0, s.items, 1, NULL, &err), PIQUE_EINVAL);
    assert_int_equal(entries_in_folder(), 1);
    pique_engine_close(&engine);
}

static void a_fault_of_the_device_is_computed_once_more_alone(void **state)
{
    (void)state;
    const char *const kinds[] = {"fault:nan@2", "fault:error@2"};
    for (int k = 0; k < 2; k++) {
        struct set s;
        pique_engine *sound = open_engine(NULL, NULL);
        pique_engine *engine = open_engine(kinds[k], NULL);
        empty_folder();
        set_init(&s, 4);
        run(&s, engine, NULL);
        assert_int_equal(note_count, 1);
        assert_non_null(strstr(notes[0], "a batch of 4 pictures failed"));
        assert_non_null(strstr(notes[0], "each is done alone"));
        for (size_t i = 0; i < s.count; i++) {
            assert_done(&s, i, sound);
            assert_int_equal(s.items[i].report.retries, 1);
        }
        pique_engine_close(&engine);
        pique_engine_close(&sound);
    }
}

static void a_batch_that_does_not_fit_is_lowered_and_said(void **state)
{
    (void)state;
    struct set s;
    pique_engine *engine = open_within(600 << 10, NULL, NULL);
    set_init(&s, MOST);
    run(&s, engine, NULL);
    assert_int_equal(note_count, 1);
    assert_non_null(strstr(notes[0], "a batch of 8 is lowered to "));
    for (size_t i = 0; i < s.count; i++)
        assert_done(&s, i, engine);
    pique_engine_close(&engine);
}

static void a_device_that_goes_on_failing_makes_no_picture(void **state)
{
    (void)state;
    struct set s;
    pique_engine *engine = open_engine("fault:nan@1+", NULL);
    set_init(&s, 3);
    run(&s, engine, NULL);
    for (size_t i = 0; i < s.count; i++)
        assert_failed(&s, i, PIQUE_EDEVICE, s.src[i]);
    assert_int_equal(entries_in_folder(), 3);
    pique_engine_close(&engine);
}

static void a_cancel_leaves_nothing_behind(void **state)
{
    (void)state;
    struct set s;
    pique_cancel *cancel = pique_cancel_new();
    pique_engine *engine = open_engine(NULL, cancel);
    set_init(&s, 3);
    pique_cancel_set(cancel);
    run(&s, engine, NULL);
    for (size_t i = 0; i < s.count; i++)
        assert_int_equal(s.items[i].status, PIQUE_ECANCELED);
    assert_int_equal(entries_in_folder(), 3);
    assert_int_equal(note_count, 0);
    pique_engine_close(&engine);
    pique_cancel_free(&cancel);
}

/* ---- files and frames ---- */

/* Samples of a file, one beside the other, as planes; or planes as samples. */
static void planes_of(const struct picture *p, struct pq_image *image)
{
    const int planes = p->format.colours + p->format.alpha, bytes = p->format.depth / 8;
    assert_int_equal(
        pq_image_new(p->format.width, p->format.height, planes, p->format.depth, NULL, image, NULL),
        0);
    const unsigned char *from = p->data;
    for (int y = 0; y < p->format.height; y++)
        for (int x = 0; x < p->format.width; x++)
            for (int c = 0; c < planes; c++, from += bytes)
                memcpy((char *)image->data[c] + y * image->stride[c] + x * bytes, from,
                       (size_t)bytes);
}

static bool same(const struct pq_image *a, const struct pq_image *b)
{
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->planes, b->planes);
    assert_int_equal(a->depth, b->depth);
    for (int c = 0; c < a->planes; c++)
        for (int y = 0; y < a->height; y++)
            if (memcmp((char *)a->data[c] + y * a->stride[c], (char *)b->data[c] + y * b->stride[c],
                       (size_t)a->width * (size_t)(a->depth / 8)) != 0)
                return false;
    return true;
}

static void assert_frame_is_file(bool alpha, int depth, const pique_picture_options *more)
{
    pique_engine *engine = open_engine(NULL, NULL), *list[] = {engine};
    const struct pq_engines engines = {list, 1};
    pique_picture_options o = *more;
    struct picture in, file;
    struct pq_image frame, want, got;
    struct pq_frames *frames;
    pique_error err;
    o.size = sizeof o;
    o.overwrite = true;
    put_picture(in_folder("in.png"), 3, WIDTH, HEIGHT, 3, alpha, depth);
    assert_ok(read_picture(in_folder("in.png"), false, 16, &in, &err), err);
    assert_ok(
        pique_picture_upscale(engine, in_folder("in.png"), in_folder("out.png"), &o, NULL, &err),
        err);
    assert_ok(read_picture(in_folder("out.png"), false, 16, &file, &err), err);
    const struct pq_frames_setup setup = {.engines = &engines,
                                          .options = &o,
                                          .width = WIDTH,
                                          .height = HEIGHT,
                                          .planes = 3 + alpha,
                                          .depth = depth,
                                          .out_depth = depth,
                                          .multiple_x = 1,
                                          .multiple_y = 1,
                                          .batch = 1,
                                          .name = "film"};
    planes_of(&in, &frame);
    planes_of(&file, &want);
    assert_ok(pq_frames_open(&setup, &frames, &err), err);
    const struct pq_image like = pq_frames_output(frames);
    assert_int_equal(
        pq_image_new(like.width, like.height, like.planes, like.depth, NULL, &got, NULL), 0);
    assert_ok(pq_frames_run(frames, 1, &frame, &got, &err), err);
    assert_true(same(&got, &want));
    pq_frames_close(&frames);
    pq_image_free(&frame);
    pq_image_free(&want);
    pq_image_free(&got);
    free_picture(&in);
    free_picture(&file);
    pique_engine_close(&engine);
}

static void a_frame_gives_the_bits_that_its_file_gives(void **state)
{
    (void)state;
    const pique_picture_options ways[] = {
        {0}, {.scale = 3}, {.sharpen = 0.5, .contrast = 1.2, .saturation = 0.8}, {.tta = true}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        for (int depth = 8; depth <= 16; depth += 8)
            for (int alpha = 0; alpha < 2; alpha++)
                assert_frame_is_file(alpha, depth, &ways[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_picture_is_as_if_it_were_alone, clean),
        cmocka_unit_test_teardown(sizes_colours_and_depths_may_differ, clean),
        cmocka_unit_test_teardown(a_bad_one_leaves_the_others_alone, clean),
        cmocka_unit_test_teardown(what_is_no_item_has_its_own_sentence, clean),
        cmocka_unit_test_teardown(a_call_that_makes_no_sense_is_refused, clean),
        cmocka_unit_test_teardown(a_fault_of_the_device_is_computed_once_more_alone, clean),
        cmocka_unit_test_teardown(a_batch_that_does_not_fit_is_lowered_and_said, clean),
        cmocka_unit_test_teardown(a_device_that_goes_on_failing_makes_no_picture, clean),
        cmocka_unit_test_teardown(a_cancel_leaves_nothing_behind, clean),
        cmocka_unit_test_teardown(a_frame_gives_the_bits_that_its_file_gives, clean),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
