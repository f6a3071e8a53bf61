/* SPDX-License-Identifier: MIT */
#include "job/heard.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { MOST_WORD = 100, MOST_SENTENCE = 2000 };

static bool is_of_kind(const json_t *value, enum pq_heard_kind kind)
{
    switch (kind) {
    case PQ_HEARD_NUMBER:
        return json_is_number(value) && fabs(json_number_value(value)) <= PQ_HEARD_MOST;
    case PQ_HEARD_FLAG:
        return json_is_boolean(value);
    case PQ_HEARD_WORD:
        return json_is_string(value) && json_string_length(value) <= MOST_WORD;
    case PQ_HEARD_SENTENCE:
        return json_is_string(value) && json_string_length(value) <= MOST_SENTENCE;
    }
    return false;
}

json_t *pq_heard(const json_t *told, const struct pq_heard_member *members, size_t count)
{
    json_t *kept = json_object();
    for (size_t i = 0; kept && i < count; i++) {
        json_t *value = json_object_get(told, members[i].name);
        if (value && is_of_kind(value, members[i].kind))
            json_object_set(kept, members[i].as ? members[i].as : members[i].name, value);
    }
    return kept;
}

const char *pq_heard_text(const json_t *told, const char *name, enum pq_heard_kind kind)
{
    const json_t *value = json_object_get(told, name);
    return value && is_of_kind(value, kind) ? json_string_value(value) : NULL;
}
