/* SPDX-License-Identifier: MIT */
/* What is written can be read back: every format, depth and set of channels. */
#include <stdlib.h>
#include <string.h>

#include "helper.h"

static const char *const exact_formats[] = {"png", "tiff", "jxl", "ppm"};

static bool is_exact(const struct pq_format_caps *caps, const struct pq_save *save)
{
    if (strcmp(caps->name, "webp") == 0)
        return save->lossless;
    if (strcmp(caps->name, "jxl") == 0)
        return save->lossless;
    for (size_t i = 0; i < sizeof exact_formats / sizeof *exact_formats; i++) {
        if (strcmp(caps->name, exact_formats[i]) == 0)
            return true;
    }
    return false;
}

/* Libraries before libvips 8.16 cannot keep colours under full transparency in a WebP. */
static void hide_transparent(struct picture *p)
{
    int planes = p->format.colours + 1;
    for (size_t i = 0; p->format.alpha && p->format.depth == 8 && i < p->bytes;
         i += (size_t)planes) {
        if (p->data[i + (size_t)p->format.colours] == 0)
            memset(p->data + i, 0, (size_t)planes);
    }
}

static void check_round_trip(const struct pq_format_caps *caps, int w, int h, int colours,
                             bool alpha, int depth, bool lossless)
{
    char name[64];
    pique_error err = {0};
    snprintf(name, sizeof name, "trip.%s", caps->name);
    const char *path = in_folder(name);
    struct pq_save save = save_as(caps->format);
    save.lossless = lossless;
    struct picture in = draw(w, h, colours, alpha, depth), out;
    assert_ok(write_picture(path, &in, &save, NULL, &err), err);
    assert_ok(read_picture(path, true, 5, &out, &err), err);
    if (strcmp(caps->name, "webp") == 0) {
        hide_transparent(&in);
        hide_transparent(&out);
    }
    assert_int_equal(out.format.depth, depth);
    double difference = mean_difference(&in, &out);
    const char *said = strcmp(caps->name, "ppm") == 0 ? "pnm" : caps->name;
    assert_string_equal(out.info.format, said);
    if (is_exact(caps, &save)) {
        if (memcmp(in.data, out.data, in.bytes) != 0)
            fail_msg("%s %dx%d %d+%d channels %d bit is not exact: mean %.3f", caps->name, w, h,
                     colours, alpha, depth, difference);
    } else if (w > 8 && h > 8 && difference > 2.5) {
        fail_msg("%s %dx%d %d+%d channels %d bit%s: mean difference %.3f", caps->name, w, h,
                 colours, alpha, depth, lossless ? " lossless" : "", difference);
    }
    free_picture(&in);
    free_picture(&out);
}

static void every_format_depth_and_channel_set_comes_back(void **state)
{
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        for (int i = 0; i < 16; i++) {
            int colours = i & 1 ? 1 : 3, depth = i & 4 ? 16 : 8;
            bool alpha = i & 2, lossless = i & 8;
            if ((alpha && !caps->alpha) || (depth == 16 && !caps->depth16) ||
                (colours == 1 && !caps->grey))
                continue;
            check_round_trip(caps, 61, 43, colours, alpha, depth, lossless);
        }
    }
}

static void the_smallest_pictures_come_back(void **state)
{
    static const int sizes[][2] = {{1, 1}, {1, 37}, {37, 1}, {3, 5}};
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        for (size_t i = 0; i < 4; i++)
            check_round_trip(caps, sizes[i][0], sizes[i][1], 3, caps->alpha, 8, true);
    }
}

static void the_formats_of_this_build_are_the_expected(void **state)
{
    static const enum pique_format always[] = {PIQUE_FORMAT_PNG, PIQUE_FORMAT_JPEG,
                                               PIQUE_FORMAT_WEBP, PIQUE_FORMAT_TIFF,
                                               PIQUE_FORMAT_PPM};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        assert_non_null(caps_of(always[i]));
    assert_false(caps_of(PIQUE_FORMAT_JPEG)->alpha);
    assert_true(caps_of(PIQUE_FORMAT_PNG)->depth16);
}

static void what_a_format_cannot_hold_is_refused(void **state)
{
    pique_error err;
    struct picture p = draw(4, 4, 3, true, 8);
    struct pq_save save = save_as(PIQUE_FORMAT_JPEG);
    const char *path = in_folder("refused.jpg");
    assert_int_equal(write_picture(path, &p, &save, NULL, &err), PIQUE_EINVAL);
    assert_non_null(strstr(err.message, path));
    free_picture(&p);
    p = draw(16384, 1, 3, false, 8);
    save = save_as(PIQUE_FORMAT_WEBP);
    assert_int_equal(write_picture(path, &p, &save, NULL, &err), PIQUE_EINVAL);
    assert_non_null(strstr(err.message, "16383"));
    free_picture(&p);
}

static void quality_and_compression_change_the_size(void **state)
{
    struct picture p = draw(200, 150, 3, false, 8);
    static const enum pique_format lossy[] = {PIQUE_FORMAT_JPEG, PIQUE_FORMAT_WEBP,
                                              PIQUE_FORMAT_AVIF, PIQUE_FORMAT_JXL};
    pique_error err;
    size_t low, high;
    for (size_t i = 0; i < 4; i++) {
        if (!caps_of(lossy[i]))
            continue;
        struct pq_save save = save_as(lossy[i]);
        save.quality = 20;
        assert_ok(write_picture(in_folder("low"), &p, &save, NULL, &err), err);
        save.quality = 98;
        assert_ok(write_picture(in_folder("high"), &p, &save, NULL, &err), err);
        free(get_file(in_folder("low"), &low));
        free(get_file(in_folder("high"), &high));
        assert_true(low * 2 < high);
    }
    static const enum pique_format packed[] = {PIQUE_FORMAT_PNG, PIQUE_FORMAT_TIFF};
    for (size_t i = 0; i < 2; i++) {
        struct pq_save save = save_as(packed[i]);
        save.compression = 0;
        assert_ok(write_picture(in_folder("none"), &p, &save, NULL, &err), err);
        save.compression = 9;
        assert_ok(write_picture(in_folder("best"), &p, &save, NULL, &err), err);
        free(get_file(in_folder("none"), &high));
        free(get_file(in_folder("best"), &low));
        assert_true(high >= p.bytes);
        assert_true(low < p.bytes);
    }
    free_picture(&p);
}

static void an_output_that_is_not_finished_leaves_nothing(void **state)
{
    struct picture p = draw(64, 300, 3, false, 8);
    size_t stride = pq_picture_row_bytes(&p.format);
    pique_error err;
    empty_folder();
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        for (int rows = 0; rows <= 300; rows += 150) {
            struct pq_save save = save_as(caps->format);
            struct pq_row_sink *sink;
            assert_ok(io()->open_sink(in_folder("left"), &p.format, &save, NULL, &sink, &err), err);
            assert_ok(sink->write(sink, rows, p.data, (ptrdiff_t)stride, &err), err);
            if (rows == 150) {
                assert_int_equal(sink->finish(sink, NULL, &err), PIQUE_EINVAL);
                assert_non_null(strstr(err.message, "rows are missing"));
            }
            sink->close(sink);
            assert_int_equal(entries_in_folder(), 0);
        }
    }
    free_picture(&p);
}

static void an_existing_file_is_kept_unless_it_may_be_replaced(void **state)
{
    struct picture p = draw(8, 8, 3, false, 8);
    struct pq_save save = save_as(PIQUE_FORMAT_PNG);
    pique_error err;
    put_file(in_folder("kept.png"), "old", 3);
    save.overwrite = false;
    assert_int_equal(write_picture(in_folder("kept.png"), &p, &save, NULL, &err), PIQUE_EEXIST);
    size_t size;
    free(get_file(in_folder("kept.png"), &size));
    assert_int_equal(size, 3);
    save.overwrite = true;
    assert_ok(write_picture(in_folder("kept.png"), &p, &save, NULL, &err), err);
    free(get_file(in_folder("kept.png"), &size));
    assert_true(size > 3);
    free_picture(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_depth_and_channel_set_comes_back),
        cmocka_unit_test(the_smallest_pictures_come_back),
        cmocka_unit_test(the_formats_of_this_build_are_the_expected),
        cmocka_unit_test(what_a_format_cannot_hold_is_refused),
        cmocka_unit_test(quality_and_compression_change_the_size),
        cmocka_unit_test(an_output_that_is_not_finished_leaves_nothing),
        cmocka_unit_test(an_existing_file_is_kept_unless_it_may_be_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
