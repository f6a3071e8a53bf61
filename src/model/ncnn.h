/* SPDX-License-Identifier: MIT */
/* Reader for ncnn models: the layers of a .param and the weights of its .bin become a graph. */
#pragma once

#include "graph/graph.h"
#include "model/statedict.h"

/* param is the open .param, sd->map the open .bin. Fills sd with the weights and finishes an empty
 * graph that reads them where they lie. On failure the caller frees both all the same. */
int pq_ncnn_read(const struct pq_map *param, struct pq_statedict *sd, struct pq_graph *graph,
                 pique_error *err);
