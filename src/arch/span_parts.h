/* SPDX-License-Identifier: MIT */
/* What SPAN, SPANPlus and SPANF3 are made of. */
#pragma once

#include "arch/parts.h"

/* A 3x3 convolution as it was trained: 1x1, 3x3 and 1x1 in a row (NAME.conv.0, .1, .2) plus a 1x1
 * beside them (NAME.sk). They are one linear map, so they are folded into one 3x3, in double. Files
 * for use alone may hold only that one, as NAME.eval_conv; where both are there, the parts count,
 * for the reference code computes eval_conv anew from them. */
int pq_span_conv(struct pq_parts *p, int in, int outputs, const char *fmt, ...) PQ_FORMAT(4);
/* Whether there is one of that name, in either form. */
bool pq_span_has(const struct pq_statedict *sd, const char *name);
/* The name of the weight that tells its outputs (extent 0) and inputs (extent 1); PIQUE_EFORMAT
 * where there is neither form. */
int pq_span_weight(const struct pq_parts *p, const char *name, char *weight, int size);

enum pq_span_kind {
    PQ_SPAN_SILU,  /* SPAN */
    PQ_SPAN_MISH,  /* SPANPlus */
    PQ_SPAN_LEARNT /* SPANF3: ReLU, and attention has a weight */
};

/* A block:
 *
 *     s = act(c1 x);  o = c3 act(c2 s);  result = (x + o) gate(o)
 *
 * with a gate of sigmoid(o) - 1/2, or of tanh(att_conv o). *first becomes s. */
int pq_span_block(struct pq_parts *p, int x, enum pq_span_kind kind, int *first, const char *fmt,
                  ...) PQ_FORMAT(5);
