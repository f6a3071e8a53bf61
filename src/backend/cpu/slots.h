/* SPDX-License-Identifier: MIT */
/* Where rows lie. Most rows of a piece have had their last reader a few operations after the one
 * that made them; only those that readers of the next piece need as well stay. So rows of one size
 * take their slots from one stock, whichever operation they are of, and give them back in the
 * middle of a step: a network needs what it carries from piece to piece, and beside it the new rows
 * of a few operations instead of those of all, which stay in the cache moreover.
 *
 * Slots are handed out while a step is planned, by one thread and in the order of its pieces, so
 * that the same walk without data tells how many there have to be. Tasks of the step overlap: a
 * slot comes with the number of tasks that have to be done before it may be written.
 *
 * Whole maps, which wait for a statistic, have places of their own, in which row y is slot y. */
#pragma once

#include "backend/cpu/pieces.h"

struct cpu_slots;

/* What a line buffer needs of memory. */
struct cpu_stock {
    size_t row_floats;  /* of one frame, with padding; a multiple of a cache line */
    size_t slots;       /* rows, of all frames */
    int64_t born, dies; /* the steps in which it is in use */
};

/* piece_rows: of the input; row_floats: of a row of each operation. Walks the whole schedule. g and
 * lines have to live as long as the slots. PIQUE_ENOMEM. */
int cpu_slots_new(const struct pq_graph *g, const struct pq_line *lines,
                  const struct pq_geometry *geometry, int piece_rows, const size_t *row_floats,
                  struct cpu_slots **out, pique_error *err);
void cpu_slots_free(struct cpu_slots **slots);

/* All stocks, and the one of operation i. */
const struct cpu_stock *cpu_slots_stocks(const struct cpu_slots *slots, size_t *count);
size_t cpu_slots_stock(const struct cpu_slots *slots, int i);
/* Row y of frame n of operation i lies in slot table[y mod lines[i].rows * frames + n] of its
 * stock, from the piece that computes it on until its last reader has read it. Its place in the
 * table stays until the step ends. */
const int32_t *cpu_slots_table(const struct cpu_slots *slots, int i);
/* Of a step, at most. */
int cpu_slots_pieces(const struct cpu_slots *slots);

/* A step begins: all tasks of the one before are done. done: rows of all operations. */
void cpu_slots_step(struct cpu_slots *slots, const int64_t *done);
/* The next piece is about to be computed. How many of the step's tasks, from the first on, have to
 * be done before its rows may be written: none of attention, whose rows are touched while the step
 * is planned. */
int64_t cpu_slots_take(struct cpu_slots *slots, const struct cpu_piece *piece);
/* That piece ends with so many tasks of the step. done: with it. */
void cpu_slots_release(struct cpu_slots *slots, const int64_t *done, const struct cpu_piece *piece,
                       int64_t tasks);
