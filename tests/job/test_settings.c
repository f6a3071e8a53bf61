/* SPDX-License-Identifier: MIT */
/* What a client may set, and into which words it goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "job/settings.h"

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

static void settings_become_words(void **unused)
{
    pique_error err;
    (void)unused;
    json_t *settings =
        parse("{\"scale\": 1.5, \"tta\": true, \"lossless\": false, \"quality\": 90, "
              "\"codec\": \"h265\", \"sharpen\": null, "
              "\"enc\": [\"a=b\", \"c=d/e\"], \"fps\": \"24000/1001\"}");
    json_t *words = json_array();
    if (pq_settings_words(settings, PQ_CMD_RUN, words, &err))
        fail_msg("%s", err.message);
    json_t *wanted = parse("[\"--scale=1.5\", \"--tta\", \"--quality=90\", \"--codec=h265\", "
                           "\"--enc=a=b\", \"--enc=c=d/e\", \"--fps=24000/1001\"]");
    assert_true(json_equal(words, wanted));
    assert_int_equal(pq_settings_check(settings, &err), 0);
    json_array_clear(words);
    assert_int_equal(pq_settings_words(settings, PQ_CMD_PREVIEW, words, &err), 0);
    json_decref(wanted);
    wanted = parse("[\"--scale=1.5\", \"--tta\", \"--quality=90\"]");
    assert_true(json_equal(words, wanted));
    json_decref(wanted);
    json_decref(words);
    json_decref(settings);
}

static void a_whole_number_is_read_as_the_worker_will_read_it(void **unused)
{
    static const struct {
        const char *settings;
        int64_t threads;
    } known[] = {{"{}", 0}, {"{\"threads\": 2, \"scale\": 2}", 2}, {"{\"threads\": \"3\"}", 3}};
    (void)unused;
    for (size_t i = 0; i < PQ_COUNT(known); i++) {
        json_t *settings = parse(known[i].settings), *words = json_array();
        assert_int_equal(pq_settings_words(settings, PQ_CMD_RUN, words, NULL), 0);
        assert_int_equal(pq_words_whole(words, PQ_OPT_THREADS), known[i].threads);
        json_decref(settings);
        json_decref(words);
    }
}

static void what_is_none_is_refused_by_name(void **unused)
{
    static const char *const bad[][2] = {
        {"{\"nonsense\": 1}", "nonsense"},
        {"{\"output\": \"x\"}", "output"},
        {"{\"overwrite\": true}", "overwrite"},
        {"{\"json\": true}", "json"},
        {"{\"job\": \"x\"}", "job"},
        {"{\"names-from\": \"x\"}", "names-from"},
        {"{\"model\": \"/etc/passwd\"}", "model"},
        {"{\"model\": \"a,../b\"}", "model"},
        {"{\"preset\": \"a/b\"}", "preset"},
        {"{\"scale\": [2]}", "scale"},
        {"{\"scale\": {}}", "scale"},
        {"{\"scale\": true}", "scale"},
        {"{\"tta\": 1}", "tta"},
        {"{\"tta\": \"yes\"}", "tta"},
        {"{\"enc\": [1, {}]}", "enc"},
        {"{\"scale\": 1000}", "scale"},
        {"{\"quality\": 0}", "quality"},
        {"{\"format\": \"exe\"}", "format"},
        {"{\"width\": 10, \"scale\": 2}", "--"},
    };
    (void)unused;
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        pique_error err;
        json_t *settings = parse(bad[i][0]);
        if (pq_settings_check(settings, &err) != PIQUE_EINVAL)
            fail_msg("%s was taken", bad[i][0]);
        if (!strstr(err.message, bad[i][1]))
            fail_msg("%s: %s", bad[i][0], err.message);
        json_decref(settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_become_words),
        cmocka_unit_test(a_whole_number_is_read_as_the_worker_will_read_it),
        cmocka_unit_test(what_is_none_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
