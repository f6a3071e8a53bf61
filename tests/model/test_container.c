/* SPDX-License-Identifier: MIT */
/* What a file is goes by its first bytes; the other half of an ncnn model is found beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_model.h"
#include "model/container.h"

static const struct maker tiny = {
    .features = 2, .convs = 1, .scale = 2, .channels = 1, .seed = 3, .half = true};

static char folder[] = "container.XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[2][256];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void save(const char *name, const void *data, size_t size)
{
    struct bytes b = {0};
    bytes_add(&b, data, size);
    bytes_save(&b, in_folder(name));
    bytes_free(&b);
}

static int try_open(const char *name, const char **container, pique_error *err)
{
    struct pq_container c;
    *err = (pique_error){0};
    int rc = pq_container_open(in_folder(name), &c, err);
    *container = rc ? "" : c.name;
    pq_container_close(&c);
    return rc;
}

static void a_model_is_recognised_whatever_its_name(void **state)
{
    (void)state;
    struct bytes st = {0}, param = {0}, bin = {0};
    pique_error err;
    const char *container;
    make_safetensors(&tiny, &st);
    make_ncnn(&tiny, &param, &bin);
    save("a.pth", st.data, st.size);
    save("b.param", param.data, param.size);
    save("b.bin", bin.data, bin.size);
    assert_int_equal(try_open("a.pth", &container, &err), 0);
    assert_string_equal(container, "safetensors");
    assert_int_equal(try_open("b.param", &container, &err), 0);
    assert_string_equal(container, "ncnn");
    assert_int_equal(try_open("b.bin", &container, &err), 0);
    assert_string_equal(container, "ncnn");
    bytes_free(&st);
    bytes_free(&param);
    bytes_free(&bin);
}

static void f32_weights_start_with_zero_bytes(void **state)
{
    (void)state;
    struct maker m = tiny;
    m.half = false;
    struct bytes param = {0}, bin = {0};
    pique_error err;
    const char *container;
    make_ncnn(&m, &param, &bin);
    save("full.param", param.data, param.size);
    save("full.bin", bin.data, bin.size);
    assert_int_equal(try_open("full.bin", &container, &err), 0);
    assert_string_equal(container, "ncnn");
    bytes_free(&param);
    bytes_free(&bin);
}

static void the_missing_half_is_named(void **state)
{
    (void)state;
    struct bytes param = {0}, bin = {0};
    pique_error err;
    const char *container;
    make_ncnn(&tiny, &param, &bin);
    save("lone.param", param.data, param.size);
    save("alone.bin", bin.data, bin.size);
    save("other.name", param.data, param.size);
    assert_int_equal(try_open("lone.param", &container, &err), PIQUE_ENOENT);
    assert_non_null(strstr(err.message, "lone.bin: the other half"));
    assert_int_equal(try_open("alone.bin", &container, &err), PIQUE_ENOENT);
    assert_non_null(strstr(err.message, "alone.param: the other half"));
    assert_int_equal(try_open("other.name", &container, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "should be named *.param"));
    bytes_free(&param);
    bytes_free(&bin);
}

static void what_cannot_be_opened_is_told_by_its_kind(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        int rc;
        const char *says;
    } cases[] = {
        {"", 0, PIQUE_EFORMAT, "empty"},
        {"x", 1, PIQUE_EUNSUPPORTED, "no model file that is known"},
        {"7767517", 7, PIQUE_EUNSUPPORTED, "should be named"},
        {"PK\003\004aaaaaaaaaaaaaaaaa", 20, PIQUE_EFORMAT, "zip archive does not end"},
        {"\200\002\212\012\154\374\234\106\371", 9, PIQUE_EFORMAT, "longer than what is left"},
        {"\200\004N.", 4, PIQUE_EUNSUPPORTED, "is a pickle, but not one of PyTorch"},
        {"GGUF\003\0\0\0", 8, PIQUE_EUNSUPPORTED, "GGUF"},
        {"\x08\x07\x12\x07pytorch\x1a\x03"
         "1.9:\x01",
         18, PIQUE_EFORMAT, "the ONNX file has a field that ends behind"},
        {"\x9d\x85\x76\0\1\0\0\0", 8, PIQUE_EUNSUPPORTED, "binary ncnn"},
        {"version https://git-lfs.github.com", 34, PIQUE_EUNSUPPORTED, "git lfs pull"},
        {"<!DOCTYPE html>", 15, PIQUE_EUNSUPPORTED, "web page"},
        {"\0\0\0\0\0\0\0\0\0\0\0\0", 12, PIQUE_EUNSUPPORTED, "no model file that is known"},
        {"\377\377\377\377\377\377\377\377{}", 10, PIQUE_EFORMAT, "header should have"},
        /* a header of 640 bytes starts as a pickle does */
        {"\200\002\0\0\0\0\0\0{\"a\":", 13, PIQUE_EFORMAT, "header should have 640 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pique_error err;
        const char *container;
        save("thing", cases[i].bytes, cases[i].size);
        int rc = try_open("thing", &container, &err);
        if (rc != cases[i].rc || !strstr(err.message, cases[i].says) ||
            !strstr(err.message, "/thing: "))
            fail_msg("case %zu: %d '%s'", i, rc, err.message);
    }
}

static void a_folder_or_nothing_is_no_model(void **state)
{
    (void)state;
    pique_error err;
    const char *container;
    assert_int_equal(try_open("nothing", &container, &err), PIQUE_ENOENT);
    assert_int_equal(try_open(".", &container, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "folder"));
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"a.pth",      "b.param",    "b.bin",
                                        "full.param", "full.bin",   "lone.param",
                                        "alone.bin",  "other.name", "thing"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_recognised_whatever_its_name),
        cmocka_unit_test(f32_weights_start_with_zero_bytes),
        cmocka_unit_test(the_missing_half_is_named),
        cmocka_unit_test(what_cannot_be_opened_is_told_by_its_kind),
        cmocka_unit_test(a_folder_or_nothing_is_no_model),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
