/* SPDX-License-Identifier: MIT */
/* What becomes of a product of queries and keys until it meets the values: nothing of it is
 * computed, and the last product becomes one operation (onnx_attention.c). */
#pragma once

#include "model/onnx_import.h"

struct pq_scores {
    int q, k;              /* operations; channels: heads, then what is summed over */
    struct pq_layout at;   /* of the products, without the last dimension; digits are those of q */
    struct pq_layout keys; /* of k, its last dimension that of the products */
    struct pq_atom sum[2]; /* pixels that are summed over, of channel attention; count */
    int sums;
    bool unit;      /* queries and keys have norm 1: channels attend to channels */
    int heads, dim; /* dim: channels a head */
    double factor;
    float *factors; /* one a head, beside factor; NULL: 1 */
    float *bias;    /* [heads][queries][keys], or NULL */
    int queries, keys_count;
    bool masked, softmaxed;
    int frames; /* so many PQ_OP_PADs around the keys are masked */
};

/* The windows that queries and keys are in; PIQUE_EUNSUPPORTED where they are in none. */
int pq_scores_windows(struct pq_import *im, const struct pq_scores *s, struct pq_attention *a);
/* The operation that yields weights of attention times the values v. *frame is what is inside of a
 * border that says nothing, or -1. */
int pq_scores_emit(struct pq_import *im, const struct pq_scores *s, int v, int *frame);
/* The size for which things are known best. */
int pq_scores_sample(const struct pq_import *im);
/* onnx_bias.c: value `id`, which is no picture, is added. */
int pq_scores_add(struct pq_import *im, struct pq_scores *s, int id);
/* It multiplies, or with divides divides. */
int pq_scores_scale(struct pq_import *im, struct pq_scores *s, const struct pq_number *n,
                    bool divides);
