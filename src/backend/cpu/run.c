/* SPDX-License-Identifier: MIT */
/* The memory of a run: one arena that holds every row, sized by the plan before anything runs.
 * Stocks of rows that are never in use together share a place, so that whole maps between phases
 * cost only what lives at one time. */
#include "backend/cpu/run.h"

#include <string.h>

#include "backend/arena.h"
#include "backend/cpu/ends.h"
#include "base/alloc.h"

static bool row_floats(const struct pq_line *line, const struct cpu_step *step, size_t *out)
{
    size_t pixels, floats;
    if (!pq_add_size((size_t)line->width, 2 * (size_t)line->pad, &pixels) ||
        !pq_mul_size(pixels, (size_t)step->stride, &floats))
        return false;
    if (step->halves)
        floats = floats / 2 + floats % 2;
    if (!pq_add_size(floats, CPU_ALIGN - 1, &floats))
        return false;
    *out = floats / CPU_ALIGN * CPU_ALIGN;
    return true;
}

/* Where everything lies. */
struct layout {
    int piece_rows;
    struct cpu_slots *slots;
    size_t *row_floats;      /* one an operation */
    struct pq_place *places; /* one a stock */
    size_t zeros, scratch;   /* offsets behind the stocks */
    size_t zero_floats, scratch_floats, end_floats;
    size_t floats; /* in all */
};

static void free_layout(struct layout *l)
{
    cpu_slots_free(&l->slots);
    pq_free(l->row_floats);
    pq_free(l->places);
}

static bool measure_rows(const struct cpu_program *program, const struct pq_line *lines,
                         struct layout *l)
{
    for (int i = 0; i < program->base.graph->count; i++) {
        if (!row_floats(&lines[i], &program->steps[i], &l->row_floats[i]))
            return false;
        if (i == program->base.graph->output && program->straight)
            l->row_floats[i] = CPU_ALIGN; /* they are on their way at once */
        if (lines[i].zeros)
            l->zero_floats = PQ_MAX(l->zero_floats, l->row_floats[i]);
    }
    return true;
}

/* The longer one of a row that comes in and a row that goes out. */
static bool measure_ends(const struct cpu_program *program, const struct pq_line *lines,
                         struct layout *l)
{
    const struct pq_graph *g = program->base.graph;
    const int ends[] = {0, g->output};
    for (int i = 0; i < 2; i++) {
        size_t values;
        if (!pq_mul_size((size_t)lines[ends[i]].width, (size_t)g->ops[ends[i]].channels, &values) ||
            values > SIZE_MAX / 8)
            return false;
        l->end_floats = PQ_MAX(l->end_floats, cpu_end_floats(values));
    }
    return pq_add_size(cpu_align(program->scratch_floats), l->end_floats, &l->scratch_floats);
}

static int place_stocks(struct layout *l, const struct pq_geometry *geometry, pique_error *err)
{
    size_t count;
    const struct cpu_stock *stocks = cpu_slots_stocks(l->slots, &count);
    l->places = pq_calloc(count, sizeof *l->places);
    if (!l->places)
        return pq_fail_nomem(err, count * sizeof *l->places);
    for (size_t i = 0; i < count; i++) {
        l->places[i] = (struct pq_place){.born = stocks[i].born, .dies = stocks[i].dies};
        if (!pq_mul_size(stocks[i].slots, stocks[i].row_floats, &l->places[i].floats))
            return pq_plan_fail(geometry, err);
    }
    return pq_arena_place(l->places, count, &l->zeros, err);
}

static int lay_out(const struct cpu_program *program, const struct pq_geometry *geometry,
                   const struct pq_line *lines, struct layout *l, pique_error *err)
{
    const struct pq_graph *g = program->base.graph;
    const size_t count = (size_t)g->count;
    size_t all_scratch, bytes;
    *l = (struct layout){.row_floats = pq_calloc(count, sizeof *l->row_floats)};
    if (!l->row_floats)
        return pq_fail_nomem(err, count * sizeof *l->row_floats);
    if (!measure_rows(program, lines, l) || !measure_ends(program, lines, l))
        return pq_plan_fail(geometry, err);
    l->piece_rows = cpu_piece_rows(geometry, pq_pool_threads(program->pool));
    int rc = cpu_slots_new(g, lines, geometry, l->piece_rows, l->row_floats, &l->slots, err);
    if (!rc)
        rc = place_stocks(l, geometry, err);
    if (rc)
        return rc;
    if (!pq_add_size(l->zeros, l->zero_floats, &l->scratch) ||
        !pq_mul_size(l->scratch_floats, (size_t)pq_pool_threads(program->pool), &all_scratch) ||
        !pq_add_size(l->scratch, all_scratch, &l->floats) ||
        !pq_mul_size(l->floats, sizeof(float), &bytes))
        return pq_plan_fail(geometry, err);
    return 0;
}

int cpu_memory(const struct pq_program *program, const struct pq_geometry *geometry,
               const struct pq_line *lines, size_t *bytes, pique_error *err)
{
    struct layout l;
    int rc = lay_out((const struct cpu_program *)program, geometry, lines, &l, err);
    *bytes = rc ? 0 : l.floats * sizeof(float);
    free_layout(&l);
    return rc;
}

static int allocate(struct cpu_run *run, const struct cpu_program *program, size_t bytes,
                    bool on_disk, pique_error *err)
{
    if (on_disk) {
        int rc = pq_scratch_open(bytes, &run->file, err);
        run->arena = run->file.data;
        return rc;
    }
    run->block = pq_spare_take(program->spare, program->allocator, bytes);
    run->arena = run->block.data;
    return run->arena ? 0 : pq_fail_nomem(err, bytes);
}

static void free_run(struct cpu_run *run, const struct cpu_program *program)
{
    if (run->file.data)
        pq_scratch_close(&run->file);
    else
        pq_spare_put(program->spare, program->allocator, run->block);
    cpu_slots_free(&run->slots);
    cpu_sampling_free(&run->sampling);
    pq_free(run->rings);
    pq_free(run->jobs);
    pq_free(run->latest);
    pq_free(run->end);
    pq_free(run);
}

static void set_rings(struct cpu_run *run, const struct cpu_program *program,
                      const struct pq_line *lines, struct layout *l)
{
    run->piece_rows = l->piece_rows;
    run->slots = l->slots;
    l->slots = NULL;
    for (int i = 0; i < program->base.graph->count; i++)
        run->rings[i] =
            (struct cpu_ring){.data = run->arena + l->places[cpu_slots_stock(run->slots, i)].offset,
                              .slots = cpu_slots_table(run->slots, i),
                              .row_floats = l->row_floats[i],
                              .rows = lines[i].rows,
                              .pad = lines[i].pad,
                              .stride = program->steps[i].stride,
                              .halves = program->steps[i].halves};
    memset(run->arena + l->zeros, 0, l->zero_floats * sizeof *run->arena);
    run->zeros = run->arena + l->zeros;
    run->scratch = run->arena + l->scratch;
    run->scratch_floats = l->scratch_floats;
    run->end_floats = l->end_floats;
}

int cpu_begin(struct pq_program *base, const struct pq_geometry *geometry,
              const struct pq_line *lines, bool on_disk, struct pq_run **out, pique_error *err)
{
    struct cpu_program *program = (struct cpu_program *)base;
    struct layout l;
    struct cpu_run *run = NULL;
    int rc = lay_out(program, geometry, lines, &l, err);
    if (rc)
        goto out;
    const size_t count = (size_t)base->graph->count;
    run = pq_calloc(1, sizeof *run);
    if (run) {
        run->rings = pq_calloc(count, sizeof *run->rings);
        run->jobs = pq_calloc((size_t)cpu_slots_pieces(l.slots), sizeof *run->jobs);
        run->latest = pq_calloc(count, sizeof *run->latest);
        run->end = pq_calloc(count, sizeof *run->end);
    }
    if (!run || !run->rings || !run->jobs || !run->latest || !run->end)
        rc = pq_fail_nomem(err, count * (sizeof *run->rings + sizeof *run->jobs));
    else
        rc = allocate(run, program, l.floats * sizeof(float), on_disk, err);
    if (rc) {
        if (run)
            free_run(run, program);
        goto out;
    }
    set_rings(run, program, lines, &l);
    *out = &run->base;
out:
    free_layout(&l);
    return rc;
}

void cpu_end(struct pq_run *base)
{
    free_run((struct cpu_run *)base, (const struct cpu_program *)base->program);
}

float *cpu_new_row(struct cpu_run *run, int i, int frame, int64_t y)
{
    const struct cpu_ring *ring = &run->rings[i];
    const struct pq_op *op = &run->base.program->graph->ops[i];
    const size_t size = ring->halves ? sizeof(uint16_t) : sizeof(float);
    const size_t pixel = (size_t)ring->stride * size, pad = (size_t)ring->pad * pixel;
    const size_t width = (size_t)run->base.lines[i].width * pixel;
    char *slot = (char *)cpu_ring_slot(ring, run->base.geometry.frames, frame, y);
    if (op->kind != PQ_OP_CONV2D && ring->stride > op->channels) {
        memset(slot, 0, width + 2 * pad);
    } else if (pad) {
        memset(slot, 0, pad);
        memset(slot + pad + width, 0, pad);
    }
    return cpu_ring_row(ring, run->base.geometry.frames, frame, y);
}
