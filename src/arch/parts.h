/* SPDX-License-Identifier: MIT */
/* Layers by name: each takes its weights out of the state dict, with exactly the shape that they
 * must have, and appends its operations to the graph.
 *
 * Layers return the index of what they append, or a negative status with a sentence, and hand on a
 * negative `in`; so an architecture is written as its forward pass, and its end looks at the
 * status once. Names are given as a format, "feats.%d.lk.conv". */
#pragma once

#include "arch/take.h"
#include "graph/graph.h"

struct pq_parts {
    const struct pq_statedict *sd;
    struct pq_graph *g;
    struct pq_taking taking;
    bool needs_biases; /* convolutions and linear layers without one are refused */
    pique_error *err;
};

int pq_parts_begin(struct pq_parts *p, const struct pq_statedict *sd, struct pq_graph *g,
                   pique_error *err);
/* `output` is the network's result or a status: refuse tensors that nothing took, and finish the
 * graph. "a DAT" names the network. Ends p in any case; the status. */
int pq_parts_finish(struct pq_parts *p, int output, const char *network);

#define PQ_FORMAT(at) __attribute__((format(printf, (at), (at) + 1)))

bool pq_parts_has(const struct pq_parts *p, const char *fmt, ...) PQ_FORMAT(2);
/* Extent `dim` of a tensor, 1 .. PQ_MAX_EXTENT; PIQUE_EFORMAT where it is missing or has it not. */
int pq_parts_extent(const struct pq_parts *p, int dim, const char *fmt, ...) PQ_FORMAT(3);
/* 1 + the largest i of the names that begin with "STEM.i.", or "STEMi." where STEM ends in an
 * underscore; 0 where there is none. STEM is the format. PIQUE_EUNSUPPORTED over 1000. */
int pq_parts_count(const struct pq_parts *p, const char *fmt, ...) PQ_FORMAT(2);
/* The channels of a picture, which are the inputs (extent 1) of that weight: 1 to 4. */
int pq_parts_picture(const struct pq_parts *p, const char *fmt, ...) PQ_FORMAT(2);
/* The scale whose square times `channels` is the number of outputs (extent 0) of that tensor. */
int pq_parts_square_scale(const struct pq_parts *p, int channels, const char *fmt, ...)
    PQ_FORMAT(3);
/* What a file may hold and the network needs not: one tensor, or all whose names end so. */
void pq_parts_skip(struct pq_parts *p, const char *fmt, ...) PQ_FORMAT(2);
void pq_parts_skip_endings(struct pq_parts *p, const char *ending);

/* A tensor of exactly that shape: its values as floats, which the graph owns. */
int pq_parts_values(struct pq_parts *p, int dims, const int64_t *shape, const float **out,
                    const char *fmt, ...) PQ_FORMAT(5);
/* The same, as it lies in the file. */
int pq_parts_tensor(struct pq_parts *p, int dims, const int64_t *shape,
                    const struct pq_tensor **out, const char *fmt, ...) PQ_FORMAT(5);

/* NAME.weight [outputs, channels, kernel, kernel], NAME.bias [outputs] where there is one; the size
 * stays. */
int pq_parts_conv(struct pq_parts *p, int in, int outputs, int kernel, const char *fmt, ...)
    PQ_FORMAT(5);
/* Any shape; weight [outputs, channels / groups, kernel_h, kernel_w]. */
int pq_parts_conv_as(struct pq_parts *p, int in, int outputs, int kernel_h, int kernel_w,
                     const struct pq_conv_shape *shape, const char *fmt, ...) PQ_FORMAT(7);
/* ConvTranspose2d: NAME.weight [channels, outputs, kernel, kernel]. */
int pq_parts_deconv(struct pq_parts *p, int in, int outputs, int kernel, int stride, int padding,
                    const char *fmt, ...) PQ_FORMAT(7);
/* Each channel alone, odd square kernel; the size stays. */
int pq_parts_depthwise(struct pq_parts *p, int in, int kernel, const char *fmt, ...) PQ_FORMAT(4);
/* NAME.weight [outputs, channels]: over the channels of each pixel. */
int pq_parts_linear(struct pq_parts *p, int in, int outputs, const char *fmt, ...) PQ_FORMAT(4);
/* NAME.weight and NAME.bias [channels] */
int pq_parts_layer_norm(struct pq_parts *p, int in, float eps, const char *fmt, ...) PQ_FORMAT(4);
int pq_parts_group_norm(struct pq_parts *p, int in, int groups, float eps, const char *fmt, ...)
    PQ_FORMAT(5);
/* NAME.weight, .bias, .running_mean and .running_var [channels]: factors and terms. */
int pq_parts_batch_norm(struct pq_parts *p, int in, float eps, const char *fmt, ...) PQ_FORMAT(4);
/* NAME.weight [channels] or [1]: slopes. */
int pq_parts_prelu(struct pq_parts *p, int in, const char *fmt, ...) PQ_FORMAT(3);

/* Without weights: those of graph.h, which hand on a negative input. */
int pq_parts_act(struct pq_parts *p, int in, float slope);
int pq_parts_curve(struct pq_parts *p, int in, enum pq_act_kind kind);
int pq_parts_clip(struct pq_parts *p, int in, float low, float high);
int pq_parts_add(struct pq_parts *p, int a, int b);
int pq_parts_mul(struct pq_parts *p, int a, int b);
int pq_parts_concat(struct pq_parts *p, int count, const int *in);
int pq_parts_slice(struct pq_parts *p, int in, int first, int count);
int pq_parts_shuffle(struct pq_parts *p, int in, int factor);
int pq_parts_unshuffle(struct pq_parts *p, int in, int factor);
int pq_parts_nearest(struct pq_parts *p, int in, int factor);
int pq_parts_mean(struct pq_parts *p, int in);
/* x factor + terms, a number of terms for all channels or one each. */
int pq_parts_scale(struct pq_parts *p, int in, float factor, int terms, const float *term);

/* The same on all sides; and more at the bottom and the right up to a multiple. */
int pq_parts_pad(struct pq_parts *p, int in, enum pq_pad_mode mode, int border, int multiple);
int pq_parts_crop(struct pq_parts *p, int in, int border);
/* The picture padded at the bottom and the right up to a multiple, and back to scale x its size. */
int pq_parts_pad_to(struct pq_parts *p, int in, enum pq_pad_mode mode, int multiple);
int pq_parts_pad_least(struct pq_parts *p, int in, enum pq_pad_mode mode, int multiple, int least);
int pq_parts_crop_to(struct pq_parts *p, int in, int picture, int scale);

/* PIQUE_EFORMAT with "FILE: " before the sentence. */
int pq_parts_fail(const struct pq_parts *p, int code, const char *fmt, ...) PQ_FORMAT(3);

/* 1 / sqrt(n), what attention multiplies its products with. */
float pq_parts_rsqrt(int n);
/* The whole number whose square n is, or 0. */
int pq_square_root(int64_t n);
