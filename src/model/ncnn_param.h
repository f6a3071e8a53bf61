/* SPDX-License-Identifier: MIT */
/* The text half of an ncnn model: which layers there are and how they are joined.
 *
 *     7767517
 *     LAYERS BLOBS
 *     Type name INPUTS OUTPUTS in... out... id=value ... -23300-id=n,value,...
 *
 * A blob is what flows between layers. Every blob is made by one layer, and by one that stands
 * before all that read it; a file where that does not hold is refused. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/file.h"

enum { PQ_NCNN_PARAM_IDS = 32 }; /* parameters are numbered 0 .. 31 */

struct pq_ncnn_value {
    float number;
    bool integer; /* written without a point or exponent; fits an int */
    int whole;    /* where integer */
};

struct pq_ncnn_param {
    int id;
    bool array;
    int first, count; /* in values; count is 1 where array is false */
};

struct pq_ncnn_blob {
    const char *name;
    int layer;   /* that makes it */
    int readers; /* how many inputs it feeds */
};

struct pq_ncnn_layer {
    const char *type, *name;
    int line; /* in the file, from 1 */
    int inputs, outputs;
    const int *in, *out; /* indices of blobs */
    int first_param, params;
};

/* Strings point into text. Immutable once read. */
struct pq_ncnn_net {
    char *path, *text;
    struct pq_ncnn_layer *layers;
    struct pq_ncnn_blob *blobs; /* sorted by name */
    int *links;                 /* what in and out point into */
    struct pq_ncnn_param *params;
    struct pq_ncnn_value *values;
    int layer_count, blob_count, param_count;
};

/* Read an open .param file. On failure *net is empty. */
int pq_ncnn_net_read(const struct pq_map *map, struct pq_ncnn_net *net, pique_error *err);
void pq_ncnn_net_free(struct pq_ncnn_net *net); /* {0} is fine */

/* A layer's parameter, or NULL. */
const struct pq_ncnn_param *pq_ncnn_param(const struct pq_ncnn_net *net,
                                          const struct pq_ncnn_layer *layer, int id);
