/* SPDX-License-Identifier: MIT */
/* A protobuf says the length of a message before it, so nodes are collected in memory, and weights
 * are written from where they lie when the size of all is known. Field numbers are those that
 * onnx_file.c and onnx_tensor.c read. */
#include "model/onnx_write.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "model/onnx_file.h"

enum { PIECE = 1 << 15, MAX_ELEMENT = 8, OPSET = 17, IR_VERSION = 8 };

struct pq_onnx_init {
    struct pq_onnx_name name;
    struct pq_tensor tensor;
    enum pq_dtype type; /* as it is written */
    void *memory;       /* of numbers of ours */
};

/* ---- bytes ---- */

static void put_varint(struct pq_str *s, uint64_t v)
{
    char bytes[10];
    size_t n = 0;
    for (; v > 127; v >>= 7)
        bytes[n++] = (char)((v & 127) | 128);
    bytes[n++] = (char)v;
    pq_str_add_n(s, bytes, n);
}

static void put_tag(struct pq_str *s, int field, enum pq_wire_type type)
{
    put_varint(s, (uint64_t)field << 3 | (uint64_t)type);
}

static void put_number(struct pq_str *s, int field, uint64_t value)
{
    put_tag(s, field, PQ_WIRE_VARINT);
    put_varint(s, value);
}

static void put_text(struct pq_str *s, int field, const char *text)
{
    put_tag(s, field, PQ_WIRE_BYTES);
    put_varint(s, strlen(text));
    pq_str_add(s, text);
}

/* A message, which is freed. */
static void put_message(struct pq_str *s, int field, struct pq_str *message)
{
    put_tag(s, field, PQ_WIRE_BYTES);
    put_varint(s, message->length);
    if (message->length)
        pq_str_add_n(s, message->data, message->length);
    s->failed = s->failed || message->failed;
    pq_str_free(message);
}

/* ---- nodes ---- */

enum { A_FLOAT = 1, A_INT = 2, A_STRING = 3, A_INTS = 7 }; /* AttributeProto.AttributeType */

void pq_onnx_put_int(struct pq_onnx_writer *w, const char *name, int64_t value)
{
    struct pq_str a = {0};
    put_text(&a, 1, name);
    put_number(&a, 3, (uint64_t)value);
    put_number(&a, 20, A_INT);
    put_message(&w->attrs, 5, &a);
}

void pq_onnx_put_float(struct pq_onnx_writer *w, const char *name, float value)
{
    struct pq_str a = {0};
    put_text(&a, 1, name);
    put_tag(&a, 2, PQ_WIRE_32);
    pq_str_add_n(&a, (const char *)&value, sizeof value);
    put_number(&a, 20, A_FLOAT);
    put_message(&w->attrs, 5, &a);
}

void pq_onnx_put_text(struct pq_onnx_writer *w, const char *name, const char *value)
{
    struct pq_str a = {0};
    put_text(&a, 1, name);
    put_text(&a, 4, value);
    put_number(&a, 20, A_STRING);
    put_message(&w->attrs, 5, &a);
}

void pq_onnx_put_ints(struct pq_onnx_writer *w, const char *name, int count, const int64_t *values)
{
    struct pq_str a = {0};
    put_text(&a, 1, name);
    for (int i = 0; i < count; i++)
        put_number(&a, 8, (uint64_t)values[i]);
    put_number(&a, 20, A_INTS);
    put_message(&w->attrs, 5, &a);
}

static struct pq_onnx_name fresh(struct pq_onnx_writer *w, const char *what)
{
    struct pq_onnx_name name;
    snprintf(name.text, sizeof name.text, "%s.%d", what, w->fresh++);
    return name;
}

/* first: the name of a result before that one, or NULL. */
static void put_node(struct pq_onnx_writer *w, const char *op, int count,
                     const struct pq_onnx_name *in, const char *first, const char *result)
{
    struct pq_str n = {0};
    for (int i = 0; i < count; i++)
        put_text(&n, 1, in[i].text);
    if (first)
        put_text(&n, 2, first);
    put_text(&n, 2, result);
    put_text(&n, 3, result);
    put_text(&n, 4, op);
    if (w->attrs.length)
        pq_str_add_n(&n, w->attrs.data, w->attrs.length);
    n.failed = n.failed || w->attrs.failed;
    pq_str_free(&w->attrs);
    put_message(&w->nodes, 1, &n);
}

struct pq_onnx_name pq_onnx_node(struct pq_onnx_writer *w, const char *op, int count,
                                 const struct pq_onnx_name *in)
{
    const struct pq_onnx_name result = fresh(w, op);
    put_node(w, op, count, in, NULL, result.text);
    return result;
}

struct pq_onnx_name pq_onnx_second(struct pq_onnx_writer *w, const char *op, int count,
                                   const struct pq_onnx_name *in)
{
    const struct pq_onnx_name first = fresh(w, op), result = fresh(w, op);
    put_node(w, op, count, in, first.text, result.text);
    return result;
}

void pq_onnx_node_to(struct pq_onnx_writer *w, const char *op, struct pq_onnx_name a,
                     const char *result)
{
    put_node(w, op, 1, &a, NULL, result);
}

struct pq_onnx_name pq_onnx_node1(struct pq_onnx_writer *w, const char *op, struct pq_onnx_name a)
{
    return pq_onnx_node(w, op, 1, &a);
}

struct pq_onnx_name pq_onnx_node2(struct pq_onnx_writer *w, const char *op, struct pq_onnx_name a,
                                  struct pq_onnx_name b)
{
    const struct pq_onnx_name in[] = {a, b};
    return pq_onnx_node(w, op, 2, in);
}

void pq_onnx_refuse(struct pq_onnx_writer *w, const char *what)
{
    if (!w->rc)
        w->rc = pq_fail(w->err, PIQUE_EUNSUPPORTED, "%s: %s cannot be written as ONNX yet",
                        w->saving->sd->map.path, pq_tr(what));
}

/* ---- weights ---- */

static struct pq_onnx_init *add_init(struct pq_onnx_writer *w)
{
    struct pq_onnx_init *inits =
        w->rc ? NULL : pq_grown(w->inits, w->init_count, &w->init_capacity, sizeof *inits);
    if (!inits) {
        w->rc = w->rc ? w->rc : pq_fail_nomem(w->err, (w->init_count + 1) * sizeof *inits);
        return NULL;
    }
    w->inits = inits;
    inits[w->init_count] = (struct pq_onnx_init){0};
    return &inits[w->init_count++];
}

static bool name_is_used(const struct pq_onnx_writer *w, const char *name)
{
    for (size_t i = 0; i + 1 < w->init_count; i++) {
        if (strcmp(w->inits[i].name.text, name) == 0)
            return true;
    }
    return false;
}

/* The name under which the state dict has these elements; all of ours have a dot and a number at
 * their end, as none of these that is used here. */
static const char *own_name(const struct pq_onnx_writer *w, const struct pq_tensor *t)
{
    const struct pq_statedict *sd = w->saving->sd;
    for (size_t i = 0; i < sd->count; i++) {
        const char *name = sd->tensors[i].name, *dot = strrchr(name, '.');
        if (sd->tensors[i].tensor.data == t->data && strlen(name) < sizeof(struct pq_onnx_name) &&
            dot && !(dot[1] >= '0' && dot[1] <= '9') && !name_is_used(w, name))
            return name;
    }
    return NULL;
}

static bool is_of_file(const struct pq_onnx_writer *w, const struct pq_tensor *t)
{
    const struct pq_statedict *sd = w->saving->sd;
    for (size_t i = 0; i < sd->count; i++) {
        const struct pq_tensor *all = &sd->tensors[i].tensor;
        const char *data = all->data, *at = t->data;
        size_t count = 0;
        pq_tensor_count(all, &count);
        if (at >= data && at < data + count * pq_dtype_size(all->dtype))
            return true;
    }
    return false;
}

struct pq_onnx_name pq_onnx_weight(struct pq_onnx_writer *w, const struct pq_tensor *t, int dims,
                                   const int64_t *shape)
{
    struct pq_onnx_init *init = add_init(w);
    if (!init)
        return (struct pq_onnx_name){""};
    const char *own = own_name(w, t);
    init->name = fresh(w, "weight");
    if (own)
        memcpy(init->name.text, own, strlen(own) + 1);
    init->tensor = *t;
    init->tensor.dims = dims;
    memcpy(init->tensor.shape, shape, (size_t)dims * sizeof *shape);
    /* What was computed, such as a table of biases, stays as it is; convolutions that were joined,
     * which are large, do not. */
    const bool half = w->saving->half && (t->dims == 4 || is_of_file(w, t));
    init->type = half ? PQ_F16 : PQ_F32;
    const struct pq_onnx_name name = init->name;
    if (!half)
        return name;
    pq_onnx_put_int(w, "to", PQ_ONNX_FLOAT);
    return pq_onnx_node1(w, "Cast", name);
}

static struct pq_onnx_name add_numbers(struct pq_onnx_writer *w, enum pq_dtype type, int dims,
                                       const int64_t *shape, const void *values)
{
    size_t count = 1;
    for (int d = 0; d < dims; d++)
        count *= (size_t)shape[d];
    struct pq_onnx_init *init = add_init(w);
    if (!init)
        return (struct pq_onnx_name){""};
    const size_t bytes = count * pq_dtype_size(type);
    init->name = fresh(w, "number");
    init->type = type;
    init->memory = pq_malloc(bytes);
    if (!init->memory) {
        w->rc = pq_fail_nomem(w->err, bytes);
        return init->name;
    }
    memcpy(init->memory, values, bytes);
    init->tensor = (struct pq_tensor){.dtype = type, .dims = dims, .data = init->memory};
    memcpy(init->tensor.shape, shape, (size_t)dims * sizeof *shape);
    return init->name;
}

struct pq_onnx_name pq_onnx_ints(struct pq_onnx_writer *w, int count, const int64_t *values)
{
    return add_numbers(w, PQ_I64, 1, &(const int64_t){count}, values);
}

struct pq_onnx_name pq_onnx_index(struct pq_onnx_writer *w, int rows, int columns,
                                  const int32_t *values)
{
    return add_numbers(w, PQ_I32, 2, (const int64_t[]){rows, columns}, values);
}

struct pq_onnx_name pq_onnx_floats(struct pq_onnx_writer *w, int count, const float *values)
{
    return add_numbers(w, PQ_F32, 1, &(const int64_t){count}, values);
}

struct pq_onnx_name pq_onnx_scalar(struct pq_onnx_writer *w, float value)
{
    return add_numbers(w, PQ_F32, 0, (const int64_t[]){0}, &value);
}

struct pq_onnx_name pq_onnx_fill(struct pq_onnx_writer *w, int count, float value)
{
    float *values = pq_malloc((size_t)count * sizeof *values);
    if (!values) {
        w->rc = w->rc ? w->rc : pq_fail_nomem(w->err, (size_t)count * sizeof *values);
        return (struct pq_onnx_name){""};
    }
    for (int i = 0; i < count; i++)
        values[i] = value;
    const struct pq_onnx_name name = pq_onnx_floats(w, count, values);
    pq_free(values);
    return name;
}

/* ---- the file ---- */

static uint64_t bytes_of(const struct pq_onnx_init *init)
{
    size_t count = 0;
    pq_tensor_count(&init->tensor, &count);
    return (uint64_t)count * pq_dtype_size(init->type);
}

/* All of a weight but its elements. */
static void put_init_head(struct pq_str *s, const struct pq_onnx_init *init)
{
    struct pq_str t = {0};
    const uint64_t bytes = bytes_of(init);
    for (int d = 0; d < init->tensor.dims; d++)
        put_number(&t, 1, (uint64_t)init->tensor.shape[d]);
    put_number(&t, 2,
               init->type == PQ_I64   ? PQ_ONNX_INT64
               : init->type == PQ_I32 ? PQ_ONNX_INT32
               : init->type == PQ_F16 ? PQ_ONNX_FLOAT16
                                      : PQ_ONNX_FLOAT);
    put_text(&t, 8, init->name.text);
    put_tag(&t, 9, PQ_WIRE_BYTES);
    put_varint(&t, bytes);
    put_tag(s, 5, PQ_WIRE_BYTES);
    put_varint(s, t.length + bytes);
    if (t.length)
        pq_str_add_n(s, t.data, t.length);
    s->failed = s->failed || t.failed;
    pq_str_free(&t);
}

/* ValueInfoProto of a picture; rows and columns are named. */
static void put_port(struct pq_str *s, int field, const char *name, int channels, const char *rows,
                     const char *columns)
{
    struct pq_str shape = {0}, type = {0}, outer = {0}, port = {0};
    const char *const open[] = {"batch", NULL, rows, columns};
    for (int d = 0; d < 4; d++) {
        struct pq_str dim = {0};
        if (open[d])
            put_text(&dim, 2, open[d]);
        else
            put_number(&dim, 1, (uint64_t)channels);
        put_message(&shape, 1, &dim);
    }
    put_number(&type, 1, PQ_ONNX_FLOAT);
    put_message(&type, 2, &shape);
    put_message(&outer, 1, &type);
    put_text(&port, 1, name);
    put_message(&port, 2, &outer);
    put_message(s, field, &port);
}

static void put_metadata(struct pq_str *s, const struct pq_statedict *sd)
{
    for (size_t i = 0; i < sd->metadata_count; i++) {
        struct pq_str entry = {0};
        if (strcmp(sd->metadata[i].key, "format") == 0)
            continue; /* says of safetensors files which program they are for */
        put_text(&entry, 1, sd->metadata[i].key);
        put_text(&entry, 2, sd->metadata[i].value);
        put_message(s, 14, &entry);
    }
}

static int write_text(struct pq_onnx_writer *w, struct pq_str *s, struct pq_file *f)
{
    int rc = s->failed ? pq_fail_nomem(w->err, s->length) : 0;
    if (!rc && s->length)
        rc = pq_file_write(f, s->data, s->length, w->err);
    pq_str_free(s);
    return rc;
}

static int write_init(struct pq_onnx_writer *w, const struct pq_onnx_init *init,
                      unsigned char *piece, struct pq_file *f)
{
    struct pq_str head = {0};
    size_t count = 0;
    put_init_head(&head, init);
    int rc = write_text(w, &head, f);
    pq_tensor_count(&init->tensor, &count);
    if (!rc && init->memory)
        return pq_file_write(f, init->memory, (size_t)bytes_of(init), w->err);
    struct pq_onnx_name name = init->name;
    const struct pq_named_tensor t = {.name = name.text, .tensor = init->tensor};
    struct pq_saving saving = *w->saving;
    saving.half = init->type == PQ_F16;
    for (size_t at = 0; at < count && !rc; at += PIECE) {
        const size_t n = PQ_MIN(count - at, (size_t)PIECE);
        rc = pq_save_check_cancel(w->saving, w->err);
        if (!rc)
            rc = pq_save_elements(&saving, &t, at, n, piece, w->err);
        if (!rc)
            rc = pq_file_write(f, piece, n * pq_dtype_size(init->type), w->err);
    }
    return rc;
}

int pq_onnx_finish(struct pq_onnx_writer *w, int in, int out, struct pq_file *f)
{
    struct pq_str head = {0}, ports = {0}, tail = {0}, opset = {0};
    unsigned char *piece = pq_malloc((size_t)PIECE * MAX_ELEMENT);
    if (!w->rc && !piece)
        w->rc = pq_fail_nomem(w->err, PIECE * MAX_ELEMENT);
    put_text(&ports, 2, "pique");
    put_port(&ports, 11, "input", in, "height", "width");
    put_port(&ports, 12, "output", out, "output_height", "output_width");
    put_number(&opset, 2, OPSET);
    put_message(&tail, 8, &opset);
    put_metadata(&tail, w->saving->sd);
    uint64_t length = w->nodes.length + ports.length;
    for (size_t i = 0; i < w->init_count; i++) {
        struct pq_str each = {0};
        put_init_head(&each, &w->inits[i]);
        length += each.length + bytes_of(&w->inits[i]);
        if (each.failed && !w->rc) /* the length would be wrong, and all behind it */
            w->rc = pq_fail_nomem(w->err, each.length);
        pq_str_free(&each);
    }
    put_number(&head, 1, IR_VERSION);
    put_text(&head, 2, "pique");
    put_tag(&head, 7, PQ_WIRE_BYTES);
    put_varint(&head, length);
    if (!w->rc && length + head.length + tail.length > INT32_MAX)
        w->rc = pq_fail(w->err, PIQUE_EUNSUPPORTED,
                        "%s: is larger than the 2 GiB that an ONNX file can have",
                        w->saving->sd->map.path);
    int rc = w->rc;
    struct pq_str *const before[] = {&head, &w->nodes};
    for (int i = 0; i < 2 && !rc; i++)
        rc = write_text(w, before[i], f);
    for (size_t i = 0; i < w->init_count && !rc; i++)
        rc = write_init(w, &w->inits[i], piece, f);
    struct pq_str *const after[] = {&ports, &tail};
    for (int i = 0; i < 2 && !rc; i++)
        rc = write_text(w, after[i], f);
    pq_str_free(&head);
    pq_str_free(&ports);
    pq_str_free(&tail);
    pq_free(piece);
    return rc;
}

void pq_onnx_writer_free(struct pq_onnx_writer *w)
{
    for (size_t i = 0; i < w->init_count; i++)
        pq_free(w->inits[i].memory);
    pq_free(w->inits);
    pq_str_free(&w->nodes);
    pq_str_free(&w->attrs);
}
