/* SPDX-License-Identifier: MIT */
/* Walks over the nodes in the order of the file, which ONNX wants to be one in which they can run.
 * A node whose inputs are all numbers is computed at once (onnx_fold.c); of the others the last one
 * of a known group becomes one operation (onnx_match.c), and any other what its operator says
 * (onnx_ops.c). A node that cannot be imported is no failure yet: its results are marked as
 * refused, with the reason, and only a result that needs them fails. So parts of a group, and nodes
 * that nothing reads, may be anything.
 *
 * Some networks can only take sizes that are a multiple of something, and some give less than they
 * take by a border. They are imported again with the picture padded first, and cropped at the end
 * where need be. */
#include "model/onnx.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "model/onnx_import.h"

enum { MAX_VALUES = 1 << 17 };

/* ---- names ---- */

struct named {
    struct pq_span name;
    int value;
};

static int by_span(const void *a, const void *b)
{
    const struct pq_span x = ((const struct named *)a)->name, y = ((const struct named *)b)->name;
    const size_t n = PQ_MIN(x.size, y.size);
    const int order = n ? memcmp(x.text, y.text, n) : 0;
    return order ? order : (x.size > y.size) - (x.size < y.size);
}

/* "'conv_1'", or the type of the node where it has no name. */
static void show(struct pq_span name, char *to, size_t size)
{
    snprintf(to, size, "%.*s", (int)PQ_MIN(name.size, size - 1), name.size ? name.text : "");
    if (!pq_name_ok(to))
        snprintf(to, size, "?");
}

int pq_import_fail(struct pq_import *im, int code, const char *fmt, ...)
{
    char why[384], name[96], op[48];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, pq_tr(fmt), args);
    va_end(args);
    const struct pq_onnx_node *node = im->node;
    if (!node)
        return pq_fail(im->err, code, "%s: %s", im->file->path, why);
    const struct pq_span first = node->outs ? im->file->names[node->first_out] : node->name;
    show(node->name.size ? node->name : first, name, sizeof name);
    show(node->op, op, sizeof op);
    return pq_fail(im->err, code, "%s: node '%s' (%s): %s", im->file->path, name, op, why);
}

int pq_import_folded(struct pq_import *im, int rc)
{
    if (rc == PIQUE_ENOMEM)
        return pq_fail_nomem(im->err, 0);
    return rc < 0 ? pq_import_fail(im, rc, "%s", im->folder.why) : rc;
}

int pq_import_placed(struct pq_import *im, int op, const pique_error *e)
{
    if (op == PIQUE_ENOMEM)
        return pq_fail(im->err, op, "%s", e->message);
    return op < 0 ? pq_import_fail(im, op, "%s", e->message) : op;
}

/* ---- the node ---- */

const struct pq_value *pq_import_in(const struct pq_import *im, size_t i)
{
    static const struct pq_value none = {.kind = PQ_VALUE_NONE, .maker = -1};
    if (i >= im->node->ins)
        return &none;
    const int id = im->ids[im->node->first_in + i];
    return id < 0 ? &none : &im->values[id];
}

const struct pq_onnx_attr *pq_import_attr(const struct pq_import *im, const char *name)
{
    for (size_t i = 0; i < im->node->attrs; i++) {
        const struct pq_onnx_attr *a = &im->file->attrs[im->node->first_attr + i];
        if (pq_span_is(a->name, name))
            return a;
    }
    return NULL;
}

int64_t pq_import_int(const struct pq_import *im, const char *name, int64_t missing)
{
    const struct pq_onnx_attr *a = pq_import_attr(im, name);
    return a ? a->whole : missing;
}

float pq_import_float(const struct pq_import *im, const char *name, float missing)
{
    const struct pq_onnx_attr *a = pq_import_attr(im, name);
    return a ? a->number : missing;
}

bool pq_import_text(const struct pq_import *im, const char *name, const char *text,
                    bool when_missing)
{
    const struct pq_onnx_attr *a = pq_import_attr(im, name);
    return a ? pq_span_is(a->text, text) : when_missing;
}

int pq_import_ints(struct pq_import *im, const char *name, size_t i, int max, int64_t *list,
                   int *count)
{
    const struct pq_onnx_attr *a = *name ? pq_import_attr(im, name) : NULL;
    const struct pq_value *v = pq_import_in(im, i);
    *count = -1;
    if (!a && v->kind == PQ_VALUE_NONE)
        return 0;
    if (!a && (v->kind != PQ_VALUE_NUMBER || !v->number.whole))
        return pq_import_fail(im, PIQUE_EFORMAT, "its input %zu is no list of whole numbers", i);
    const size_t n = a ? a->ints : pq_number_count(&v->number);
    if (n > (size_t)max)
        return pq_import_refuse(im, "it has a list of more than %d numbers", max);
    for (size_t k = 0; k < n; k++) {
        if (!a && !pq_number_same(&v->number, k))
            return pq_import_refuse(im, "it depends on the picture's size in a way that cannot be "
                                        "run");
        const double x =
            a ? (double)im->file->ints[a->first_int + k] : pq_number_at(&v->number, 0, k);
        list[k] = pq_number_whole(x);
    }
    *count = (int)n;
    return 0;
}

int pq_import_axis(struct pq_import *im, int64_t axis, int dims, int *out)
{
    if (axis < -dims || axis >= dims)
        return pq_import_fail(im, PIQUE_EFORMAT, "axis %" PRId64 " of a tensor of %d dimensions",
                              axis, dims);
    *out = (int)(axis < 0 ? axis + dims : axis);
    return 0;
}

void pq_import_want(struct pq_import *im, int op, int64_t multiple)
{
    const struct pq_op *x = &im->graph->ops[op];
    const int64_t whole = multiple * x->den;
    int64_t a = PQ_MAX(im->wanted, 1), b = whole % x->num ? whole : whole / x->num;
    const int64_t product = a * b;
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    if (product / a <= PQ_MAX_PAD)
        im->wanted = (int)(product / a);
}

/* ---- results ---- */

struct pq_value *pq_import_out(struct pq_import *im, size_t i)
{
    if (i >= im->node->outs)
        return NULL;
    const int id = im->ids[im->node->first_out + i];
    return id < 0 ? NULL : &im->values[id];
}

int pq_import_set_number(struct pq_import *im, size_t i, const struct pq_number *n)
{
    struct pq_value *v = pq_import_out(im, i);
    if (v) {
        v->kind = PQ_VALUE_NUMBER;
        v->number = *n;
    }
    return 0;
}

/* All operations that have been added since somebody asked. */
static int add_extents(struct pq_import *im)
{
    const struct pq_graph *g = im->graph;
    if (im->extent_capacity < g->capacity) {
        void *grown = pq_realloc_array(im->extents, (size_t)g->capacity, sizeof *im->extents);
        if (!grown)
            return pq_fail_nomem(im->err, (size_t)g->capacity * sizeof *im->extents);
        im->extents = grown;
        im->extent_capacity = g->capacity;
    }
    for (; im->extent_count < g->count; im->extent_count++) {
        const int i = im->extent_count;
        const struct pq_op *op = &g->ops[i];
        for (int s = 0; s < PQ_SAMPLES; s++) {
            const int like = PQ_MAX(op->like, 0);
            for (int hor = 0; hor < 2; hor++) {
                im->extents[i][hor][s] = op->inputs
                                             ? pq_op_extent(op, hor, im->extents[op->in[0]][hor][s],
                                                            im->extents[like][hor][s])
                                         : hor ? im->columns[s]
                                               : im->rows[s];
            }
        }
    }
    return 0;
}

int64_t pq_import_extent(struct pq_import *im, int op, enum pq_axis axis, int sample)
{
    if (op >= im->extent_count && add_extents(im)) {
        im->no_memory = true;
        return 0;
    }
    return im->extents[op][axis == PQ_COLUMNS][sample];
}

int pq_import_set_picture(struct pq_import *im, size_t i, int op, const struct pq_layout *layout)
{
    struct pq_value *v = pq_import_out(im, i);
    if (op < 0 || !v)
        return PQ_MIN(op, 0);
    for (int s = 0; s < PQ_SAMPLES; s++) {
        if (pq_import_extent(im, op, PQ_ROWS, s) < 1 ||
            pq_import_extent(im, op, PQ_COLUMNS, s) < 1) {
            im->size_matters = true;
            return pq_import_refuse(im, "it can be run for pictures of some sizes only");
        }
    }
    v->kind = PQ_VALUE_PICTURE;
    v->op = op;
    v->layout = *layout;
    return 0;
}

/* ---- values ---- */

/* All values, as they get their names. */
struct naming {
    struct named *names;
    size_t count;
};

static struct pq_value *name_value(struct pq_import *im, struct naming *n, struct pq_span name,
                                   int maker)
{
    struct pq_value *v = &im->values[n->count];
    v->maker = maker;
    n->names[n->count] = (struct named){name, (int)n->count};
    n->count++;
    return v;
}

static const struct named *find_name(const struct naming *n, struct pq_span name)
{
    const struct named key = {name, 0};
    return bsearch(&key, n->names, n->count, sizeof *n->names, by_span);
}

static void name_weights(struct pq_import *im, struct naming *n)
{
    for (size_t i = 0; i < im->file->tensor_count; i++) {
        const struct pq_onnx_tensor *t = &im->file->tensors[i];
        if (!t->initializer)
            continue;
        struct pq_value *v = name_value(im, n, t->name, -1);
        if (t->readable) {
            v->kind = PQ_VALUE_NUMBER;
            v->number.tensor = t->tensor;
            v->number.whole = t->tensor.dtype == PQ_I64 || t->tensor.dtype == PQ_I32;
        } else {
            v->kind = PQ_VALUE_REFUSED;
            v->refused.status = PIQUE_EUNSUPPORTED;
            v->refused.sentence = pq_tr("a weight is of a type that cannot be read");
        }
    }
    qsort(n->names, n->count, sizeof *n->names, by_span);
}

/* The one input. Before IR version 4 each weight is an input as well. */
static int name_input(struct pq_import *im, struct naming *n)
{
    const struct naming weights = *n;
    for (size_t i = 0; i < im->file->input_count; i++) {
        if (find_name(&weights, im->file->inputs[i].name))
            continue;
        if (im->input >= 0)
            return pq_fail(im->err, PIQUE_EUNSUPPORTED, "%s: the network has more than one input",
                           im->file->path);
        im->input = (int)n->count;
        im->port = &im->file->inputs[i];
        name_value(im, n, im->port->name, -1);
    }
    return 0;
}

static int name_results(struct pq_import *im, struct naming *n)
{
    for (size_t i = 0; i < im->file->node_count; i++) {
        const struct pq_onnx_node *node = &im->file->nodes[i];
        for (size_t at = node->first_out; at < node->first_out + node->outs; at++) {
            im->ids[at] = im->file->names[at].size ? (int)n->count : -1;
            if (im->ids[at] >= 0)
                name_value(im, n, im->file->names[at], (int)i);
        }
    }
    qsort(n->names, n->count, sizeof *n->names, by_span);
    for (size_t i = 1; i < n->count; i++) {
        char name[96];
        if (by_span(&n->names[i - 1], &n->names[i]) != 0)
            continue;
        show(n->names[i].name, name, sizeof name);
        return pq_fail(im->err, PIQUE_EFORMAT, "%s: two things are named '%s'", im->file->path,
                       name);
    }
    return 0;
}

/* What each node reads, and what the network yields. */
static int link_names(struct pq_import *im, const struct naming *n)
{
    const struct pq_onnx_file *file = im->file;
    for (size_t i = 0; i < file->node_count; i++) {
        im->node = &file->nodes[i];
        for (size_t at = im->node->first_in; at < im->node->first_in + im->node->ins; at++) {
            const bool named = file->names[at].size > 0;
            const struct named *found = named ? find_name(n, file->names[at]) : NULL;
            if (named && (!found || im->values[found->value].maker >= (int)i))
                return pq_import_fail(im, PIQUE_EFORMAT,
                                      "it reads something that no node before it makes");
            im->ids[at] = named ? found->value : -1;
        }
    }
    im->node = NULL;
    if (file->output_count != 1)
        return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                       "%s: the network has %zu results; one is needed", file->path,
                       file->output_count);
    const struct named *found = find_name(n, file->outputs[0].name);
    if (!found)
        return pq_fail(im->err, PIQUE_EFORMAT, "%s: no node makes the network's result",
                       file->path);
    im->output = found->value;
    return 0;
}

static int give_ids(struct pq_import *im)
{
    const struct pq_onnx_file *file = im->file;
    size_t total = file->input_count;
    for (size_t i = 0; i < file->tensor_count; i++)
        total += file->tensors[i].initializer;
    for (size_t i = 0; i < file->node_count; i++)
        total += file->nodes[i].outs;
    if (total > MAX_VALUES)
        return pq_fail(im->err, PIQUE_EUNSUPPORTED, "%s: has more than %d values", file->path,
                       MAX_VALUES);
    struct naming n = {.names = pq_calloc(total, sizeof *n.names)};
    im->values = pq_calloc(total, sizeof *im->values);
    im->ids = pq_calloc(file->name_count, sizeof *im->ids);
    int rc =
        n.names && im->values && im->ids ? 0 : pq_fail_nomem(im->err, total * sizeof *im->values);
    if (!rc) {
        name_weights(im, &n);
        rc = name_input(im, &n);
    }
    if (!rc)
        rc = name_results(im, &n);
    if (!rc)
        rc = link_names(im, &n);
    im->value_count = (int)n.count;
    pq_free(n.names);
    return rc;
}

/* ---- nodes ---- */

static void mark_refused(struct pq_import *im, int status, const char *sentence)
{
    for (size_t i = 0; i < im->node->outs; i++) {
        struct pq_value *v = pq_import_out(im, i);
        if (v) {
            v->kind = PQ_VALUE_REFUSED;
            v->refused.status = status;
            v->refused.sentence = sentence;
        }
    }
}

/* The first input that could not be imported. */
static const struct pq_value *refused_input(const struct pq_import *im)
{
    for (size_t i = 0; i < im->node->ins; i++) {
        if (pq_import_in(im, i)->kind == PQ_VALUE_REFUSED)
            return pq_import_in(im, i);
    }
    return NULL;
}

static bool all_numbers(const struct pq_import *im)
{
    for (size_t i = 0; i < im->node->ins; i++) {
        const enum pq_value_kind kind = pq_import_in(im, i)->kind;
        if (kind != PQ_VALUE_NUMBER && kind != PQ_VALUE_NONE)
            return false;
    }
    return true;
}

static int import_node(struct pq_import *im)
{
    const struct pq_span domain = im->node->domain;
    if (domain.size && !pq_span_is(domain, "ai.onnx"))
        return pq_import_refuse(im, "it is of another domain than ai.onnx");
    bool done = false;
    int rc = pq_import_attention(im, &done);
    if (!done && !rc)
        rc = pq_import_match(im, &done);
    const struct pq_value *refused = done || rc ? NULL : refused_input(im);
    if (done || rc)
        return rc;
    if (refused)
        return pq_fail(im->err, refused->refused.status, "%s", refused->refused.sentence);
    if (all_numbers(im) || pq_span_is(im->node->op, "Shape"))
        return pq_import_fold(im);
    return pq_import_op(im);
}

static int import_nodes(struct pq_import *im)
{
    pique_error *const err = im->err;
    for (size_t i = 0; i < im->file->node_count; i++) {
        pique_error e = {0};
        im->node = &im->file->nodes[i];
        im->err = &e;
        int rc = import_node(im);
        im->err = err;
        if (im->no_memory)
            return pq_fail_nomem(err, sizeof *im->extents);
        if (!rc)
            continue;
        if (rc != PIQUE_EUNSUPPORTED && rc != PIQUE_EFORMAT)
            return pq_fail(err, rc, "%s", e.message);
        const struct pq_value *refused = refused_input(im);
        const char *sentence = refused ? refused->refused.sentence : NULL;
        if (!sentence || strcmp(sentence, e.message) != 0) {
            char *copy = pq_graph_own(im->graph, strlen(e.message) + 1);
            if (!copy)
                return pq_fail_nomem(err, strlen(e.message) + 1);
            sentence = strcpy(copy, e.message);
        }
        mark_refused(im, rc, sentence);
    }
    im->node = NULL;
    return 0;
}

/* ---- input and result ---- */

/* Sizes that have little in common: all remainders of small numbers, square and not. */
/* PQ_SMALL is one for which masks can be computed. */
static const int sample_rows[PQ_SAMPLES] = {240, 241, 242, 243, 245, 247, 251, 256,
                                            480, 721, 537, 333, 512, 620, 56,  191},
                 sample_columns[PQ_SAMPLES] = {320, 257, 323, 243, 250, 384, 255, 256,
                                               453, 879, 920, 500, 512, 999, 72,  231};

/* How the picture is prepared for the network. */
struct frame {
    int multiple, border;
    bool fixed; /* the file is for one size */
};

/* The channels of the first convolution that reads the input, where the file does not say. */
static int64_t weight_channels(const struct pq_import *im)
{
    for (size_t i = 0; i < im->file->node_count; i++) {
        const struct pq_onnx_node *node = &im->file->nodes[i];
        if (!pq_span_is(node->op, "Conv") || node->ins < 2 || im->ids[node->first_in] != im->input)
            continue;
        const int weight = im->ids[node->first_in + 1];
        if (weight >= 0 && im->values[weight].kind == PQ_VALUE_NUMBER &&
            im->values[weight].number.tensor.dims == 4)
            return im->values[weight].number.tensor.shape[1];
    }
    return -1;
}

static int make_input(struct pq_import *im, const struct frame *frame)
{
    const struct pq_onnx_port *port = im->port;
    if (!port)
        return pq_fail(im->err, PIQUE_EFORMAT, "%s: the network has no input", im->file->path);
    if (port->type != PQ_ONNX_FLOAT && port->type != PQ_ONNX_FLOAT16 &&
        port->type != PQ_ONNX_DOUBLE && port->type != PQ_ONNX_BFLOAT16)
        return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                       "%s: the network takes elements that are no floating-point numbers",
                       im->file->path);
    if (port->dims != 4 && port->dims != -1)
        return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                       "%s: the network takes %d dimensions; batch, channels, rows and columns are "
                       "needed",
                       im->file->path, port->dims);
    const bool known = port->dims == 4;
    int64_t channels = known ? port->shape[1] : -1;
    if (channels < 1)
        channels = weight_channels(im);
    if (channels < 1 || channels > PQ_MAX_CHANNELS || (known && port->shape[0] > 1))
        return pq_fail(im->err, PIQUE_EUNSUPPORTED, "%s: the network takes %s", im->file->path,
                       channels < 1 ? pq_tr("pictures of an unknown number of channels")
                                    : pq_tr("batches of a fixed size or too many channels"));
    im->fixed = known && port->shape[2] > 0 && port->shape[3] > 0;
    const int m = frame->multiple;
    for (int s = 0; s < PQ_SAMPLES; s++) {
        const bool given = im->fixed && s == 0;
        im->rows[s] = given ? port->shape[2] - 2 * frame->border : sample_rows[s];
        im->columns[s] = given ? port->shape[3] - 2 * frame->border : sample_columns[s];
    }
    if (im->fixed && (port->shape[2] > PQ_MAX_EXTENT || port->shape[3] > PQ_MAX_EXTENT ||
                      im->rows[0] < 1 || im->columns[0] < 1))
        return pq_fail(im->err, PIQUE_EUNSUPPORTED, "%s: was exported for a size that cannot be",
                       im->file->path);
    pique_error e = {0};
    int op = pq_graph_input(im->graph, (int)channels, &e);
    if (op >= 0 && (m > 1 || frame->border))
        op = pq_graph_pad(im->graph, op, frame->border ? PQ_PAD_EDGE : PQ_PAD_REFLECT,
                          frame->border, m, &e);
    op = pq_import_placed(im, op, &e);
    int rc = op < 0 ? op : add_extents(im);
    if (rc)
        return rc;
    struct pq_value *v = &im->values[im->input];
    v->kind = PQ_VALUE_PICTURE;
    v->op = op;
    pq_layout_nchw(&v->layout, (int)channels);
    return 0;
}

/* How much the result differs from `num` times the input, if by the same amount for all sizes. */
static bool lacks(struct pq_import *im, int op, int num, int64_t *amount)
{
    *amount = im->rows[1] * num - pq_import_extent(im, op, PQ_ROWS, 1);
    for (int s = im->fixed; s < PQ_SAMPLES; s++) {
        if (im->rows[s] * num - pq_import_extent(im, op, PQ_ROWS, s) != *amount ||
            im->columns[s] * num - pq_import_extent(im, op, PQ_COLUMNS, s) != *amount)
            return false;
    }
    return true;
}

/* The result, of exactly the size that goes with the input. Where it has another one, *again is how
 * to prepare the picture. */
static int make_output(struct pq_import *im, const struct frame *frame, struct frame *again)
{
    const struct pq_value *v = &im->values[im->output];
    if (v->kind == PQ_VALUE_REFUSED)
        return pq_fail(im->err, v->refused.status, "%s", v->refused.sentence);
    int op;
    int rc = pq_layout_picture(im, v, &op);
    if (!rc)
        rc = add_extents(im);
    if (rc)
        return rc;
    const int num = im->graph->ops[op].num, den = im->graph->ops[op].den;
    int64_t amount;
    pique_error e = {0};
    if (den == 1 && frame->multiple > 1) {
        op = pq_graph_crop_like(im->graph, op, 0, num, 1, &e);
        rc = pq_import_placed(im, op, &e);
        rc = rc < 0 ? rc : add_extents(im);
        if (rc < 0)
            return rc;
    }
    im->size_matters = true; /* if anything is wrong now, it may be right for a multiple */
    if (den != 1 || !lacks(im, op, num, &amount))
        return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                       "%s: the result is no whole multiple of the picture's size", im->file->path);
    if (amount) {
        if (amount > 0 && amount % (2 * num) == 0 && amount / (2 * num) <= PQ_MAX_PAD &&
            !frame->border)
            again->border = (int)(amount / (2 * num));
        return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                       "%s: the result is %" PRId64 " pixels smaller than it should be",
                       im->file->path, amount);
    }
    return pq_graph_finish(im->graph, op, im->err);
}

/* ---- the whole ---- */

static int import_once(struct pq_import *im, const struct frame *frame, struct frame *again)
{
    im->folder = (struct pq_folder){.graph = im->graph, .budget = PQ_FOLD_BUDGET, .why = ""};
    im->folder.budget += im->sd->map.size;
    im->floats_left = im->folder.budget;
    im->masks_left = PQ_MASK_BUDGET;
    im->input = im->output = -1;
    int rc = give_ids(im);
    if (!rc)
        rc = make_input(im, frame);
    if (!rc)
        rc = import_nodes(im);
    if (!rc)
        rc = make_output(im, frame, again);
    pq_free(im->values);
    pq_free(im->ids);
    pq_free(im->extents);
    return rc;
}

/* What windows ask for, where that is not what there is already. */
static int next_multiple(int now, int wanted)
{
    int all = wanted;
    if (wanted < 2)
        return now * 2;
    while (all % now && all <= PQ_MAX_PAD)
        all += wanted;
    return all > now && all <= PQ_MAX_PAD ? all : now * 2;
}

static int attempt(const struct pq_onnx_file *file, struct pq_statedict *sd, struct frame *frame,
                   struct pq_graph **graph, pique_error *err)
{
    struct frame again = *frame;
    struct pq_import im = {.file = file, .sd = sd, .err = err};
    int rc = pq_graph_new(&im.graph, err);
    if (!rc)
        rc = import_once(&im, frame, &again);
    if (rc) {
        pq_graph_free(&im.graph);
        if (im.size_matters && again.border == frame->border)
            again.multiple = next_multiple(frame->multiple, im.wanted);
    }
    *graph = im.graph;
    again.fixed = im.fixed;
    *frame = again;
    return rc;
}

int pq_onnx_read(struct pq_statedict *sd, struct pq_graph **graph, pique_error *err)
{
    enum { MAX_MULTIPLE = 64, MAX_ATTEMPTS = 8 };
    struct pq_onnx_file file;
    struct frame frame = {.multiple = 1}, before;
    *graph = NULL;
    int rc = pq_onnx_file_read(sd, &file, err);
    if (!rc)
        rc = attempt(&file, sd, &frame, graph, err);
    pique_error ignored = {0};
    for (int i = 1; rc == PIQUE_EUNSUPPORTED && i < MAX_ATTEMPTS; i++) {
        before = frame;
        if (frame.multiple > MAX_MULTIPLE || (frame.multiple == 1 && !frame.border))
            break;
        int now = attempt(&file, sd, &frame, graph, &ignored);
        /* What is wrong where all sizes are right says more than that some are not. */
        if (now == PIQUE_EUNSUPPORTED && frame.multiple == before.multiple &&
            frame.border == before.border && !frame.fixed)
            *err = ignored;
        if (now != PIQUE_EUNSUPPORTED)
            rc = now;
        if (frame.multiple == before.multiple && frame.border == before.border)
            break;
    }
    pq_onnx_file_free(&file);
    return rc;
}
