/* SPDX-License-Identifier: MIT */
/* How a graph runs over a picture: as rows that stream from operation to operation.
 *
 * A step takes `band` more input rows, fewer only at the end; then every operation, in order,
 * computes the rows that its inputs now allow, at most a band's worth each. An operation's result
 * is kept in a line buffer: a ring of as many rows as its readers still need. Nothing of the
 * picture's height is ever stored, and each pixel is computed once, as if the whole picture had
 * gone through at once.
 *
 *     input   ############            lag 0
 *     conv 1  ###########             lag 1     one row a 3x3 layer
 *     conv 2  ##########              lag 2
 *     ...
 *
 * A statistic over the whole picture has its one row when all rows of its input are through. What
 * reads it waits until then, and the line buffers of what it reads beside it grow into whole maps.
 * So phases need no rule of their own: a run streams up to a statistic, then on to the next.
 *
 * Rows of tiles flow likewise. A layer of depth d has the edges of its tiles at 4n - d, where its
 * rows are ready anyway when 4n rows have come in: it lags one row, not four, and no ring gets
 * larger.
 *
 * The schedule below is the only place that decides what runs when; backends follow it row by row,
 * and the same walk, done without data, tells the exact size of each ring beforehand, and during
 * which steps it holds anything: two that are never in use together may share memory. */
#pragma once

#include "graph/graph.h"

/* The line buffer of one operation's result. */
struct pq_line {
    int64_t width, height; /* of the whole result */
    int64_t rows;          /* ring size */
    struct pq_grid grid;   /* rows that are computed together */
    int pad;               /* zero columns on each side that readers rely on */
    bool zeros;            /* readers rely on rows of zeros above and below, too */
    int64_t born, dies;    /* the steps in which its first row is computed and its last one read */
};

/* Where a run stands: rows computed of each operation. */
struct pq_progress {
    int64_t *done; /* one an operation; done[0] counts input rows */
};

struct pq_geometry {
    int frames; /* pictures of the batch, which step together */
    int width, height;
    int band; /* input rows a step */
};

/* Sizes that do not fit a size_t: PIQUE_ENOMEM. */
int pq_plan_fail(const struct pq_geometry *geometry, pique_error *err);

/* Give the rows of tiles, grids[graph->count].tile, the phases that let them flow with no more lag
 * than rows by themselves. They are those of the graph, whatever picture goes through it. */
int pq_plan_grids(const struct pq_graph *g, struct pq_grid *grids, pique_error *err);

/* Fill lines[graph->count]; grids: one an operation, or NULL for none. Fails where a size does not
 * fit an int, inputs of one operation differ in size, or memory runs out. */
int pq_plan_lines(const struct pq_graph *g, const struct pq_grid *grids,
                  const struct pq_geometry *geometry, struct pq_line *lines, pique_error *err);

/* Rows of operation i that this step computes, [*y0, *y1), given what is done; i > 0. */
void pq_plan_step(const struct pq_graph *g, const struct pq_line *lines, int band,
                  const struct pq_progress *progress, int i, int64_t *y0, int64_t *y1);

/* How many rows of operation i its inputs allow, given the rows that are done of each; where none
 * beyond those that are done, no more than they. INT64_MAX: nothing holds it up. Of what is
 * computed again only those for which the operation behind it has all else. */
int64_t pq_plan_ready(const struct pq_graph *g, const struct pq_line *lines, const int64_t *done,
                      int i);

/* How rows flow from input k of operation i into its result. */
struct pq_flow pq_plan_flow(const struct pq_graph *g, const struct pq_line *lines, int i, int k);
