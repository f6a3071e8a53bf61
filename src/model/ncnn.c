/* SPDX-License-Identifier: MIT */
/* A .bin has no names and no lengths: it is the weights in the order of the .param's layers.
 *
 *     Convolution   u32 flag | weights [out][in][k][k], padded to 4 bytes | f32 bias[out]
 *     PReLU         f32 slope[n]
 *
 * flag 0x01306B47: the weights are f16, 0: f32, anything else: quantised. What is left over at the
 * end means that something was misread, so it is an error.
 *
 * One row of the table at the end of this file for each type of layer that can be imported: how
 * many blobs it joins, which parameters it knows, and the function that appends it to the graph. A
 * parameter that the row does not know is refused, for it might change what the layer computes. */
#include "model/ncnn.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "model/ncnn_param.h"

enum { FLAG_F32 = 0, FLAG_F16 = 0x01306B47, PAD_SAME_UPPER = -233, PAD_SAME_LOWER = -234 };
enum { BINARY_ADD = 0, BINARY_MUL = 2, ELTWISE_SUM = 1, MAX_SUM = 64 /* inputs */ };

struct import {
    const struct pq_ncnn_net *net;
    struct pq_graph *graph;
    struct pq_statedict *sd;
    size_t at;             /* in the .bin */
    int *op_of_blob;       /* index of the operation that a blob stands for */
    float *factor_of_blob; /* and what it is multiplied by; not 1 only on its way into a sum */
    int in_channels;
    pique_error *err;
};

struct layer_kind {
    const char *type;
    int min_inputs, max_inputs;
    int max_outputs; /* at least 1 */
    uint32_t ids;    /* bit i: parameter i is known */
    bool keeps_channels;
    /* The index of the operation, or a negative status. */
    int (*import)(struct import *im, const struct pq_ncnn_layer *layer);
};

/* ---- parameters ---- */

static int fail_layer(struct import *im, const struct pq_ncnn_layer *layer, int code,
                      const char *why)
{
    return pq_fail(im->err, code, "%s: layer '%s' (%s): %s", im->net->path, layer->name,
                   layer->type, why);
}

static int unsupported(struct import *im, const struct pq_ncnn_layer *layer, const char *why)
{
    return fail_layer(im, layer, PIQUE_EUNSUPPORTED, why);
}

static bool whole(const struct import *im, const struct pq_ncnn_layer *layer, int id, int missing,
                  int *out)
{
    const struct pq_ncnn_param *p = pq_ncnn_param(im->net, layer, id);
    *out = p ? im->net->values[p->first].whole : missing;
    return !p || (!p->array && im->net->values[p->first].integer);
}

static bool number(const struct import *im, const struct pq_ncnn_layer *layer, int id,
                   float missing, float *out)
{
    const struct pq_ncnn_param *p = pq_ncnn_param(im->net, layer, id);
    *out = p ? im->net->values[p->first].number : missing;
    return !p || !p->array;
}

/* Whether a parameter is absent or has the one value that is supported. */
static bool is(const struct import *im, const struct pq_ncnn_layer *layer, int id, int only)
{
    int value;
    return whole(im, layer, id, only, &value) && value == only;
}

/* ---- weights ---- */

static int take(struct import *im, const struct pq_ncnn_layer *layer, uint64_t bytes,
                const void **out)
{
    const struct pq_map *bin = &im->sd->map;
    if (bytes > bin->size - im->at)
        return pq_fail(im->err, PIQUE_EFORMAT,
                       "%s: layer '%s' needs %" PRIu64 " bytes at byte %zu, the file has %zu; the "
                       "download may be incomplete",
                       bin->path, layer->name, bytes, im->at, bin->size);
    *out = bin->data + im->at;
    im->at += bytes;
    return 0;
}

static int take_f32(struct import *im, const struct pq_ncnn_layer *layer, int count,
                    struct pq_tensor *t)
{
    *t = (struct pq_tensor){.dtype = PQ_F32, .dims = 1, .shape = {count}};
    return take(im, layer, (uint64_t)count * 4, &t->data);
}

/* A weight behind its flag; its shape is set already. */
static int take_flagged(struct import *im, const struct pq_ncnn_layer *layer, struct pq_tensor *t)
{
    const void *p = NULL;
    int rc = take(im, layer, 4, &p);
    if (rc)
        return rc;
    const unsigned char *b = p;
    uint32_t flag = b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24;
    if (flag != FLAG_F32 && flag != FLAG_F16)
        return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                       "%s: the weights of layer '%s' are quantised (flag 0x%08" PRIX32
                       "); f32 and f16 can be read",
                       im->sd->map.path, layer->name, flag);
    t->dtype = flag == FLAG_F16 ? PQ_F16 : PQ_F32;
    size_t count;
    if (!pq_tensor_count(t, &count))
        return unsupported(im, layer, "its weight is too large");
    return take(im, layer, ((uint64_t)count * pq_dtype_size(t->dtype) + 3) & ~UINT64_C(3),
                &t->data);
}

static int name_weight(struct import *im, const struct pq_ncnn_layer *layer, const char *part,
                       const struct pq_tensor *t)
{
    char name[PQ_MAX_NAME + 16];
    size_t n = strlen(layer->name);
    memcpy(name, layer->name, n); /* at most PQ_MAX_NAME bytes: the parser saw to it */
    strcpy(name + n, part);
    return pq_statedict_add(im->sd, name, t, im->err);
}

/* ---- layers ---- */

/* What graph/ refuses gets the file and the layer in front. */
static int placed(struct import *im, const struct pq_ncnn_layer *layer, int op,
                  const pique_error *e)
{
    return op < 0 ? fail_layer(im, layer, op, e->message) : op;
}

static int input_op(const struct import *im, const struct pq_ncnn_layer *layer, int i)
{
    return im->op_of_blob[layer->in[i]];
}

static int input_channels(const struct import *im, const struct pq_ncnn_layer *layer)
{
    return im->graph->ops[input_op(im, layer, 0)].channels;
}

static int import_input(struct import *im, const struct pq_ncnn_layer *layer)
{
    int channels;
    if (!whole(im, layer, 2, 0, &channels) || (channels && channels != im->in_channels))
        return fail_layer(im, layer, PIQUE_EFORMAT, "its channels are not those that are read");
    pique_error e = {0};
    return placed(im, layer, pq_graph_input(im->graph, im->in_channels, &e), &e);
}

static int import_split(struct import *im, const struct pq_ncnn_layer *layer)
{
    return input_op(im, layer, 0);
}

/* Shape of a convolution's weight from its parameters; in comes from weight_data_size. */
static int conv_shape(struct import *im, const struct pq_ncnn_layer *layer, struct pq_tensor *t)
{
    int out, k, size;
    if (!whole(im, layer, 0, 0, &out) || !whole(im, layer, 1, 0, &k) ||
        !whole(im, layer, 6, 0, &size) || out < 1 || k < 1 || size < 1)
        return fail_layer(im, layer, PIQUE_EFORMAT, "outputs, kernel or weight size is no count");
    if (out > PQ_MAX_CHANNELS || k > PQ_MAX_KERNEL || k % 2 == 0 || !is(im, layer, 11, k))
        return unsupported(im, layer,
                           "only square, odd kernels of up to 31 can be run, and up to "
                           "4096 outputs");
    int one = out * k * k;
    if (size % one || size / one > PQ_MAX_CHANNELS)
        return fail_layer(im, layer, PIQUE_EFORMAT,
                          "the size of its weight does not fit outputs "
                          "and kernel");
    *t = (struct pq_tensor){.dims = 4, .shape = {out, size / one, k, k}};
    return 0;
}

static int check_conv(struct import *im, const struct pq_ncnn_layer *layer, int kernel)
{
    static const int stride_and_dilation[] = {2, 12, 3, 13}, others[] = {8, 18, 19};
    int pad, same = (kernel - 1) / 2;
    for (size_t i = 0; i < PQ_COUNT(stride_and_dilation); i++) {
        if (!is(im, layer, stride_and_dilation[i], 1))
            return unsupported(im, layer, "only stride 1 and dilation 1 can be run");
    }
    for (size_t i = 0; i < PQ_COUNT(others); i++) {
        if (!is(im, layer, others[i], 0))
            return unsupported(im, layer,
                               "int8 scales, a padding value or computed weights "
                               "cannot be run");
    }
    if (!whole(im, layer, 4, 0, &pad))
        return fail_layer(im, layer, PIQUE_EFORMAT, "its padding is no whole number");
    bool fits = pad == same || pad == PAD_SAME_UPPER || pad == PAD_SAME_LOWER;
    for (int id = 14; id <= 16; id++)
        fits = fits && is(im, layer, id, pad);
    return fits ? 0 : unsupported(im, layer, "only a padding that keeps the size can be run");
}

/* The activation that ncnn folds into a convolution. */
static int import_fused_act(struct import *im, const struct pq_ncnn_layer *layer, int op)
{
    int type;
    float slope = 0;
    if (!whole(im, layer, 9, 0, &type) || type < 0 || type > 2)
        return unsupported(im, layer, "of fused activations only ReLU and leaky ReLU can be run");
    if (type == 0)
        return op;
    const struct pq_ncnn_param *p = pq_ncnn_param(im->net, layer, 10);
    if (type == 2) {
        if (!p || !p->array || p->count != 1)
            return fail_layer(im, layer, PIQUE_EFORMAT, "its leaky ReLU has no slope");
        slope = im->net->values[p->first].number;
    }
    pique_error e = {0};
    return placed(im, layer, pq_graph_act(im->graph, op, slope, NULL, &e), &e);
}

static int import_convolution(struct import *im, const struct pq_ncnn_layer *layer)
{
    struct pq_tensor weight, bias;
    int has_bias;
    int rc = conv_shape(im, layer, &weight);
    if (!rc)
        rc = check_conv(im, layer, (int)weight.shape[3]);
    if (!rc && (!whole(im, layer, 5, 0, &has_bias) || has_bias < 0 || has_bias > 1))
        rc = fail_layer(im, layer, PIQUE_EFORMAT, "whether it has a bias is neither 0 nor 1");
    if (!rc && weight.shape[1] != input_channels(im, layer))
        rc = fail_layer(im, layer, PIQUE_EFORMAT,
                        "the size of its weight does not fit the "
                        "channels of its input");
    if (!rc)
        rc = take_flagged(im, layer, &weight);
    if (!rc)
        rc = name_weight(im, layer, ".weight", &weight);
    if (!rc && has_bias)
        rc = take_f32(im, layer, (int)weight.shape[0], &bias);
    if (!rc && has_bias)
        rc = name_weight(im, layer, ".bias", &bias);
    if (rc)
        return rc;
    pique_error e = {0};
    int op =
        pq_graph_conv2d(im->graph, input_op(im, layer, 0), &weight, has_bias ? &bias : NULL, &e);
    op = placed(im, layer, op, &e);
    return op < 0 ? op : import_fused_act(im, layer, op);
}

static int import_prelu(struct import *im, const struct pq_ncnn_layer *layer)
{
    struct pq_tensor slopes;
    int count;
    if (!whole(im, layer, 0, 0, &count) || (count != 1 && count != input_channels(im, layer)))
        return fail_layer(im, layer, PIQUE_EFORMAT, "it has neither one slope nor one a channel");
    int rc = take_f32(im, layer, count, &slopes);
    if (!rc)
        rc = name_weight(im, layer, ".slope", &slopes);
    if (rc)
        return rc;
    float slope;
    pq_tensor_to_f32(&slopes, 0, 1, &slope);
    bool shared = count != input_channels(im, layer);
    if (shared && !isfinite(slope))
        return fail_layer(im, layer, PIQUE_EFORMAT, "its slope is not a finite number");
    pique_error e = {0};
    int op = pq_graph_act(im->graph, input_op(im, layer, 0), shared ? slope : 0,
                          shared ? NULL : &slopes, &e);
    return placed(im, layer, op, &e);
}

static int import_relu(struct import *im, const struct pq_ncnn_layer *layer)
{
    float slope;
    if (!number(im, layer, 0, 0, &slope))
        return fail_layer(im, layer, PIQUE_EFORMAT, "its slope is no number");
    pique_error e = {0};
    return placed(im, layer, pq_graph_act(im->graph, input_op(im, layer, 0), slope, NULL, &e), &e);
}

static int import_shuffle(struct import *im, const struct pq_ncnn_layer *layer)
{
    int factor;
    if (!whole(im, layer, 0, 1, &factor) || !is(im, layer, 1, 0))
        return unsupported(im, layer, "only PyTorch's order of channels can be run");
    if (factor == 1)
        return input_op(im, layer, 0);
    pique_error e = {0};
    int op = pq_graph_pixel_shuffle(im->graph, input_op(im, layer, 0), factor, &e);
    return placed(im, layer, op, &e);
}

/* The fraction with the smallest denominator that a scale, written with seven digits, means. */
static bool as_fraction(float scale, int *num, int *den)
{
    enum { MAX_TERM = 64 };
    if (!(scale > 0) || scale > PQ_MAX_FACTOR)
        return false;
    for (*den = 1; *den <= MAX_TERM; ++*den) {
        double exact = (double)scale * *den;
        *num = (int)lround(exact);
        if (*num >= 1 && *num <= MAX_TERM && fabs(exact - *num) <= 1e-6 * exact)
            return true;
    }
    return false;
}

static int import_interp(struct import *im, const struct pq_ncnn_layer *layer)
{
    enum { NEAREST = 1, BICUBIC = 3 };
    int type, num, den;
    float height, width;
    if (!whole(im, layer, 0, 0, &type) || (type != NEAREST && type != BICUBIC))
        return unsupported(im, layer, "only nearest and bicubic resizing can be run");
    for (int id = 3; id <= 6; id++) {
        if (!is(im, layer, id, 0))
            return unsupported(im, layer,
                               "only resizing by a factor, without aligned corners, "
                               "can be run");
    }
    if (!number(im, layer, 1, 1, &height) || !number(im, layer, 2, 1, &width) || height != width ||
        !as_fraction(width, &num, &den) || (type == NEAREST && den != 1))
        return unsupported(im, layer,
                           "only one factor for width and height can be run, whole for "
                           "nearest, a simple fraction for bicubic");
    int in = input_op(im, layer, 0);
    if (num == den)
        return in;
    pique_error e = {0};
    int op = type == NEAREST ? pq_graph_nearest(im->graph, in, num, &e)
                             : pq_graph_bicubic(im->graph, in, num, den, &e);
    return placed(im, layer, op, &e);
}

static float input_factor(const struct import *im, const struct pq_ncnn_layer *layer, int i)
{
    return im->factor_of_blob[layer->in[i]];
}

/* Blobs times their factors. Of two that are added one may have a factor other than 1: it becomes
 * the scale of the addition. */
static int import_sum(struct import *im, const struct pq_ncnn_layer *layer, const float *factors)
{
    pique_error e = {0};
    int sum = input_op(im, layer, 0);
    float first = factors[0];
    for (int i = 0; i < layer->inputs; i++) {
        if (!isfinite(factors[i]))
            return fail_layer(im, layer, PIQUE_EFORMAT, "a factor is not a finite number");
    }
    for (int i = 1; i < layer->inputs && sum >= 0; i++, first = 1) {
        int other = input_op(im, layer, i);
        if (first != 1 && factors[i] != 1)
            return unsupported(im, layer, "only a sum where one input has no factor can be run");
        sum = first == 1 ? pq_graph_add(im->graph, sum, other, factors[i], &e)
                         : pq_graph_add(im->graph, other, sum, first, &e);
    }
    return placed(im, layer, sum, &e);
}

/* A number times a blob is no operation, it goes with the blob into the sum that reads it. */
static int import_product(struct import *im, const struct pq_ncnn_layer *layer)
{
    float factor;
    if (!is(im, layer, 0, BINARY_MUL) || !is(im, layer, 1, 1))
        return unsupported(im, layer, "with a number, only a multiplication can be run");
    if (!pq_ncnn_param(im->net, layer, 0) || !pq_ncnn_param(im->net, layer, 1) ||
        !number(im, layer, 2, 0, &factor))
        return fail_layer(im, layer, PIQUE_EFORMAT, "it lacks the number");
    im->factor_of_blob[layer->out[0]] = factor * input_factor(im, layer, 0);
    return input_op(im, layer, 0);
}

static int import_binary(struct import *im, const struct pq_ncnn_layer *layer)
{
    if (layer->inputs == 1)
        return import_product(im, layer);
    if (!is(im, layer, 0, BINARY_ADD) || !is(im, layer, 1, 0))
        return unsupported(im, layer, "of two inputs, only the sum can be run");
    const float factors[] = {input_factor(im, layer, 0), input_factor(im, layer, 1)};
    return import_sum(im, layer, factors);
}

static int import_eltwise(struct import *im, const struct pq_ncnn_layer *layer)
{
    const struct pq_ncnn_param *weights = pq_ncnn_param(im->net, layer, 1);
    int type;
    if (!whole(im, layer, 0, 0, &type) || type != ELTWISE_SUM)
        return unsupported(im, layer, "only the sum of inputs can be run");
    if (weights && (!weights->array || (weights->count && weights->count != layer->inputs)))
        return fail_layer(im, layer, PIQUE_EFORMAT, "it has not one factor for each input");
    float factors[MAX_SUM];
    for (int i = 0; i < layer->inputs; i++) {
        factors[i] = input_factor(im, layer, i);
        if (weights && weights->count)
            factors[i] *= im->net->values[weights->first + i].number;
    }
    return import_sum(im, layer, factors);
}

static int import_concat(struct import *im, const struct pq_ncnn_layer *layer)
{
    int in[PQ_MAX_INPUTS];
    if (!is(im, layer, 0, 0))
        return unsupported(im, layer, "only channels can be joined");
    for (int i = 0; i < layer->inputs; i++)
        in[i] = input_op(im, layer, i);
    pique_error e = {0};
    return placed(im, layer, pq_graph_concat(im->graph, layer->inputs, in, &e), &e);
}

#define ID(i) (UINT32_C(1) << (i))

/* clang-format off */
static const struct layer_kind kinds[] = {
    /* type         inputs outputs     parameters                      channels  function */
    {"Input",        0, 0,  1,          ID(0) | ID(1) | ID(2),          false, import_input},
    {"Split",        1, 1,  PQ_MAX_OPS, 0,                              true,  import_split},
    {"Convolution",  1, 1,  1,          ID(0) | ID(1) | ID(2) | ID(3) | ID(4) | ID(5) | ID(6) |
                                        ID(8) | ID(9) | ID(10) | ID(11) | ID(12) | ID(13) |
                                        ID(14) | ID(15) | ID(16) | ID(18) | ID(19),
                                                                        false, import_convolution},
    {"PReLU",        1, 1,  1,          ID(0),                          true,  import_prelu},
    {"ReLU",         1, 1,  1,          ID(0),                          true,  import_relu},
    {"PixelShuffle", 1, 1,  1,          ID(0) | ID(1),                  false, import_shuffle},
    {"Interp",       1, 1,  1,          ID(0) | ID(1) | ID(2) | ID(3) | ID(4) | ID(5) | ID(6),
                                                                        true,  import_interp},
    {"Concat",       1, PQ_MAX_INPUTS - 1,
                            1,          ID(0),                          false, import_concat},
    {"BinaryOp",     1, 2,  1,          ID(0) | ID(1) | ID(2),          true,  import_binary},
    {"Eltwise",      2, MAX_SUM,
                            1,          ID(0) | ID(1),                  true,  import_eltwise},
};
/* clang-format on */

/* Hints for ncnn itself: shapes that it may expect, and which of its shortcuts to take. */
static const uint32_t ignored_ids = ID(30) | ID(31);

/* ---- the whole ---- */

static const struct layer_kind *find_kind(const char *type)
{
    for (size_t i = 0; i < PQ_COUNT(kinds); i++) {
        if (strcmp(kinds[i].type, type) == 0)
            return &kinds[i];
    }
    return NULL;
}

static int check_layer(struct import *im, const struct pq_ncnn_layer *layer)
{
    const struct layer_kind *kind = find_kind(layer->type);
    if (!kind)
        return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                       "%s: layer '%s' is of type %s, which this version cannot run", im->net->path,
                       layer->name, layer->type);
    if (layer->inputs < kind->min_inputs || layer->inputs > kind->max_inputs ||
        layer->outputs < 1 || layer->outputs > kind->max_outputs)
        return fail_layer(im, layer, PIQUE_EFORMAT, "it joins a wrong number of blobs");
    for (int i = 0; i < layer->params; i++) {
        const struct pq_ncnn_param *p = &im->net->params[layer->first_param + i];
        if (!(ID(p->id) & (kind->ids | ignored_ids)))
            return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                           "%s: layer '%s' (%s) has parameter %d, which this version does not "
                           "know",
                           im->net->path, layer->name, layer->type, p->id);
    }
    return 0;
}

/* A .param need not say how many channels come in: the first convolution that reads them does. */
static int find_in_channels(struct import *im)
{
    const struct pq_ncnn_net *net = im->net;
    for (int i = 0; i < net->layer_count; i++) {
        const struct pq_ncnn_layer *layer = &net->layers[i];
        const struct layer_kind *kind = find_kind(layer->type);
        bool from_input = kind->import == import_input;
        for (int k = 0; k < layer->inputs; k++)
            from_input = from_input || im->op_of_blob[layer->in[k]] == 0;
        if (from_input && kind->import == import_convolution) {
            struct pq_tensor t;
            int rc = conv_shape(im, layer, &t);
            im->in_channels = rc ? 0 : (int)t.shape[1];
            return rc;
        }
        for (int k = 0; k < layer->outputs; k++)
            im->op_of_blob[layer->out[k]] =
                from_input && (kind->keeps_channels || !layer->inputs) ? 0 : -1;
    }
    return pq_fail(im->err, PIQUE_EUNSUPPORTED, "%s: no convolution reads the input", net->path);
}

/* The one blob that nothing reads. */
static int find_output(struct import *im, int *op)
{
    const struct pq_ncnn_net *net = im->net;
    const char *name = NULL;
    for (int i = 0; i < net->blob_count; i++) {
        if (net->blobs[i].readers)
            continue;
        if (name)
            return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                           "%s: the network has more than one result: '%s' and '%s'", net->path,
                           name, net->blobs[i].name);
        name = net->blobs[i].name;
        *op = im->op_of_blob[i];
        if (im->factor_of_blob[i] != 1)
            return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                           "%s: the network's result '%s' is multiplied by a number, which can be "
                           "run only where the product is added to something",
                           net->path, name);
    }
    return 0; /* a blob may only be read after it is made, so the last one has no reader */
}

static int import_layer(struct import *im, const struct pq_ncnn_layer *layer)
{
    const struct layer_kind *kind = find_kind(layer->type);
    bool sum = kind->import == import_binary || kind->import == import_eltwise;
    for (int i = 0; i < layer->inputs && !sum; i++) {
        if (input_factor(im, layer, i) != 1)
            return unsupported(im, layer,
                               "its input is multiplied by a number, which can be run "
                               "only where the product is added to something");
    }
    for (int i = 0; i < layer->outputs; i++)
        im->factor_of_blob[layer->out[i]] = 1;
    int op = kind->import(im, layer);
    for (int i = 0; i < layer->outputs; i++)
        im->op_of_blob[layer->out[i]] = op;
    return PQ_MIN(op, 0);
}

static int import_layers(struct import *im)
{
    const struct pq_ncnn_net *net = im->net;
    int rc = 0, output = -1;
    for (int i = 0; i < net->layer_count && !rc; i++)
        rc = check_layer(im, &net->layers[i]);
    if (!rc)
        rc = find_in_channels(im);
    for (int i = 0; i < net->layer_count && !rc; i++)
        rc = import_layer(im, &net->layers[i]);
    if (!rc && im->at != im->sd->map.size)
        rc = pq_fail(im->err, PIQUE_EFORMAT,
                     "%s: %zu bytes at the end of the file belong to no layer of %s",
                     im->sd->map.path, im->sd->map.size - im->at, net->path);
    if (!rc)
        rc = find_output(im, &output);
    return rc ? rc : pq_graph_finish(im->graph, output, im->err);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* No two weights may have one name, or `models info` would tell half of the truth. */
static int check_names(struct import *im)
{
    struct pq_statedict *sd = im->sd;
    const char **names = pq_malloc(sd->count * sizeof *names);
    if (!names)
        return pq_fail_nomem(im->err, sd->count * sizeof *names);
    for (size_t i = 0; i < sd->count; i++)
        names[i] = sd->tensors[i].name;
    qsort(names, sd->count, sizeof *names, by_text);
    int rc = 0;
    for (size_t i = 1; i < sd->count && !rc; i++) {
        if (strcmp(names[i - 1], names[i]) == 0)
            rc = pq_fail(im->err, PIQUE_EFORMAT, "%s: two layers have the weight '%s'",
                         im->net->path, names[i]);
    }
    pq_free(names);
    return rc;
}

int pq_ncnn_read(const struct pq_map *param, struct pq_statedict *sd, struct pq_graph *graph,
                 pique_error *err)
{
    struct pq_ncnn_net net;
    int rc = pq_ncnn_net_read(param, &net, err);
    if (rc)
        return rc;
    struct import im = {.net = &net, .graph = graph, .sd = sd, .err = err};
    im.op_of_blob = pq_calloc((size_t)net.blob_count, sizeof *im.op_of_blob);
    im.factor_of_blob = pq_calloc((size_t)net.blob_count, sizeof *im.factor_of_blob);
    rc = im.op_of_blob && im.factor_of_blob ? import_layers(&im)
                                            : pq_fail_nomem(err, (size_t)net.blob_count * 8);
    if (!rc)
        rc = check_names(&im);
    pq_free(im.op_of_blob);
    pq_free(im.factor_of_blob);
    pq_ncnn_net_free(&net);
    return rc;
}
