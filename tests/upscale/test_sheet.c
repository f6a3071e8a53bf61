/* SPDX-License-Identifier: MIT */
/* Sheets over a picture module in memory and an engine of a few lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "fake.h"
#include "pique/sheet.h"
#include "upscale/detail.h"
#include "upscale/module.h"

/* ---- the module ---- */

static struct {
    struct pq_picture_format format;
    unsigned char samples[200 * 120 * 4];
    struct fake_source source;
    struct fake_sink sink;
    bool sink_used;
    int sinks;
    int fail_text; /* status */
    int fail_read, fail_write;
    int texts;
    char last_text[200];
} world;

static int world_open_source(const char *path, bool allow_untrusted, struct pq_row_source **out,
                             pique_error *err)
{
    (void)allow_untrusted;
    *out = NULL;
    if (strcmp(path, "in.png") != 0)
        return pq_fail(err, PIQUE_ENOENT, "%s: fake: not here", path);
    fake_source_init(&world.source, &world.format, world.samples);
    world.source.fail_read = world.fail_read;
    *out = &world.source.base;
    return 0;
}

static void forget_sink(void)
{
    if (world.sink_used)
        free(world.sink.samples);
    world.sink_used = false;
}

static int world_open_sink(const char *path, const struct pq_picture_format *format,
                           const struct pq_save *save, const struct pq_row_source *like,
                           struct pq_row_sink **out, pique_error *err)
{
    (void)path, (void)save, (void)err;
    assert_ptr_equal(like, &world.source);
    assert_true(world.source.open);
    forget_sink();
    fake_sink_init(&world.sink, format);
    world.sink.fail_write = world.fail_write;
    world.sink_used = true;
    world.sinks++;
    *out = &world.sink.base;
    return 0;
}

/* A mark in the first pixel: how many labels were drawn by then. */
static int world_draw_text(const char *text, int pixels, unsigned char *mask, int width, int height,
                           pique_error *err)
{
    if (world.fail_text)
        return pq_fail(err, world.fail_text, "fake: no letters");
    assert_true(pixels >= 12 && width > 0 && height >= pixels);
    mask[0] = (unsigned char)++world.texts;
    snprintf(world.last_text, sizeof world.last_text, "%s", text);
    return 0;
}

static const struct pq_format_caps FORMATS[] = {
    {PIQUE_FORMAT_PNG, "png", ".png", true, true, true, 5000, true, true, true},
    {PIQUE_FORMAT_JPEG, "jpeg", ".jpg .jpeg", false, false, true, 200, false, false, false},
    {.format = PIQUE_FORMAT_AUTO},
};

static const struct pq_picture_io IO = {.version = PQ_PICTURE_IO_VERSION,
                                        .open_source = world_open_source,
                                        .formats = FORMATS,
                                        .open_sink = world_open_sink,
                                        .draw_text = world_draw_text};

/* A slope with a chequered square of 20 pixels at x, y. */
static void new_world(int width, int height, int x0, int y0)
{
    forget_sink();
    memset(&world, 0, sizeof world);
    world.format = (struct pq_picture_format){width, height, 3, false, 8};
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            unsigned char *p = world.samples + (y * width + x) * 3;
            const bool inside = x >= x0 && x < x0 + 20 && y >= y0 && y < y0 + 20;
            for (int c = 0; c < 3; c++)
                p[c] = (unsigned char)(inside ? (x + y + c) % 2 * 200 : x / 2 + y / 2 + c);
        }
}

static pique_engine engine_of(enum fake_network network, int scale)
{
    return (pique_engine){
        .network = network, .scale = scale, .channels = 3, .band = 4, .lag = 2, .budget = 1 << 28};
}

#define OPTIONS(...) (&(pique_sheet_options){.size = sizeof(pique_sheet_options), __VA_ARGS__})

static pique_sheet *open_sheet(const pique_sheet_options *options)
{
    pique_sheet *sheet;
    pique_error err = {0};
    int rc = pique_sheet_open("in.png", options, &sheet, &err);
    if (rc)
        fail_msg("%s", err.message);
    return sheet;
}

static pique_sheet_info info_of(const pique_sheet *sheet)
{
    pique_sheet_info info = {.size = sizeof info};
    assert_int_equal(pique_sheet_get_info(sheet, &info, NULL), 0);
    return info;
}

static void add(pique_sheet *sheet, pique_engine *engine, pique_sheet_result *result)
{
    pique_error err = {0};
    engine->progress_done = 0;
    if (pique_sheet_add(sheet, &engine, 1, result, &err))
        fail_msg("%s", err.message);
    assert_int_equal(engine->streams_open, 0);
    assert_int_equal(engine->progress_done, engine->progress_total);
    assert_true(engine->progress_total > 0);
}

/* ---- the piece ---- */

static void the_piece_lies_where_most_detail_is(void **state)
{
    (void)state;
    static const int at[][2] = {{0, 0}, {180, 100}, {90, 50}, {33, 95}, {175, 3}};
    for (size_t i = 0; i < 5; i++) {
        new_world(200, 120, at[i][0], at[i][1]);
        pique_sheet *sheet = open_sheet(OPTIONS(.crop_width = 40, .crop_height = 48, .scale = 1));
        const pique_sheet_info info = info_of(sheet);
        assert_in_range(info.x, PQ_MAX(at[i][0] - 28, 0), at[i][0]);
        assert_in_range(info.y, PQ_MAX(at[i][1] - 28, 0), at[i][1]);
        assert_true(info.x + info.width <= 200 && info.y + info.height <= 120);
        assert_int_equal(info.width, 40);
        assert_int_equal(info.height, 48);
        pique_sheet_close(&sheet);
        assert_false(world.source.open);
    }
}

static void without_options_it_is_256_or_the_whole_picture(void **state)
{
    (void)state;
    new_world(200, 120, 0, 0);
    pique_sheet *sheet = open_sheet(NULL);
    const pique_sheet_info info = info_of(sheet);
    assert_true(info.x == 0 && info.y == 0 && info.width == 200 && info.height == 120);
    assert_true(info.cell_width == 800 && info.cell_height == 480);
    pique_sheet_close(&sheet);
    pique_sheet_close(&sheet);
}

static void a_piece_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        pique_sheet_options o;
        const char *sentence;
    } table[] = {
        {{.crop_width = 201},
         "in.png: a piece of 201x120+0+0 is not inside a picture of 200 x 120"},
        {{.crop_width = 50, .crop_x = 151, .crop_height = 1, .crop_placed = true}, "not inside"},
        {{.crop_placed = true, .crop_y = 1000}, "not inside"},
        {{.crop_width = -1}, "makes no sense"},
        {{.crop_x = -1, .crop_placed = true}, "makes no sense"},
        {{.scale = 17}, "1 to 16"},
        {{.scale = -1}, "1 to 16"},
    };
    new_world(200, 120, 0, 0);
    for (size_t i = 0; i < PQ_COUNT(table); i++) {
        pique_sheet_options o = table[i].o;
        o.size = sizeof o;
        pique_sheet *sheet;
        pique_error err = {0};
        assert_int_equal(pique_sheet_open("in.png", &o, &sheet, &err), PIQUE_EINVAL);
        assert_non_null(strstr(err.message, table[i].sentence));
        assert_null(sheet);
        assert_false(world.source.open);
    }
    pique_sheet *sheet;
    assert_int_equal(pique_sheet_open("gone", NULL, &sheet, NULL), PIQUE_ENOENT);
    assert_int_equal(pique_sheet_open("in.png", &(pique_sheet_options){0}, &sheet, NULL),
                     PIQUE_EINVAL);
}

static void of_equal_pieces_the_first_is_taken(void **state)
{
    (void)state;
    struct image flat = image_new(100, 70, 3);
    struct pq_stage *stage = image_stage(&flat);
    int x = -1, y = -1;
    assert_int_equal(pq_detail_find(stage, 30, 20, &x, &y, NULL), 0);
    assert_true(x == 0 && y == 0);
    stage->close(stage);
    image_free(&flat);
}

/* ---- the sheet ---- */

static const unsigned char *pixel(int x, int y)
{
    return world.sink.samples + ((size_t)y * (size_t)world.sink.format.width + (size_t)x) * 3;
}

static void pictures_stand_in_rows_with_labels_under_them(void **state)
{
    (void)state;
    new_world(200, 120, 0, 0);
    enum { W = 30, H = 20, X = 7, Y = 5, CELL = 60, HIGH = 40, GAP = 12 };
    pique_sheet *sheet = open_sheet(OPTIONS(.crop_width = W, .crop_height = H, .crop_x = X,
                                            .crop_y = Y, .crop_placed = true, .scale = 2));
    pique_sheet_result r = {.size = sizeof r};
    for (int i = 0; i < 4; i++) {
        pique_engine e = engine_of(FAKE_NEAREST, i == 3 ? 1 : 2);
        add(sheet, &e, &r);
        assert_int_equal(r.width, i == 3 ? W : CELL);
        assert_true(r.passes == 1 && r.retries == 0 && r.seconds >= 0);
        assert_int_equal(pique_sheet_label(sheet, (size_t)i + 1, "first\nsecond", NULL), 0);
    }
    pique_sheet_report report = {.size = sizeof report};
    assert_int_equal(pique_sheet_write(sheet, "out.png", &report, NULL), 0);
    assert_true(world.sink.finished);
    /* Five pictures: three beside one another, the first without a label. */
    const int below = GAP / 2 + 2 * GAP * 4 / 3;
    assert_int_equal(report.columns, 3);
    assert_int_equal(report.width, GAP + 3 * (CELL + GAP));
    assert_int_equal(report.height, GAP + 2 * (HIGH + below + GAP));
    assert_true(report.labelled);
    assert_int_equal(report.bytes_written, 4711);
    assert_int_equal(world.texts, 4);
    assert_string_equal(world.last_text, "first\nsecond");
    for (int y = 0; y < HIGH; y++)
        for (int x = 0; x < CELL; x++) {
            const unsigned char *want = world.samples + ((Y + y / 2) * 200 + X + x / 2) * 3;
            assert_memory_equal(pixel(GAP + CELL + GAP + x, GAP + y), want, 3);
            assert_memory_equal(pixel(GAP + x, GAP + HIGH + below + GAP + y), want, 3);
        }
    const int label_y = GAP + HIGH + GAP / 2;
    assert_int_equal(pixel(GAP, label_y)[0], 255);
    assert_int_equal(pixel(GAP + CELL + GAP, label_y)[1], 255 - 1);
    assert_int_equal(pixel(GAP + CELL + GAP, label_y + HIGH + below + GAP)[2], 255 - 4);
    for (int x = 0; x < report.width; x++) {
        assert_memory_equal(pixel(x, 0), "\377\377\377", 3);
        assert_memory_equal(pixel(x, report.height - 1), "\377\377\377", 3);
    }
    pique_sheet_close(&sheet);
}

static void few_places_stay_empty(void **state)
{
    (void)state;
    static const int columns[] = {1, 2, 3, 2, 3, 3, 4, 4, 3, 5, 4, 4};
    new_world(8, 8, 0, 0);
    pique_engine e = engine_of(FAKE_NEAREST, 1);
    pique_sheet *sheet = open_sheet(OPTIONS(.scale = 1));
    for (size_t i = 0; i < PQ_COUNT(columns); i++) {
        pique_sheet_report report = {.size = sizeof report};
        assert_int_equal(pique_sheet_write(sheet, "out.png", &report, NULL), 0);
        assert_int_equal(report.columns, columns[i]);
        add(sheet, &e, NULL);
    }
    pique_sheet_close(&sheet);
}

static void a_machine_without_letters_gives_a_sheet_without_labels(void **state)
{
    (void)state;
    new_world(100, 60, 0, 0);
    world.fail_text = PIQUE_EUNSUPPORTED;
    pique_sheet *sheet = open_sheet(OPTIONS(.scale = 1));
    assert_int_equal(pique_sheet_label(sheet, 0, "source", NULL), 0);
    pique_sheet_report report = {.size = sizeof report};
    assert_int_equal(pique_sheet_write(sheet, "out.png", &report, NULL), 0);
    assert_false(report.labelled);
    assert_int_equal(report.height, 12 + 60 + 12);
    world.fail_text = PIQUE_ENOMEM;
    assert_int_equal(pique_sheet_write(sheet, "out.png", &report, NULL), PIQUE_ENOMEM);
    pique_sheet_close(&sheet);
}

static void a_chain_and_the_mean_of_the_turns_work_on_a_sheet_too(void **state)
{
    (void)state;
    new_world(60, 40, 0, 0);
    pique_engine one = engine_of(FAKE_BLUR, 1), two = engine_of(FAKE_NEAREST, 2);
    pique_engine *both[] = {&one, &two};
    pique_sheet *sheet = open_sheet(OPTIONS(.scale = 2, .tta = true));
    pique_sheet_result r = {.size = sizeof r};
    assert_int_equal(pique_sheet_add(sheet, both, 2, &r, NULL), 0);
    assert_int_equal(r.passes, 2);
    assert_int_equal(one.streams_opened, 9);
    assert_true(one.progress_done == 4 * 100 + 4 * 200 + 80);
    pique_sheet_close(&sheet);
}

static void what_fails_is_not_on_the_sheet(void **state)
{
    (void)state;
    new_world(60, 40, 0, 0);
    pique_sheet *sheet = open_sheet(OPTIONS(.scale = 2));
    pique_engine bad = engine_of(FAKE_NAN, 2), small = engine_of(FAKE_NEAREST, 2);
    pique_engine stopped = small, once = small;
    pique_engine *list[] = {&bad};
    pique_error err = {0};
    assert_int_equal(pique_sheet_add(sheet, list, 1, NULL, &err), PIQUE_EDEVICE);
    small.budget = 1000;
    list[0] = &small;
    assert_int_equal(pique_sheet_add(sheet, list, 1, NULL, &err), PIQUE_ENOMEM);
    assert_non_null(strstr(err.message, "--memory"));
    stopped.cancel_after = 2;
    list[0] = &stopped;
    assert_int_equal(pique_sheet_add(sheet, list, 1, NULL, &err), PIQUE_ECANCELED);
    assert_int_equal(pique_sheet_add(sheet, NULL, 1, NULL, &err), PIQUE_EINVAL);
    assert_int_equal(pique_sheet_label(sheet, 1, "none", &err), PIQUE_EINVAL);
    once.bad_streams = 1;
    list[0] = &once;
    pique_sheet_result r = {.size = sizeof r};
    assert_int_equal(pique_sheet_add(sheet, list, 1, &r, &err), 0);
    assert_int_equal(r.retries, 1);
    assert_int_equal(pique_sheet_label(sheet, 1, "one", &err), 0);
    /* Writing. */
    assert_int_equal(pique_sheet_write(sheet, "out.jpg", NULL, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "276 x"));
    assert_int_equal(pique_sheet_write(sheet, "out.xyz", NULL, &err), PIQUE_EUNSUPPORTED);
    assert_int_equal(world.sinks, 0);
    world.fail_write = 3;
    assert_int_equal(pique_sheet_write(sheet, "out.png", NULL, &err), PIQUE_ENOSPC);
    assert_false(world.sink.open || world.sink.finished);
    pique_sheet_close(&sheet);
    world.fail_read = 2;
    assert_int_equal(pique_sheet_open("in.png", NULL, &sheet, &err), PIQUE_EFORMAT);
}

static void a_full_sheet_takes_no_more(void **state)
{
    (void)state;
    new_world(8, 8, 0, 0);
    pique_sheet *sheet = open_sheet(OPTIONS(.scale = 1));
    pique_engine e = engine_of(FAKE_NEAREST, 1);
    for (int i = 1; i < PIQUE_SHEET_PICTURES; i++)
        add(sheet, &e, NULL);
    pique_engine *list[] = {&e};
    pique_error err;
    assert_int_equal(pique_sheet_add(sheet, list, 1, NULL, &err), PIQUE_EINVAL);
    assert_non_null(strstr(err.message, "64 pictures"));
    pique_sheet_report report = {.size = sizeof report};
    assert_int_equal(pique_sheet_write(sheet, "out.png", &report, NULL), 0);
    assert_int_equal(report.columns, 8);
    pique_sheet_close(&sheet);
}

static int whole_sheet(pique_error *err)
{
    pique_sheet *sheet;
    pique_engine e = engine_of(FAKE_BLUR, 2);
    pique_engine *list[] = {&e};
    int rc = pique_sheet_open("in.png", OPTIONS(.crop_width = 20, .scale = 3), &sheet, err);
    if (!rc)
        rc = pique_sheet_add(sheet, list, 1, NULL, err);
    if (!rc)
        rc = pique_sheet_label(sheet, 1, "label", err);
    if (!rc)
        rc = pique_sheet_write(sheet, "out.png", NULL, err);
    pique_sheet_close(&sheet);
    assert_false(world.source.open || (world.sink_used && world.sink.open));
    assert_int_equal(e.streams_open, 0);
    return rc;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    new_world(40, 30, 0, 0);
    bool whole = false;
    long n = 1;
    for (; !whole; n++) {
        pique_error err = {0};
        pq_fault_arm(PQ_FAULT_ALLOC, n, 12, false);
        int rc = whole_sheet(&err);
        whole = pq_fault_count(PQ_FAULT_ALLOC) < n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_int_equal(rc, whole ? 0 : PIQUE_ENOMEM);
    }
    assert_true(n > 25);
}

static int use_fake_module(void **state)
{
    (void)state;
    pq_picture_module_replace(&IO);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    forget_sink();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_piece_lies_where_most_detail_is),
        cmocka_unit_test(without_options_it_is_256_or_the_whole_picture),
        cmocka_unit_test(a_piece_that_cannot_be_is_refused),
        cmocka_unit_test(of_equal_pieces_the_first_is_taken),
        cmocka_unit_test(pictures_stand_in_rows_with_labels_under_them),
        cmocka_unit_test(few_places_stay_empty),
        cmocka_unit_test(a_machine_without_letters_gives_a_sheet_without_labels),
        cmocka_unit_test(a_chain_and_the_mean_of_the_turns_work_on_a_sheet_too),
        cmocka_unit_test(what_fails_is_not_on_the_sheet),
        cmocka_unit_test(a_full_sheet_takes_no_more),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, use_fake_module, tear_down);
}
