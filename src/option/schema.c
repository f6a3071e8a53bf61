/* SPDX-License-Identifier: MIT */
/* A JSON schema (draft 2020-12) of the options that say how pictures are upscaled. */
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "option/option.h"

/* A default has the type of its option. */
static void add_default(struct pq_json *j, const struct pq_option *o)
{
    struct pq_options fallback;
    if (!o->fallback || pq_options_init(&fallback, PQ_CMD_RUN, NULL) != 0)
        return;
    const struct pq_value *v = &fallback.values[o - pq_option_table];
    if (o->kind == PQ_KIND_INT)
        pq_json_int(j, "default", v->whole);
    else if (o->kind == PQ_KIND_NUMBER)
        pq_json_number(j, "default", v->number);
    else
        pq_json_string(j, "default", o->fallback);
    pq_options_free(&fallback);
}

static void add_choices(struct pq_json *j, const char *choices)
{
    const char *word = choices;
    pq_json_open(j, "enum", '[');
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

static void add_type(struct pq_json *j, const struct pq_option *o)
{
    switch (o->kind) {
    case PQ_KIND_FLAG:
        pq_json_string(j, "type", "boolean");
        break;
    case PQ_KIND_COUNT:
        pq_json_string(j, "type", "integer");
        pq_json_int(j, "minimum", 0);
        break;
    case PQ_KIND_INT:
        pq_json_string(j, "type", "integer");
        pq_json_int(j, "minimum", (int64_t)o->least);
        pq_json_int(j, "maximum", (int64_t)o->most);
        break;
    case PQ_KIND_NUMBER:
        pq_json_string(j, "type", "number");
        pq_json_number(j, "minimum", o->least);
        pq_json_number(j, "maximum", o->most);
        break;
    case PQ_KIND_SCALE:
        pq_json_string(j, "type", "number");
        pq_json_number(j, "exclusiveMinimum", o->least);
        pq_json_number(j, "maximum", o->most);
        break;
    case PQ_KIND_SIZE:
        pq_json_string(j, "type", "string");
        pq_json_string(j, "pattern", "^[0-9]+[xX][0-9]+$");
        break;
    case PQ_KIND_CROP:
        pq_json_string(j, "type", "string");
        pq_json_string(j, "pattern", "^(auto|[0-9]+[xX][0-9]+([+][0-9]+[+][0-9]+)?)$");
        break;
    case PQ_KIND_TIME:
        pq_json_string(j, "type", "string");
        pq_json_string(j, "pattern", "^([0-9]+:){0,2}[0-9]+([.][0-9]*)?$");
        break;
    case PQ_KIND_RATE:
        pq_json_string(j, "type", "string");
        pq_json_string(j, "pattern", "^[0-9.]+(/[0-9]+)?$");
        break;
    case PQ_KIND_BITS:
        pq_json_string(j, "type", "string");
        pq_json_string(j, "pattern", "^[0-9.]+[kKmM]?$");
        break;
    case PQ_KIND_PAIR:
        pq_json_string(j, "type", "string");
        pq_json_string(j, "pattern", "^[^=]+=.*$");
        break;
    case PQ_KIND_BYTES:
        pq_json_string(j, "type", "string");
        pq_json_string(j, "pattern", "^[0-9.]+[KMGTkmgt]?(i?B|b)?$");
        break;
    case PQ_KIND_ROWS:
        pq_json_string(j, "type", "string");
        pq_json_string(j, "pattern", "^([0-9]+|whole)$");
        break;
    case PQ_KIND_COLOUR:
        pq_json_string(j, "type", "string");
        pq_json_string(j, "pattern", "^(#?[0-9a-fA-F]{6}|white|black)$");
        break;
    case PQ_KIND_PART:
        pq_json_string(j, "type", "string");
        pq_json_string(j, "pattern", "^[^/]*$");
        break;
    case PQ_KIND_CHOICE:
    case PQ_KIND_TEXT:
    case PQ_KIND_PATH:
    case PQ_KIND_MODEL:
        pq_json_string(j, "type", "string");
        break;
    }
    if (o->choices)
        add_choices(j, o->choices);
}

void pq_option_schema(struct pq_str *out)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
    pq_json_string(&j, "title", "Options of pique");
    pq_json_string(&j, "type", "object");
    pq_json_open(&j, "properties", '{');
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *o = &pq_option_table[i];
        if (!(o->commands & PQ_FOR(RUN)) || o->commands == PQ_FOR_ALL)
            continue;
        pq_json_open(&j, o->name, '{');
        add_type(&j, o);
        add_default(&j, o);
        pq_json_string(&j, "description", o->help);
        pq_json_string(&j, "x-group", pq_option_group_name(o->group));
        pq_json_bool(&j, "x-common", o->common);
        pq_json_close(&j, '}');
    }
    pq_json_close(&j, '}');
    pq_json_bool(&j, "additionalProperties", false);
    pq_json_close(&j, '}');
    pq_json_take_line(&j, out);
}
