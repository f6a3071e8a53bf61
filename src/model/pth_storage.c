/* SPDX-License-Identifier: MIT */
#include "model/pth_storage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/statedict.h"

enum { MAX_KEY = 128, ID_ITEMS = 5, ID_ITEMS_OLD = 6, COUNT_BYTES = 8 };

/* All that PyTorch writes; tensors of the last ones have no use in a network here. */
static const struct pq_storage_type types[] = {{"FloatStorage", "f32", 4, PQ_F32},
                                               {"HalfStorage", "f16", 2, PQ_F16},
                                               {"BFloat16Storage", "bf16", 2, PQ_BF16},
                                               {"DoubleStorage", "f64", 8, PQ_F64},
                                               {"LongStorage", "i64", 8, PQ_I64},
                                               {"IntStorage", "i32", 4, PQ_I32},
                                               {"ShortStorage", "i16", 2, -1},
                                               {"CharStorage", "i8", 1, -1},
                                               {"ByteStorage", "u8", 1, -1},
                                               {"BoolStorage", "bool", 1, -1},
                                               {"ComplexFloatStorage", "c64", 8, -1},
                                               {"ComplexDoubleStorage", "c128", 16, -1},
                                               {"QInt8Storage", "qint8", 1, -1},
                                               {"QUInt8Storage", "quint8", 1, -1},
                                               {"QInt32Storage", "qint32", 4, -1},
                                               {"QUInt4x2Storage", "quint4x2", 1, -1},
                                               {"QUInt2x4Storage", "quint2x4", 1, -1},
                                               {"UntypedStorage", "bytes", 1, -1}};

static const struct pq_storage_type *find_type(const struct pq_pickle_value *class)
{
    static const char *const modules[] = {"torch.", "torch.storage.", "torch.cuda."};
    if (class->kind != PQ_PICKLE_GLOBAL)
        return NULL;
    for (size_t i = 0; i < PQ_COUNT(modules); i++) {
        size_t n = strlen(modules[i]);
        if (class->bytes <= n || memcmp(class->text, modules[i], n) != 0)
            continue;
        for (size_t k = 0; k < PQ_COUNT(types); k++) {
            if (strlen(types[k].class) == class->bytes - n &&
                memcmp(types[k].class, class->text + n, class->bytes - n) == 0)
                return &types[k];
        }
    }
    return NULL;
}

bool pq_storage_is_class(const struct pq_pickle_value *v)
{
    return find_type(v) != NULL;
}

static bool get_count(const struct pq_pickle_value *v, uint64_t *out)
{
    if (v->kind != PQ_PICKLE_INT || v->integer < 0)
        return false;
    *out = (uint64_t)v->integer;
    return true;
}

/* ---- what the pickle refers to ---- */

/* ('storage', class, key, location, count), in older files with a view or None behind it. */
static int read_reference(const struct pq_map *map, const struct pq_pickle_value *v,
                          struct pq_storage *s, pique_error *err)
{
    uint64_t bytes;
    if (v->count < ID_ITEMS || v->count > ID_ITEMS_OLD || !pq_pickle_is(v->items[0], "storage") ||
        v->items[2]->kind != PQ_PICKLE_STR || v->items[2]->bytes == 0 ||
        v->items[2]->bytes > MAX_KEY || !pq_text_ok(v->items[2]->text, v->items[2]->bytes))
        return pq_fail(err, PIQUE_EFORMAT, "%s: the pickle refers to what is no storage",
                       map->path);
    *s = (struct pq_storage){.key = v->items[2]->text, .key_bytes = v->items[2]->bytes};
    s->type = find_type(v->items[1]);
    if (!s->type)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: storage '%.*s' is of a type that is not known",
                       map->path, (int)s->key_bytes, s->key);
    if (!get_count(v->items[4], &s->count) ||
        __builtin_mul_overflow(s->count, s->type->size, &bytes) || bytes > map->size)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: storage '%.*s' should have more bytes than the file; the download may "
                       "be incomplete",
                       map->path, (int)s->key_bytes, s->key);
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct pq_storage *x = a, *y = b;
    int d = memcmp(x->key, y->key, PQ_MIN(x->key_bytes, y->key_bytes));
    return d ? d : (x->key_bytes > y->key_bytes) - (x->key_bytes < y->key_bytes);
}

static struct pq_storage *find(const struct pq_storages *storages, const char *key, size_t bytes)
{
    struct pq_storage wanted = {.key = key, .key_bytes = bytes};
    if (storages->count == 0)
        return NULL;
    return bsearch(&wanted, storages->items, storages->count, sizeof wanted, by_key);
}

int pq_storages_find(const struct pq_map *map, const struct pq_pickle *pickle,
                     struct pq_storages *out, pique_error *err)
{
    *out = (struct pq_storages){.items = pq_calloc(pickle->persistent_count, sizeof *out->items)};
    int rc = 0;
    if (!out->items)
        return pq_fail_nomem(err, pickle->persistent_count * sizeof *out->items);
    for (size_t i = 0; i < pickle->persistent_count && !rc; i++) {
        const struct pq_pickle_value *v = pickle->persistent[i];
        if (v->count && pq_pickle_is(v->items[0], "module"))
            continue; /* the source text of a class, of old */
        rc = read_reference(map, v, &out->items[out->count], err);
        out->count += !rc;
    }
    if (!rc)
        qsort(out->items, out->count, sizeof *out->items, by_key);
    size_t kept = 0;
    for (size_t i = 0; i < out->count && !rc; i++) {
        const struct pq_storage *s = &out->items[i], *last = &out->items[kept ? kept - 1 : 0];
        if (kept == 0 || by_key(last, s) != 0)
            out->items[kept++] = *s;
        else if (last->type != s->type || last->count != s->count)
            rc = pq_fail(err, PIQUE_EFORMAT, "%s: two things are said about storage '%.*s'",
                         map->path, (int)s->key_bytes, s->key);
    }
    out->count = kept;
    if (rc)
        pq_storages_free(out);
    return rc;
}

void pq_storages_free(struct pq_storages *storages)
{
    pq_free(storages->items);
    *storages = (struct pq_storages){0};
}

/* ---- where they lie ---- */

int pq_storages_in_zip(const struct pq_map *map, struct pq_storages *storages,
                       const struct pq_zip *zip, const char *prefix, size_t prefix_bytes,
                       pique_error *err)
{
    static const char folder[] = "data/";
    char name[1024 + MAX_KEY + sizeof folder];
    if (prefix_bytes > 1024)
        return pq_fail(err, PIQUE_EFORMAT, "%s: the name of a folder is too long", map->path);
    memcpy(name, prefix, prefix_bytes);
    memcpy(name + prefix_bytes, folder, sizeof folder - 1);
    size_t n = prefix_bytes + sizeof folder - 1;
    for (size_t i = 0; i < storages->count; i++) {
        struct pq_storage *s = &storages->items[i];
        memcpy(name + n, s->key, s->key_bytes);
        s->entry = pq_zip_find(zip, name, n + s->key_bytes);
        if (!s->entry)
            return pq_fail(err, PIQUE_EFORMAT, "%s: the data of storage '%.*s' is missing",
                           map->path, (int)s->key_bytes, s->key);
        if (s->entry->size != s->count * s->type->size)
            return pq_fail(
                err, PIQUE_EFORMAT,
                "%s: storage '%.*s' of %" PRIu64 " x %s does not fit its %" PRIu64 " bytes",
                map->path, (int)s->key_bytes, s->key, s->count, s->type->name, s->entry->size);
        s->data = map->data + s->entry->offset;
    }
    return 0;
}

static uint64_t read_u64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

int pq_storages_in_row(const struct pq_map *map, struct pq_storages *storages,
                       const struct pq_pickle_value *keys, size_t at, pique_error *err)
{
    if (keys->kind != PQ_PICKLE_LIST || keys->count != storages->count)
        return pq_fail(err, PIQUE_EFORMAT, "%s: the list of storages is not that of the tensors",
                       map->path);
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct pq_pickle_value *key = keys->items[i];
        struct pq_storage *s =
            key->kind == PQ_PICKLE_STR ? find(storages, key->text, key->bytes) : NULL;
        if (!s || s->data)
            return pq_fail(err, PIQUE_EFORMAT,
                           "%s: the list of storages is not that of the tensors", map->path);
        uint64_t bytes = s->count * s->type->size;
        if (map->size - at < COUNT_BYTES || map->size - at - COUNT_BYTES < bytes)
            return pq_fail(err, PIQUE_EFORMAT,
                           "%s: the file ends within storage '%.*s'; the download may be "
                           "incomplete",
                           map->path, (int)s->key_bytes, s->key);
        uint64_t count = read_u64(map->data + at);
        if (count != s->count)
            return pq_fail(err, PIQUE_EFORMAT,
                           "%s: storage '%.*s' has %" PRIu64 " elements in one place and %" PRIu64
                           " in another",
                           map->path, (int)s->key_bytes, s->key, s->count, count);
        s->data = map->data + at + COUNT_BYTES;
        at += COUNT_BYTES + (size_t)bytes;
    }
    if (at != map->size)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: %zu bytes at the end of the file belong to no tensor", map->path,
                       map->size - at);
    return 0;
}

/* ---- one reference ---- */

int pq_storages_resolve(const struct pq_map *map, const struct pq_storages *storages,
                        const struct pq_pickle_value *reference, const struct pq_storage **out,
                        uint64_t *first, uint64_t *count, pique_error *err)
{
    struct pq_storage s;
    int rc = reference->kind == PQ_PICKLE_PERSISTENT
                 ? read_reference(map, reference, &s, err)
                 : pq_fail(err, PIQUE_EFORMAT, "%s: a tensor has no storage", map->path);
    if (rc)
        return rc;
    *out = find(storages, s.key, s.key_bytes); /* it is there: all references are */
    *first = 0;
    *count = s.count;
    const struct pq_pickle_value *view =
        reference->count == ID_ITEMS_OLD ? reference->items[5] : NULL;
    if (!view || view->kind == PQ_PICKLE_NONE)
        return 0;
    if (view->kind != PQ_PICKLE_TUPLE || view->count != 3 || !get_count(view->items[1], first) ||
        !get_count(view->items[2], count) || *first > s.count || *count > s.count - *first)
        return pq_fail(err, PIQUE_EFORMAT, "%s: a view of storage '%.*s' reaches beyond it",
                       map->path, (int)s.key_bytes, s.key);
    return 0;
}
