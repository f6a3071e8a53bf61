/* SPDX-License-Identifier: MIT */
/* Opens a model file of any kind that can be read, and says of the others what they are. */
#pragma once

#include "graph/graph.h"
#include "model/statedict.h"

/* What a file holds. Tensors of sd and graph lie in sd.map. */
struct pq_container {
    const char *name;       /* "safetensors", "pth", "ncnn", "onnx", "waifu2x json" */
    struct pq_statedict sd; /* names are canonical */
    struct pq_graph *graph; /* finished, where the file says how the network is joined, else NULL */
    uint64_t file_bytes;    /* of all files */
};

/* What a file is goes by its first bytes, never by its name; only the other half of an ncnn model
 * is found by name. On failure *out is empty. */
int pq_container_open(const char *path, struct pq_container *out, pique_error *err);
void pq_container_close(struct pq_container *c); /* {0} is fine */
