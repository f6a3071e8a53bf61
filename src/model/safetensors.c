/* SPDX-License-Identifier: MIT */
/* A safetensors file:
 *
 *     u64 little endian: N | N bytes of JSON | data
 *
 * The JSON is one object: a tensor's name -> {"dtype", "shape", "data_offsets": [begin, end)}, and
 * perhaps "__metadata__": text -> text. Offsets count from the end of the JSON. Readers that differ
 * in what they tolerate see different tensors in one file, so nothing is tolerated here: no name
 * twice, no overlap, no hole, no byte that belongs to nobody. */
#include "model/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    HEAD_BYTES = 8,
    MAX_JSON_BYTES = 100 << 20,
    /* Parsed values take far more memory than their text, objects most of all. */
    MAX_JSON_VALUES = 1 << 18,
    MAX_JSON_OBJECTS = PQ_MAX_TENSORS + 2 /* the header, the metadata */
};

/* Where a tensor lies in the data, for the check that all of it is covered once. */
struct extent {
    uint64_t begin, end;
    size_t tensor;
};

struct reader {
    struct pq_statedict *sd;
    const char *path;
    const unsigned char *data; /* first byte after the JSON */
    uint64_t data_bytes;
    struct extent *extents; /* one a tensor */
    pique_error *err;
};

static uint64_t read_u64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* An integer >= 0 from JSON. */
static bool get_size(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

/* ---- one tensor ---- */

static int read_dtype(struct reader *r, const char *name, const json_t *value, enum pq_dtype *out)
{
    static const struct {
        const char *name;
        enum pq_dtype dtype;
    } known[] = {{"F32", PQ_F32}, {"F16", PQ_F16}, {"BF16", PQ_BF16},
                 {"F64", PQ_F64}, {"I64", PQ_I64}, {"I32", PQ_I32}};
    const char *text = json_string_value(value);
    if (!text || !pq_name_ok(text))
        return pq_fail(r->err, PIQUE_EFORMAT, "%s: tensor '%s' has no dtype", r->path, name);
    for (size_t i = 0; i < PQ_COUNT(known); i++) {
        if (strcmp(text, known[i].name) == 0) {
            *out = known[i].dtype;
            return 0;
        }
    }
    return pq_fail(r->err, PIQUE_EUNSUPPORTED,
                   "%s: tensor '%s' is stored as %.16s; F32, F16, BF16, F64, I64 and I32 can be "
                   "read",
                   r->path, name, text);
}

static int read_shape(struct reader *r, const char *name, const json_t *value, struct pq_tensor *t)
{
    if (!json_is_array(value) || json_array_size(value) > PQ_MAX_DIMS)
        return pq_fail(r->err, PIQUE_EFORMAT, "%s: tensor '%s' has no shape of at most %d numbers",
                       r->path, name, PQ_MAX_DIMS);
    t->dims = (int)json_array_size(value);
    for (int i = 0; i < t->dims; i++) {
        uint64_t extent;
        if (!get_size(json_array_get(value, (size_t)i), &extent) || extent > PQ_MAX_EXTENT)
            return pq_fail(r->err, PIQUE_EFORMAT,
                           "%s: tensor '%s' has a dimension that is not a number from 0 to %d",
                           r->path, name, PQ_MAX_EXTENT);
        t->shape[i] = (int64_t)extent;
    }
    return 0;
}

static int read_extent(struct reader *r, const char *name, const json_t *value,
                       const struct pq_tensor *t, struct extent *extent)
{
    if (!json_is_array(value) || json_array_size(value) != 2 ||
        !get_size(json_array_get(value, 0), &extent->begin) ||
        !get_size(json_array_get(value, 1), &extent->end) || extent->begin > extent->end)
        return pq_fail(r->err, PIQUE_EFORMAT,
                       "%s: tensor '%s' has no data_offsets [begin, end] with 0 <= begin <= end",
                       r->path, name);
    if (extent->end > r->data_bytes)
        return pq_fail(r->err, PIQUE_EFORMAT,
                       "%s: tensor '%s' ends at byte %" PRIu64 " of the data, which has %" PRIu64
                       "; the download may be incomplete",
                       r->path, name, extent->end, r->data_bytes);
    size_t count;
    char text[200];
    if (!pq_tensor_count(t, &count) ||
        count * pq_dtype_size(t->dtype) != extent->end - extent->begin)
        return pq_fail(r->err, PIQUE_EFORMAT,
                       "%s: tensor '%s' of shape %s and type %s does not fit its %" PRIu64 " bytes",
                       r->path, name, pq_tensor_shape_text(t, text, sizeof text),
                       pq_dtype_name(t->dtype), extent->end - extent->begin);
    return 0;
}

static int read_tensor(struct reader *r, const char *name, const json_t *value)
{
    if (!pq_name_ok(name))
        return pq_fail(r->err, PIQUE_EFORMAT,
                       "%s: the name of tensor %zu is empty, longer than %d bytes or has control "
                       "characters",
                       r->path, r->sd->count, PQ_MAX_NAME);
    if (!json_is_object(value) || json_object_size(value) != 3)
        return pq_fail(r->err, PIQUE_EFORMAT,
                       "%s: tensor '%s' is not described by dtype, shape and data_offsets alone",
                       r->path, name);
    struct pq_tensor t = {0};
    struct extent *extent = &r->extents[r->sd->count];
    int rc = read_dtype(r, name, json_object_get(value, "dtype"), &t.dtype);
    if (!rc)
        rc = read_shape(r, name, json_object_get(value, "shape"), &t);
    if (!rc)
        rc = read_extent(r, name, json_object_get(value, "data_offsets"), &t, extent);
    if (rc)
        return rc;
    extent->tensor = r->sd->count;
    t.data = r->data + extent->begin;
    return pq_statedict_add(r->sd, name, &t, r->err);
}

/* ---- the whole ---- */

static int read_metadata(struct reader *r, json_t *object)
{
    if (!json_is_object(object))
        return pq_fail(r->err, PIQUE_EFORMAT, "%s: __metadata__ is not an object", r->path);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value))
            return pq_fail(r->err, PIQUE_EFORMAT, "%s: __metadata__ holds more than text", r->path);
        int rc = pq_statedict_add_metadata(r->sd, key, json_string_value(value), r->err);
        if (rc)
            return rc;
    }
    return 0;
}

static int by_begin(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) /* an empty tensor goes before the one that starts where it lies */
        return x->end < y->end ? -1 : 1;
    return x->tensor < y->tensor ? -1 : 1;
}

/* Each byte of the data belongs to exactly one tensor. */
static int check_cover(struct reader *r)
{
    struct pq_statedict *sd = r->sd;
    uint64_t at = 0;
    qsort(r->extents, sd->count, sizeof *r->extents, by_begin);
    for (size_t i = 0; i < sd->count; i++) {
        const struct extent *e = &r->extents[i];
        if (e->begin != at)
            return pq_fail(r->err, PIQUE_EFORMAT,
                           "%s: tensor '%s' starts at byte %" PRIu64
                           " of the data; the one before it ends at %" PRIu64,
                           r->path, sd->tensors[e->tensor].name, e->begin, at);
        at = e->end;
    }
    if (at != r->data_bytes)
        return pq_fail(r->err, PIQUE_EFORMAT,
                       "%s: %" PRIu64 " bytes at the end of the file belong to no tensor", r->path,
                       r->data_bytes - at);
    return 0;
}

static int read_object(struct reader *r, json_t *root)
{
    if (!json_is_object(root))
        return pq_fail(r->err, PIQUE_EFORMAT, "%s: the header is not a JSON object", r->path);
    size_t count = json_object_size(root);
    if (count > PQ_MAX_TENSORS)
        return pq_fail(r->err, PIQUE_EUNSUPPORTED, "%s: %zu tensors; at most %d can be read",
                       r->path, count, PQ_MAX_TENSORS);
    r->extents = pq_calloc(count, sizeof *r->extents);
    if (!r->extents)
        return pq_fail_nomem(r->err, count * sizeof *r->extents);
    const char *name;
    json_t *value;
    int rc = 0;
    json_object_foreach(root, name, value)
    {
        rc = strcmp(name, "__metadata__") == 0 ? read_metadata(r, value)
                                               : read_tensor(r, name, value);
        if (rc)
            break;
    }
    if (!rc)
        rc = check_cover(r);
    pq_free(r->extents);
    return rc;
}

/* At most this many values, and objects among them, can come out of the text. */
static size_t count_json_values(const unsigned char *text, size_t size, size_t *objects)
{
    size_t n = 1;
    bool in_string = false;
    *objects = 0;
    for (size_t i = 0; i < size; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string) {
            n += text[i] == ',' || text[i] == '[' || text[i] == '{';
            *objects += text[i] == '{';
        }
    }
    return n;
}

/* jansson's own sentences quote the file, and with it whatever the file says to the terminal. */
static int fail_json(struct reader *r, const json_error_t *e)
{
    enum json_error_code code = json_error_code(e);
    if (code == json_error_out_of_memory || e->text[0] == '\0')
        return pq_fail(r->err, PIQUE_ENOMEM, "%s: out of memory while reading the header", r->path);
    if (code == json_error_duplicate_key)
        return pq_fail(r->err, PIQUE_EFORMAT, "%s: the header says one name twice (byte %d)",
                       r->path, e->position + HEAD_BYTES);
    return pq_fail(r->err, PIQUE_EFORMAT, "%s: the header is not valid JSON (byte %d)", r->path,
                   e->position + HEAD_BYTES);
}

int pq_safetensors_read(struct pq_statedict *sd, pique_error *err)
{
    struct reader r = {.sd = sd, .path = sd->map.path, .err = err};
    if (sd->map.size < HEAD_BYTES + 2)
        return pq_fail(err, PIQUE_EFORMAT, "%s: too short for a safetensors file", r.path);
    uint64_t bytes = read_u64(sd->map.data);
    const unsigned char *text = sd->map.data + HEAD_BYTES;
    if (bytes > sd->map.size - HEAD_BYTES)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: the header should have %" PRIu64 " bytes, the file has %zu; the "
                       "download may be incomplete",
                       r.path, bytes, sd->map.size);
    if (bytes > MAX_JSON_BYTES)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: a header of %" PRIu64 " bytes; at most %d can be "
                       "read",
                       r.path, bytes, MAX_JSON_BYTES);
    if (bytes < 2 || text[0] != '{')
        return pq_fail(err, PIQUE_EFORMAT, "%s: the header does not start with '{'", r.path);
    size_t objects, values = count_json_values(text, (size_t)bytes, &objects);
    if (values > MAX_JSON_VALUES || objects > MAX_JSON_OBJECTS)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: the header holds %zu values, %zu of them objects; at most %d and %d "
                       "can be read",
                       r.path, values, objects, MAX_JSON_VALUES, MAX_JSON_OBJECTS);
    r.data = text + bytes;
    r.data_bytes = sd->map.size - HEAD_BYTES - bytes;

    json_error_t e = {0};
    json_t *root = json_loadb((const char *)text, (size_t)bytes, JSON_REJECT_DUPLICATES, &e);
    if (!root)
        return fail_json(&r, &e);
    int rc = read_object(&r, root);
    json_decref(root);
    return rc;
}
