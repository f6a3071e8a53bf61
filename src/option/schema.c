/* SPDX-License-Identifier: MIT */
/* A JSON schema (draft 2020-12) of the options that say how pictures are upscaled. */
#include "base/json.h"
#include "option/option.h"

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
        pq_option_json_choices(j, "enum", o);
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
        if (!pq_option_of_run(o))
            continue;
        pq_json_open(&j, o->name, '{');
        add_type(&j, o);
        pq_option_json_default(&j, o, false);
        pq_json_string(&j, "description", o->help);
        pq_json_string(&j, "x-group", pq_option_group_name(o->group, PQ_LANG_EN));
        pq_json_bool(&j, "x-common", o->common);
        pq_json_bool(&j, "x-page", pq_option_page(o));
        pq_json_close(&j, '}');
    }
    pq_json_close(&j, '}');
    pq_json_bool(&j, "additionalProperties", false);
    pq_json_close(&j, '}');
    pq_json_take_line(&j, out);
}
