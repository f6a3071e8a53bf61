/* SPDX-License-Identifier: MIT */
/* pique probe FILM, and pique codecs. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/lang.h"
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

/* A line of pique_film_profiles(): "codec\tprofile\twhat". */
struct profile {
    char *codec, *name, *what;
};

/* Cut the next line of *text into its parts; false at the end. */
static bool next_profile(char **text, struct profile *p)
{
    if (!**text)
        return false;
    char *line = *text, *end = line + strcspn(line, "\n");
    *text = end + (*end == '\n');
    *end = '\0';
    p->codec = strsep(&line, "\t");
    p->name = line ? strsep(&line, "\t") : end;
    p->what = line ? line : end;
    return true;
}

static void list_codecs(struct pq_str *out, char *text)
{
    for (struct profile p; next_profile(&text, &p);)
        pq_str_printf(out, "%-8s %-22s %s\n", p.codec, p.name, pq_tr(p.what));
}

/* {"codecs": [{"codec", "profiles": [{"name", "about"}]}]} */
static void list_codecs_json(struct pq_str *out, char *text)
{
    struct pq_json j = {0};
    const char *codec = "";
    pq_json_open(&j, NULL, '{');
    pq_json_open(&j, "codecs", '[');
    for (struct profile p; next_profile(&text, &p);) {
        if (strcmp(p.codec, codec) != 0) {
            if (*codec) {
                pq_json_close(&j, ']');
                pq_json_close(&j, '}');
            }
            pq_json_open(&j, NULL, '{');
            pq_json_string(&j, "codec", p.codec);
            pq_json_open(&j, "profiles", '[');
            codec = p.codec;
        }
        pq_json_open(&j, NULL, '{');
        pq_json_string(&j, "name", p.name);
        pq_json_string(&j, "about", p.what);
        pq_json_close(&j, '}');
    }
    if (*codec) {
        pq_json_close(&j, ']');
        pq_json_close(&j, '}');
    }
    pq_json_close(&j, ']');
    pq_json_close(&j, '}');
    pq_json_take_line(&j, out);
}

int pq_cli_codecs(const struct pq_options *o)
{
    pique_error err;
    struct pq_str out = {0};
    const char *profiles = pique_film_profiles();
    char *text = profiles ? pq_strdup(profiles) : NULL;
    if (!profiles) {
        pq_fail(
            &err, PIQUE_EUNSUPPORTED,
            "the video module is not here, so no film can be written; pique probe FILM says why");
        return pq_cli_fail(&err);
    }
    if (text && pq_given(o, PQ_OPT_JSON))
        list_codecs_json(&out, text);
    else if (text)
        list_codecs(&out, text);
    out.failed |= !text;
    pq_free(text);
    return pq_cli_print(&out);
}
