/* SPDX-License-Identifier: MIT */
#include "backend/cpu/pieces.h"

#include <string.h>

#include "base/alloc.h"
#include "base/whole.h"
#include "kernels/winograd.h"

enum {
    TILE = PQ_WINOGRAD_TILE,
    THREADS_TILES = 144, /* for each thread in a piece: six calls of as many as a kernel takes */
};

static int forced;

void cpu_piece_rows_force(int rows)
{
    forced = rows;
}

int cpu_piece_rows(const struct pq_geometry *geometry, int threads)
{
    if (forced)
        return PQ_MIN(forced, geometry->band);
    const int64_t across = (int64_t)geometry->frames * pq_ceil_div(geometry->width, TILE);
    const int64_t rows = pq_ceil_div((int64_t)threads * THREADS_TILES, across) * TILE;
    return (int)PQ_MIN(rows, geometry->band);
}

/* The same area at every scale, but no less than a row of tiles, and no row less than one. */
static int64_t rows_of(const struct cpu_pieces *p, const struct pq_op *op)
{
    const int64_t rows = p->rows;
    return op->num > op->den ? PQ_MAX(rows * op->den / op->num, PQ_MIN(rows, TILE))
                             : PQ_MAX(rows * op->num / op->den, 1);
}

void cpu_pieces_begin(struct cpu_pieces *p, int count)
{
    const struct pq_progress progress = {p->end};
    memcpy(p->end, p->done, (size_t)p->g->count * sizeof *p->end);
    p->end[0] += count;
    for (int i = 1; i < p->g->count; i++) {
        int64_t y0;
        pq_plan_step(p->g, p->lines, p->band, &progress, i, &y0, &p->end[i]);
    }
    p->next = 0;
    p->moved = true; /* what is ready goes before more comes in */
}

/* Rows of operation i from y0 on, as far as its inputs, its piece and the step allow. */
static int64_t end_of(const struct cpu_pieces *p, int i)
{
    const struct pq_op *op = &p->g->ops[i];
    const struct pq_line *line = &p->lines[i];
    const int64_t y0 = p->done[i];
    if (y0 == p->end[i])
        return y0;
    const int64_t ready = i > 0 ? pq_plan_ready(p->g, p->lines, p->done, i) : INT64_MAX;
    const int64_t piece = pq_rows_end(op, line->grid, line->height, y0 + rows_of(p, op));
    return PQ_MAX(y0, PQ_MIN(PQ_MIN(ready, piece), p->end[i]));
}

bool cpu_pieces_next(struct cpu_pieces *p, struct cpu_piece *piece)
{
    const int count = p->g->count, output = p->g->output;
    for (;; p->next++) {
        if (p->next > count)
            p->next = 0;
        if (p->next == count) {
            *piece = (struct cpu_piece){count, p->out, p->done[output]};
            p->out = p->done[output];
        } else if (p->next > 0) {
            *piece = (struct cpu_piece){p->next, p->done[p->next], end_of(p, p->next)};
            p->done[p->next] = piece->y1;
            p->moved = p->moved || piece->y1 > piece->y0;
        } else { /* more comes in where nothing else moves */
            const bool waits = !p->moved;
            *piece = (struct cpu_piece){0, p->done[0], waits ? end_of(p, 0) : p->done[0]};
            p->done[0] = piece->y1;
            if (waits && piece->y1 == piece->y0)
                return false;
            p->moved = false;
        }
        if (piece->y1 > piece->y0) {
            p->next++;
            return true;
        }
    }
}
