/* SPDX-License-Identifier: MIT */
/* A .bin has no names and no lengths: it is the weights in the order of the .param's layers.
 *
 *     Convolution, Deconvolution, InnerProduct
 *                   u32 flag | weights [out][in][h][w], padded to 4 bytes | f32 bias[out]
 *     PReLU         f32 slope[n]
 *     Scale         f32 factor[n] | f32 bias[n]
 *
 * flag 0x01306B47: the weights are f16, 0: f32, anything else: quantised. What is left over at the
 * end means that something was misread, so it is an error.
 *
 * One row of the table below for each type of layer that can be imported: how many blobs it joins,
 * which parameters it knows, and the function that appends it to the graph. A parameter that the
 * row does not know is refused, for it might change what the layer computes. */
#include "model/ncnn.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/ncnn_import.h"

struct layer_kind {
    const char *type;
    int min_inputs, max_inputs;
    int max_outputs; /* at least 1 */
    uint32_t ids;    /* bit i: parameter i is known */
    bool keeps_channels;
    /* The index of the operation, or a negative status. */
    int (*import)(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
};

#define ID(i)         (UINT32_C(1) << (i))
#define IDS(from, to) ((UINT32_C(2) << (to)) - ID(from)) /* both included; to is below 31 */

/* clang-format off */
static const uint32_t conv_ids = IDS(0, 6) | IDS(8, 16) | ID(18) | ID(19);

static const struct layer_kind kinds[] = {
    /* type                inputs outputs  parameters                  channels  function */
    {"Input",               0, 0,  1,          IDS(0, 2),              false, ncnn_input_layer},
    {"Split",               1, 1,  PQ_MAX_OPS, 0,                      true,  ncnn_split},
    {"Convolution",         1, 1,  1,          conv_ids,               false, ncnn_convolution},
    {"ConvolutionDepthWise",
                            1, 1,  1,          conv_ids | ID(7),       false, ncnn_depthwise},
    {"Deconvolution",       1, 1,  1,          IDS(0, 6) | IDS(9, 16) | IDS(18, 21) | ID(28),
                                                                       false, ncnn_deconvolution},
    {"InnerProduct",        1, 1,  1,          IDS(0, 2) | IDS(8, 10), false, ncnn_inner_product},
    {"PReLU",               1, 1,  1,          ID(0),                  true,  ncnn_prelu},
    {"Scale",               1, 2,  1,          IDS(0, 1),              true,  ncnn_scale},
    {"ReLU",                1, 1,  1,          ID(0),                  true,  ncnn_relu},
    {"Sigmoid",             1, 1,  1,          0,                      true,  ncnn_curve},
    {"Swish",               1, 1,  1,          0,                      true,  ncnn_curve},
    {"TanH",                1, 1,  1,          0,                      true,  ncnn_curve},
    {"Mish",                1, 1,  1,          0,                      true,  ncnn_curve},
    {"Clip",                1, 1,  1,          IDS(0, 1),              true,  ncnn_clip},
    {"PixelShuffle",        1, 1,  1,          IDS(0, 1),              false, ncnn_shuffle},
    {"Interp",              1, 1,  1,          IDS(0, 6),              true,  ncnn_interp},
    {"Pooling",             1, 1,  1,          ID(0) | ID(4),          true,  ncnn_pooling},
    {"Padding",             1, 1,  1,          IDS(0, 8),              true,  ncnn_padding},
    {"Crop",                1, 2,  1,          IDS(0, 11),             true,  ncnn_crop},
    {"Concat",              1, PQ_MAX_INPUTS - 1,
                                   1,          ID(0),                  false, ncnn_concat},
    {"BinaryOp",            1, 2,  1,          IDS(0, 2),              true,  ncnn_binary},
    {"Eltwise",             2, NCNN_MAX_SUM,
                                   1,          IDS(0, 1),              true,  ncnn_eltwise},
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

static int check_layer(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    const struct layer_kind *kind = find_kind(layer->type);
    if (!kind)
        return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                       "%s: layer '%s' is of type %s, which this version cannot run", im->net->path,
                       layer->name, layer->type);
    if (layer->inputs < kind->min_inputs || layer->inputs > kind->max_inputs ||
        layer->outputs < 1 || layer->outputs > kind->max_outputs)
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "it joins a wrong number of blobs");
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
static int find_in_channels(struct ncnn_import *im)
{
    const struct pq_ncnn_net *net = im->net;
    for (int i = 0; i < net->layer_count; i++) {
        const struct pq_ncnn_layer *layer = &net->layers[i];
        const struct layer_kind *kind = find_kind(layer->type);
        bool from_input = kind->import == ncnn_input_layer;
        for (int k = 0; k < layer->inputs; k++)
            from_input = from_input || im->op_of_blob[layer->in[k]] == 0;
        if (from_input && (kind->import == ncnn_convolution || kind->import == ncnn_depthwise)) {
            int channels = ncnn_conv_channels(im, layer);
            im->in_channels = PQ_MAX(channels, 0);
            return PQ_MIN(channels, 0);
        }
        for (int k = 0; k < layer->outputs; k++)
            im->op_of_blob[layer->out[k]] =
                from_input && (kind->keeps_channels || !layer->inputs) ? 0 : -1;
    }
    return pq_fail(im->err, PIQUE_EUNSUPPORTED, "%s: no convolution reads the input", net->path);
}

/* The one blob that nothing reads. */
static int find_output(struct ncnn_import *im, int *op)
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

static int import_layer(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    const struct layer_kind *kind = find_kind(layer->type);
    bool sum = kind->import == ncnn_binary || kind->import == ncnn_eltwise;
    for (int i = 0; i < layer->inputs && !sum; i++) {
        if (ncnn_input_factor(im, layer, i) != 1)
            return ncnn_unsupported(im, layer,
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

static int import_layers(struct ncnn_import *im)
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
    if (rc)
        return rc;
    pique_error e = {0};
    rc = pq_graph_finish(im->graph, output, &e);
    return rc ? pq_fail(im->err, rc, "%s: %s", net->path, e.message) : 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* No two weights may have one name, or `models info` would tell half of the truth. */
static int check_names(struct ncnn_import *im)
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
    struct ncnn_import im = {.net = &net, .graph = graph, .sd = sd, .err = err};
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
