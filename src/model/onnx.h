/* SPDX-License-Identifier: MIT */
/* Reader for ONNX models: the nodes become a graph. */
#pragma once

#include "graph/graph.h"
#include "model/statedict.h"

/* sd->map is the open file. Fills sd with the weights and finishes a new graph that reads them
 * where they lie. Weights in files beside it are found by name. On failure *graph is NULL, and the
 * caller frees sd all the same. docs/onnx.md says what can be read. */
int pq_onnx_read(struct pq_statedict *sd, struct pq_graph **graph, pique_error *err);
