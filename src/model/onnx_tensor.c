/* SPDX-License-Identifier: MIT */
/* The elements of a TensorProto are in raw_data (little endian, used as they lie), in a list of
 * numbers of a type (float_data and double_data are used as they lie too where they are in one
 * piece, the others are varints and are decoded), or in another file. */
#include "model/onnx_tensor.h"

#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"

enum {
    DIMS = 1,
    DATA_TYPE = 2,
    SEGMENT = 3,
    FLOAT_DATA = 4,
    INT32_DATA = 5,
    STRING_DATA = 6,
    INT64_DATA = 7,
    NAME = 8,
    RAW_DATA = 9,
    DOUBLE_DATA = 10,
    UINT64_DATA = 11,
    EXTERNAL_DATA = 13,
    DATA_LOCATION = 14,
    EXTERNAL = 1
};

/* list: where the elements are when not in raw_data; in_list: bytes of one as it lies there, 0 for
 * a varint; raw: bytes of one in raw_data. */
static const struct type {
    const char *name;
    int type;
    bool readable;
    enum pq_dtype dtype;
    uint32_t list;
    size_t in_list, raw;
    bool is_signed;
} types[] = {
    {"float", PQ_ONNX_FLOAT, true, PQ_F32, FLOAT_DATA, 4, 4, true},
    {"uint8", 2, true, PQ_I32, INT32_DATA, 0, 1, false},
    {"int8", 3, true, PQ_I32, INT32_DATA, 0, 1, true},
    {"uint16", 4, true, PQ_I32, INT32_DATA, 0, 2, false},
    {"int16", 5, true, PQ_I32, INT32_DATA, 0, 2, true},
    {"int32", PQ_ONNX_INT32, true, PQ_I32, INT32_DATA, 0, 4, true},
    {"int64", PQ_ONNX_INT64, true, PQ_I64, INT64_DATA, 0, 8, true},
    {"string", 8, false, PQ_I32, STRING_DATA, 0, 0, false},
    {"bool", PQ_ONNX_BOOL, true, PQ_I32, INT32_DATA, 0, 1, false},
    {"float16", PQ_ONNX_FLOAT16, true, PQ_F16, INT32_DATA, 0, 2, false},
    {"double", PQ_ONNX_DOUBLE, true, PQ_F64, DOUBLE_DATA, 8, 8, true},
    {"uint32", 12, false, PQ_I32, UINT64_DATA, 0, 4, false},
    {"uint64", 13, false, PQ_I64, UINT64_DATA, 0, 8, false},
    {"complex64", 14, false, PQ_F32, FLOAT_DATA, 4, 8, true},
    {"complex128", 15, false, PQ_F64, DOUBLE_DATA, 8, 16, true},
    {"bfloat16", PQ_ONNX_BFLOAT16, true, PQ_BF16, INT32_DATA, 0, 2, false},
};

static const struct type *find_type(int64_t type)
{
    for (size_t i = 0; i < PQ_COUNT(types); i++) {
        if (types[i].type == type)
            return &types[i];
    }
    return NULL;
}

const char *pq_onnx_type_name(int type)
{
    const struct type *t = find_type(type);
    return t ? t->name : NULL;
}

/* What one walk over the message found. */
struct parts {
    struct pq_onnx_tensor *out;
    int64_t type;
    bool external, segment, has_raw;
    struct pq_wire raw;
    struct pq_wire pieces[3]; /* the last piece of float_data, double_data, and any other list */
    size_t piece_count[3];    /* and how many there are; one that is not packed counts for two */
};

static int add_dim(struct parts *p, uint64_t dim, const char **why)
{
    struct pq_tensor *t = &p->out->tensor;
    if (t->dims == PQ_MAX_DIMS) {
        *why = pq_tr("has a tensor of more than 8 dimensions");
        return PIQUE_EUNSUPPORTED;
    }
    if (dim > INT32_MAX) {
        *why = pq_tr("has a tensor with a dimension that none can have");
        return PIQUE_EFORMAT;
    }
    t->shape[t->dims++] = (int64_t)dim;
    return 0;
}

static int add_dims(struct parts *p, const struct pq_wire_field *f, const char **why)
{
    if (f->type == PQ_WIRE_VARINT)
        return add_dim(p, f->value, why);
    struct pq_wire w = f->bytes;
    while (w.at < w.end) {
        uint64_t dim;
        if (!pq_wire_varint(&w, &dim, why))
            return PIQUE_EFORMAT;
        int rc = add_dim(p, dim, why);
        if (rc)
            return rc;
    }
    return 0;
}

static bool digits(struct pq_span s, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < s.size; i++) {
        if (s.text[i] < '0' || s.text[i] > '9' || __builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(s.text[i] - '0'), value))
            return false;
    }
    return s.size > 0;
}

/* StringStringEntryProto: key = 1, value = 2. */
static int add_external(struct parts *p, struct pq_wire entry, const char **why)
{
    struct pq_span part[3] = {{"", 0}, {"", 0}, {"", 0}};
    struct pq_wire_field f;
    int rc;
    while ((rc = pq_wire_next(&entry, &f, why)) > 0) {
        if (f.number <= 2 && f.type == PQ_WIRE_BYTES)
            part[f.number] = pq_wire_span(f.bytes);
    }
    if (rc < 0)
        return PIQUE_EFORMAT;
    bool ok = true;
    if (pq_span_is(part[1], "location"))
        p->out->location = part[2];
    else if (pq_span_is(part[1], "offset"))
        ok = digits(part[2], &p->out->offset);
    else if (pq_span_is(part[1], "length"))
        ok = digits(part[2], &p->out->length);
    *why = pq_tr("has external data with an offset or a length that is no number");
    return ok ? 0 : PIQUE_EFORMAT;
}

static int list_slot(uint32_t number)
{
    return number == FLOAT_DATA ? 0 : number == DOUBLE_DATA ? 1 : 2;
}

static int add_field(struct parts *p, const struct pq_wire_field *f, const char **why)
{
    const bool number = f->type == PQ_WIRE_VARINT, block = f->type == PQ_WIRE_BYTES;
    *why = pq_tr("has a tensor with a field of a wrong kind");
    switch (f->number) {
    case DIMS:
        return number || block ? add_dims(p, f, why) : PIQUE_EFORMAT;
    case DATA_TYPE:
        p->type = number && f->value <= INT32_MAX ? (int64_t)f->value : -1;
        return number ? 0 : PIQUE_EFORMAT;
    case NAME:
        p->out->name = pq_wire_span(f->bytes);
        return block ? 0 : PIQUE_EFORMAT;
    case RAW_DATA:
        if (!block || p->has_raw)
            return PIQUE_EFORMAT;
        p->raw = f->bytes;
        p->has_raw = true;
        return 0;
    case SEGMENT:
        p->segment = true;
        return 0;
    case EXTERNAL_DATA:
        return block ? add_external(p, f->bytes, why) : PIQUE_EFORMAT;
    case DATA_LOCATION:
        p->external = f->value == EXTERNAL;
        return number && f->value <= EXTERNAL ? 0 : PIQUE_EFORMAT;
    case FLOAT_DATA:
    case INT32_DATA:
    case INT64_DATA:
    case DOUBLE_DATA:
        p->pieces[list_slot(f->number)] = f->bytes;
        p->piece_count[list_slot(f->number)] += block ? 1 : 2;
        return 0;
    default:
        return 0;
    }
}

/* ---- elements ---- */

/* One number of a list, in the type it gets. */
static bool put(const struct type *type, uint64_t v, unsigned char *to)
{
    const int64_t s = (int64_t)v;
    if (type->in_list || type->dtype == PQ_I64) {
        memcpy(to, &v, pq_dtype_size(type->dtype)); /* little endian, as all that pique runs on */
        return true;
    }
    if (type->dtype == PQ_F16 || type->dtype == PQ_BF16) {
        const uint16_t bits = (uint16_t)v;
        memcpy(to, &bits, sizeof bits);
        return v <= UINT16_MAX;
    }
    const int32_t whole = (int32_t)s;
    memcpy(to, &whole, sizeof whole);
    return s == whole;
}

/* All pieces of the list, packed or not, into `to`. */
static bool decode(struct pq_wire message, const struct type *type, size_t count, unsigned char *to,
                   const char **why)
{
    const size_t size = pq_dtype_size(type->dtype);
    struct pq_wire_field f;
    size_t done = 0;
    while (pq_wire_next(&message, &f, why) > 0) {
        if (f.number != type->list)
            continue;
        struct pq_wire w = f.bytes;
        bool more = f.type != PQ_WIRE_BYTES || w.at < w.end;
        for (; more; more = f.type == PQ_WIRE_BYTES && w.at < w.end) {
            uint64_t v = f.value;
            *why = pq_tr("has a tensor with elements of a wrong kind");
            if (f.type == PQ_WIRE_BYTES && type->in_list) {
                if ((size_t)(w.end - w.at) < type->in_list)
                    return false;
                v = 0;
                memcpy(&v, w.at, type->in_list);
                w.at += type->in_list;
            } else if (f.type == PQ_WIRE_BYTES && !pq_wire_varint(&w, &v, why)) {
                return false;
            }
            *why = pq_tr("has a tensor with other elements than its shape and type say");
            if (done == count || !put(type, v, to + done++ * size))
                return false;
        }
    }
    *why = pq_tr("has a tensor with fewer elements than its shape says");
    return done == count;
}

/* Small integers and bool of raw_data, as i32. */
static void widen(const struct type *type, const unsigned char *from, size_t count, int32_t *to)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t v = from[i * type->raw];
        if (type->raw == 2)
            v |= (uint32_t)from[i * 2 + 1] << 8;
        const uint32_t top = UINT32_C(1) << (8 * type->raw - 1);
        to[i] = type->is_signed && (v & top) ? (int32_t)v - (int32_t)(top * 2) : (int32_t)v;
    }
}

static int own(struct pq_statedict *sd, size_t bytes, void **out, const char **why)
{
    pique_error ignored;
    *why = NULL;
    return pq_statedict_own(sd, bytes, out, &ignored);
}

/* bytes of raw_data or of a file. */
static int use_raw(struct pq_statedict *sd, const struct type *type, const unsigned char *raw,
                   size_t count, struct pq_tensor *t, const char **why)
{
    t->data = count ? (const void *)raw : "";
    if (type->raw == pq_dtype_size(type->dtype))
        return 0;
    void *memory;
    int rc = own(sd, count * sizeof(int32_t), &memory, why);
    if (!rc) {
        widen(type, raw, count, memory);
        t->data = memory;
    }
    return rc;
}

static int use_list(struct pq_wire message, const struct parts *p, const struct type *type,
                    struct pq_statedict *sd, size_t count, const char **why)
{
    struct pq_tensor *t = &p->out->tensor;
    const int slot = list_slot(type->list);
    const struct pq_wire piece = p->pieces[slot];
    if (type->in_list && p->piece_count[slot] == 1 &&
        (size_t)(piece.end - piece.at) == count * type->in_list) {
        t->data = count ? (const void *)piece.at : "";
        return 0;
    }
    /* An element takes at least a byte of the file. */
    *why = pq_tr("has a tensor with fewer elements than its shape says");
    if (count > (size_t)(message.end - message.at))
        return PIQUE_EFORMAT;
    void *memory;
    int rc = own(sd, count * pq_dtype_size(type->dtype), &memory, why);
    t->data = rc ? NULL : memory;
    if (!rc && !decode(message, type, count, memory, why))
        rc = PIQUE_EFORMAT;
    return rc;
}

int pq_onnx_tensor_read(struct pq_wire message, struct pq_statedict *sd, struct pq_onnx_tensor *out,
                        const char **why)
{
    *out = (struct pq_onnx_tensor){.name = {"", 0}, .location = {"", 0}};
    struct parts p = {.out = out};
    struct pq_wire w = message;
    struct pq_wire_field f;
    int rc;
    while ((rc = pq_wire_next(&w, &f, why)) > 0) {
        rc = add_field(&p, &f, why);
        if (rc)
            return rc;
    }
    if (rc < 0)
        return PIQUE_EFORMAT;
    const struct type *type = find_type(p.type);
    *why = pq_tr("has a tensor of a type that there is none of, or in segments");
    if (!type || p.segment)
        return PIQUE_EUNSUPPORTED;
    out->type = type->type;
    out->readable = type->readable;
    out->tensor.dtype = type->dtype;
    size_t count;
    *why = pq_tr("has a tensor that is too large");
    if (!pq_tensor_count(&out->tensor, &count))
        return PIQUE_EFORMAT;
    if (!p.external)
        out->location.size = 0;
    else if (!out->location.size) {
        *why = pq_tr("has a tensor elsewhere and does not say where");
        return PIQUE_EFORMAT;
    }
    if (!type->readable || p.external)
        return 0;
    if (!p.has_raw)
        return use_list(message, &p, type, sd, count, why);
    *why = pq_tr("has a tensor with more or fewer bytes than its shape says");
    if (count > SIZE_MAX / 16 || (size_t)(p.raw.end - p.raw.at) != count * type->raw)
        return PIQUE_EFORMAT;
    return use_raw(sd, type, p.raw.at, count, &out->tensor, why);
}

/* ---- external data ---- */

enum { MAX_FILES = 1024 };

static bool same_span(struct pq_span a, struct pq_span b)
{
    return a.size == b.size && memcmp(a.text, b.text, a.size) == 0;
}

/* The open file of that name, opened now or before. */
static int data_file(struct pq_statedict *sd, struct pq_span *names, size_t *count,
                     struct pq_span location, const struct pq_map **out, pique_error *err)
{
    for (size_t i = 0; i < *count; i++) {
        if (same_span(names[i], location)) {
            *out = &sd->others[i];
            return 0;
        }
    }
    if (*count == MAX_FILES)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: has its weights in more than %d files",
                       sd->map.path, MAX_FILES);
    char *name = pq_strndup(location.text, location.size);
    if (!name)
        return pq_fail_nomem(err, location.size + 1);
    int rc;
    if (!pq_text_ok(location.text, location.size) || location.size > PQ_MAX_NAME ||
        strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        rc = pq_fail(err, PIQUE_EFORMAT,
                     "%s: wants weights from a file that is not beside it, which is not allowed",
                     sd->map.path);
    else
        rc = pq_statedict_open_beside(sd, name, out, err);
    pq_free(name);
    if (!rc)
        names[(*count)++] = location;
    return rc;
}

static int fetch(struct pq_statedict *sd, const struct pq_map *map, struct pq_onnx_tensor *x,
                 pique_error *err)
{
    const struct type *type = find_type(x->type);
    size_t count, bytes;
    if (!pq_tensor_count(&x->tensor, &count) || !pq_mul_size(count, type->raw, &bytes) ||
        (x->length && x->length != bytes))
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: a tensor has %llu bytes in %s, which does not fit its shape",
                       sd->map.path, (unsigned long long)x->length, map->path);
    if (x->offset > map->size || bytes > map->size - x->offset)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: a tensor of %zu bytes begins at byte %llu of %s, which has %zu; the "
                       "download may be incomplete",
                       sd->map.path, bytes, (unsigned long long)x->offset, map->path, map->size);
    const char *why;
    int rc = use_raw(sd, type, map->data + x->offset, count, &x->tensor, &why);
    return rc ? pq_fail_nomem(err, bytes) : 0;
}

int pq_onnx_external_read(struct pq_statedict *sd, struct pq_onnx_tensor *tensors, size_t count,
                          pique_error *err)
{
    struct pq_span names[MAX_FILES];
    size_t files = 0;
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++) {
        const struct pq_map *map = NULL;
        if (!tensors[i].location.size || !tensors[i].readable)
            continue;
        rc = data_file(sd, names, &files, tensors[i].location, &map, err);
        if (!rc)
            rc = fetch(sd, map, &tensors[i], err);
    }
    return rc;
}
