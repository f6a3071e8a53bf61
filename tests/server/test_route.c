/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "server/body.h"
#include "server/range.h"
#include "server/route.h"

static const struct pq_http_route routes[] = {
    {PQ_HTTP_GET, "/api/state", NULL, 0, NULL},
    {PQ_HTTP_POST, "/api/items", NULL, 100, NULL},
    {PQ_HTTP_PATCH, "/api/items/*", NULL, 100, NULL},
    {PQ_HTTP_DELETE, "/api/items/*", NULL, 0, NULL},
    {PQ_HTTP_POST, "/api/items/*/pause", NULL, 0, NULL},
    {PQ_HTTP_GET, "/api/tests/*/before", NULL, 0, NULL},
    {PQ_HTTP_GET, "/api/tests/*/*", NULL, 0, NULL},
};

static struct pq_match find(enum pq_http_method method, const char *path)
{
    struct pq_match match;
    pq_route_find(routes, PQ_COUNT(routes), method, path, &match);
    return match;
}

static void a_path_of_ours_is_clean(void **state)
{
    (void)state;
    static const char *const good[] = {"/",       "/api/state", "/js/app.js", "/api/items/k3-f9_2",
                                       "/a.b..c", "/vendor/",   "/app.css"};
    for (size_t i = 0; i < PQ_COUNT(good); i++)
        assert_true(pq_path_is_clean(good[i]));
}

static void a_path_that_could_lead_elsewhere_is_not_clean(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",       "api",        "//",      "/api//state", "/.",    "/..",          "/../etc/passwd",
        "/a/..",  "/a/./b",     "/.git",   "/%2e%2e/",    "/a%00", "/a%2fb",       "/a\\..\\b",
        "/a b",   "/a\tb",      "/a;b=1",  "/a?b",        "/a#b",  "/\xc3\xa9",    "/a\x7f",
        "*",      "http://a/b", "a.b:443", "/~root",      "/a:b",  "/.well-known", "/a/.../b",
        "/$HOME", "/`id`",      "/a|b",    "/'",          "/\"",   "/<script>",    "/a\x01",
    };
    char path[PQ_PATH_LENGTH + 2];
    for (size_t i = 0; i < PQ_COUNT(bad); i++)
        assert_false(pq_path_is_clean(bad[i]));
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[PQ_PATH_LENGTH] = '\0';
    assert_true(pq_path_is_clean(path));
    path[PQ_PATH_LENGTH] = 'a';
    path[PQ_PATH_LENGTH + 1] = '\0';
    assert_false(pq_path_is_clean(path));
}

static void a_route_is_found_with_its_parts(void **state)
{
    (void)state;
    struct pq_match m = find(PQ_HTTP_POST, "/api/items/k3f9/pause");
    assert_ptr_equal(m.route, &routes[4]);
    assert_string_equal(m.part[0], "k3f9");
    assert_string_equal(m.part[1], "");
    m = find(PQ_HTTP_GET, "/api/tests/t1/2");
    assert_ptr_equal(m.route, &routes[6]);
    assert_string_equal(m.part[0], "t1");
    assert_string_equal(m.part[1], "2");
    m = find(PQ_HTTP_GET, "/api/state");
    assert_ptr_equal(m.route, &routes[0]);
}

static void the_first_row_that_fits_is_taken(void **state)
{
    (void)state;
    struct pq_match m = find(PQ_HTTP_GET, "/api/tests/t1/before");
    assert_ptr_equal(m.route, &routes[5]);
    assert_string_equal(m.part[0], "t1");
    assert_string_equal(m.part[1], "");
}

static void what_no_row_has_is_not_found(void **state)
{
    (void)state;
    static const char *const paths[] = {"/api",          "/api/",          "/api/statex",
                                        "/api/stat",     "/api/state/",    "/api/items/",
                                        "/api/items/a/", "/api/items/a/b", "/api/tests/a/b/c"};
    for (size_t i = 0; i < PQ_COUNT(paths); i++) {
        struct pq_match m = find(PQ_HTTP_GET, paths[i]);
        assert_null(m.route);
        assert_int_equal(m.methods, 0);
    }
}

static void a_part_has_64_letters_at_most(void **state)
{
    (void)state;
    char path[128] = "/api/items/";
    const size_t at = strlen(path);
    memset(path + at, 'k', PQ_PART_LENGTH);
    struct pq_match m = find(PQ_HTTP_DELETE, path);
    assert_ptr_equal(m.route, &routes[3]);
    assert_string_equal(m.part[0], path + at);
    path[at + PQ_PART_LENGTH] = 'k';
    assert_null(find(PQ_HTTP_DELETE, path).route);
}

static void another_method_is_told_which_there_are(void **state)
{
    (void)state;
    char allow[64];
    struct pq_match m = find(PQ_HTTP_GET, "/api/items/a");
    assert_null(m.route);
    pq_route_allow(m.methods, allow, sizeof allow);
    assert_string_equal(allow, "PATCH, DELETE");
    m = find(PQ_HTTP_PUT, "/api/state");
    pq_route_allow(m.methods, allow, sizeof allow);
    assert_string_equal(allow, "GET, HEAD");
    pq_route_allow(0x1f, allow, sizeof allow);
    assert_string_equal(allow, "GET, HEAD, POST, PUT, PATCH, DELETE");
    pq_route_allow(0x1f, allow, 8); /* cut, and nothing behind it */
    assert_string_equal(allow, "GET, HE");
}

/* ---- queries ---- */

static bool parse(const char *text, struct pq_query *query)
{
    static char copy[4096];
    snprintf(copy, sizeof copy, "%s", text);
    return pq_query_parse(copy, query);
}

static void a_query_is_cut_and_decoded(void **state)
{
    (void)state;
    struct pq_query q;
    assert_true(parse("frame=12&side=&lang=fr&&name=d%c3%A9j%C3%A0+vu%26&flag", &q));
    assert_int_equal(q.count, 5);
    assert_string_equal(pq_query_value(&q, "frame"), "12");
    assert_string_equal(pq_query_value(&q, "side"), "");
    assert_string_equal(pq_query_value(&q, "name"), "d\xc3\xa9j\xc3\xa0 vu&");
    assert_string_equal(pq_query_value(&q, "flag"), "");
    assert_null(pq_query_value(&q, "nam"));
    assert_true(parse("", &q));
    assert_int_equal(q.count, 0);
    assert_true(parse("a=b=c", &q));
    assert_string_equal(pq_query_value(&q, "a"), "b=c");
}

static void a_query_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"a=%",         "a=%4",  "a=%zz",   "a=%00",     "%00=a",
                                      "a=%ff",       "a=%c3", "a=1&a=2", "a=1&%61=2", "a=%0a",
                                      "a=%1b[31m",   "a=%7f", "a=\x01",  "a=%C0%80",  "a=%ED%A0%80",
                                      "a=%E2%80%AE", "a=%-1", "a=% 1",   "a=%+1"};
    struct pq_query q;
    for (size_t i = 0; i < PQ_COUNT(bad); i++)
        assert_false(parse(bad[i], &q));
    assert_true(parse("a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p", &q));
    assert_false(parse("a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", &q));
}

/* ---- ranges ---- */

static void check_range(const char *text, uint64_t size, enum pq_range kind, uint64_t first,
                        uint64_t count)
{
    uint64_t f, n;
    assert_int_equal(pq_range_parse(text, size, &f, &n), kind);
    if (kind != PQ_RANGE_OUTSIDE) {
        assert_int_equal(f, first);
        assert_int_equal(n, count);
    }
}

static void a_part_of_a_file_is_found(void **state)
{
    (void)state;
    check_range("bytes=0-0", 100, PQ_RANGE_PART, 0, 1);
    check_range("bytes=10-19", 100, PQ_RANGE_PART, 10, 10);
    check_range("bytes=10-", 100, PQ_RANGE_PART, 10, 90);
    check_range("bytes=-10", 100, PQ_RANGE_PART, 90, 10);
    check_range("bytes=-1000", 100, PQ_RANGE_PART, 0, 100);
    check_range("bytes=99-1000", 100, PQ_RANGE_PART, 99, 1);
    check_range("BYTES=0-99999999999999999999999999", 100, PQ_RANGE_PART, 0, 100);
    check_range("bytes=0-18446744073709551615", 100, PQ_RANGE_PART, 0, 100);
}

static void a_part_behind_the_end_is_outside(void **state)
{
    (void)state;
    check_range("bytes=100-", 100, PQ_RANGE_OUTSIDE, 0, 0);
    check_range("bytes=18446744073709551616-", 100, PQ_RANGE_OUTSIDE, 0, 0);
    check_range("bytes=-0", 100, PQ_RANGE_OUTSIDE, 0, 0);
    check_range("bytes=0-0", 0, PQ_RANGE_OUTSIDE, 0, 0);
    check_range("bytes=-5", 0, PQ_RANGE_OUTSIDE, 0, 0);
}

static void what_is_no_range_is_the_whole_file(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "bytes",         "bytes=",      "bytes=-",     "bytes=a-b",
        "bytes=5-2",  "bytes=0-1,5-6", "items=0-1",   "bytes = 0-1", "bytes=0-1 ",
        "bytes=+0-1", "bytes=0--1",    "bytes=0x0-1", "bytes=--1"};
    for (size_t i = 0; i < PQ_COUNT(texts); i++)
        check_range(texts[i], 100, PQ_RANGE_WHOLE, 0, 100);
    check_range(NULL, 100, PQ_RANGE_WHOLE, 0, 100);
}

/* ---- bodies ---- */

static int parse_body(const char *text, json_t **out)
{
    pique_error err;
    return pq_body_parse(text, strlen(text), out, &err);
}

static void a_body_is_an_object(void **state)
{
    (void)state;
    json_t *value;
    assert_int_equal(parse_body("{\"a\": [1, {\"b\": \"}]{[\\\"\"}]}", &value), 0);
    assert_int_equal(json_array_size(json_object_get(value, "a")), 2);
    json_decref(value);
    assert_int_equal(parse_body("", &value), 0);
    assert_null(value);
}

static void a_body_that_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"[]",
                                      "1",
                                      "null",
                                      "\"a\"",
                                      "{",
                                      "}",
                                      "{}{}",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{\"a\":\"\\u0000\"}",
                                      "{\"a\":1e999}",
                                      "{\"a\":99999999999999999999}",
                                      "{\"a\":\"\xff\"}",
                                      "{\"a\":NaN}",
                                      "{\"\\ud800\":1}",
                                      "\xef\xbb\xbf{}",
                                      "{'a':1}",
                                      "// a\n{}",
                                      " "};
    json_t *value;
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        assert_int_equal(parse_body(bad[i], &value), PIQUE_EINVAL);
        assert_null(value);
    }
}

static void a_body_that_is_nested_too_deeply_is_refused(void **state)
{
    (void)state;
    char text[4096] = "{\"a\":";
    json_t *value;
    for (int levels = PQ_JSON_DEPTH - 1; levels <= PQ_JSON_DEPTH; levels++) {
        size_t n = 5;
        for (int i = 0; i < levels; i++)
            text[n++] = '[';
        for (int i = 0; i < levels; i++)
            text[n++] = ']';
        text[n++] = '}';
        text[n] = '\0';
        assert_int_equal(parse_body(text, &value), levels < PQ_JSON_DEPTH ? 0 : PIQUE_EINVAL);
        json_decref(value);
    }
    memset(text, '[', sizeof text - 1);
    assert_int_equal(parse_body(text, &value), PIQUE_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_of_ours_is_clean),
        cmocka_unit_test(a_path_that_could_lead_elsewhere_is_not_clean),
        cmocka_unit_test(a_route_is_found_with_its_parts),
        cmocka_unit_test(the_first_row_that_fits_is_taken),
        cmocka_unit_test(what_no_row_has_is_not_found),
        cmocka_unit_test(a_part_has_64_letters_at_most),
        cmocka_unit_test(another_method_is_told_which_there_are),
        cmocka_unit_test(a_query_is_cut_and_decoded),
        cmocka_unit_test(a_query_that_is_none_is_refused),
        cmocka_unit_test(a_part_of_a_file_is_found),
        cmocka_unit_test(a_part_behind_the_end_is_outside),
        cmocka_unit_test(what_is_no_range_is_the_whole_file),
        cmocka_unit_test(a_body_is_an_object),
        cmocka_unit_test(a_body_that_is_no_object_is_refused),
        cmocka_unit_test(a_body_that_is_nested_too_deeply_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
