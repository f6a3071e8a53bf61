/* SPDX-License-Identifier: MIT */
#include "server/body.h"

#include <stdbool.h>

/* The parser calls itself once a level, so levels are counted before. */
static bool is_flat_enough(const char *text, size_t size)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > PQ_JSON_DEPTH)
                return false;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

int pq_body_parse(const char *text, size_t size, json_t **out, pique_error *err)
{
    *out = NULL;
    if (size == 0)
        return 0;
    if (!is_flat_enough(text, size))
        return pq_fail(err, PIQUE_EINVAL, "the JSON of the request is nested too deeply");
    json_error_t why;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    if (!value)
        return pq_fail(err, PIQUE_EINVAL,
                       "the body of the request is no JSON that can be read, "
                       "from line %d, column %d on",
                       why.line, why.column);
    if (!json_is_object(value)) {
        json_decref(value);
        return pq_fail(err, PIQUE_EINVAL, "the JSON of the request is not an object");
    }
    *out = value;
    return 0;
}
