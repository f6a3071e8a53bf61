/* SPDX-License-Identifier: MIT */
#include "backend/cuda/watch.h"

#include <string.h>

#include "backend/cuda/kernels/table.h"
#include "backend/cuda/launch.h"
#include "base/alloc.h"
#include "base/whole.h"

enum { RANGE_FLOATS = sizeof(struct pq_range) / sizeof(float) };

/* The operation whose result goes into a pass, or comes out of it; -1: none. */
static int end_of_pass(const struct pq_graph *g, int pass, bool out)
{
    for (int i = 0; i < g->count; i++) {
        if ((out ? g->ops[i].watch_out : g->ops[i].watch_in) == pass)
            return i;
    }
    return -1;
}

/* Rows of tiles that rows [y0, y1) of a map lie in, of which a network makes `out` rows. */
static void tiles_of(int64_t in, int64_t out, int64_t y0, int64_t y1, int64_t *first, int64_t *end)
{
    *first = y0 * out / in / PQ_TILE;
    *end = PQ_MIN(pq_ceil_div(y1 * out, in) / PQ_TILE + 1, pq_tiles_of(out));
}

static bool table_floats(const struct pq_line *size, int channels, int frames, size_t *floats)
{
    const size_t tiles = (size_t)pq_tiles_of(size->width) * (size_t)pq_tiles_of(size->height);
    return pq_mul_size(tiles, (size_t)channels * (size_t)frames * RANGE_FLOATS, floats);
}

bool cuda_watch_floats(const struct cuda_program *program, const struct pq_geometry *geometry,
                       const struct pq_line *lines, size_t *seen, size_t *scratch)
{
    const struct pq_graph *g = program->base.graph;
    *seen = *scratch = 0;
    for (int pass = 1; end_of_pass(g, pass, true) >= 0; pass++) {
        const struct pq_line *size = &lines[end_of_pass(g, pass, true)];
        for (int out = 0; out < 2; out++) {
            const int i = end_of_pass(g, pass, out);
            const struct pq_line *line = &lines[i];
            const size_t channels = (size_t)g->ops[i].channels;
            /* No step has more rows than its ring. */
            const size_t tiles = (size_t)(line->rows * size->height / line->height / PQ_TILE + 3);
            size_t table, columns;
            if (!table_floats(size, (int)channels, geometry->frames, &table) ||
                !pq_add_size(*seen, table, seen) ||
                !pq_mul_size((size_t)line->width, tiles * channels * RANGE_FLOATS, &columns) ||
                !pq_mul_size(columns, (size_t)geometry->frames, &columns))
                return false;
            *scratch = PQ_MAX(*scratch, columns);
        }
    }
    return true;
}

size_t cuda_watch_at(const struct cuda_program *program, const struct cuda_space *space, int pass,
                     bool out)
{
    const struct pq_graph *g = program->base.graph;
    size_t at = 0;
    for (int p = 1; p <= pass; p++) {
        const struct cuda_map *size = &space->maps[end_of_pass(g, p, true)];
        const struct pq_line line = {.width = size->width, .height = size->height};
        for (int o = 0; o < 2 && (p < pass || o < (int)out); o++) {
            size_t table;
            table_floats(&line, g->ops[end_of_pass(g, p, o)].channels, space->geometry.frames,
                         &table);
            at += table;
        }
    }
    return at;
}

static cuda_result look(const struct cuda_program *program, const struct cuda_space *space,
                        cuda_ptr seen, int i, int pass, bool out, int64_t y0, int64_t y1)
{
    struct cuda_args a;
    memset(&a, 0, sizeof a);
    a.inputs = 1;
    a.in[0] = space->maps[i];
    a.like = space->maps[end_of_pass(program->base.graph, pass, true)];
    a.like.data = NULL;
    a.y0 = y0;
    a.rows = (int32_t)(y1 - y0);
    a.frames = space->geometry.frames;
    int64_t first, end;
    tiles_of(a.in[0].height, a.like.height, y0, y1, &first, &end);
    a.first_tile = (int32_t)first;
    a.tiles = (int32_t)(end - first);
    a.seen = (struct pq_range *)(uintptr_t)(seen + sizeof(float) *
                                                       cuda_watch_at(program, space, pass, out));
    a.scratch = (float *)(uintptr_t)space->scratch;
    a.scratch_floats = (int64_t)space->scratch_floats;
    cuda_result r = cuda_launch(program, space, CUDA_WATCH_COLUMNS, &a);
    return r ? r : cuda_launch(program, space, CUDA_WATCH_TILES, &a);
}

cuda_result cuda_watch(const struct cuda_program *program, const struct cuda_space *space,
                       cuda_ptr seen, int i, int64_t y0, int64_t y1)
{
    const struct pq_op *op = &program->base.graph->ops[i];
    cuda_result r = CUDA_SUCCESS;
    if (op->watch_in)
        r = look(program, space, seen, i, op->watch_in, false, y0, y1);
    if (!r && op->watch_out)
        r = look(program, space, seen, i, op->watch_out, true, y0, y1);
    return r;
}
