/* SPDX-License-Identifier: MIT */
#pragma once

#include "graph/graph.h"

/* Fuse and drop operations; *output is renamed with the rest. */
int pq_graph_fuse(struct pq_graph *g, int *output, pique_error *err);
/* Sums read what a crop would copy (borders.c). The crops stay. */
void pq_graph_leave_borders(struct pq_graph *g);
/* Drop what the output does not need, but for the input. */
int pq_graph_drop_unused(struct pq_graph *g, int *output, pique_error *err);
