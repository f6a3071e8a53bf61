/* SPDX-License-Identifier: MIT */
/* The operators on pictures, by what they do. Each imports im->node and yields 0 or a negative
 * status with a sentence. */
#pragma once

#include "model/onnx_import.h"

/* What the table of operators hands to a function that serves several. */
struct pq_onnx_op {
    const char *name;
    int (*import)(struct pq_import *im, int what);
    int what;
};

/* Input 0 as a picture, whatever its layout; what it yields keeps that layout. */
int pq_op_input(struct pq_import *im, struct pq_value *v);
/* Result 0: op, laid out as [N, C, H, W]. */
int pq_op_set_nchw(struct pq_import *im, size_t i, int op);
/* A number among the inputs that is the same for all sizes; NULL, and it is said, if it is not. */
const struct pq_number *pq_op_constant(struct pq_import *im, size_t i, int *rc);
/* One float a channel of v from a constant that is broadcast to it. v is settled where need be. */
int pq_op_vector(struct pq_import *im, struct pq_value *v, const struct pq_number *n, float *out);
/* Where the channels are, or should be. */
int pq_op_channel_dim(const struct pq_import *im, const struct pq_value *v);

/* onnx_point.c: what */
enum { PQ_ADD, PQ_SUB, PQ_MUL, PQ_DIV, PQ_MIN_OF, PQ_MAX_OF };
int pq_op_arithmetic(struct pq_import *im, int what);
int pq_op_curve(struct pq_import *im, int what); /* enum pq_act_kind */
int pq_op_relu(struct pq_import *im, int what);
int pq_op_leaky(struct pq_import *im, int what);
int pq_op_prelu(struct pq_import *im, int what);
int pq_op_clip(struct pq_import *im, int what);
int pq_op_gelu(struct pq_import *im, int what);
int pq_op_hard(struct pq_import *im, int what); /* 0: HardSigmoid, 1: HardSwish */
int pq_op_negate(struct pq_import *im, int what);
int pq_op_power(struct pq_import *im, int what);

/* onnx_conv.c */
int pq_op_conv(struct pq_import *im, int what);
int pq_op_deconv(struct pq_import *im, int what);
int pq_op_matmul(struct pq_import *im, int what);
int pq_op_gemm(struct pq_import *im, int what);

/* onnx_norm.c */
int pq_op_batch_norm(struct pq_import *im, int what);
int pq_op_instance_norm(struct pq_import *im, int what);
int pq_op_group_norm(struct pq_import *im, int what);
int pq_op_layer_norm(struct pq_import *im, int what);
int pq_op_mean(struct pq_import *im, int what); /* 0: ReduceMean, 1: GlobalAveragePool */

/* onnx_size.c */
/* im->node is a Slice of what the Slice `before` makes of `picture`: both at once. */
int pq_op_slice_twice(struct pq_import *im, const struct pq_onnx_node *before,
                      const struct pq_value *picture);
int pq_op_pad(struct pq_import *im, int what);
int pq_op_slice(struct pq_import *im, int what);
int pq_op_resize(struct pq_import *im, int what);
int pq_op_pool(struct pq_import *im, int what); /* PQ_OP_MAX_POOL or PQ_OP_MEAN_POOL */

/* onnx_move.c */
/* Of a dimension that holds channels, or digits of their index, `count` from `first` on in steps.
 */
int pq_op_pick_run(struct pq_import *im, const struct pq_value *v, int dim, int64_t first,
                   int64_t count, int64_t step, struct pq_value *out);
int pq_op_same(struct pq_import *im, int what);
int pq_op_cast(struct pq_import *im, int what);
int pq_op_reshape(struct pq_import *im, int what);
int pq_op_flatten(struct pq_import *im, int what);
int pq_op_transpose(struct pq_import *im, int what);
int pq_op_squeeze(struct pq_import *im, int what);
int pq_op_unsqueeze(struct pq_import *im, int what);
int pq_op_expand(struct pq_import *im, int what);
int pq_op_concat(struct pq_import *im, int what);
int pq_op_split(struct pq_import *im, int what);
int pq_op_gather(struct pq_import *im, int what);
int pq_op_depth_to_space(struct pq_import *im, int what);
int pq_op_space_to_depth(struct pq_import *im, int what);
