/* SPDX-License-Identifier: MIT */
/* Puts an ONNX file together: nodes in the order they come, weights as they are asked for. */
#pragma once

#include "base/str.h"
#include "model/save.h"

struct pq_onnx_name {
    char text[64];
};

struct pq_onnx_init;

/* Start with {.saving = ..., .err = ...}. After something failed all calls do nothing, and rc says
 * what. */
struct pq_onnx_writer {
    const struct pq_saving *saving;
    struct pq_str nodes, attrs; /* attrs: those of the next node */
    struct pq_onnx_init *inits;
    size_t init_count, init_capacity;
    int fresh; /* how many names were given */
    int rc;
    pique_error *err;
};

/* Attributes of the node that comes next. */
void pq_onnx_put_int(struct pq_onnx_writer *w, const char *name, int64_t value);
void pq_onnx_put_float(struct pq_onnx_writer *w, const char *name, float value);
void pq_onnx_put_text(struct pq_onnx_writer *w, const char *name, const char *value);
void pq_onnx_put_ints(struct pq_onnx_writer *w, const char *name, int count, const int64_t *values);

/* A node with the attributes that were put; its result has a new name. An empty name is an input
 * that is not there. */
struct pq_onnx_name pq_onnx_node(struct pq_onnx_writer *w, const char *op, int count,
                                 const struct pq_onnx_name *in);
struct pq_onnx_name pq_onnx_node1(struct pq_onnx_writer *w, const char *op, struct pq_onnx_name a);
struct pq_onnx_name pq_onnx_node2(struct pq_onnx_writer *w, const char *op, struct pq_onnx_name a,
                                  struct pq_onnx_name b);

/* The second of two results. */
struct pq_onnx_name pq_onnx_second(struct pq_onnx_writer *w, const char *op, int count,
                                   const struct pq_onnx_name *in);

/* The same with a result of that name. */
void pq_onnx_node_to(struct pq_onnx_writer *w, const char *op, struct pq_onnx_name a,
                     const char *result);

/* A weight in that shape, which has as many elements, under its own name where the state dict has
 * one. Where weights are saved as half floats, it is what Cast makes of them. */
struct pq_onnx_name pq_onnx_weight(struct pq_onnx_writer *w, const struct pq_tensor *t, int dims,
                                   const int64_t *shape);
/* Numbers of ours. */
struct pq_onnx_name pq_onnx_ints(struct pq_onnx_writer *w, int count, const int64_t *values);
struct pq_onnx_name pq_onnx_index(struct pq_onnx_writer *w, int rows, int columns,
                                  const int32_t *values);
struct pq_onnx_name pq_onnx_floats(struct pq_onnx_writer *w, int count, const float *values);
struct pq_onnx_name pq_onnx_scalar(struct pq_onnx_writer *w, float value);
/* count times that value */
struct pq_onnx_name pq_onnx_fill(struct pq_onnx_writer *w, int count, float value);

void pq_onnx_refuse(struct pq_onnx_writer *w, const char *what);

/* Write all: the graph's input is "input", its result, of `out` channels, "output". */
int pq_onnx_finish(struct pq_onnx_writer *w, int in, int out, struct pq_file *f);
void pq_onnx_writer_free(struct pq_onnx_writer *w);
