/* SPDX-License-Identifier: MIT */
/* Names of outputs: never shared, never an input, and the same whatever the order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "cli/name.h"

/* Inputs that need not exist: path, name below the output folder, and walked or not. */
struct given {
    const char *path, *name;
    bool walked;
};

static void make_inputs(struct pq_inputs *in, const struct given *given, size_t count,
                        size_t rotate)
{
    *in = (struct pq_inputs){.list = pq_calloc(count, sizeof *in->list), .count = count};
    for (size_t i = 0; i < count; i++) {
        const struct given *g = &given[(i + rotate) % count];
        in->list[i] = (struct pq_input){.path = pq_strdup(g->path),
                                        .name = pq_strdup(g->name),
                                        .real = pq_strdup(g->path),
                                        .walked = g->walked};
    }
}

static const struct pq_input *find(const struct pq_inputs *in, const char *path)
{
    for (size_t i = 0; i < in->count; i++) {
        if (strcmp(in->list[i].path, path) == 0)
            return &in->list[i];
    }
    return NULL;
}

/* Each input gets the output that stands in its row, in every rotation of the list. */
static void expect(const struct pq_naming *naming, const struct given *given,
                   const char *const *outputs, size_t count)
{
    for (size_t rotate = 0; rotate < count; rotate++) {
        struct pq_inputs in;
        pique_error err;
        make_inputs(&in, given, count, rotate);
        assert_int_equal(pq_name_outputs(&in, naming, &err), 0);
        for (size_t i = 0; i < count; i++)
            assert_string_equal(find(&in, given[i].path)->output, outputs[i]);
        pq_inputs_free(&in);
    }
}

static const struct pq_naming into_out = {.folder = "/no/out", .suffix = "", .extension = ".png"};
static const struct pq_naming beside = {.suffix = "_x4", .extension = ".png"};

static void test_only_a_picture_suffix_is_cut(void **state)
{
    static const struct given given[] = {
        {"/no/a.png", "a.png", false},           {"/no/my.photo.jpg", "my.photo.jpg", false},
        {"/no/version1.2", "version1.2", false}, {"/no/.png", ".png", false},
        {"/no/UPPER.JPG", "UPPER.JPG", false},
    };
    static const char *const folder[] = {"/no/out/a.png", "/no/out/my.photo.png",
                                         "/no/out/version1.2.png", "/no/out/.png.png",
                                         "/no/out/UPPER.png"};
    static const char *const side[] = {"/no/a_x4.png", "/no/my.photo_x4.png",
                                       "/no/version1.2_x4.png", "/no/.png_x4.png",
                                       "/no/UPPER_x4.png"};
    expect(&into_out, given, folder, PQ_COUNT(given));
    expect(&beside, given, side, PQ_COUNT(given));
}

static void test_all_that_collide_keep_their_suffix(void **state)
{
    static const struct given given[] = {
        {"/no/x/a.png", "a.png", true},
        {"/no/x/a.jpg", "a.jpg", true},
        {"/no/x/b.jpg", "b.jpg", true},
        {"/no/x/s/a.png", "s/a.png", true},
    };
    static const char *const outputs[] = {"/no/out/a_png.png", "/no/out/a_jpg.png", "/no/out/b.png",
                                          "/no/out/s/a.png"};
    expect(&into_out, given, outputs, PQ_COUNT(given));
}

static void test_a_new_name_that_collides_again_moves_on(void **state)
{
    static const struct given given[] = {
        {"/no/x/a.png", "a.png", true},
        {"/no/x/a.jpg", "a.jpg", true},
        {"/no/x/a_png.webp", "a_png.webp", true},
    };
    static const char *const outputs[] = {"/no/out/x_a.png", "/no/out/a_jpg.png",
                                          "/no/out/a_png_webp.png"};
    expect(&into_out, given, outputs, PQ_COUNT(given));
}

static void test_files_of_one_name_get_their_folders_name(void **state)
{
    static const struct given given[] = {
        {"/no/x/a.png", "a.png", false},
        {"/no/y/a.png", "a.png", false},
        {"/no/y/a.jpg", "a.jpg", false},
    };
    static const char *const outputs[] = {"/no/out/x_a.png", "/no/out/y_a.png",
                                          "/no/out/a_jpg.png"};
    expect(&into_out, given, outputs, PQ_COUNT(given));
}

static void test_what_nothing_else_tells_apart_gets_a_hash(void **state)
{
    static const struct given given[] = {
        {"/no/1/x/a.png", "a.png", false},
        {"/no/2/x/a.png", "a.png", false},
    };
    struct pq_inputs in;
    pique_error err;
    make_inputs(&in, given, 2, 0);
    assert_int_equal(pq_name_outputs(&in, &into_out, &err), 0);
    assert_int_equal(strncmp(in.list[0].output, "/no/out/x_a_png_", 16), 0);
    assert_string_not_equal(in.list[0].output, in.list[1].output);
    char *first = pq_strdup(in.list[0].output);
    pq_inputs_free(&in);
    make_inputs(&in, given, 2, 1);
    assert_int_equal(pq_name_outputs(&in, &into_out, &err), 0);
    assert_string_equal(find(&in, "/no/1/x/a.png")->output, first);
    pq_free(first);
    pq_inputs_free(&in);
}

static void test_no_output_is_an_input(void **state)
{
    static const struct pq_naming same = {.folder = "/no/x", .suffix = "", .extension = ".png"};
    static const struct given given[] = {
        {"/no/x/a.png", "a.png", false},
        {"/no/x/b.jpg", "b.jpg", false},
    };
    struct pq_inputs in;
    pique_error err;
    make_inputs(&in, given, 2, 0);
    assert_int_equal(pq_name_outputs(&in, &same, &err), 0);
    assert_int_equal(in.list[0].status, PIQUE_ECREATE);
    assert_non_null(strstr(in.list[0].problem, "would replace an input"));
    assert_int_equal(in.list[1].status, 0);
    pq_inputs_free(&in);
}

static void test_outputs_of_an_earlier_run_are_known_beside_their_inputs(void **state)
{
    static const struct given given[] = {
        {"/no/x/a.png", "a.png", true},
        {"/no/x/a_x4.png", "a_x4.png", true},
        {"/no/x/a_x4_x4.png", "a_x4_x4.png", true},
        {"/no/x/b_x4.png", "b_x4.png", true},
    };
    for (size_t rotate = 0; rotate < 4; rotate++) {
        struct pq_inputs in;
        pique_error err;
        make_inputs(&in, given, 4, rotate);
        assert_int_equal(pq_name_outputs(&in, &beside, &err), 0);
        assert_false(find(&in, given[0].path)->earlier);
        assert_true(find(&in, given[1].path)->earlier);
        assert_true(find(&in, given[2].path)->earlier);
        assert_false(find(&in, given[3].path)->earlier); /* there is no b */
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(in.list[i].status, 0);
        pq_inputs_free(&in);
    }
}

static void test_a_named_file_is_never_replaced_by_another_ones_output(void **state)
{
    static const struct given given[] = {
        {"/no/x/a.png", "a.png", false},
        {"/no/x/a_x4.png", "a_x4.png", false},
    };
    struct pq_inputs in;
    pique_error err;
    make_inputs(&in, given, 2, 0);
    assert_int_equal(pq_name_outputs(&in, &beside, &err), 0);
    assert_int_equal(in.list[0].status, PIQUE_ECREATE);
    assert_int_equal(in.list[1].status, 0);
    pq_inputs_free(&in);
}

static void test_formats_are_known_by_their_suffixes(void **state)
{
    assert_int_equal(pq_format_of_name("x/a.JPEG"), PIQUE_FORMAT_JPEG);
    assert_int_equal(pq_format_of_name("a.pgm"), PIQUE_FORMAT_PPM);
    assert_int_equal(pq_format_of_name("a.bmp"), PIQUE_FORMAT_AUTO);
    assert_int_equal(pq_format_of_name("png/a"), PIQUE_FORMAT_AUTO);
    for (int f = PIQUE_FORMAT_PNG; f <= PIQUE_FORMAT_PPM; f++) {
        char name[16] = "a";
        strcat(name, pq_format_extension((enum pique_format)f));
        assert_int_equal(pq_format_of_name(name), f);
    }
}

static void test_a_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    static const struct given given[] = {
        {"/no/1/x/a.png", "a.png", false},
        {"/no/2/x/a.png", "a.png", false},
        {"/no/x/b.jpg", "b.jpg", false},
    };
    for (long n = 1;; n++) {
        struct pq_inputs in;
        pique_error err = {0};
        make_inputs(&in, given, 3, 0);
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        int rc = pq_name_outputs(&in, &into_out, &err);
        bool reached = pq_fault_count(PQ_FAULT_ALLOC) >= n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        pq_inputs_free(&in);
        if (!reached) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, PIQUE_ENOMEM);
        assert_int_equal(err.code, PIQUE_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_a_picture_suffix_is_cut),
        cmocka_unit_test(test_all_that_collide_keep_their_suffix),
        cmocka_unit_test(test_a_new_name_that_collides_again_moves_on),
        cmocka_unit_test(test_files_of_one_name_get_their_folders_name),
        cmocka_unit_test(test_what_nothing_else_tells_apart_gets_a_hash),
        cmocka_unit_test(test_no_output_is_an_input),
        cmocka_unit_test(test_outputs_of_an_earlier_run_are_known_beside_their_inputs),
        cmocka_unit_test(test_a_named_file_is_never_replaced_by_another_ones_output),
        cmocka_unit_test(test_formats_are_known_by_their_suffixes),
        cmocka_unit_test(test_a_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
