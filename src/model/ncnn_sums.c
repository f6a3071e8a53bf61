/* SPDX-License-Identifier: MIT */
/* Sums and products, pixel by pixel. */
#include <math.h>

#include "base/alloc.h"
#include "model/ncnn_import.h"

enum { BINARY_ADD = 0, BINARY_SUB = 1, BINARY_MUL = 2, ELTWISE_PRODUCT = 0, ELTWISE_SUM = 1 };

/* Blobs times their factors. Of two that are added one may have a factor other than 1: it becomes
 * the scale of the addition. */
static int add_sum(struct ncnn_import *im, const struct pq_ncnn_layer *layer, const float *factors)
{
    pique_error e = {0};
    int sum = ncnn_input(im, layer, 0);
    float first = factors[0];
    for (int i = 0; i < layer->inputs; i++) {
        if (!isfinite(factors[i]))
            return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "a factor is not a finite number");
    }
    for (int i = 1; i < layer->inputs && sum >= 0; i++, first = 1) {
        int other = ncnn_input(im, layer, i);
        if (first != 1 && factors[i] != 1)
            return ncnn_unsupported(im, layer,
                                    "only a sum where one input has no factor can be run");
        sum = first == 1 ? pq_graph_add(im->graph, sum, other, factors[i], &e)
                         : pq_graph_add(im->graph, other, sum, first, &e);
    }
    return ncnn_placed(im, layer, sum, &e);
}

int ncnn_product(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    pique_error e = {0};
    int product = ncnn_input(im, layer, 0);
    for (int i = 0; i < layer->inputs; i++) {
        if (ncnn_input_factor(im, layer, i) != 1)
            return ncnn_unsupported(im, layer,
                                    "its input is multiplied by a number, which can be run only "
                                    "where the product is added to something");
    }
    for (int i = 1; i < layer->inputs && product >= 0; i++)
        product = pq_graph_mul(im->graph, product, ncnn_input(im, layer, i), &e);
    return ncnn_placed(im, layer, product, &e);
}

/* A number times a blob is no operation, it goes with the blob into the sum that reads it. */
static int add_factor(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    float factor;
    if (!ncnn_is(im, layer, 0, BINARY_MUL) || !ncnn_is(im, layer, 1, 1))
        return ncnn_unsupported(im, layer, "with a number, only a multiplication can be run");
    if (!pq_ncnn_param(im->net, layer, 0) || !pq_ncnn_param(im->net, layer, 1) ||
        !ncnn_number(im, layer, 2, 0, &factor))
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "it lacks the number");
    im->factor_of_blob[layer->out[0]] = factor * ncnn_input_factor(im, layer, 0);
    return ncnn_input(im, layer, 0);
}

int ncnn_binary(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    int type;
    if (layer->inputs == 1)
        return add_factor(im, layer);
    if (!ncnn_whole(im, layer, 0, BINARY_ADD, &type) || type < BINARY_ADD || type > BINARY_MUL ||
        !ncnn_is(im, layer, 1, 0))
        return ncnn_unsupported(im, layer,
                                "of two inputs, only sum, difference and product can be run");
    if (type == BINARY_MUL)
        return ncnn_product(im, layer);
    const float sign = type == BINARY_SUB ? -1 : 1;
    const float factors[] = {ncnn_input_factor(im, layer, 0),
                             sign * ncnn_input_factor(im, layer, 1)};
    return add_sum(im, layer, factors);
}

int ncnn_eltwise(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    const struct pq_ncnn_param *weights = pq_ncnn_param(im->net, layer, 1);
    int type;
    if (!ncnn_whole(im, layer, 0, 0, &type) || (type != ELTWISE_SUM && type != ELTWISE_PRODUCT))
        return ncnn_unsupported(im, layer, "only sum and product of inputs can be run");
    if (weights && (!weights->array || (weights->count && weights->count != layer->inputs)))
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "it has not one factor for each input");
    if (type == ELTWISE_PRODUCT)
        return weights && weights->count
                   ? ncnn_unsupported(im, layer, "a product with factors cannot be run")
                   : ncnn_product(im, layer);
    float factors[NCNN_MAX_SUM];
    for (int i = 0; i < layer->inputs; i++) {
        factors[i] = ncnn_input_factor(im, layer, i);
        if (weights && weights->count)
            factors[i] *= im->net->values[weights->first + i].number;
    }
    return add_sum(im, layer, factors);
}
