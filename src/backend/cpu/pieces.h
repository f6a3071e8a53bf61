/* SPDX-License-Identifier: MIT */
/* The order of work within a step. Its rows do not go through the network at once but in pieces of
 * few rows, each as far as it gets before the next one comes in; what a piece made is read while it
 * is in the cache, and few of the rows that pass through are there at one time. Where the network
 * enlarges, a piece goes on in smaller ones. In the end all operations stand where one pass over
 * the whole band would have brought them (graph/plan.h).
 *
 * Threads do not meet between pieces, so small ones cost nothing as long as they have tasks enough
 * for all threads. */
#pragma once

#include "graph/plan.h"

/* Rows [y0, y1) of operation i; of 0 they come in, and with i = count of operations those of the
 * result go out. */
struct cpu_piece {
    int i;
    int64_t y0, y1;
};

struct cpu_pieces {
    const struct pq_graph *g;
    const struct pq_line *lines;
    int band, rows;      /* of the input: of a step, and of a piece */
    int64_t *done, *end; /* rows of each operation: now, and when the step ends. The caller's */
    int64_t out;         /* rows of the result that have gone out */
    int next;            /* operation */
    bool moved;          /* some operation did in this pass over them, or in the one before */
};

/* Rows of a piece: enough for all threads, in a picture of this width; a multiple of a tile. */
int cpu_piece_rows(const struct pq_geometry *geometry, int threads);
/* As many from now on, in all runs that begin, whatever the picture; 0: as above. For tests. */
void cpu_piece_rows_force(int rows);

/* A step that takes `count` more rows. */
void cpu_pieces_begin(struct cpu_pieces *p, int count);
/* The next piece, which counts as done from then on; false where the step has none any more. */
bool cpu_pieces_next(struct cpu_pieces *p, struct cpu_piece *piece);
