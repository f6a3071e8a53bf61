/* SPDX-License-Identifier: MIT */
#include "cli/sums.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/record.h"

int pq_sums_open(struct pq_sums *s, const char *folder, pique_error *err)
{
    *s = (struct pq_sums){.path = pq_asprintf("%s/.sums.json", folder)};
    s->record = s->path ? pq_record_read(s->path, &s->damaged) : NULL;
    if (s->record)
        return 0;
    pq_sums_close(s);
    return pq_fail_nomem(err, 256);
}

static const json_t *entry(const struct pq_sums *s, const char *name)
{
    return json_object_get(json_object_get(s->record, "files"), name);
}

const char *pq_sums_find(const struct pq_sums *s, const char *name)
{
    const char *hex = json_string_value(json_object_get(entry(s, name), "sha256"));
    return hex && strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64 ? hex : NULL;
}

const char *pq_sums_next(const struct pq_sums *s, const char *name)
{
    json_t *files = json_object_get(s->record, "files");
    void *at = name ? json_object_iter_next(files, json_object_iter_at(files, name))
                    : json_object_iter(files);
    return at ? json_object_iter_key(at) : NULL;
}

const char *pq_sums_url(const struct pq_sums *s, const char *name)
{
    return json_string_value(json_object_get(entry(s, name), "url"));
}

int pq_sums_set(struct pq_sums *s, const char *name, const char *sha256, uint64_t bytes,
                const char *url, pique_error *err)
{
    json_t *files = pq_record_section(s->record, "files");
    json_t *one =
        json_pack("{s:s, s:I, s:s?}", "sha256", sha256, "bytes", (json_int_t)bytes, "url", url);
    /* It takes one, whatever comes of it. */
    if (json_object_set_new(files, name, one) != 0)
        return pq_fail_nomem(err, 256);
    return pq_record_write(s->path, s->record, err);
}

void pq_sums_close(struct pq_sums *s)
{
    json_decref(s->record);
    pq_free(s->path);
    *s = (struct pq_sums){0};
}
