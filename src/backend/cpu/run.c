/* SPDX-License-Identifier: MIT */
/* The memory of a run: one arena that holds every ring, sized by the plan before anything runs. */
#include "backend/cpu/run.h"

#include <string.h>

#include "base/alloc.h"

enum { ALIGN = 16 }; /* floats; a cache line */

static bool row_floats(const struct pq_line *line, int stride, size_t *out)
{
    size_t pixels, floats;
    if (!pq_add_size((size_t)line->width, 2 * (size_t)line->pad, &pixels) ||
        !pq_mul_size(pixels, (size_t)stride, &floats) || !pq_add_size(floats, ALIGN - 1, &floats))
        return false;
    *out = floats / ALIGN * ALIGN;
    return true;
}

/* Floats of the ring of one operation over all frames. */
static bool ring_floats(const struct pq_line *line, int stride, int frames, size_t *out)
{
    size_t row, rows;
    return row_floats(line, stride, &row) &&
           pq_mul_size((size_t)line->rows, (size_t)frames, &rows) && pq_mul_size(row, rows, out);
}

/* Floats of the whole arena; *zeros are those of the zero row at its end. */
static bool arena_floats(const struct cpu_program *program, int frames, const struct pq_line *lines,
                         size_t *total, size_t *zeros)
{
    *total = *zeros = 0;
    for (int i = 0; i < program->base.graph->count; i++) {
        size_t ring, row;
        int stride = program->steps[i].stride;
        if (!ring_floats(&lines[i], stride, frames, &ring) || !pq_add_size(*total, ring, total) ||
            !row_floats(&lines[i], stride, &row))
            return false;
        if (lines[i].pad)
            *zeros = PQ_MAX(*zeros, row);
    }
    return pq_add_size(*total, *zeros, total);
}

bool cpu_memory(const struct pq_program *program, const struct pq_geometry *geometry,
                const struct pq_line *lines, size_t *bytes)
{
    size_t total, zeros;
    return arena_floats((const struct cpu_program *)program, geometry->frames, lines, &total,
                        &zeros) &&
           pq_mul_size(total, sizeof(float), bytes);
}

/* The padding of every row is written once; computed rows never touch it. Nor do they touch lanes
 * beyond the last channel, but those of a convolution, which yields zero there. */
static void clear_padding(const struct cpu_ring *ring, int64_t width, int frames)
{
    size_t pad = (size_t)ring->pad * (size_t)ring->stride;
    size_t rows = (size_t)ring->rows * (size_t)frames;
    for (size_t r = 0; r < rows && pad; r++) {
        float *row = ring->data + r * ring->row_floats;
        memset(row, 0, pad * sizeof *row);
        memset(row + pad + (size_t)width * (size_t)ring->stride, 0, pad * sizeof *row);
    }
}

int cpu_begin(struct pq_program *base, const struct pq_geometry *geometry,
              const struct pq_line *lines, struct pq_run **out, pique_error *err)
{
    struct cpu_program *program = (struct cpu_program *)base;
    size_t total, zeros, bytes;
    if (!arena_floats(program, geometry->frames, lines, &total, &zeros) ||
        !pq_mul_size(total, sizeof(float), &bytes))
        return pq_fail(err, PIQUE_ENOMEM,
                       "%d pictures of %d x %d pixels are more than memory can "
                       "address",
                       geometry->frames, geometry->width, geometry->height);
    size_t count = (size_t)base->graph->count;
    struct cpu_run *run = pq_calloc(1, sizeof *run);
    struct cpu_ring *rings = pq_calloc(count, sizeof *rings);
    float *arena = pq_big_alloc(program->allocator, bytes);
    if (!run || !rings || !arena) {
        pq_free(run);
        pq_free(rings);
        pq_big_free(program->allocator, arena);
        return pq_fail_nomem(err, bytes);
    }
    *run = (struct cpu_run){.rings = rings, .arena = arena, .zeros = arena + (total - zeros)};
    memset(arena + (total - zeros), 0, zeros * sizeof *arena);
    float *next = arena;
    for (size_t i = 0; i < count; i++) {
        struct cpu_ring *ring = &rings[i];
        *ring = (struct cpu_ring){.data = next,
                                  .rows = lines[i].rows,
                                  .pad = lines[i].pad,
                                  .stride = program->steps[i].stride};
        row_floats(&lines[i], ring->stride, &ring->row_floats);
        next += ring->row_floats * (size_t)ring->rows * (size_t)geometry->frames;
        const struct pq_op *op = &base->graph->ops[i];
        if (op->kind != PQ_OP_CONV2D && ring->stride > op->channels)
            memset(ring->data, 0, (size_t)(next - ring->data) * sizeof *next);
        else
            clear_padding(ring, lines[i].width, geometry->frames);
    }
    *out = &run->base;
    return 0;
}

void cpu_end(struct pq_run *base)
{
    struct cpu_run *run = (struct cpu_run *)base;
    struct cpu_program *program = (struct cpu_program *)base->program;
    pq_big_free(program->allocator, run->arena);
    pq_free(run->rings);
    pq_free(run);
}
