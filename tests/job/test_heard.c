/* SPDX-License-Identifier: MIT */
/* What is kept of a worker that tells whatever it likes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "job/heard.h"
#include "job/look.h"

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static void assert_kept(json_t *kept, const char *expected)
{
    json_t *wanted = parse(expected);
    assert_true(json_equal(kept, wanted));
    json_decref(wanted);
    json_decref(kept);
}

static char *deep(int depth)
{
    struct pq_str s = {0};
    for (int i = 0; i < depth; i++)
        pq_str_add(&s, "[");
    for (int i = 0; i < depth; i++)
        pq_str_add(&s, "]");
    return pq_str_take(&s);
}

static void what_a_look_tells_is_kept_as_it_is_described(void **unused)
{
    (void)unused;
    static const char said[] =
        "{\"kind\": \"film\", \"width\": 64, \"height\": 48, \"frames\": 73, \"seconds\": 3.04, "
        "\"fps\": 24.0, \"codec\": \"h264\", \"container\": \"mkv\", \"depth\": 8, "
        "\"alpha\": false, \"audio\": 1, \"subtitles\": 0, "
        "\"tracks\": [{\"kind\": \"audio\", \"codec\": \"aac\", \"language\": \"fra\"}]}";
    json_t *told = parse(said);
    json_object_set_new(told, "input", json_string("/home/me/film.mkv"));
    json_object_set_new(told, "event", json_string("look"));
    assert_kept(pq_info_of(told), said);
    json_decref(told);
}

static void nothing_else_goes_into_an_entry(void **unused)
{
    (void)unused;
    char *bomb = deep(1000), page[3000];
    memset(page, 'x', sizeof page - 1);
    page[sizeof page - 1] = '\0';
    json_t *told = parse("{\"width\": {\"a\": 1}, \"height\": \"48\", \"frames\": 1e300, "
                         "\"fps\": null, \"alpha\": 1, \"kind\": \"film\"}");
    json_object_set_new(told, "codec", json_string(page));
    json_object_set_new(told, "container", parse(bomb));
    json_object_set_new(told, "depth", parse(bomb));
    json_object_set_new(told, "more", parse(bomb));
    json_t *tracks = json_array();
    for (int i = 0; i < 1000; i++) {
        json_t *track =
            i % 2 ? parse(bomb) : json_pack("{s:o, s:s}", "kind", parse(bomb), "language", page);
        json_array_append_new(tracks, track);
    }
    json_object_set_new(told, "tracks", tracks);
    json_t *info = pq_info_of(told);
    assert_true(json_array_size(json_object_get(info, "tracks")) <= 100);
    json_t *first = json_array_get(json_object_get(info, "tracks"), 0);
    assert_int_equal(json_object_size(first), 0);
    json_object_del(info, "tracks");
    assert_kept(info, "{\"kind\": \"film\"}");
    json_object_set_new(told, "seconds_expected", parse(bomb));
    json_object_set_new(told, "message", json_string(page));
    json_object_set_new(told, "batch", json_integer(4));
    assert_kept(pq_estimate_of(told), "{\"batch\": 4}");
    assert_null(pq_heard_text(told, "message", PQ_HEARD_SENTENCE));
    assert_null(pq_heard_text(told, "batch", PQ_HEARD_WORD));
    assert_string_equal(pq_heard_text(told, "kind", PQ_HEARD_WORD), "film");
    json_decref(told);
    assert_kept(pq_estimate_of(NULL), "{}");
    json_t *none = parse("7");
    assert_kept(pq_info_of(none), "{}");
    json_decref(none);
    pq_free(bomb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_look_tells_is_kept_as_it_is_described),
        cmocka_unit_test(nothing_else_goes_into_an_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
