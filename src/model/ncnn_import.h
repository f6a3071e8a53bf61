/* SPDX-License-Identifier: MIT */
/* What the functions that import layers share. Each appends one layer to the graph and returns the
 * index of the operation that its result is, or a negative status with a sentence that names the
 * file and the layer. */
#pragma once

#include "graph/graph.h"
#include "model/ncnn_param.h"
#include "model/statedict.h"

struct ncnn_import {
    const struct pq_ncnn_net *net;
    struct pq_graph *graph;
    struct pq_statedict *sd;
    size_t at;             /* in the .bin */
    int *op_of_blob;       /* index of the operation that a blob stands for */
    float *factor_of_blob; /* and what it is multiplied by; not 1 only on its way into a sum */
    int in_channels;
    pique_error *err;
};

enum { NCNN_MAX_SUM = 64 /* inputs of one sum */ };

/* ---- parameters and inputs (ncnn_layers.c) ---- */

int ncnn_fail_layer(struct ncnn_import *im, const struct pq_ncnn_layer *layer, int code,
                    const char *why);
int ncnn_unsupported(struct ncnn_import *im, const struct pq_ncnn_layer *layer, const char *why);
/* What graph/ refuses gets the file and the layer in front. */
int ncnn_placed(struct ncnn_import *im, const struct pq_ncnn_layer *layer, int op,
                const pique_error *e);
/* A parameter, or `missing` where there is none; false where it is not of that kind. */
bool ncnn_whole(const struct ncnn_import *im, const struct pq_ncnn_layer *layer, int id,
                int missing, int *out);
bool ncnn_number(const struct ncnn_import *im, const struct pq_ncnn_layer *layer, int id,
                 float missing, float *out);
/* Whether a parameter is absent or has the one value that is supported. */
bool ncnn_is(const struct ncnn_import *im, const struct pq_ncnn_layer *layer, int id, int only);
int ncnn_input(const struct ncnn_import *im, const struct pq_ncnn_layer *layer, int i);
float ncnn_input_factor(const struct ncnn_import *im, const struct pq_ncnn_layer *layer, int i);
int ncnn_channels(const struct ncnn_import *im, const struct pq_ncnn_layer *layer);

/* ---- layers with weights (ncnn_weights.c) ---- */

/* The channels that a convolution reads, or a status. */
int ncnn_conv_channels(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_convolution(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_depthwise(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_deconvolution(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_inner_product(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_prelu(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_scale(struct ncnn_import *im, const struct pq_ncnn_layer *layer);

/* ---- layers without (ncnn_layers.c) ---- */

int ncnn_input_layer(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_split(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_relu(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_curve(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_clip(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_shuffle(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_interp(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_pooling(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_padding(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_crop(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_concat(struct ncnn_import *im, const struct pq_ncnn_layer *layer);

/* ---- several inputs, one pixel each (ncnn_sums.c) ---- */

int ncnn_product(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_binary(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
int ncnn_eltwise(struct ncnn_import *im, const struct pq_ncnn_layer *layer);
