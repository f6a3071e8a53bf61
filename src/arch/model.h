/* SPDX-License-Identifier: MIT */
/* What engines need of a model beyond the public API. */
#pragma once

#include "arch/tiers.h"
#include "graph/graph.h"
#include "pique/model.h"

/* The finished graph; belongs to the model, which also keeps its weights mapped. */
const struct pq_graph *pq_model_graph(const pique_model *model);
const struct pq_tiers *pq_model_tiers(const pique_model *model);
/* The weights were packed and will hardly be read again: their file's pages leave memory. */
void pq_model_rest(const pique_model *model);
