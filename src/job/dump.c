/* SPDX-License-Identifier: MIT */
#include "job/dump.h"

#include "base/str.h"

static int add(const char *text, size_t size, void *out)
{
    pq_str_add_n(out, text, size);
    return 0;
}

char *pq_json_dump(const json_t *value, size_t flags)
{
    struct pq_str text = {0};
    if (!value || json_dump_callback(value, add, &text, flags) != 0)
        text.failed = true;
    return pq_str_take(&text);
}
