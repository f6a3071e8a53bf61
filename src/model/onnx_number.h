/* SPDX-License-Identifier: MIT */
/* What a node yields that does not depend on any pixel: weights, and the arithmetic on sizes that
 * exporters leave in a network (Shape, Gather, Div, Concat... feeding Reshape, Resize or Slice).
 *
 * A size is not known when a model is opened. Rather than to carry formulas along, all of that
 * arithmetic is done for sixteen pictures of different sizes at once, in the numbers that ONNX
 * defines (truncated division, float rounding and all). What is the same in all of them is a
 * constant; what a size means follows from comparing it with the sizes of the tensors around it.
 * Where the file names one fixed size, sample 0 has that size, and values that are baked into the
 * file are read at it. */
#pragma once

#include "graph/graph.h"
#include "model/onnx_file.h"

enum { PQ_SAMPLES = 16, PQ_SMALL = 14 /* the sample of the smallest picture */ };

struct pq_number {
    bool whole;              /* integers and bool, else float */
    struct pq_tensor tensor; /* type and shape; its data, or NULL where values differ */
    const double *samples;   /* where they do: [PQ_SAMPLES][elements] */
};

/* What folding may use: memory of the graph, and so much of it. */
struct pq_folder {
    struct pq_graph *graph;
    size_t budget; /* elements that may still be computed */
    const char *why;
};
enum {
    PQ_FOLD_BUDGET = 1 << 24 /* and a number for each byte of the file */,
    PQ_FOLD_SAMPLED = 4096,
    PQ_MASK_BUDGET = 1 << 27
};

size_t pq_number_count(const struct pq_number *n);
double pq_number_at(const struct pq_number *n, int sample, size_t i);
/* As a whole number: none is 0, and what is beyond 64 bits is as large as can be, as the ends of
 * slices are. */
int64_t pq_number_whole(double v);
bool pq_number_same(const struct pq_number *n, size_t i); /* in all samples */
bool pq_number_constant(const struct pq_number *n);       /* all of it */

/* All yield 0 or a negative status with the rest of a sentence in folder->why. */

/* A new number of that shape; values in *to, [PQ_SAMPLES][elements]. */
int pq_number_new(struct pq_folder *f, bool whole, int dims, const int64_t *shape, double **to,
                  struct pq_number *out);
/* The same for floats that do not depend on the picture's size. */
int pq_number_floats(struct pq_folder *f, int dims, const int64_t *shape, float **to,
                     struct pq_number *out);
/* So much work more; PIQUE_EUNSUPPORTED where it is too much. */
int pq_number_spend(struct pq_folder *f, size_t elements);
/* After *to is filled: where all samples agree it becomes a constant. */
int pq_number_settle(struct pq_folder *f, struct pq_number *n);

/* Elements from + sum(index[d] * stride[d]) of n, in a new shape. */
int pq_number_view(struct pq_folder *f, const struct pq_number *n, int dims, const int64_t *shape,
                   const int64_t *stride, int64_t from, struct pq_number *out);
int pq_number_reshape(struct pq_folder *f, const struct pq_number *n, int dims,
                      const int64_t *shape, struct pq_number *out);
int pq_number_concat(struct pq_folder *f, int axis, size_t count, const struct pq_number *in,
                     struct pq_number *out);
int pq_number_gather(struct pq_folder *f, const struct pq_number *n, const struct pq_number *index,
                     int axis, struct pq_number *out);

typedef double pq_number_fn(double a, double b, double c, bool whole);
/* fn on up to three numbers, broadcast. */
int pq_number_map(struct pq_folder *f, pq_number_fn *fn, bool whole, int count,
                  const struct pq_number *in, struct pq_number *out);
