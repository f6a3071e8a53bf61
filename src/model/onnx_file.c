/* SPDX-License-Identifier: MIT */
/* ModelProto -> GraphProto -> NodeProto -> AttributeProto -> TensorProto, as deep as that and no
 * deeper: graphs within attributes are not entered. One table a message says which fields it has
 * and of what kind, and one function takes them. At the outermost level, where garbage behind a
 * file would be read as fields, a field that ModelProto has not is refused; further inside it is
 * something newer that we do not need. */
#include "model/onnx_file.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "model/onnx_tensor.h"

struct reader {
    size_t list_bytes; /* of the items of all lists */
    struct pq_statedict *sd;
    struct pq_onnx_file *file;
    struct pq_span opset_domain; /* of the entry that is being read */
    int64_t opset_version;
    bool graph;
    int refused; /* why push() gave nothing */
    pique_error *err;
};

/* Which kinds of wire types a field may have. */
enum { NUM = 1 << PQ_WIRE_VARINT, BYT = 1 << PQ_WIRE_BYTES, F32 = 1 << PQ_WIRE_32 };

struct message {
    const char *name;
    const uint8_t *fields; /* [number] */
    uint32_t count;
    bool closed; /* no other fields */
    int (*take)(struct reader *r, const struct pq_wire_field *f, void *into);
};

static size_t offset_of(const struct reader *r, const unsigned char *at)
{
    return (size_t)(at - r->sd->map.data);
}

static int damaged(struct reader *r, const unsigned char *at, const char *why)
{
    return pq_fail(r->err, PIQUE_EFORMAT, "%s: byte %zu: the ONNX file %s", r->file->path,
                   offset_of(r, at), pq_tr(why));
}

static int walk(struct reader *r, struct pq_wire w, const struct message *m, void *into)
{
    struct pq_wire_field f;
    const char *why = NULL;
    for (;;) {
        const unsigned char *at = w.at;
        int more = pq_wire_next(&w, &f, &why);
        if (more < 0)
            return damaged(r, at, why);
        if (!more)
            return 0;
        const int allowed = f.number < m->count ? m->fields[f.number] : 0;
        if (!allowed && !m->closed)
            continue;
        if (!(allowed & 1 << f.type))
            return pq_fail(r->err, PIQUE_EFORMAT, "%s: byte %zu: field %" PRIu32 " of a %s is %s",
                           r->file->path, offset_of(r, at), f.number, m->name,
                           allowed ? pq_tr("of a wrong kind") : pq_tr("one that there is not"));
        int rc = m->take(r, &f, into);
        if (rc)
            return rc;
    }
}

/* A new item at the end of a list, all zero; NULL and the reason where there can be none. An item
 * may take fifty times what it takes in the file, so there is a limit for all lists together. */
static void *push(struct reader *r, void *list, size_t *count, size_t *capacity, size_t bytes)
{
    enum { MAX_LIST_BYTES = 16 << 20 };
    void **at = list;
    r->list_bytes += bytes;
    if (r->list_bytes > MAX_LIST_BYTES) {
        r->refused = pq_fail(r->err, PIQUE_EUNSUPPORTED,
                             "%s: describes more nodes, attributes and names than any network",
                             r->file->path);
        return NULL;
    }
    void *grown = pq_grown(*at, *count, capacity, bytes);
    if (!grown) {
        r->refused = pq_fail_nomem(r->err, (*count + 1) * bytes);
        return NULL;
    }
    *at = grown;
    void *item = (char *)grown + (*count)++ * bytes;
    memset(item, 0, bytes);
    return item;
}

#define PUSH(r, list)                                                                              \
    push(r, &(r)->file->list##s, &(r)->file->list##_count, &(r)->file->list##_capacity,            \
         sizeof *(r)->file->list##s)

static int add_name(struct reader *r, struct pq_wire bytes)
{
    struct pq_span *name = PUSH(r, name);
    if (!name)
        return r->refused;
    *name = pq_wire_span(bytes);
    return 0;
}

/* ---- attributes ---- */

static int add_int(struct reader *r, uint64_t value)
{
    int64_t *item = PUSH(r, int);
    if (!item)
        return r->refused;
    *item = (int64_t)value;
    return 0;
}

static int add_float(struct reader *r, uint32_t bits)
{
    float *item = PUSH(r, float);
    if (!item)
        return r->refused;
    memcpy(item, &bits, sizeof bits);
    return 0;
}

static int add_ints(struct reader *r, struct pq_wire packed)
{
    int rc = 0;
    while (packed.at < packed.end && !rc) {
        const char *why;
        uint64_t value;
        if (!pq_wire_varint(&packed, &value, &why))
            return damaged(r, packed.at, why);
        rc = add_int(r, value);
    }
    return rc;
}

static int add_floats(struct reader *r, struct pq_wire packed)
{
    int rc = 0;
    if ((packed.end - packed.at) % 4)
        return damaged(r, packed.at, "has a list of floats with a piece of one");
    for (; packed.at < packed.end && !rc; packed.at += 4)
        rc = add_float(r, packed.at[0] | (uint32_t)packed.at[1] << 8 |
                              (uint32_t)packed.at[2] << 16 | (uint32_t)packed.at[3] << 24);
    return rc;
}

static int add_tensor(struct reader *r, struct pq_wire bytes, bool initializer)
{
    struct pq_onnx_tensor *t = PUSH(r, tensor);
    if (!t)
        return r->refused;
    const char *why = NULL;
    int rc = pq_onnx_tensor_read(bytes, r->sd, t, &why);
    t->initializer = initializer;
    if (rc && !why)
        return pq_fail_nomem(r->err, (unsigned long long)(bytes.end - bytes.at));
    if (rc)
        return pq_fail(r->err, rc, "%s: byte %zu: the ONNX file %s", r->file->path,
                       offset_of(r, bytes.at), pq_tr(why));
    return 0;
}

enum { A_NAME = 1, A_F, A_I, A_S, A_T, A_G, A_FLOATS, A_INTS };
static const uint8_t attr_fields[] = {
    [A_NAME] = BYT,         [A_F] = F32,         [A_I] = NUM, [A_S] = BYT, [A_T] = BYT, [A_G] = BYT,
    [A_FLOATS] = F32 | BYT, [A_INTS] = NUM | BYT};

static int take_attr(struct reader *r, const struct pq_wire_field *f, void *into)
{
    struct pq_onnx_attr *a = into; /* only this list grows by itself, so it stays where it is */
    const uint32_t bits = (uint32_t)f->value;
    switch (f->number) {
    case A_NAME:
        a->name = pq_wire_span(f->bytes);
        return 0;
    case A_F:
        memcpy(&a->number, &bits, sizeof bits);
        return 0;
    case A_I:
        a->whole = (int64_t)f->value;
        return 0;
    case A_S:
        a->text = pq_wire_span(f->bytes);
        return 0;
    case A_T:
        if (a->tensor >= 0)
            return damaged(r, f->bytes.at, "has an attribute with two tensors");
        a->tensor = (int)r->file->tensor_count;
        return add_tensor(r, f->bytes, false);
    case A_FLOATS:
        return f->type == PQ_WIRE_32 ? add_float(r, bits) : add_floats(r, f->bytes);
    case A_INTS:
        return f->type == PQ_WIRE_VARINT ? add_int(r, f->value) : add_ints(r, f->bytes);
    default:
        return 0; /* graphs: whoever needs one is refused by its operator */
    }
}

static const struct message attr_message = {"AttributeProto", attr_fields, sizeof attr_fields,
                                            false, take_attr};

static int read_attr(struct reader *r, struct pq_wire bytes)
{
    struct pq_onnx_file *file = r->file;
    struct pq_onnx_attr *a = PUSH(r, attr);
    if (!a)
        return r->refused;
    a->tensor = -1;
    a->first_int = file->int_count;
    a->first_float = file->float_count;
    int rc = walk(r, bytes, &attr_message, a);
    a->ints = file->int_count - a->first_int;
    a->floats = file->float_count - a->first_float;
    return rc;
}

/* ---- nodes ---- */

enum { N_INPUT = 1, N_OUTPUT, N_NAME, N_OP, N_ATTR, N_DOC, N_DOMAIN };
static const uint8_t node_fields[] = {[N_INPUT] = BYT, [N_OUTPUT] = BYT, [N_NAME] = BYT,
                                      [N_OP] = BYT,    [N_ATTR] = BYT,   [N_DOMAIN] = BYT};

/* Inputs come first, then outputs, then attributes, in one walk each, so that each of them is one
 * stretch of its list in whatever order the file has them. */
struct node_walk {
    struct pq_onnx_node node;
    uint32_t pass;
};

static int take_node(struct reader *r, const struct pq_wire_field *f, void *into)
{
    struct node_walk *w = into;
    if (f->number == w->pass)
        return w->pass == N_ATTR ? read_attr(r, f->bytes) : add_name(r, f->bytes);
    if (w->pass != N_INPUT)
        return 0;
    const struct pq_span text = pq_wire_span(f->bytes);
    if (f->number == N_NAME)
        w->node.name = text;
    else if (f->number == N_OP)
        w->node.op = text;
    else if (f->number == N_DOMAIN)
        w->node.domain = text;
    return 0;
}

static const struct message node_message = {"NodeProto", node_fields, sizeof node_fields, false,
                                            take_node};

static int read_node(struct reader *r, struct pq_wire bytes)
{
    struct pq_onnx_file *file = r->file;
    struct node_walk w = {.node = {.name = {"", 0}, .op = {"", 0}, .domain = {"", 0}}};
    if (file->node_count == PQ_ONNX_MAX_NODES)
        return pq_fail(r->err, PIQUE_EUNSUPPORTED, "%s: has more than %d nodes", file->path,
                       PQ_ONNX_MAX_NODES);
    w.node.first_in = file->name_count;
    w.pass = N_INPUT;
    int rc = walk(r, bytes, &node_message, &w);
    w.node.ins = file->name_count - w.node.first_in;
    w.node.first_out = file->name_count;
    w.pass = N_OUTPUT;
    if (!rc)
        rc = walk(r, bytes, &node_message, &w);
    w.node.outs = file->name_count - w.node.first_out;
    w.node.first_attr = file->attr_count;
    w.pass = N_ATTR;
    if (!rc)
        rc = walk(r, bytes, &node_message, &w);
    w.node.attrs = file->attr_count - w.node.first_attr;
    struct pq_onnx_node *node = rc ? NULL : PUSH(r, node);
    if (rc || !node)
        return rc ? rc : r->refused;
    *node = w.node;
    return 0;
}

/* ---- inputs and outputs ---- */

/* ValueInfoProto: name = 1, type = 2; TypeProto: tensor_type = 1; Tensor: elem_type = 1, shape = 2;
 * TensorShapeProto: dim = 1; Dimension: dim_value = 1. */
static const uint8_t value_fields[] = {0, BYT, BYT}, type_fields[] = {0, BYT},
                     tensor_type_fields[] = {0, NUM, BYT}, shape_fields[] = {0, BYT},
                     dim_fields[] = {0, NUM};

static int take_dim(struct reader *r, const struct pq_wire_field *f, void *into)
{
    (void)r;
    const int64_t value = (int64_t)f->value;
    *(int64_t *)into = value > 0 && value <= INT32_MAX ? value : -1;
    return 0;
}
static const struct message dim_message = {"Dimension", dim_fields, sizeof dim_fields, false,
                                           take_dim};

static int take_shape(struct reader *r, const struct pq_wire_field *f, void *into)
{
    struct pq_onnx_port *port = into;
    if (port->dims == PQ_MAX_DIMS)
        return damaged(r, f->bytes.at, "has an input or output of more than 8 dimensions");
    port->shape[port->dims] = -1;
    return walk(r, f->bytes, &dim_message, &port->shape[port->dims++]);
}
static const struct message shape_message = {"TensorShapeProto", shape_fields, sizeof shape_fields,
                                             false, take_shape};

static int take_tensor_type(struct reader *r, const struct pq_wire_field *f, void *into)
{
    struct pq_onnx_port *port = into;
    if (f->number == 1) {
        port->type = f->value <= INT32_MAX ? (int)f->value : 0;
        return 0;
    }
    port->dims = 0;
    return walk(r, f->bytes, &shape_message, port);
}
static const struct message tensor_type_message = {
    "TypeProto.Tensor", tensor_type_fields, sizeof tensor_type_fields, false, take_tensor_type};

static int take_type(struct reader *r, const struct pq_wire_field *f, void *into)
{
    return walk(r, f->bytes, &tensor_type_message, into);
}
static const struct message type_message = {"TypeProto", type_fields, sizeof type_fields, false,
                                            take_type};

static int take_value(struct reader *r, const struct pq_wire_field *f, void *into)
{
    struct pq_onnx_port *port = into;
    if (f->number == 2)
        return walk(r, f->bytes, &type_message, port);
    port->name = pq_wire_span(f->bytes);
    return 0;
}
static const struct message value_message = {"ValueInfoProto", value_fields, sizeof value_fields,
                                             false, take_value};

static int read_port(struct reader *r, struct pq_wire bytes, struct pq_onnx_port *port)
{
    if (!port)
        return r->refused;
    port->name = (struct pq_span){"", 0};
    port->dims = -1;
    return walk(r, bytes, &value_message, port);
}

/* ---- the graph ---- */

enum { G_NODE = 1, G_INITIALIZER = 5, G_INPUT = 11, G_OUTPUT = 12, G_SPARSE = 15 };
static const uint8_t graph_fields[] = {
    [G_NODE] = BYT, [G_INITIALIZER] = BYT, [G_INPUT] = BYT, [G_OUTPUT] = BYT, [G_SPARSE] = BYT};

static int take_graph(struct reader *r, const struct pq_wire_field *f, void *into)
{
    (void)into;
    switch (f->number) {
    case G_NODE:
        return read_node(r, f->bytes);
    case G_INITIALIZER:
        return add_tensor(r, f->bytes, true);
    case G_INPUT:
        return read_port(r, f->bytes, PUSH(r, input));
    case G_OUTPUT:
        return read_port(r, f->bytes, PUSH(r, output));
    default:
        return pq_fail(r->err, PIQUE_EUNSUPPORTED, "%s: has sparse weights, which cannot be read",
                       r->file->path);
    }
}
static const struct message graph_message = {"GraphProto", graph_fields, sizeof graph_fields, false,
                                             take_graph};

/* ---- the model ---- */

enum {
    M_IR_VERSION = 1,
    M_PRODUCER = 2,
    M_PRODUCER_VERSION = 3,
    M_DOMAIN = 4,
    M_VERSION = 5,
    M_DOC = 6,
    M_GRAPH = 7,
    M_OPSET = 8,
    M_METADATA = 14,
    M_TRAINING = 20,
    M_FUNCTIONS = 25,
    M_CONFIGURATION = 26
};
static const uint8_t model_fields[] = {
    [M_IR_VERSION] = NUM, [M_PRODUCER] = BYT,  [M_PRODUCER_VERSION] = BYT,
    [M_DOMAIN] = BYT,     [M_VERSION] = NUM,   [M_DOC] = BYT,
    [M_GRAPH] = BYT,      [M_OPSET] = BYT,     [M_METADATA] = BYT,
    [M_TRAINING] = BYT,   [M_FUNCTIONS] = BYT, [M_CONFIGURATION] = BYT};

static const uint8_t opset_fields[] = {0, BYT, NUM};

static int take_opset(struct reader *r, const struct pq_wire_field *f, void *into)
{
    (void)into;
    if (f->number == 1)
        r->opset_domain = pq_wire_span(f->bytes);
    else
        r->opset_version = (int64_t)f->value;
    return 0;
}
static const struct message opset_message = {"OperatorSetIdProto", opset_fields,
                                             sizeof opset_fields, false, take_opset};

static int read_opset(struct reader *r, struct pq_wire bytes)
{
    r->opset_domain = (struct pq_span){"", 0};
    r->opset_version = 0;
    int rc = walk(r, bytes, &opset_message, NULL);
    if (rc || (r->opset_domain.size && !pq_span_is(r->opset_domain, "ai.onnx")))
        return rc; /* a node of another domain is refused when it comes */
    if (r->opset_version < PQ_ONNX_MIN_OPSET || r->opset_version > PQ_ONNX_MAX_OPSET)
        return pq_fail(r->err, PIQUE_EUNSUPPORTED,
                       "%s: is of ONNX opset %" PRId64
                       "; %d to %d can be read. Export it again with another opset_version",
                       r->file->path, r->opset_version, PQ_ONNX_MIN_OPSET, PQ_ONNX_MAX_OPSET);
    if (r->file->opset && r->file->opset != r->opset_version)
        return damaged(r, bytes.at, "names two opsets");
    r->file->opset = (int)r->opset_version;
    return 0;
}

static int take_model(struct reader *r, const struct pq_wire_field *f, void *into)
{
    (void)into;
    switch (f->number) {
    case M_IR_VERSION:
        r->file->ir_version = (int64_t)f->value;
        return 0;
    case M_PRODUCER:
        r->file->producer = pq_wire_span(f->bytes);
        return 0;
    case M_GRAPH:
        if (r->graph)
            return damaged(r, f->bytes.at, "has two graphs");
        r->graph = true;
        return walk(r, f->bytes, &graph_message, NULL);
    case M_OPSET:
        return read_opset(r, f->bytes);
    default:
        return 0;
    }
}
static const struct message model_message = {"ModelProto", model_fields, sizeof model_fields, true,
                                             take_model};

bool pq_onnx_probe(const struct pq_map *map)
{
    struct pq_wire w = {map->data, map->data + map->size};
    struct pq_wire_field f;
    const char *why;
    int more = 0;
    bool graph = false;
    while (map->size && (more = pq_wire_next(&w, &f, &why)) > 0) {
        if (f.number >= sizeof model_fields || !(model_fields[f.number] & 1 << f.type))
            return false;
        graph = graph || f.number == M_GRAPH;
    }
    return more == 0 && graph;
}

/* ---- the whole ---- */

static int check_versions(struct reader *r)
{
    const struct pq_onnx_file *file = r->file;
    if (file->ir_version < PQ_ONNX_MIN_IR || file->ir_version > PQ_ONNX_MAX_IR)
        return pq_fail(r->err, PIQUE_EUNSUPPORTED,
                       "%s: is of ONNX IR version %" PRId64 "; %d to %d can be read", file->path,
                       file->ir_version, PQ_ONNX_MIN_IR, PQ_ONNX_MAX_IR);
    if (!r->graph)
        return pq_fail(r->err, PIQUE_EFORMAT, "%s: has no graph; the download may be incomplete",
                       file->path);
    if (!file->opset)
        return pq_fail(r->err, PIQUE_EFORMAT, "%s: names no opset", file->path);
    return 0;
}

/* Weights, for whoever asks what the file holds. */
static int name_tensors(struct reader *r)
{
    int rc = 0;
    for (size_t i = 0; i < r->file->tensor_count && !rc; i++) {
        const struct pq_onnx_tensor *t = &r->file->tensors[i];
        if (!t->initializer || !t->readable)
            continue;
        if (t->name.size > PQ_MAX_NAME || !pq_text_ok(t->name.text, t->name.size) || !t->name.size)
            return pq_fail(r->err, PIQUE_EFORMAT, "%s: a weight has a name that none can have",
                           r->file->path);
        if (r->sd->count == PQ_MAX_TENSORS)
            return pq_fail(r->err, PIQUE_EUNSUPPORTED, "%s: has more than %d weights",
                           r->file->path, PQ_MAX_TENSORS);
        char name[PQ_MAX_NAME + 1];
        memcpy(name, t->name.text, t->name.size);
        name[t->name.size] = '\0';
        rc = pq_statedict_add(r->sd, name, &t->tensor, r->err);
    }
    return rc ? rc : pq_statedict_check_names(r->sd, r->err);
}

int pq_onnx_file_read(struct pq_statedict *sd, struct pq_onnx_file *file, pique_error *err)
{
    *file = (struct pq_onnx_file){.path = sd->map.path, .producer = {"", 0}};
    struct reader r = {.sd = sd, .file = file, .err = err};
    const struct pq_wire all = {sd->map.data, sd->map.data + sd->map.size};
    int rc = sd->map.size ? walk(&r, all, &model_message, NULL) : 0;
    if (!rc)
        rc = check_versions(&r);
    if (!rc)
        rc = pq_onnx_external_read(sd, file->tensors, file->tensor_count, err);
    return rc ? rc : name_tensors(&r);
}

void pq_onnx_file_free(struct pq_onnx_file *file)
{
    pq_free(file->nodes);
    pq_free(file->attrs);
    pq_free(file->names);
    pq_free(file->tensors);
    pq_free(file->inputs);
    pq_free(file->outputs);
    pq_free(file->ints);
    pq_free(file->floats);
    *file = (struct pq_onnx_file){0};
}
