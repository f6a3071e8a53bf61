/* SPDX-License-Identifier: MIT */
/* What ONNX has one operator for and graph/ has none, and weights that are computed for it. All
 * return the index of an operation or a negative status with a sentence about the node. */
#pragma once

#include "model/onnx_import.h"

/* Channel c of the result, of `count`, is channel from[c]. */
int pq_emit_select(struct pq_import *im, int op, const int *from, int count);
/* Channel c f f + dy f + dx, or by_place (dy f + dx) channels + c, is channel c at
 * (f y + dy, f x + dx), and back. */
int pq_emit_unshuffle(struct pq_import *im, int op, int factor, bool by_place);
int pq_emit_shuffle(struct pq_import *im, int op, int factor, bool by_place);
/* A list of numbers of the graph's; data NULL out of memory, or where a file wants far more
 * computed than it holds. */
float *pq_emit_floats(struct pq_import *im, int64_t count, struct pq_tensor *t);
/* x factor + term a channel; each may be NULL. */
int pq_emit_affine(struct pq_import *im, int op, const float *factors, const float *terms);
/* The same where it may become part of a convolution before it. */
int pq_emit_scaled(struct pq_import *im, int op, const double *factors, const double *terms);
/* A convolution of 1 x 1; weight [out][channels of op], which the graph owns. */
int pq_emit_mix(struct pq_import *im, int op, const float *weight, int out);
/* All channels the one that there is. */
int pq_emit_spread(struct pq_import *im, int op, int count);
/* The mean of the channels, one channel. */
int pq_emit_channel_mean(struct pq_import *im, int op);
/* Every factor-th row and column. */
int pq_emit_skip(struct pq_import *im, int op, int factor);
/* An operation whose result has, in all samples, the size of `op` times num/den (rounded down):
 * one that is there, or a cheap one. */
int pq_emit_like(struct pq_import *im, int op, int num, int den);
/* The same for any size a sample; -1 where there is none. */
int pq_find_like(struct pq_import *im, const int64_t rows[PQ_SAMPLES],
                 const int64_t columns[PQ_SAMPLES]);
/* Rows and columns less on each side. */
int pq_emit_crop(struct pq_import *im, int op, const int64_t side[4]);
