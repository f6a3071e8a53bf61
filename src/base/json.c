/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "base/alloc.h"

static void add_quoted(struct pq_str *out, const char *value)
{
    pq_str_add(out, "\"");
    for (const char *s = value; *s;) {
        size_t n = pq_utf8_length(s);
        if (n == 0)
            pq_str_add(out, "\\ufffd");
        else if (*s == '"' || *s == '\\')
            pq_str_printf(out, "\\%c", *s);
        else if (*s == '\n')
            pq_str_add(out, "\\n");
        else if (pq_is_control(s))
            pq_str_printf(out, "\\u%04x", pq_utf8_code(s, n));
        else
            pq_str_add_n(out, s, n);
        s += n ? n : 1;
    }
    pq_str_add(out, "\"");
}

/* Everything that stands before a value. */
static void begin_value(struct pq_json *j, const char *key)
{
    if (j->comma)
        pq_str_add(&j->text, ",");
    j->comma = true;
    if (key) {
        add_quoted(&j->text, key);
        pq_str_add(&j->text, ":");
    }
}

void pq_json_open(struct pq_json *j, const char *key, char bracket)
{
    begin_value(j, key);
    pq_str_add_n(&j->text, &bracket, 1);
    j->comma = false;
}

void pq_json_close(struct pq_json *j, char bracket)
{
    pq_str_add_n(&j->text, &bracket, 1);
    j->comma = true;
}

void pq_json_string(struct pq_json *j, const char *key, const char *value)
{
    begin_value(j, key);
    if (value)
        add_quoted(&j->text, value);
    else
        pq_str_add(&j->text, "null");
}

void pq_json_bool(struct pq_json *j, const char *key, bool value)
{
    begin_value(j, key);
    pq_str_add(&j->text, value ? "true" : "false");
}

void pq_json_int(struct pq_json *j, const char *key, int64_t value)
{
    begin_value(j, key);
    pq_str_printf(&j->text, "%" PRId64, value);
}

void pq_json_uint(struct pq_json *j, const char *key, uint64_t value)
{
    begin_value(j, key);
    pq_str_printf(&j->text, "%" PRIu64, value);
}

void pq_json_number(struct pq_json *j, const char *key, double value)
{
    begin_value(j, key);
    if (isfinite(value))
        pq_str_printf(&j->text, "%.6g", value);
    else
        pq_str_add(&j->text, "null");
}

void pq_json_seconds(struct pq_json *j, const char *key, double value)
{
    begin_value(j, key);
    if (isfinite(value))
        pq_str_printf(&j->text, "%.9f", value);
    else
        pq_str_add(&j->text, "null");
}

char *pq_json_take(struct pq_json *j)
{
    char *text = pq_str_take(&j->text);
    *j = (struct pq_json){0};
    return text;
}

void pq_json_take_line(struct pq_json *j, struct pq_str *out)
{
    char *text = pq_json_take(j);
    if (text) {
        pq_str_add(out, text);
        pq_str_add(out, "\n");
    } else {
        out->failed = true;
    }
    pq_free(text);
}
