/* SPDX-License-Identifier: MIT */
/* What the page and the queue get of the option table: the list in JSON, the settings of an item,
 * the options of the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "option/option.h"

static json_t *list(void)
{
    struct pq_str s = {0};
    json_error_t error;
    pq_option_list(&s);
    assert_false(s.failed);
    json_t *root = json_loads(s.data, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s", error.text);
    pq_str_free(&s);
    return root;
}

/* The member of an array whose `key` is `value`; NULL where there is none. */
static json_t *entry(json_t *array, const char *key, const char *value)
{
    size_t i;
    json_t *one;
    json_array_foreach(array, i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, key)), value) == 0)
            return one;
    }
    return NULL;
}

static const char *text_at(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static json_t *option(json_t *root, const char *name)
{
    json_t *found = entry(json_object_get(root, "options"), "name", name);
    if (!found)
        fail_msg("%s is not in the list", name);
    return found;
}

static void test_the_list_has_every_option_of_a_run_in_the_order_of_the_help(void **state)
{
    json_t *root = list(), *options = json_object_get(root, "options");
    size_t at = 0;
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        if (!pq_option_of_run(&pq_option_table[i]))
            continue;
        json_t *o = json_array_get(options, at++);
        assert_string_equal(text_at(o, "name"), pq_option_table[i].name);
        assert_int_equal(json_boolean_value(json_object_get(o, "page")),
                         pq_option_page(&pq_option_table[i]));
    }
    assert_int_equal(json_array_size(options), at);
    assert_null(entry(options, "name", "help"));
    assert_null(entry(options, "name", "port"));
    json_decref(root);
}

static void test_each_entry_of_the_list_says_all_that_a_form_needs(void **state)
{
    static const char *const kinds[] = {
        "flag", "count", "int",  "number", "scale", "size", "crop",   "time", "rate", "bits",
        "pair", "bytes", "rows", "choice", "text",  "part", "colour", "path", "model"};
    json_t *root = list(), *o;
    size_t i;
    json_array_foreach(json_object_get(root, "options"), i, o)
    {
        bool known = false;
        for (size_t k = 0; k < PQ_COUNT(kinds); k++)
            known |= strcmp(text_at(o, "kind"), kinds[k]) == 0;
        assert_true(known);
        assert_non_null(entry(json_object_get(root, "groups"), "id", text_at(o, "group")));
        static const char *const texts[] = {"help", "detail"};
        for (size_t k = 0; k < PQ_COUNT(texts); k++) {
            json_t *both = json_object_get(o, texts[k]);
            assert_non_null(text_at(both, "en"));
            assert_non_null(text_at(both, "fr"));
        }
        assert_true(json_is_array(json_object_get(o, "choices")));
        assert_true(json_array_size(json_object_get(o, "for")) >= 1);
        assert_non_null(json_object_get(o, "default"));
        assert_true(json_is_boolean(json_object_get(o, "common")));
        assert_true(json_is_boolean(json_object_get(o, "repeats")));
    }
    json_decref(root);
}

static void test_values_in_the_list_have_the_type_of_their_option(void **state)
{
    json_t *root = list(), *o = option(root, "quality");
    assert_int_equal(json_integer_value(json_object_get(o, "default")), 95);
    assert_int_equal(json_integer_value(json_object_get(o, "least")), 1);
    assert_int_equal(json_integer_value(json_object_get(o, "most")), 100);
    assert_true(json_real_value(json_object_get(option(root, "contrast"), "least")) == 0.01);
    o = option(root, "scale");
    assert_true(json_is_null(json_object_get(o, "default")));
    assert_int_equal(json_integer_value(json_object_get(o, "most")), 64);
    assert_string_equal(text_at(json_object_get(o, "value"), "fr"), "FACTEUR");
    o = option(root, "tta");
    assert_true(json_is_false(json_object_get(o, "default")));
    assert_true(json_is_null(json_object_get(o, "value")));
    assert_true(json_is_null(json_object_get(o, "most")));
    o = option(root, "alpha");
    assert_string_equal(text_at(o, "default"), "keep");
    assert_string_equal(json_string_value(json_array_get(json_object_get(o, "choices"), 2)),
                        "flatten");
    assert_true(json_is_true(json_object_get(option(root, "enc"), "repeats")));
    assert_int_equal(json_integer_value(json_object_get(option(root, "memory"), "most")),
                     1125899906842624);
    o = json_object_get(option(root, "codec"), "for");
    assert_int_equal(json_array_size(o), 1);
    assert_string_equal(json_string_value(json_array_get(o, 0)), "run");
    assert_int_equal(json_array_size(json_object_get(option(root, "model"), "for")), 2);
    json_decref(root);
}

/* ---- settings of an item ---- */

static void test_what_names_a_path_or_a_stream_is_no_setting_of_an_item(void **state)
{
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *o = &pq_option_table[i];
        if (!pq_option_page(o))
            continue;
        if (o->kind == PQ_KIND_PATH)
            fail_msg("--%s is a path", o->name);
        assert_true(pq_option_of_run(o));
        assert_true(o->commands & PQ_FOR(QUEUE_ADD));
    }
    static const enum pq_option_id none[] = {
        PQ_OPT_OUTPUT,       PQ_OPT_OVERWRITE, PQ_OPT_SKIP_EXISTING, PQ_OPT_NAMES_FROM,
        PQ_OPT_NO_RECURSIVE, PQ_OPT_DRY_RUN,   PQ_OPT_JOB,           PQ_OPT_RESTART,
        PQ_OPT_MEMORY,       PQ_OPT_QUIET,     PQ_OPT_VERBOSE,       PQ_OPT_JSON,
        PQ_OPT_GET_MODEL,    PQ_OPT_LANG,      PQ_OPT_HELP,          PQ_OPT_AT,
        PQ_OPT_PORT,         PQ_OPT_FOLDER};
    for (size_t i = 0; i < PQ_COUNT(none); i++)
        assert_false(pq_option_page(&pq_option_table[none[i]]));
    static const enum pq_option_id some[] = {
        PQ_OPT_MODEL,       PQ_OPT_SCALE,   PQ_OPT_CODEC,     PQ_OPT_ENC,    PQ_OPT_BATCH,
        PQ_OPT_NO_PARALLEL, PQ_OPT_SHARPEN, PQ_OPT_PRECISION, PQ_OPT_DEVICE, PQ_OPT_SUFFIX};
    for (size_t i = 0; i < PQ_COUNT(some); i++)
        assert_true(pq_option_page(&pq_option_table[some[i]]));
}

/* The words of a line behind those of a command. */
static int parse(struct pq_options *o, enum pq_command_id command, pique_error *err,
                 const char *line)
{
    static char copy[256];
    static char *words[32];
    int count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        words[count++] = word;
    return pq_options_parse(o, command, count, words, err);
}

static void test_queue_add_takes_the_settings_of_an_item_and_no_others(void **state)
{
    struct pq_options o;
    pique_error err = {0};
    assert_int_equal(parse(&o, PQ_CMD_QUEUE_ADD, &err, "a.mkv -s 2 --enc a=1 --enc b=2 --port 81"),
                     0);
    assert_true(o.values[PQ_OPT_SCALE].number == 2);
    assert_int_equal(o.values[PQ_OPT_ENC].all_count, 2);
    assert_string_equal(o.values[PQ_OPT_ENC].all[1], "b=2");
    assert_int_equal(pq_whole(&o, PQ_OPT_PORT), 81);
    assert_int_equal(o.operand_count, 1);
    pq_options_free(&o);
    static const char *const bad[] = {"--output x", "--overwrite", "--memory 1G", "--job x"};
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        assert_int_equal(parse(&o, PQ_CMD_QUEUE_ADD, &err, bad[i]), PIQUE_EINVAL);
        assert_non_null(strstr(err.message, "pique queue add has no option"));
        pq_options_free(&o);
    }
}

/* ---- the server ---- */

static void test_an_option_that_repeats_keeps_all_it_was_given_in_order(void **state)
{
    struct pq_options o;
    pique_error err;
    assert_int_equal(parse(&o, PQ_CMD_SERVE, &err, "--folder /a --folder=/b --port 1 --port 2"), 0);
    const struct pq_value *v = &o.values[PQ_OPT_FOLDER];
    assert_int_equal(v->all_count, 2);
    assert_string_equal(v->all[0], "/a");
    assert_string_equal(v->all[1], "/b");
    assert_string_equal(v->text, "/b");
    assert_int_equal(o.values[PQ_OPT_PORT].all_count, 0);
    assert_int_equal(pq_whole(&o, PQ_OPT_PORT), 2);
    pq_options_free(&o);
}

static void test_folders_and_names_of_the_server_may_be_several(void **state)
{
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const bool several = i == PQ_OPT_FOLDER || i == PQ_OPT_HOST_NAME || i == PQ_OPT_ENC;
        /* pique bench takes lists, and says so where the value stands. */
        const struct pq_option *o = &pq_option_table[i];
        const bool list = o->value && strstr(o->value, "[,...]");
        assert_int_equal(o->repeats, several || list);
        assert_true(!list || o->commands == PQ_FOR(BENCH));
        /* The help says so. */
        assert_int_equal(strstr(pq_option_table[i].help, "may be repeated") != NULL, several);
        assert_int_equal(strstr(pq_option_table[i].help_fr, "peut être répété") != NULL, several);
    }
}

static void test_the_server_has_its_defaults_and_refuses_what_is_out_of_range(void **state)
{
    struct pq_options o;
    pique_error err;
    assert_int_equal(parse(&o, PQ_CMD_SERVE, &err, ""), 0);
    assert_int_equal(pq_whole(&o, PQ_OPT_PORT), 7860);
    assert_int_equal(pq_whole(&o, PQ_OPT_PARALLEL), 1);
    assert_false(pq_given(&o, PQ_OPT_NO_OPEN));
    assert_null(pq_text(&o, PQ_OPT_LISTEN));
    pq_options_free(&o);
    static const struct {
        const char *word, *sentence;
    } bad[] = {
        {"--port=0", "from 1 to 65535"},     {"--port=65536", "from 1 to 65535"},
        {"--port=http", "from 1 to 65535"},  {"--parallel=9", "from 1 to 8"},
        {"--parallel=0", "from 1 to 8"},     {"--lang=de", "--lang takes en or fr, not 'de'"},
        {"--listen=", "not empty"},          {"--folder=", "not empty"},
        {"--no-open=yes", "takes no value"}, {"--scale=2", "pique serve has no option --scale"}};
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        err = (pique_error){0};
        assert_int_equal(parse(&o, PQ_CMD_SERVE, &err, bad[i].word), PIQUE_EINVAL);
        if (!strstr(err.message, bad[i].sentence))
            fail_msg("'%s' gave '%s'", bad[i].word, err.message);
        pq_options_free(&o);
    }
}

static void test_every_command_takes_the_language(void **state)
{
    for (int c = 0; c < PQ_CMD_COUNT; c++) {
        struct pq_options o;
        pique_error err;
        assert_int_equal(parse(&o, (enum pq_command_id)c, &err, "--lang fr"), 0);
        assert_int_equal(pq_whole(&o, PQ_OPT_LANG), PQ_LANG_FR);
        pq_options_free(&o);
    }
}

int main(void)
{
    pq_lang_on_thread(PQ_LANG_EN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_list_has_every_option_of_a_run_in_the_order_of_the_help),
        cmocka_unit_test(test_each_entry_of_the_list_says_all_that_a_form_needs),
        cmocka_unit_test(test_values_in_the_list_have_the_type_of_their_option),
        cmocka_unit_test(test_what_names_a_path_or_a_stream_is_no_setting_of_an_item),
        cmocka_unit_test(test_queue_add_takes_the_settings_of_an_item_and_no_others),
        cmocka_unit_test(test_an_option_that_repeats_keeps_all_it_was_given_in_order),
        cmocka_unit_test(test_folders_and_names_of_the_server_may_be_several),
        cmocka_unit_test(test_the_server_has_its_defaults_and_refuses_what_is_out_of_range),
        cmocka_unit_test(test_every_command_takes_the_language),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
