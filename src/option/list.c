/* SPDX-License-Identifier: MIT */
/* The options of a run as JSON for a program that makes a form or a guide of them: every text in
 * both languages, and which of them are settings of one item of the queue. */
#include "base/alloc.h"
#include "base/json.h"
#include "option/option.h"

static const char *kind_name(enum pq_option_kind kind)
{
    static const char *const names[] = {
        [PQ_KIND_FLAG] = "flag",     [PQ_KIND_COUNT] = "count",   [PQ_KIND_INT] = "int",
        [PQ_KIND_NUMBER] = "number", [PQ_KIND_SCALE] = "scale",   [PQ_KIND_SIZE] = "size",
        [PQ_KIND_CROP] = "crop",     [PQ_KIND_TIME] = "time",     [PQ_KIND_RATE] = "rate",
        [PQ_KIND_BITS] = "bits",     [PQ_KIND_PAIR] = "pair",     [PQ_KIND_BYTES] = "bytes",
        [PQ_KIND_ROWS] = "rows",     [PQ_KIND_CHOICE] = "choice", [PQ_KIND_COLOUR] = "colour",
        [PQ_KIND_TEXT] = "text",     [PQ_KIND_PART] = "part",     [PQ_KIND_PATH] = "path",
        [PQ_KIND_MODEL] = "model"};
    return names[kind];
}

void pq_option_json_default(struct pq_json *j, const struct pq_option *o, bool none)
{
    struct pq_options fallback;
    if (!o->fallback) {
        if (none && o->kind == PQ_KIND_FLAG)
            pq_json_bool(j, "default", false);
        else if (none && o->kind == PQ_KIND_COUNT)
            pq_json_int(j, "default", 0);
        else if (none)
            pq_json_string(j, "default", NULL);
        return;
    }
    if (pq_options_init(&fallback, PQ_CMD_RUN, NULL) != 0) {
        pq_options_free(&fallback);
        j->text.failed = true;
        return;
    }
    const struct pq_value *v = &fallback.values[o - pq_option_table];
    if (o->kind == PQ_KIND_INT)
        pq_json_int(j, "default", v->whole);
    else if (o->kind == PQ_KIND_NUMBER)
        pq_json_number(j, "default", v->number);
    else
        pq_json_string(j, "default", o->fallback);
    pq_options_free(&fallback);
}

void pq_option_json_choices(struct pq_json *j, const char *key, const struct pq_option *o)
{
    const char *word = o->choices ? o->choices : "";
    pq_json_open(j, key, '[');
    for (size_t n = 0; (n = pq_next_word(&word, n)) != 0;) {
        char *copy = pq_strndup(word, n);
        if (!copy)
            j->text.failed = true;
        else
            pq_json_string(j, NULL, copy);
        pq_free(copy);
    }
    pq_json_close(j, ']');
}

static void add_both(struct pq_json *j, const char *key, const char *en, const char *fr)
{
    pq_json_open(j, key, '{');
    pq_json_string(j, "en", en);
    pq_json_string(j, "fr", fr);
    pq_json_close(j, '}');
}

/* Whole limits are written whole: six digits would not do for those of --memory. */
static void add_limit(struct pq_json *j, const char *key, double limit)
{
    if (limit == (double)(int64_t)limit)
        pq_json_int(j, key, (int64_t)limit);
    else
        pq_json_number(j, key, limit);
}

static void add_limits(struct pq_json *j, const struct pq_option *o)
{
    if (o->most > 0) {
        add_limit(j, "least", o->least);
        add_limit(j, "most", o->most);
    } else {
        pq_json_string(j, "least", NULL);
        pq_json_string(j, "most", NULL);
    }
}

/* Those of a run, and of the preview of one frame, which takes fewer. */
static void add_commands(struct pq_json *j, const struct pq_option *o)
{
    pq_json_open(j, "for", '[');
    if (o->commands & PQ_FOR(RUN))
        pq_json_string(j, NULL, "run");
    if (o->commands & PQ_FOR(PREVIEW))
        pq_json_string(j, NULL, "preview");
    pq_json_close(j, ']');
}

static void add_option(struct pq_json *j, const struct pq_option *o)
{
    pq_json_open(j, NULL, '{');
    pq_json_string(j, "name", o->name);
    pq_json_string(j, "kind", kind_name(o->kind));
    add_limits(j, o);
    pq_option_json_default(j, o, true);
    pq_option_json_choices(j, "choices", o);
    if (o->value)
        add_both(j, "value", o->value, pq_option_text_value(o, PQ_LANG_FR));
    else
        pq_json_string(j, "value", NULL);
    pq_json_string(j, "group", pq_option_group_id(o->group));
    pq_json_bool(j, "common", o->common);
    pq_json_bool(j, "repeats", o->repeats);
    pq_json_bool(j, "page", pq_option_page(o));
    add_commands(j, o);
    add_both(j, "help", o->help, o->help_fr);
    add_both(j, "detail", o->detail, o->detail_fr);
    pq_json_close(j, '}');
}

void pq_option_list(struct pq_str *out)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_open(&j, "groups", '[');
    for (int i = 0; i < PQ_GROUP_COUNT; i++) {
        const enum pq_option_group group = (enum pq_option_group)i;
        pq_json_open(&j, NULL, '{');
        pq_json_string(&j, "id", pq_option_group_id(group));
        pq_json_string(&j, "en", pq_option_group_name(group, PQ_LANG_EN));
        pq_json_string(&j, "fr", pq_option_group_name(group, PQ_LANG_FR));
        pq_json_close(&j, '}');
    }
    pq_json_close(&j, ']');
    pq_json_open(&j, "options", '[');
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        if (pq_option_of_run(&pq_option_table[i]))
            add_option(&j, &pq_option_table[i]);
    }
    pq_json_close(&j, ']');
    pq_json_close(&j, '}');
    pq_json_take_line(&j, out);
}
