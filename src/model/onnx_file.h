/* SPDX-License-Identifier: MIT */
/* An ONNX file as plain structs: what its protobuf says, checked for sense but not yet understood
 * as a network. Names and tensors lie in the mapped file. */
#pragma once

#include "model/onnx_wire.h"
#include "model/statedict.h"

enum {
    PQ_ONNX_MIN_OPSET = 11,
    PQ_ONNX_MAX_OPSET = 20,
    PQ_ONNX_MIN_IR = 3,
    PQ_ONNX_MAX_IR = 10,
    PQ_ONNX_MAX_NODES = 65536,
    PQ_ONNX_FLOAT = 1, /* of TensorProto.DataType, those that more than one file asks for */
    PQ_ONNX_INT32 = 6,
    PQ_ONNX_INT64 = 7,
    PQ_ONNX_BOOL = 9,
    PQ_ONNX_FLOAT16 = 10,
    PQ_ONNX_DOUBLE = 11,
    PQ_ONNX_BFLOAT16 = 16
};

struct pq_onnx_tensor {
    struct pq_span name;
    int type;         /* as the file has it */
    bool readable;    /* its type has a pq_dtype; bool and small integers are i32 in tensor */
    bool initializer; /* of the graph, else of an attribute */
    struct pq_tensor tensor;
    struct pq_span location; /* of external data, until it is there */
    uint64_t offset, length; /* length 0: as the shape says */
};

/* Every list is a stretch of one of the file's. */
struct pq_onnx_attr {
    struct pq_span name, text;
    float number;
    int64_t whole;
    int tensor; /* -1: none */
    size_t first_int, ints, first_float, floats;
};

struct pq_onnx_node {
    struct pq_span name, op, domain;
    size_t first_in, ins, first_out, outs; /* in names */
    size_t first_attr, attrs;
};

struct pq_onnx_port {
    struct pq_span name;
    int type;                   /* of the elements; 0: no tensor */
    int dims;                   /* -1: not said */
    int64_t shape[PQ_MAX_DIMS]; /* -1: open */
};

struct pq_onnx_file {
    const char *path;
    int64_t ir_version;
    int opset;
    struct pq_span producer;
    struct pq_onnx_node *nodes;
    struct pq_onnx_attr *attrs;
    struct pq_span *names;
    struct pq_onnx_tensor *tensors;
    struct pq_onnx_port *inputs, *outputs;
    int64_t *ints;
    float *floats;
    size_t node_count, attr_count, name_count, tensor_count, input_count, output_count, int_count,
        float_count;
    size_t node_capacity, attr_capacity, name_capacity, tensor_capacity, input_capacity,
        output_capacity, int_capacity, float_capacity;
};

/* Whether the bytes are those of a ModelProto with a graph. Walks over its outermost fields only.
 */
bool pq_onnx_probe(const struct pq_map *map);

/* Read sd->map. Tensors that cannot stay where they lie, and files of external data, go to sd,
 * which must outlive file; the weights are added to it by name. */
int pq_onnx_file_read(struct pq_statedict *sd, struct pq_onnx_file *file, pique_error *err);
void pq_onnx_file_free(struct pq_onnx_file *file); /* {0} is fine */
