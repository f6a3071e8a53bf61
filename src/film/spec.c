/* SPDX-License-Identifier: MIT */
#include "film/spec.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/lang.h"

int pq_spec_set(struct pq_spec *spec, pique_error *err, const char *name, const char *fmt, ...)
{
    char value[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(value, sizeof value, fmt, args);
    va_end(args);
    if (!spec->object)
        spec->object = json_object();
    json_t *text = json_string(value);
    if (!text) /* a path or an option that is no UTF-8: by its bytes */
        text = json_sprintf("bytes %016" PRIx64, XXH3_64bits(value, strlen(value)));
    return json_object_set_new(spec->object, name, text) == 0 ? 0
                                                              : pq_fail_nomem(err, sizeof value);
}

const char *pq_spec_get(const struct pq_spec *spec, const char *name)
{
    const char *value = json_string_value(json_object_get(spec->object, name));
    return value ? value : "";
}

void pq_spec_free(struct pq_spec *spec)
{
    json_decref(spec->object);
    spec->object = NULL;
}

static int changed(const char *job, const char *name, const char *then, const char *now,
                   pique_error *err)
{
    return pq_fail(err, PIQUE_EEXIST,
                   "%s: the unfinished job there was started with another %s (%s, now %s); start "
                   "anew with --restart, or choose another output",
                   job, name, *then ? then : pq_tr("nothing"), *now ? now : pq_tr("nothing"));
}

int pq_spec_compare(const struct pq_spec *then, const struct pq_spec *now, const char *job,
                    pique_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(now->object, name, value)
    {
        const char *was = pq_spec_get(then, name), *is = json_string_value(value);
        if (strcmp(was, is) != 0)
            return changed(job, name, was, is, err);
    }
    json_object_foreach(then->object, name, value)
    {
        if (!json_object_get(now->object, name))
            return changed(job, name, pq_spec_get(then, name), "", err);
    }
    return 0;
}

enum { EDGE = 1 << 20 }; /* bytes of head and of tail */

static int hash_part(struct pq_file *f, int64_t from, void *buffer, XXH3_state_t *state,
                     pique_error *err)
{
    int64_t at;
    size_t have = 0, got = 1;
    int rc = pq_file_seek(f, from, SEEK_SET, &at, err);
    while (!rc && got && have < EDGE) {
        rc = pq_file_read(f, (char *)buffer + have, EDGE - have, &got, err);
        have += got;
    }
    if (!rc)
        XXH3_64bits_update(state, buffer, have);
    return rc;
}

static int hash_edges(const char *path, uint64_t *hash, pique_error *err)
{
    struct pq_file f;
    int rc = pq_file_open(path, &f, err);
    if (rc)
        return rc;
    void *buffer = pq_malloc(EDGE);
    XXH3_state_t *state = XXH3_createState();
    const int64_t size = pq_file_size(&f);
    if (!buffer || !state)
        rc = pq_fail_nomem(err, EDGE);
    else
        XXH3_64bits_reset(state);
    if (!rc && size >= 0 && (rc = hash_part(&f, 0, buffer, state, err)) == 0 && size > EDGE)
        rc = hash_part(&f, size - EDGE, buffer, state, err);
    if (!rc)
        *hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    pq_free(buffer);
    pq_file_close(&f);
    return rc;
}

int pq_spec_input(struct pq_spec *spec, const char *path, pique_error *err)
{
    struct pq_identity id;
    uint64_t hash;
    if (strcmp(path, "-") == 0)
        return pq_spec_set(spec, err, "input", "standard input");
    if (strchr(path, '%') && !pq_exists(path)) /* a sequence of pictures */
        return pq_spec_set(spec, err, "input", "%s", path);
    int rc = pq_identify(path, &id, err);
    if (!rc)
        rc = hash_edges(path, &hash, err);
    return rc ? rc
              : pq_spec_set(spec, err, "input",
                            "%" PRId64 " bytes, changed %" PRId64 ".%09" PRId64
                            ", content %016" PRIx64,
                            id.bytes, id.mtime_ns / 1000000000, id.mtime_ns % 1000000000, hash);
}
