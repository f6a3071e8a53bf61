/* SPDX-License-Identifier: MIT */
#include "job/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* Whether a value that is no list is of a kind that an option can have. */
static bool is_value(const struct pq_option *o, const json_t *value)
{
    return o->kind == PQ_KIND_FLAG ? json_is_boolean(value)
                                   : json_is_string(value) || json_is_number(value);
}

/* "--name=value"; NULL: out of memory. */
static char *word_of(const struct pq_option *o, const json_t *value)
{
    if (o->kind == PQ_KIND_FLAG)
        return pq_asprintf("--%s", o->name);
    if (json_is_string(value))
        return pq_asprintf("--%s=%s", o->name, json_string_value(value));
    if (json_is_integer(value))
        return pq_asprintf("--%s=%" JSON_INTEGER_FORMAT, o->name, json_integer_value(value));
    return pq_asprintf("--%s=%.10g", o->name, json_real_value(value));
}

static int add_word(json_t *words, const struct pq_option *o, const json_t *value, pique_error *err)
{
    if (!is_value(o, value))
        return pq_fail(err, PIQUE_EINVAL, "the setting '%s' has no value that it can have",
                       o->name);
    if (json_is_false(value)) /* a flag that is not set has no word */
        return 0;
    char *word = word_of(o, value);
    const bool failed = !word || json_array_append_new(words, json_string(word)) != 0;
    pq_free(word);
    return failed ? pq_fail_nomem(err, 64) : 0;
}

/* Names of models are names, and what else is text must not look like a file. */
static bool names_a_file(const struct pq_option *o, const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strchr(text, '/') && o->kind != PQ_KIND_RATE && o->kind != PQ_KIND_PAIR;
}

static int add_setting(const char *name, const json_t *value, enum pq_command_id command,
                       json_t *words, pique_error *err)
{
    const struct pq_option *o = pq_option_find(name, strlen(name), PQ_CMD_RUN);
    if (!o || !pq_option_page(o))
        return pq_fail(err, PIQUE_EINVAL, "there is no setting '%s'", name);
    if (!(o->commands >> command & 1) || json_is_null(value))
        return 0;
    if (!json_is_array(value))
        return names_a_file(o, value)
                   ? pq_fail(err, PIQUE_EINVAL, "the setting '%s' names a file", name)
                   : add_word(words, o, value, err);
    int rc = o->kind == PQ_KIND_PAIR
                 ? 0
                 : pq_fail(err, PIQUE_EINVAL, "the setting '%s' takes one value", name);
    for (size_t i = 0; !rc && i < json_array_size(value); i++)
        rc = add_word(words, o, json_array_get(value, i), err);
    return rc;
}

int pq_settings_words(const json_t *settings, enum pq_command_id command, json_t *words,
                      pique_error *err)
{
    const char *name;
    json_t *value;
    int rc = 0;
    json_object_foreach((json_t *)settings, name, value)
    {
        if (!rc)
            rc = add_setting(name, value, command, words, err);
    }
    return rc;
}

/* As the worker will read them. */
static int parse(const json_t *words, struct pq_options *o, pique_error *err)
{
    const size_t count = json_array_size(words);
    char **list = pq_calloc(count + 2, sizeof *list);
    static char input[] = "input";
    if (!list)
        return pq_fail_nomem(err, count * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = (char *)json_string_value(json_array_get(words, i));
    list[count] = input;
    int rc = pq_options_parse(o, PQ_CMD_RUN, (int)count + 1, list, err);
    if (!rc)
        rc = pq_options_check(o, err);
    pq_free(list);
    return rc;
}

int pq_settings_check(const json_t *settings, pique_error *err)
{
    json_t *words = json_array();
    struct pq_options o = {0};
    int rc = words ? pq_settings_words(settings, PQ_CMD_RUN, words, err) : pq_fail_nomem(err, 64);
    if (!rc)
        rc = parse(words, &o, err);
    pq_options_free(&o);
    json_decref(words);
    return rc;
}

/* ---- words ---- */

int64_t pq_words_whole(const json_t *words, enum pq_option_id id)
{
    struct pq_options o = {0};
    const int64_t value = parse(words, &o, NULL) == 0 && pq_given(&o, id) ? pq_whole(&o, id) : 0;
    pq_options_free(&o);
    return value;
}

int pq_words_add(json_t *words, const char *fmt, ...)
{
    char word[5000];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(word, sizeof word, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof word)
        return -1;
    return json_array_append_new(words, json_string(word));
}

int pq_words_operand(json_t *words, const char *path)
{
    return pq_words_add(words, "--") || pq_words_add(words, "%s", path) ? -1 : 0;
}
