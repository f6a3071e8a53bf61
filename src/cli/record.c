/* SPDX-License-Identifier: MIT */
#include "cli/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/str.h"
#include "cli/catalogue.h"

enum { FORMAT = 1, MOST_BYTES = 8 << 20 };

json_t *pq_record_read(const char *path, bool *damaged)
{
    struct pq_map map;
    json_t *root = NULL;
    *damaged = false;
    pique_error err;
    int rc = pq_map_open(path, &map, &err);
    if (!rc) {
        if (map.size <= MOST_BYTES)
            root = json_loadb((const char *)map.data, map.size, JSON_REJECT_DUPLICATES, NULL);
        pq_map_close(&map);
    }
    if (rc == PIQUE_ENOENT)
        return json_pack("{s:i}", "format", FORMAT);
    if (json_integer_value(json_object_get(root, "format")) == FORMAT)
        return root;
    *damaged = true;
    json_decref(root);
    return json_pack("{s:i}", "format", FORMAT);
}

json_t *pq_record_section(json_t *record, const char *key)
{
    json_t *section = json_object_get(record, key);
    if (json_is_object(section))
        return section;
    if (json_object_set_new(record, key, json_object()) != 0)
        return NULL;
    return json_object_get(record, key);
}

int pq_record_write(const char *path, json_t *record, pique_error *err)
{
    struct pq_file f;
    char *text = json_dumps(record, JSON_INDENT(1) | JSON_SORT_KEYS);
    if (!text)
        return pq_fail_nomem(err, MOST_BYTES);
    int rc = pq_make_folder_of(path, err);
    if (!rc)
        rc = pq_file_create(path, true, &f, err);
    if (!rc) {
        rc = pq_file_write(&f, text, strlen(text), err);
        if (!rc)
            rc = pq_file_write(&f, "\n", 1, err);
        if (!rc)
            rc = pq_file_commit(&f, true, err);
        else
            pq_file_close(&f);
    }
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    release(text);
    return rc;
}

char *pq_cache_path(const char *name)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    if (cache && cache[0] == '/')
        return pq_asprintf("%s/pique/%s", cache, name);
    return pq_asprintf("%s/.cache/pique/%s", pq_home_folder(), name);
}
