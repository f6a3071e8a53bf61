/* SPDX-License-Identifier: MIT */
/* Operations of a graph as nodes of an ONNX file. Pictures are [batch, channels, rows, columns] of
 * any size, so that shapes are computed in the file as well, as vectors of whole numbers: a "size"
 * is one of rows and columns, an "extent" of one number. */
#pragma once

#include "graph/graph.h"
#include "model/onnx_write.h"

struct pq_exporting {
    struct pq_onnx_writer w;
    const struct pq_graph *g;
    struct pq_onnx_name *values;  /* of each operation's result */
    struct pq_onnx_name *indices; /* of the index of each operation that has one */
};

/* ---- what all build with (onnx_write_size.c) ---- */

/* Input k of an operation. */
struct pq_onnx_name pq_export_in(const struct pq_exporting *x, const struct pq_op *op, int k);
/* A weight in the shape that it has. */
struct pq_onnx_name pq_export_as_it_is(struct pq_exporting *x, const struct pq_tensor *t);
struct pq_onnx_name pq_export_times(struct pq_exporting *x, struct pq_onnx_name v, float factor);
struct pq_onnx_name pq_export_plus(struct pq_exporting *x, struct pq_onnx_name v, float term);
/* One whole number. */
struct pq_onnx_name pq_export_whole(struct pq_exporting *x, int64_t value);
/* Vectors of whole numbers, one behind another. */
struct pq_onnx_name pq_export_joined(struct pq_exporting *x, int count,
                                     const struct pq_onnx_name *parts);
/* Elements from .. to of `count` axes. */
struct pq_onnx_name pq_export_slice(struct pq_exporting *x, struct pq_onnx_name v, int count,
                                    const int64_t *from, struct pq_onnx_name to,
                                    const int64_t *axes);
/* Element i of a size, as an extent. */
struct pq_onnx_name pq_export_extent(struct pq_exporting *x, struct pq_onnx_name size, int64_t i);
/* Elements [from, to) of a tensor's shape. */
struct pq_onnx_name pq_export_shape(struct pq_exporting *x, struct pq_onnx_name v, int64_t from,
                                    int64_t to);
/* The size of a picture. */
struct pq_onnx_name pq_export_size(struct pq_exporting *x, struct pq_onnx_name v);
/* 0 .. extent-1, whole numbers. */
struct pq_onnx_name pq_export_count(struct pq_exporting *x, struct pq_onnx_name extent);
/* Whole numbers as floats. */
struct pq_onnx_name pq_export_float(struct pq_exporting *x, struct pq_onnx_name v);
/* In a shape that is known; 0 keeps an axis, -1 is what remains. */
struct pq_onnx_name pq_export_reshape(struct pq_exporting *x, struct pq_onnx_name v, int count,
                                      const int64_t *shape);
struct pq_onnx_name pq_export_transpose(struct pq_exporting *x, struct pq_onnx_name v, int count,
                                        const int64_t *order);
struct pq_onnx_name pq_export_softmax(struct pq_exporting *x, struct pq_onnx_name v, int axis);
/* A picture of that size, and no other channels, from [batch, channels, pixels]. */
struct pq_onnx_name pq_export_picture(struct pq_exporting *x, struct pq_onnx_name v, int channels,
                                      struct pq_onnx_name size);

/* ---- sizes and places (onnx_write_size.c, onnx_write_place.c) ---- */

struct pq_onnx_name pq_export_resize(struct pq_exporting *x, const struct pq_op *op);
struct pq_onnx_name pq_export_shuffle(struct pq_exporting *x, const struct pq_op *op);
struct pq_onnx_name pq_export_pad(struct pq_exporting *x, const struct pq_op *op);
struct pq_onnx_name pq_export_crop(struct pq_exporting *x, const struct pq_op *op);
struct pq_onnx_name pq_export_dysample(struct pq_exporting *x, const struct pq_op *op);

/* ---- attention (onnx_write_attention.c) ---- */

struct pq_onnx_name pq_export_attention(struct pq_exporting *x, const struct pq_op *op);
struct pq_onnx_name pq_export_gram_softmax(struct pq_exporting *x, const struct pq_op *op);
struct pq_onnx_name pq_export_mix(struct pq_exporting *x, const struct pq_op *op);

/* ---- tokens, and pixels in the order of their categories (onnx_write_tokens.c) ----
 *
 * Tokens are [batch or 1, tokens, channels]; places [batch, pixels], whole numbers. */

struct pq_onnx_name pq_export_tokens(struct pq_exporting *x, const struct pq_op *op);
struct pq_onnx_name pq_export_sorted(struct pq_exporting *x, const struct pq_op *op);
