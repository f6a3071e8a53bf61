/* SPDX-License-Identifier: MIT */
/* The one way into every backend: what is checked here, no backend checks again. */
#include "backend/backend.h"

#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/fault/fault.h"
#include "base/alloc.h"
#include "base/str.h"

const struct pq_backend *const pq_backends[] = {&pq_backend_cpu, NULL};

const struct pq_backend *pq_backend_find(const char *id)
{
    if (!id)
        return pq_backends[0];
    if (pq_starts_with(id, "fault:"))
        return &pq_backend_fault;
    for (const struct pq_backend *const *b = pq_backends; *b; b++) {
        size_t length = strlen((*b)->name);
        if (strncmp((*b)->name, id, length) == 0 && (id[length] == '\0' || id[length] == ':') &&
            (*b)->tiers(id))
            return *b;
    }
    return NULL;
}

int pq_program_compile(const struct pq_graph *graph, const struct pq_device_options *options,
                       struct pq_program **out, pique_error *err)
{
    *out = NULL;
    const struct pq_backend *backend = pq_backend_find(options->id);
    if (!backend)
        return pq_fail(err, PIQUE_EDEVICE, "there is no device '%s'; 'pique devices' lists them",
                       options->id);
    for (int i = 0; i < graph->count; i++) {
        const char *reason = "";
        if (!backend->supports(&graph->ops[i], &reason))
            return pq_fail(err, PIQUE_EUNSUPPORTED, "device '%s' cannot run operation %d, %s: %s",
                           backend->name, i, pq_op_name(graph->ops[i].kind), reason);
    }
    return backend->compile(graph, options, out, err);
}

void pq_program_release(struct pq_program **program)
{
    if (*program)
        (*program)->backend->release(*program);
    *program = NULL;
}

const char *pq_program_numeric_key(const struct pq_program *program)
{
    return program->backend->numeric_key(program);
}

/* The rows that a step takes, and the most that it yields, of every frame. */
static bool band_bytes(const struct pq_graph *g, const struct pq_geometry *geometry,
                       const struct pq_line *lines, size_t *bytes)
{
    const struct pq_line *ends[] = {&lines[0], &lines[g->output]};
    const size_t rows[] = {(size_t)geometry->band, (size_t)ends[1]->rows};
    const int channels[] = {g->ops[0].channels, g->ops[g->output].channels};
    *bytes = 0;
    for (int i = 0; i < 2; i++) {
        size_t floats, band;
        if (!pq_mul_size((size_t)ends[i]->width, (size_t)channels[i], &floats) ||
            !pq_mul_size(floats, rows[i] * sizeof(float), &band) ||
            !pq_mul_size(band, (size_t)geometry->frames, &band) ||
            !pq_add_size(*bytes, band, bytes))
            return false;
    }
    return true;
}

int pq_program_memory(const struct pq_program *program, const struct pq_geometry *geometry,
                      size_t *bytes, pique_error *err)
{
    size_t n = (size_t)program->graph->count;
    struct pq_line *lines = pq_calloc(n, sizeof *lines);
    if (!lines)
        return pq_fail_nomem(err, n * sizeof *lines);
    int rc = pq_plan_lines(program->graph, geometry, lines, err);
    size_t bands;
    if (!rc)
        rc = program->backend->memory(program, geometry, lines, bytes, err);
    if (!rc && (!band_bytes(program->graph, geometry, lines, &bands) ||
                !pq_add_size(*bytes, bands, bytes)))
        rc = pq_fail(err, PIQUE_ENOMEM,
                     "%d pictures of %d x %d pixels are more than memory can "
                     "address",
                     geometry->frames, geometry->width, geometry->height);
    pq_free(lines);
    return rc;
}

int pq_run_begin(struct pq_program *program, const struct pq_geometry *geometry, bool on_disk,
                 struct pq_run **out, pique_error *err)
{
    *out = NULL;
    size_t n = (size_t)program->graph->count;
    struct pq_line *lines = pq_calloc(n, sizeof *lines);
    int64_t *done = pq_calloc(n, sizeof *done);
    int rc = lines && done ? 0 : pq_fail_nomem(err, n * (sizeof *lines + sizeof *done));
    if (!rc)
        rc = pq_plan_lines(program->graph, geometry, lines, err);
    if (!rc)
        rc = program->backend->begin(program, geometry, lines, on_disk, out, err);
    if (rc) {
        pq_free(lines);
        pq_free(done);
        return rc;
    }
    (*out)->program = program;
    (*out)->geometry = *geometry;
    (*out)->lines = lines;
    (*out)->done = done;
    return 0;
}

void pq_run_end(struct pq_run **run)
{
    if (!*run)
        return;
    pq_free((*run)->lines);
    pq_free((*run)->done);
    (*run)->program->backend->end(*run);
    *run = NULL;
}

int pq_run_max_out(const struct pq_run *run)
{
    const struct pq_graph *g = run->program->graph;
    return (int)run->lines[g->output].rows;
}

int64_t pq_run_missing(const struct pq_run *run)
{
    return run->lines[0].height - run->done[0];
}

bool pq_run_finished(const struct pq_run *run)
{
    int output = run->program->graph->output;
    return run->done[output] >= run->lines[output].height;
}

int pq_run_step(struct pq_run *run, const struct pq_band *in, int count, const struct pq_band *out,
                int *got, pique_error *err)
{
    *got = 0;
    int64_t missing = pq_run_missing(run);
    int64_t most = PQ_MIN(missing, run->geometry.band);
    if (count < 0 || count > most || (count == 0 && missing > 0))
        return pq_fail(err, PIQUE_EINVAL, "a step was given %d rows, 1 to %lld are expected", count,
                       (long long)most);
    int rc;
    do { /* a deep network lets a few steps pass before the last rows come out of its end */
        rc = run->program->backend->step(run, in, count, out, got, err);
    } while (!rc && count == 0 && *got == 0 && !pq_run_finished(run));
    return rc;
}
