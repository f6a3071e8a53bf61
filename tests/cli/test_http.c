/* SPDX-License-Identifier: MIT */
/* The heads of answers that curl prints: whole, cut at every byte, in pieces, and made to mislead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/http.h"

static struct pq_http head(const char *text, size_t *body)
{
    struct pq_http h = {0};
    *body = pq_http_head(&h, text, strlen(text));
    return h;
}

static void test_a_plain_answer_says_size_and_validators(void **state)
{
    (void)state;
    size_t body;
    const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\netag:  \"ab\" \r\n"
                        "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\nbody";
    struct pq_http h = head(text, &body);
    assert_true(h.ended);
    assert_int_equal(h.status, 200);
    assert_int_equal(h.total, 12);
    assert_int_equal(h.first, 0);
    assert_string_equal(h.etag, "\"ab\"");
    assert_string_equal(h.modified, "Wed, 21 Oct 2015 07:28:00 GMT");
    assert_string_equal(text + body, "body");
}

static void test_a_part_says_where_it_begins_and_how_large_the_whole_is(void **state)
{
    (void)state;
    size_t body;
    struct pq_http h = head("HTTP/2 206\r\ncontent-range: bytes 5-9/10\r\n"
                            "content-length: 5\r\n\r\n",
                            &body);
    assert_int_equal(h.status, 206);
    assert_int_equal(h.first, 5);
    assert_int_equal(h.total, 10);
}

static void test_heads_before_the_last_do_not_count(void **state)
{
    (void)state;
    size_t body;
    struct pq_http h = head("HTTP/1.1 100 Continue\r\n\r\n"
                            "HTTP/1.1 302 Found\r\nContent-Length: 99\r\nETag: \"no\"\r\n\r\n"
                            "HTTP/1.1 200 OK\n\nHTTP/1.1 body",
                            &body);
    assert_true(h.ended);
    assert_int_equal(h.total, 0);
    assert_string_equal(h.etag, "");
}

static void test_a_head_cut_at_any_byte_is_not_ended(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 301 Moved\r\nLocation: x\r\n\r\n"
                               "HTTP/1.1 206 Partial\r\nContent-Range: bytes 1-2/3\r\n\r\n";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        struct pq_http h = {0};
        char *exact = pq_malloc(n + 1); /* for the sanitizer to see the end */
        memcpy(exact, text, n);
        exact = pq_realloc(exact, n ? n : 1);
        assert_int_equal(pq_http_head(&h, exact, n), 0);
        assert_false(h.ended);
        assert_false(h.refused);
        pq_free(exact);
    }
}

static void test_what_cannot_be_is_not_believed(void **state)
{
    (void)state;
    static const char *const ranges[] = {"bytes 5-9/9",
                                         "bytes 9-5/10",
                                         "bytes -5/10",
                                         "bytes */10",
                                         "octets 5-9/10",
                                         "bytes +5-9/1",
                                         "bytes 5-9/99999999999999999999999",
                                         "bytes",
                                         "bytes 5- 9/10"};
    for (size_t i = 0; i < PQ_COUNT(ranges); i++) {
        char text[200];
        size_t body;
        snprintf(text, sizeof text, "HTTP/1.1 206 P\r\nContent-Range: %s\r\n\r\n", ranges[i]);
        struct pq_http h = head(text, &body);
        assert_true(h.ended);
        assert_int_equal(h.first, -1);
    }
    size_t body;
    struct pq_http h =
        head("HTTP/1.1 200 OK\r\nContent-Length: -1\r\nETag: W/\"weak\"\r\n\r\n", &body);
    assert_int_equal(h.total, 0);
    assert_string_equal(h.etag, "");
}

static void test_what_is_no_head_is_refused(void **state)
{
    (void)state;
    size_t body;
    assert_true(head("<html>\r\n\r\n", &body).refused);
    assert_true(head("HTTP/1.1 302 Found\r\n\r\n<html>", &body).refused);
    assert_int_equal(head("HTTP/1.1 x\r\n\r\nHTTP/", &body).status, 0);
}

static void test_too_long_a_value_is_left_out(void **state)
{
    (void)state;
    char text[1000] = "HTTP/1.1 200 OK\r\nETag: \"";
    size_t at = strlen(text), body;
    memset(text + at, 'x', 600);
    strcpy(text + at + 600, "\"\r\n\r\n");
    struct pq_http h = head(text, &body);
    assert_true(h.ended);
    assert_string_equal(h.etag, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_answer_says_size_and_validators),
        cmocka_unit_test(test_a_part_says_where_it_begins_and_how_large_the_whole_is),
        cmocka_unit_test(test_heads_before_the_last_do_not_count),
        cmocka_unit_test(test_a_head_cut_at_any_byte_is_not_ended),
        cmocka_unit_test(test_what_cannot_be_is_not_believed),
        cmocka_unit_test(test_what_is_no_head_is_refused),
        cmocka_unit_test(test_too_long_a_value_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
