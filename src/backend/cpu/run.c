/* SPDX-License-Identifier: MIT */
/* The memory of a run: one arena that holds every ring, sized by the plan before anything runs.
 * Rings that are never in use together share a place, so that whole maps between phases cost only
 * what lives at one time. */
#include "backend/cpu/run.h"

#include <string.h>

#include "backend/arena.h"
#include "backend/cpu/job.h"
#include "base/alloc.h"

static bool row_floats(const struct pq_line *line, int stride, size_t *out)
{
    size_t pixels, floats;
    if (!pq_add_size((size_t)line->width, 2 * (size_t)line->pad, &pixels) ||
        !pq_mul_size(pixels, (size_t)stride, &floats) ||
        !pq_add_size(floats, CPU_ALIGN - 1, &floats))
        return false;
    *out = floats / CPU_ALIGN * CPU_ALIGN;
    return true;
}

/* Floats of the ring of one operation over all frames. */
static bool ring_floats(const struct pq_line *line, int stride, int frames, size_t *out)
{
    size_t row, rows;
    return row_floats(line, stride, &row) &&
           pq_mul_size((size_t)line->rows, (size_t)frames, &rows) && pq_mul_size(row, rows, out);
}

/* Where everything lies. */
struct layout {
    struct pq_place *places; /* one an operation */
    size_t zeros, scratch;   /* offsets behind the rings */
    size_t zero_floats, scratch_floats;
    size_t floats; /* in all */
};

static int fail_size(const struct pq_geometry *geometry, pique_error *err)
{
    return pq_fail(err, PIQUE_ENOMEM,
                   "%d pictures of %d x %d pixels are more than memory can address",
                   geometry->frames, geometry->width, geometry->height);
}

static bool measure(const struct cpu_program *program, const struct pq_geometry *geometry,
                    const struct pq_line *lines, struct layout *l)
{
    for (int i = 0; i < program->base.graph->count; i++) {
        size_t row;
        struct pq_place *p = &l->places[i];
        int stride = program->steps[i].stride;
        p->born = lines[i].born;
        /* Statistics are small, and may be asked for in the end. */
        bool stays = pq_op_is_statistic(&program->base.graph->ops[i]);
        p->dies = stays ? INT64_MAX : lines[i].dies;
        if (!ring_floats(&lines[i], stride, geometry->frames, &p->floats) ||
            !row_floats(&lines[i], stride, &row))
            return false;
        if (lines[i].zeros)
            l->zero_floats = PQ_MAX(l->zero_floats, row);
    }
    l->scratch_floats = cpu_align(program->scratch_floats);
    return true;
}

static int lay_out(const struct cpu_program *program, const struct pq_geometry *geometry,
                   const struct pq_line *lines, struct layout *l, pique_error *err)
{
    size_t count = (size_t)program->base.graph->count, all_scratch;
    *l = (struct layout){.places = pq_calloc(count, sizeof *l->places)};
    if (!l->places)
        return pq_fail_nomem(err, count * sizeof *l->places);
    if (!measure(program, geometry, lines, l))
        return fail_size(geometry, err);
    int rc = pq_arena_place(l->places, count, &l->zeros, err);
    if (rc)
        return rc;
    size_t bytes;
    if (!pq_add_size(l->zeros, l->zero_floats, &l->scratch) ||
        !pq_mul_size(l->scratch_floats, (size_t)pq_pool_threads(program->pool), &all_scratch) ||
        !pq_add_size(l->scratch, all_scratch, &l->floats) ||
        !pq_mul_size(l->floats, sizeof(float), &bytes))
        return fail_size(geometry, err);
    return 0;
}

int cpu_memory(const struct pq_program *program, const struct pq_geometry *geometry,
               const struct pq_line *lines, size_t *bytes, pique_error *err)
{
    struct layout l;
    int rc = lay_out((const struct cpu_program *)program, geometry, lines, &l, err);
    *bytes = rc ? 0 : l.floats * sizeof(float);
    pq_free(l.places);
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
    run->arena = pq_big_alloc(program->allocator, bytes);
    return run->arena ? 0 : pq_fail_nomem(err, bytes);
}

static void free_run(struct cpu_run *run, const struct cpu_program *program)
{
    if (run->file.data)
        pq_scratch_close(&run->file);
    else
        pq_big_free(program->allocator, run->arena);
    pq_free(run->rings);
    pq_free(run->jobs);
    pq_free(run);
}

static void set_rings(struct cpu_run *run, const struct cpu_program *program,
                      const struct pq_line *lines, const struct layout *l)
{
    for (int i = 0; i < program->base.graph->count; i++) {
        struct cpu_ring *ring = &run->rings[i];
        *ring = (struct cpu_ring){.data = run->arena + l->places[i].offset,
                                  .rows = lines[i].rows,
                                  .pad = lines[i].pad,
                                  .stride = program->steps[i].stride};
        row_floats(&lines[i], ring->stride, &ring->row_floats);
    }
    memset(run->arena + l->zeros, 0, l->zero_floats * sizeof *run->arena);
    run->zeros = run->arena + l->zeros;
    run->scratch = run->arena + l->scratch;
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
        run->jobs = pq_calloc(count + 1, sizeof *run->jobs);
    }
    if (!run || !run->rings || !run->jobs)
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
    pq_free(l.places);
    return rc;
}

void cpu_end(struct pq_run *base)
{
    free_run((struct cpu_run *)base, (const struct cpu_program *)base->program);
}

float *cpu_new_row(struct cpu_run *run, int i, int frame, int64_t y)
{
    const struct cpu_ring *ring = &run->rings[i];
    float *row = cpu_ring_row(ring, run->base.geometry.frames, frame, y);
    if (y >= ring->rows)
        return row; /* the row that lay here before had the same borders */
    const struct pq_op *op = &run->base.program->graph->ops[i];
    size_t pad = (size_t)ring->pad * (size_t)ring->stride;
    size_t pixels = (size_t)run->base.lines[i].width * (size_t)ring->stride;
    if (op->kind != PQ_OP_CONV2D && ring->stride > op->channels) {
        memset(row - pad, 0, (pixels + 2 * pad) * sizeof *row);
    } else if (pad) {
        memset(row - pad, 0, pad * sizeof *row);
        memset(row + pixels, 0, pad * sizeof *row);
    }
    return row;
}
