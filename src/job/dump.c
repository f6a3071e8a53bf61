/* SPDX-License-Identifier: MIT */
#include "job/dump.h"

#include <string.h>

#include "base/alloc.h"
#include "base/folder.h"
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

int pq_json_write(const char *path, const json_t *value, size_t flags, pique_error *err)
{
    char *text = pq_json_dump(value, flags);
    int rc = text ? pq_write_text(path, text, err) : pq_fail_nomem(err, 4096);
    pq_free(text);
    return rc;
}

int pq_json_read(const char *path, size_t most, json_t **out, pique_error *err)
{
    char *text = NULL;
    json_error_t why = {0};
    *out = NULL;
    int rc = pq_read_text(path, most, &text, err);
    if (rc)
        return rc;
    *out = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (!*out)
        rc = json_error_code(&why) == json_error_out_of_memory
                 ? pq_fail_nomem(err, strlen(text))
                 : pq_fail(err, PIQUE_EFORMAT, "%s: is damaged", path);
    pq_free(text);
    return rc;
}
