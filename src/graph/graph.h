/* SPDX-License-Identifier: MIT */
/* A network as a flat list of operations in the order they run.
 *
 * Each operation yields one tensor, named by the operation's index, and names its inputs by theirs,
 * which are always smaller. Tensors are pictures: a number of channels, and a size that is a fixed
 * ratio (num/den) of the network's input. Weights stay where the model file keeps them
 * (tensor/tensor.h); a backend converts them when it packs.
 *
 * Build one with pq_graph_new() and the functions below it; each returns the new operation's index
 * or a negative status with a sentence. pq_graph_finish() checks the whole. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "tensor/tensor.h"

enum pq_op_kind {
    PQ_OP_INPUT,
    PQ_OP_CONV2D,        /* stride 1, zero padding (k-1)/2, odd kernel: same size out */
    PQ_OP_ACT,           /* an activation, enum pq_act_kind */
    PQ_OP_PIXEL_SHUFFLE, /* channel c*f*f + dy*f + dx -> channel c at (f*y+dy, f*x+dx) */
    PQ_OP_NEAREST,       /* each pixel becomes f x f pixels */
    PQ_OP_ADD,           /* in[0] + scale in[1] */
    PQ_OP_MUL,           /* in[0] in[1] */
    PQ_OP_AFFINE,        /* x * factor + term, one of each a channel */
    PQ_OP_CONCAT,        /* channels of the inputs, one behind another */
    PQ_OP_BICUBIC, /* four taps an axis, a = -0.75, pixel centres, borders clamped, no low-pass:
                      what PyTorch and ncnn call bicubic without antialias */
    PQ_OP_KINDS
};

enum {
    PQ_MAX_CHANNELS = 4096,
    PQ_MAX_OPS = 65536,
    PQ_MAX_INPUTS = 8,
    PQ_MAX_KERNEL = 31,
    PQ_MAX_FACTOR = 16
};

enum pq_act_kind {
    PQ_ACT_LEAKY,   /* leaky, parametric or plain ReLU: x < 0 ? slope x : x */
    PQ_ACT_SILU,    /* x sigmoid(x) */
    PQ_ACT_SIGMOID, /* 1 / (1 + exp(-x)) */
    PQ_ACT_KINDS
};

/* The activation that is fused into an operation, or is one. Only LEAKY is ever fused. */
struct pq_act {
    bool on;
    enum pq_act_kind kind;
    float slope;             /* where slopes is not set */
    struct pq_tensor slopes; /* one a channel; data NULL: use slope */
};

struct pq_op {
    enum pq_op_kind kind;
    int in[PQ_MAX_INPUTS];   /* indices of inputs */
    int inputs;              /* how many */
    int channels;            /* of the result */
    int num, den;            /* size of the result / size of the network's input, lowest terms */
    int kernel;              /* CONV2D: width and height */
    int factor;              /* PIXEL_SHUFFLE, NEAREST */
    int rate_num, rate_den;  /* BICUBIC: size out / size in, lowest terms */
    float scale;             /* ADD, and CONV2D with a residual */
    struct pq_tensor weight; /* CONV2D: [out, in, k, k]; in counts all inputs but the residual.
                                AFFINE: factors [channels] */
    struct pq_tensor bias;   /* CONV2D: [out]; data NULL: none. AFFINE: terms [channels] */
    struct pq_act act;       /* CONV2D: applied to the sum; ACT: the operation itself */
    bool residual;           /* CONV2D: the last input is no part of the sum; the result is that
                                input + scale x what the activation yields */
};

struct pq_graph {
    struct pq_op *ops;
    int count, capacity;
    int output;   /* index of the result; -1 until pq_graph_finish() */
    void **owned; /* memory of pq_graph_own() */
    int owned_count;
};

int pq_graph_new(struct pq_graph **out, pique_error *err);
void pq_graph_free(struct pq_graph **graph);

/* Memory for weights that no file holds as the network needs them; freed with the graph. NULL out
 * of memory. */
void *pq_graph_own(struct pq_graph *g, size_t bytes);

int pq_graph_input(struct pq_graph *g, int channels, pique_error *err);
/* weight [out, in, k, k], k odd; bias [out], or NULL for none. */
int pq_graph_conv2d(struct pq_graph *g, int in, const struct pq_tensor *weight,
                    const struct pq_tensor *bias, pique_error *err);
/* slopes: one a channel, or NULL to use slope for all. ReLU is a slope of 0. */
int pq_graph_act(struct pq_graph *g, int in, float slope, const struct pq_tensor *slopes,
                 pique_error *err);
int pq_graph_pixel_shuffle(struct pq_graph *g, int in, int factor, pique_error *err);
int pq_graph_nearest(struct pq_graph *g, int in, int factor, pique_error *err);
/* SiLU or sigmoid. */
int pq_graph_curve(struct pq_graph *g, int in, enum pq_act_kind kind, pique_error *err);
int pq_graph_mul(struct pq_graph *g, int a, int b, pique_error *err);
/* in * factors + terms, each [channels] */
int pq_graph_affine(struct pq_graph *g, int in, const struct pq_tensor *factors,
                    const struct pq_tensor *terms, pique_error *err);
/* a + scale b */
int pq_graph_add(struct pq_graph *g, int a, int b, float scale, pique_error *err);
/* count is 1 .. PQ_MAX_INPUTS - 1 */
int pq_graph_concat(struct pq_graph *g, int count, const int *in, pique_error *err);
int pq_graph_bicubic(struct pq_graph *g, int in, int rate_num, int rate_den, pique_error *err);

/* Name the result, fuse (graph/fuse.c) and drop what it does not need. After this the graph does
 * not change. */
int pq_graph_finish(struct pq_graph *g, int output, pique_error *err);

/* Facts of a finished graph. */
struct pq_graph_facts {
    int in_channels, out_channels;
    int num, den; /* scale */
    int convolutions;
    int radius; /* input pixels on each side that an output pixel depends on */
    uint64_t parameters;
    uint64_t flops_per_pixel; /* 2 x multiply-accumulates, for one input pixel */
};
void pq_graph_facts(const struct pq_graph *g, struct pq_graph_facts *facts);

/* Rows (and columns: all operations treat both alike). Which input rows of operation i its output
 * rows [y0, y1) read, not clipped to the picture. y0 < y1. */
void pq_op_rows_needed(const struct pq_op *op, int64_t y0, int64_t y1, int64_t *in0, int64_t *in1);
/* How many output rows from the top can be computed once `have` of `in_height` input rows from the
 * top are there; out_height where all are. */
int64_t pq_op_rows_ready(const struct pq_op *op, int64_t have, int64_t in_height,
                         int64_t out_height);
/* Height (or width) of the result for inputs of that height. */
int64_t pq_op_extent(const struct pq_op *op, int64_t in_extent);

const char *pq_op_name(enum pq_op_kind kind);
