/* SPDX-License-Identifier: MIT */
/* A file of torch.save() is a pickle that names its arrays and the arrays themselves. Since PyTorch
 * 1.6 it is a zip archive of stored entries,
 *
 *     NAME/data.pkl | NAME/data/KEY for each array | NAME/version, perhaps NAME/byteorder ...
 *
 * and before that five pickles in a row and then the arrays:
 *
 *     0x1950a86a20f9469cfc6c | 1001 | {"little_endian": ...} | the object | [KEY ...]
 *     { u64 count | data } for each key
 *
 * The object is most often a dictionary of tensors, bare or within others that training programs
 * put around it; it may also be a whole module, or TorchScript, which is the tree of such
 * dictionaries. A tensor is a call of torch._utils._rebuild_tensor_v2(storage, offset, size,
 * stride, ...). */
#include "model/pth.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "model/pickle.h"
#include "model/pth_globals.h"
#include "model/pth_storage.h"
#include "model/zip.h"

enum {
    MAX_VISITS = 1 << 21, /* of values while looking for tensors */
    MAX_WITHIN = 64,      /* dictionaries within dictionaries */
    MAX_METADATA = 64,
    MAX_LEFT_OUT = 16, /* named one by one */
    MAX_NESTED_CALLS = 4,
    LEGACY_PROTOCOL = 1001
};

struct reader {
    struct pq_statedict *sd;
    const char *path;
    struct pq_zip zip;
    struct pq_pickle pickle;
    struct pq_storages storages;
    size_t visits;
    uint64_t tensor_bytes, max_tensor_bytes;
    char name[PQ_MAX_NAME + 1]; /* of where we are */
    struct pq_str left_out;
    size_t left_out_count;
    pique_error *err;
};

typedef struct pq_pickle_value value;

/* ---- a tensor ---- */

/* A tensor as the pickle has it, still with strides. */
struct view {
    const struct pq_storage *storage;
    uint64_t first, count; /* the part of the storage that it may see */
    struct pq_tensor tensor;
    uint64_t strides[PQ_MAX_DIMS];
};

static int bad_tensor(struct reader *r, const char *what)
{
    return pq_fail(r->err, PIQUE_EFORMAT, "%s: tensor '%s' %s", r->path, r->name, pq_tr(what));
}

static const value *arg(const value *args, uint32_t i)
{
    return i < args->count ? args->items[i] : NULL;
}

/* The call that makes a tensor, or NULL where v is something else. Parameters and subclasses are
 * calls around it. */
static const value *tensor_call(const value *v, const char **function, const value **args)
{
    static const char prefix[] = "torch._utils._rebuild_";
    if (v->kind != PQ_PICKLE_OBJECT)
        return NULL;
    const value *class = v->items[PQ_OBJECT_CLASS];
    *args = v->items[PQ_OBJECT_ARGS];
    for (int depth = 0; depth < MAX_NESTED_CALLS; depth++) {
        if (class->kind != PQ_PICKLE_GLOBAL || (*args)->kind != PQ_PICKLE_TUPLE)
            return NULL;
        const value *first = arg(*args, 0), *third = arg(*args, 2);
        if (pq_pickle_is(class, "torch._tensor._rebuild_from_type_v2") && third) {
            class = first; /* (function, type, its arguments, state) */
            *args = third;
        } else if ((pq_pickle_is(class, "torch._utils._rebuild_parameter") ||
                    pq_pickle_is(class, "torch._utils._rebuild_parameter_with_state") ||
                    pq_pickle_is(class, "torch.nn.parameter.Parameter")) &&
                   first && first->kind == PQ_PICKLE_OBJECT) {
            if (v->touched)
                return v;
            v = first;
            class = v->items[PQ_OBJECT_CLASS];
            *args = v->items[PQ_OBJECT_ARGS];
        } else {
            bool is = class->bytes > sizeof prefix - 1 &&
                      memcmp(class->text, prefix, sizeof prefix - 1) == 0;
            *function = class->text + (is ? sizeof prefix - 1 : 0);
            return is ? v : NULL;
        }
    }
    return NULL;
}

/* A tuple of sizes or strides, perhaps within torch.Size(). */
static const value *number_tuple(const value *v)
{
    if (v && v->kind == PQ_PICKLE_OBJECT && pq_pickle_is(v->items[PQ_OBJECT_CLASS], "torch.Size"))
        v = arg(v->items[PQ_OBJECT_ARGS], 0);
    if (!v || (v->kind != PQ_PICKLE_TUPLE && v->kind != PQ_PICKLE_LIST) || v->count > PQ_MAX_DIMS)
        return NULL;
    for (uint32_t i = 0; i < v->count; i++) {
        if (v->items[i]->kind != PQ_PICKLE_INT || v->items[i]->integer < 0)
            return NULL;
    }
    return v;
}

static int read_view(struct reader *r, const value *args, struct view *view)
{
    const value *storage = arg(args, 0), *offset = arg(args, 1);
    const value *size = number_tuple(arg(args, 2)), *stride = number_tuple(arg(args, 3));
    if (!storage || !offset || offset->kind != PQ_PICKLE_INT || offset->integer < 0 || !size ||
        !stride || size->count != stride->count)
        return bad_tensor(r, "has no storage, offset, size and stride of numbers from 0 on");
    *view = (struct view){.tensor.dims = (int)size->count};
    int rc = pq_storages_resolve(&r->sd->map, &r->storages, storage, &view->storage, &view->first,
                                 &view->count, r->err);
    if (rc)
        return rc;
    uint64_t last = 0, offset_elements = (uint64_t)offset->integer;
    bool empty = false, fits = true;
    for (uint32_t i = 0; i < size->count; i++) {
        int64_t extent = size->items[i]->integer;
        if (extent > PQ_MAX_EXTENT)
            return bad_tensor(r, "has a dimension that is not a number from 0 to 65536");
        uint64_t step, s = (uint64_t)stride->items[i]->integer;
        empty |= extent == 0;
        fits &= extent < 2 || (!__builtin_mul_overflow((uint64_t)(extent - 1), s, &step) &&
                               !__builtin_add_overflow(last, step, &last));
        view->tensor.shape[i] = extent;
        view->strides[i] = s;
    }
    if (empty) {
        view->tensor.data = view->storage->data;
        return 0;
    }
    if (!fits || offset_elements >= view->count || last >= view->count - offset_elements)
        return bad_tensor(r, "reaches beyond its storage");
    view->tensor.data =
        view->storage->data + (view->first + offset_elements) * view->storage->type->size;
    return 0;
}

static bool is_contiguous(const struct view *view)
{
    uint64_t expected = 1;
    for (int i = view->tensor.dims - 1; i >= 0; i--) {
        if (view->tensor.shape[i] != 1 && view->strides[i] != expected)
            return false;
        expected *= (uint64_t)view->tensor.shape[i];
    }
    return true;
}

/* Put the elements of a transposed, sliced or repeated tensor in order. */
static int gather(struct reader *r, struct view *view, size_t bytes)
{
    struct pq_tensor *t = &view->tensor;
    size_t size = pq_dtype_size(t->dtype);
    int64_t at[PQ_MAX_DIMS] = {0};
    void *memory;
    int rc = pq_statedict_own(r->sd, bytes, &memory, r->err);
    if (rc)
        return rc;
    unsigned char *to = memory, *end = to + bytes;
    for (uint64_t from = 0; to < end; to += size) { /* in elements; wraps and comes back */
        memcpy(to, (const unsigned char *)t->data + from * size, size);
        for (int i = t->dims - 1; i >= 0; i--) {
            from += view->strides[i];
            if (++at[i] < t->shape[i])
                break;
            from -= view->strides[i] * (uint64_t)t->shape[i];
            at[i] = 0;
        }
    }
    t->data = memory;
    return 0;
}

static void leave_out(struct reader *r, const char *why)
{
    if (r->left_out_count++ < MAX_LEFT_OUT)
        pq_str_printf(&r->left_out, "%s%s (%s)", r->left_out.length ? ", " : "", r->name, why);
}

static int add_tensor(struct reader *r, const value *call, const char *function, const value *args)
{
    if (call->touched)
        return bad_tensor(r, "is used as a dictionary");
    if (!pq_name_ok(r->name))
        return pq_fail(r->err, PIQUE_EFORMAT,
                       "%s: the name of tensor %zu is empty, longer than %d bytes or has control "
                       "characters",
                       r->path, r->sd->count, PQ_MAX_NAME);
    if (strcmp(function, "tensor") != 0 && strcmp(function, "tensor_v2") != 0) {
        leave_out(r, function);
        return 0;
    }
    struct view view;
    int rc = read_view(r, args, &view);
    if (rc)
        return rc;
    if (view.storage->type->dtype < 0) {
        leave_out(r, view.storage->type->name);
        return 0;
    }
    struct pq_tensor *t = &view.tensor;
    size_t count;
    t->dtype = (enum pq_dtype)view.storage->type->dtype;
    if (!pq_tensor_count(t, &count))
        return bad_tensor(r, "is larger than any memory");
    size_t bytes = count * pq_dtype_size(t->dtype);
    if (bytes > r->max_tensor_bytes - r->tensor_bytes)
        return bad_tensor(r, "and those before it share the same data so often that they are "
                             "several times as large as the file");
    r->tensor_bytes += bytes;
    if (r->sd->count == PQ_MAX_TENSORS)
        return pq_fail(r->err, PIQUE_EUNSUPPORTED, "%s: more than %d tensors", r->path,
                       PQ_MAX_TENSORS);
    if (view.storage->entry)
        rc = pq_zip_check(&r->sd->map, view.storage->entry, r->err);
    if (!rc && count && !is_contiguous(&view))
        rc = gather(r, &view, bytes);
    return rc ? rc : pq_statedict_add(r->sd, r->name, t, r->err);
}

/* ---- from the object to names ---- */

/* The dictionary that a value is or, as a module's attributes, has. */
static value *dict_of(value *v)
{
    if (v && v->kind == PQ_PICKLE_OBJECT && v->count > PQ_OBJECT_STATE)
        v = v->items[PQ_OBJECT_STATE];
    return v && v->kind == PQ_PICKLE_DICT ? v : NULL;
}

/* These are how a module keeps what its state dict shows without them. */
static bool is_module_part(const value *key)
{
    return pq_pickle_is(key, "_parameters") || pq_pickle_is(key, "_buffers") ||
           pq_pickle_is(key, "_modules");
}

/* "a" + "b" -> "a.b" in r->name; false where that is too long. */
static bool enter(struct reader *r, size_t length, const value *key)
{
    size_t dot = length ? 1 : 0;
    if (key->bytes > PQ_MAX_NAME - dot - length || !pq_text_ok(key->text, key->bytes))
        return false;
    if (dot)
        r->name[length] = '.';
    memcpy(r->name + length + dot, key->text, key->bytes);
    r->name[length + dot + key->bytes] = '\0';
    return true;
}

static int walk(struct reader *r, value *v, size_t length, int depth);

static int walk_pair(struct reader *r, const value *key, value *v, size_t length, int depth)
{
    const char *function = NULL;
    const value *args = NULL, *call = tensor_call(v, &function, &args);
    if (++r->visits > MAX_VISITS)
        return pq_fail(r->err, PIQUE_EFORMAT, "%s: the pickle holds more than any model", r->path);
    if (key->kind != PQ_PICKLE_STR || (!call && !dict_of(v)))
        return 0;
    if (!call && is_module_part(key))
        return walk(r, v, length, depth);
    if (!enter(r, length, key)) {
        r->name[length] = '\0';
        return call ? bad_tensor(r, "holds one whose name is too long or has control characters")
                    : 0;
    }
    return call ? add_tensor(r, call, function, args) : walk(r, v, strlen(r->name), depth);
}

static int walk(struct reader *r, value *v, size_t length, int depth)
{
    value *dict = dict_of(v);
    int rc = 0;
    if (dict->busy || depth == MAX_WITHIN)
        return pq_fail(r->err, PIQUE_EFORMAT, "%s: the pickle holds a dictionary %s", r->path,
                       dict->busy ? pq_tr("within itself") : pq_tr("within too many others"));
    dict->busy = true;
    for (uint32_t i = 0; i + 1 < dict->count && !rc; i += 2) {
        rc = walk_pair(r, dict->items[i], dict->items[i + 1], length, depth + 1);
        r->name[length] = '\0';
    }
    dict->busy = false;
    return rc;
}

/* Which of the dictionaries around the tensors is the state dict: the first of these names. */
static value *find_state_dict(value *root)
{
    static const char *const wrappers[] = {
        "model_state_dict", "state_dict", "params_ema", "params-ema", "params", "model", "net"};
    value *dict = dict_of(root), *inner = NULL;
    if (!dict || root->kind != PQ_PICKLE_DICT)
        return dict;
    for (size_t i = 0; i < PQ_COUNT(wrappers) && !inner; i++)
        inner = dict_of(pq_pickle_get(dict, wrappers[i]));
    dict = inner ? inner : dict;
    inner = dict->count == 2 ? dict_of(dict->items[1]) : NULL; /* one key alone: one more */
    return inner ? inner : dict;
}

/* ---- metadata ---- */

/* A simple value as text; false for any other. */
static bool value_text(const value *v, char *text, size_t size)
{
    switch (v->kind) {
    case PQ_PICKLE_BOOL:
        snprintf(text, size, "%s", v->integer ? "true" : "false");
        return true;
    case PQ_PICKLE_INT:
        snprintf(text, size, "%" PRId64, v->integer);
        return true;
    case PQ_PICKLE_FLOAT:
        snprintf(text, size, "%.9g", v->number);
        return true;
    case PQ_PICKLE_STR:
        if (v->bytes >= size || !pq_text_ok(v->text, v->bytes))
            return false;
        memcpy(text, v->text, v->bytes);
        text[v->bytes] = '\0';
        return true;
    default:
        return false;
    }
}

/* What a training program noted beside or among the tensors, and its arguments one level down. */
static int add_notes(struct reader *r, const value *dict, size_t length)
{
    char text[PQ_MAX_NAME + 1];
    int rc = 0;
    for (uint32_t i = 0; dict && i + 1 < dict->count && !rc; i += 2) {
        const value *key = dict->items[i], *v = dict->items[i + 1];
        if (key->kind != PQ_PICKLE_STR || r->sd->metadata_count >= MAX_METADATA)
            continue;
        if (length == 0 && pq_pickle_is(key, "kwargs") && v->kind == PQ_PICKLE_DICT) {
            strcpy(r->name, "kwargs");
            rc = add_notes(r, v, strlen(r->name));
        } else if (enter(r, length, key) && pq_name_ok(r->name) &&
                   value_text(v, text, sizeof text)) {
            rc = pq_statedict_add_metadata(r->sd, r->name, text, r->err);
        }
        r->name[length] = '\0';
    }
    return rc;
}

static int add_left_out(struct reader *r)
{
    if (r->left_out_count == 0)
        return 0;
    if (r->left_out_count > MAX_LEFT_OUT)
        pq_str_printf(&r->left_out, pq_tr(" and %zu more"), r->left_out_count - MAX_LEFT_OUT);
    char *text = pq_str_take(&r->left_out);
    int rc = text ? pq_statedict_add_metadata(r->sd, "tensors left out", text, r->err)
                  : pq_fail_nomem(r->err, sizeof r->left_out);
    pq_free(text);
    return rc;
}

static int read_object(struct reader *r)
{
    value *root = (value *)r->pickle.root;
    value *dict = find_state_dict(root);
    if (!dict)
        return pq_fail(r->err, PIQUE_EUNSUPPORTED,
                       "%s: the pickle is no dictionary of tensors and no module", r->path);
    r->max_tensor_bytes = 4 * (uint64_t)r->sd->map.size + (16 << 20);
    int rc = walk(r, dict, 0, 0);
    if (!rc)
        rc = pq_statedict_check_names(r->sd, r->err);
    if (!rc)
        rc = add_left_out(r);
    if (!rc && dict != root)
        rc = add_notes(r, dict_of(root), 0);
    if (!rc && dict->kind == PQ_PICKLE_DICT && root->kind == PQ_PICKLE_DICT)
        rc = add_notes(r, dict, 0);
    return rc;
}

/* ---- the zip form ---- */

static struct pq_zip_entry *in_folder(struct reader *r, const char *folder, size_t bytes,
                                      const char *name)
{
    char full[1100];
    int n = snprintf(full, sizeof full, "%.*s%s", (int)bytes, folder, name);
    return n > 0 && (size_t)n < sizeof full ? pq_zip_find(&r->zip, full, (size_t)n) : NULL;
}

/* All lies in one folder of any name; its length with the slash, or 0. */
static size_t folder_bytes(const struct pq_zip *zip)
{
    const struct pq_zip_entry *first = &zip->entries[0];
    const char *slash = memchr(first->name, '/', first->name_bytes);
    size_t n = slash ? (size_t)(slash - first->name) + 1 : 0;
    for (size_t i = 0; i < zip->count; i++) {
        const struct pq_zip_entry *e = &zip->entries[i];
        if (e->name_bytes < n || memcmp(e->name, first->name, n) != 0)
            return 0;
    }
    return n;
}

static int read_byteorder(struct reader *r, struct pq_zip_entry *e)
{
    if (!e)
        return 0;
    int rc = pq_zip_check(&r->sd->map, e, r->err);
    if (!rc && (e->size != 6 || memcmp(r->sd->map.data + e->offset, "little", 6) != 0))
        rc = pq_fail(r->err, PIQUE_EUNSUPPORTED,
                     "%s: was written on a big-endian machine, which cannot be read", r->path);
    return rc;
}

static int read_zip(struct reader *r)
{
    const struct pq_map *map = &r->sd->map;
    int rc = pq_zip_open(map, &r->zip, r->err);
    if (rc)
        return rc;
    const char *folder = r->zip.entries[0].name;
    size_t bytes = folder_bytes(&r->zip);
    struct pq_zip_entry *e = bytes ? in_folder(r, folder, bytes, "data.pkl") : NULL;
    if (!e)
        return pq_fail(r->err, PIQUE_EUNSUPPORTED,
                       "%s: is a zip archive, but not one of PyTorch, which has data.pkl in its "
                       "only folder",
                       r->path);
    rc = pq_zip_check(map, e, r->err);
    if (!rc)
        rc = read_byteorder(r, in_folder(r, folder, bytes, "byteorder"));
    if (!rc)
        rc = pq_pickle_read(r->path, map->data + e->offset, (size_t)e->size, &r->pickle, r->err);
    if (!rc)
        rc = pq_pth_add_globals(r->sd, &r->pickle, r->err);
    if (!rc && r->pickle.bytes != e->size)
        rc = pq_fail(r->err, PIQUE_EFORMAT, "%s: data.pkl goes on after the pickle's end", r->path);
    if (!rc)
        rc = pq_storages_find(map, &r->pickle, &r->storages, r->err);
    if (!rc)
        rc = pq_storages_in_zip(map, &r->storages, &r->zip, folder, bytes, r->err);
    if (!rc)
        rc = read_object(r);
    if (!rc && r->sd->count == 0 && in_folder(r, folder, bytes, "constants/0"))
        rc = pq_fail(r->err, PIQUE_EUNSUPPORTED,
                     "%s: is a frozen TorchScript module, whose weights have no names any more; "
                     "the module is needed as it was before torch.jit.freeze()",
                     r->path);
    return rc;
}

/* ---- the older form ---- */

/* Run the pickle at *at and go behind it. */
static int next_pickle(struct reader *r, size_t *at, struct pq_pickle *out)
{
    const struct pq_map *map = &r->sd->map;
    int rc = pq_pickle_read(r->path, map->data + *at, map->size - *at, out, r->err);
    if (rc)
        return rc;
    *at += out->bytes;
    return pq_pth_add_globals(r->sd, out, r->err);
}

static bool is_magic(const value *v)
{
    static const unsigned char magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                          0x20, 0x6a, 0xa8, 0x50, 0x19};
    return v->kind == PQ_PICKLE_LONG && v->bytes == sizeof magic &&
           memcmp(v->text, magic, sizeof magic) == 0;
}

/* One of the three pickles before the object. */
static int check_preamble(struct reader *r, int i, const value *v)
{
    const value *little = pq_pickle_get(v, "little_endian");
    if (i == 0 && !is_magic(v))
        return pq_fail(r->err, PIQUE_EUNSUPPORTED, "%s: is a pickle, but not one of PyTorch",
                       r->path);
    if (i == 1 && (v->kind != PQ_PICKLE_INT || v->integer != LEGACY_PROTOCOL))
        return pq_fail(r->err, PIQUE_EUNSUPPORTED,
                       "%s: is of a protocol of PyTorch other than 1001", r->path);
    if (i == 2 && (!little || little->kind != PQ_PICKLE_BOOL || !little->integer))
        return pq_fail(r->err, PIQUE_EUNSUPPORTED,
                       "%s: was written on a big-endian machine, which cannot be read", r->path);
    return 0;
}

static int read_preamble(struct reader *r, size_t *at)
{
    int rc = 0;
    for (int i = 0; i < 3 && !rc; i++) {
        struct pq_pickle p;
        rc = next_pickle(r, at, &p);
        if (!rc)
            rc = check_preamble(r, i, p.root);
        pq_pickle_free(&p);
    }
    return rc;
}

static int read_legacy(struct reader *r)
{
    struct pq_pickle keys = {0};
    size_t at = 0;
    int rc = read_preamble(r, &at);
    if (!rc)
        rc = next_pickle(r, &at, &r->pickle);
    if (!rc)
        rc = next_pickle(r, &at, &keys);
    if (!rc)
        rc = pq_storages_find(&r->sd->map, &r->pickle, &r->storages, r->err);
    if (!rc)
        rc = pq_storages_in_row(&r->sd->map, &r->storages, keys.root, at, r->err);
    pq_pickle_free(&keys);
    return rc ? rc : read_object(r);
}

int pq_pth_read(struct pq_statedict *sd, pique_error *err)
{
    struct reader r = {.sd = sd, .path = sd->map.path, .err = err};
    bool zip = sd->map.size >= 2 && memcmp(sd->map.data, "PK", 2) == 0;
    int rc = zip ? read_zip(&r) : read_legacy(&r);
    pq_str_free(&r.left_out);
    pq_storages_free(&r.storages);
    pq_pickle_free(&r.pickle);
    pq_zip_close(&r.zip);
    return rc;
}
