/* SPDX-License-Identifier: MIT */
/* pique probe FILM, and pique codecs. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "pique/pique.h"

/* Names and values, nested ones further to the right: whatever the description holds. */
static void add_value(struct pq_str *s, const char *name, const json_t *value, int depth);

static void add_head(struct pq_str *s, const char *name, int depth)
{
    pq_str_printf(s, "%*s", depth * 2, "");
    pq_str_add_shown(s, name);
    pq_str_add(s, ":");
}

static void add_object(struct pq_str *s, const json_t *object, int depth)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) add_value(s, key, value, depth);
}

static void add_list(struct pq_str *s, const char *name, const json_t *list, int depth)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        if (json_is_object(value)) {
            add_head(s, name, depth);
            pq_str_printf(s, " %zu\n", i);
            add_object(s, value, depth + 1);
        } else {
            add_value(s, name, value, depth);
        }
    }
}

static void add_value(struct pq_str *s, const char *name, const json_t *value, int depth)
{
    if (json_is_array(value)) {
        add_list(s, name, value, depth);
        return;
    }
    if (json_is_null(value))
        return;
    add_head(s, name, depth);
    if (json_is_object(value)) {
        pq_str_add(s, "\n");
        add_object(s, value, depth + 1);
        return;
    }
    pq_str_add(s, " ");
    if (json_is_string(value))
        pq_str_add_shown(s, json_string_value(value));
    else if (json_is_integer(value))
        pq_str_printf(s, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        pq_str_printf(s, "%g", json_real_value(value));
    else
        pq_str_add(s, json_is_true(value) ? "yes" : "no");
    pq_str_add(s, "\n");
}

int pq_cli_probe(const struct pq_options *o)
{
    pique_error err;
    char *text;
    struct pq_str out = {0};
    if (pique_film_describe(o->operands[0], &text, &err))
        return pq_cli_fail(&err);
    json_t *root = json_loads(text, 0, NULL);
    if (pq_given(o, PQ_OPT_JSON))
        pq_str_printf(&out, "%s\n", text);
    else
        add_object(&out, root, 0);
    json_decref(root);
    pique_text_free(&text);
    return pq_cli_print(&out);
}

int pq_cli_codecs(const struct pq_options *o)
{
    (void)o;
    pique_error err;
    struct pq_str out = {0};
    const char *line = pique_film_profiles();
    if (!line) {
        pq_fail(
            &err, PIQUE_EUNSUPPORTED,
            "the video module is not here, so no film can be written; pique probe FILM says why");
        return pq_cli_fail(&err);
    }
    while (*line) {
        const size_t length = strcspn(line, "\n"), codec = strcspn(line, "\t");
        const char *profile = line + PQ_MIN(codec + 1, length);
        const size_t name = strcspn(profile, "\t\n");
        const char *what = profile + name + (profile[name] == '\t');
        pq_str_printf(&out, "%-8.*s %-22.*s %.*s\n", (int)codec, line, (int)name, profile,
                      (int)strcspn(what, "\n"), what);
        line += length + (line[length] == '\n');
    }
    return pq_cli_print(&out);
}
