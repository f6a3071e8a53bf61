/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "fake.h"
#include "upscale/format.h"

static const struct pq_format_caps FORMATS[] = {
    {PIQUE_FORMAT_PNG, "png", ".png", true, true, true, 1000, false, false, false},
    {PIQUE_FORMAT_JPEG, "jpeg", ".jpg .jpeg", false, false, true, 1000, false, false, false},
    {PIQUE_FORMAT_PPM, "ppm", ".ppm .pgm", false, true, true, 1000, false, false, false},
    {.format = PIQUE_FORMAT_AUTO},
};

static void the_end_of_the_name_decides_in_any_case_of_letters(void **state)
{
    (void)state;
    static const struct {
        const char *dst, *format;
    } table[] = {
        {"a.png", "png"},
        {"x/b.JPeG", "jpeg"},
        {"my.photo.jpg", "jpeg"},
        {"a.pgm", "ppm"},
        {"a.png.jpg", "jpeg"},
        {"a.png/", NULL},
        {"a", NULL},
        {"a.jp", NULL},
        {".png", NULL},
        {"dir.png/file", NULL},
        {"dir/.png", NULL},
        {"apng", NULL},
        {"a.gif", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct pq_format_caps *f = NULL;
        pique_error err = {0};
        int rc = pq_format_choose(FORMATS, PIQUE_FORMAT_AUTO, table[i].dst, "png", &f, &err);
        print_message("%s: %d %s\n", table[i].dst, rc, err.message);
        if (table[i].format) {
            assert_int_equal(rc, 0);
            assert_string_equal(f->name, table[i].format);
        } else {
            assert_int_equal(rc, PIQUE_EUNSUPPORTED);
            assert_non_null(strstr(err.message, ".png .jpg .jpeg .ppm .pgm"));
        }
    }
}

static void a_pipe_gets_the_format_of_the_source_or_png(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"jpeg", "jpeg"}, {"pnm", "ppm"}, {"png", "png"}, {"gif", "png"}, {"", "png"}};
    for (size_t i = 0; i < 5; i++) {
        const struct pq_format_caps *f = NULL;
        assert_int_equal(pq_format_choose(FORMATS, PIQUE_FORMAT_AUTO, "-", table[i][0], &f, NULL),
                         0);
        assert_string_equal(f->name, table[i][1]);
    }
}

static void a_format_that_is_asked_for_overrules_the_name(void **state)
{
    (void)state;
    const struct pq_format_caps *f = NULL;
    pique_error err;
    assert_int_equal(pq_format_choose(FORMATS, PIQUE_FORMAT_JPEG, "a.png", "png", &f, &err), 0);
    assert_string_equal(f->name, "jpeg");
    assert_int_equal(pq_format_choose(FORMATS, PIQUE_FORMAT_JXL, "a.png", "png", &f, &err),
                     PIQUE_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_the_name_decides_in_any_case_of_letters),
        cmocka_unit_test(a_pipe_gets_the_format_of_the_source_or_png),
        cmocka_unit_test(a_format_that_is_asked_for_overrules_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
