/* SPDX-License-Identifier: MIT */
/* What the functions that build a graph share. Each checks all that it is given, so that a finished
 * graph holds. */
#pragma once

#include "graph/graph.h"

/* An operation with one input, a result of its kind, and all the rest at its neutral value. */
struct pq_op pq_op_new(const struct pq_graph *g, enum pq_op_kind kind, int in, int channels);

/* Append it; its ratio of sizes is that of in[0] times rate_num/rate_den. The index, or a negative
 * status. */
int pq_graph_append(struct pq_graph *g, struct pq_op op, pique_error *err);

/* Whether `in` is an operation of g. */
int pq_build_check_input(const struct pq_graph *g, int in, enum pq_op_kind kind, pique_error *err);
/* The same, and whether it is a picture. */
int pq_build_check_picture(const struct pq_graph *g, int in, enum pq_op_kind kind,
                           pique_error *err);
/* Whether two operations have one ratio of sizes, and are both pictures, columns or global. */
int pq_build_check_size(const struct pq_graph *g, enum pq_op_kind kind, int a, int b,
                        pique_error *err);
int pq_build_check_factor(enum pq_op_kind kind, int factor, pique_error *err);
/* Whether t is NULL or [n]; "weights". */
int pq_build_check_vector(enum pq_op_kind kind, const struct pq_tensor *t, int n, const char *what,
                          pique_error *err);
/* Whether so many more weights may come into a graph. Operations may share a tensor of the file,
 * and zeros between groups are in none, but each operation packs its own. */
int pq_build_check_weights(const struct pq_graph *g, uint64_t more, pique_error *err);
/* A tensor of floats that the graph owns, or data NULL where memory is out. */
struct pq_tensor pq_graph_own_tensor(struct pq_graph *g, int dims, const int64_t *shape);
