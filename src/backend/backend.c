/* SPDX-License-Identifier: MIT */
/* The one way into every backend: what is checked here, no backend checks again. */
#include "backend/backend.h"

#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cuda/cuda.h"
#include "backend/fault/fault.h"
#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"

const struct pq_backend *const pq_backends[] = {&pq_backend_cpu, &pq_backend_cuda, NULL};

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
    if ((graph->in.planes || graph->out.planes) && !pq_backend_takes_pictures(backend))
        return pq_fail(err, PIQUE_EUNSUPPORTED, "device '%s' takes no whole pictures",
                       backend->name);
    for (int i = 0; i < graph->count; i++) {
        const char *reason = "";
        if (!backend->supports(&graph->ops[i], &reason))
            return pq_fail(err, PIQUE_EUNSUPPORTED, "device '%s' cannot run operation %d, %s: %s",
                           backend->name, i, pq_op_name(graph->ops[i].kind), pq_tr(reason));
    }
    return backend->compile(graph, options, out, err);
}

void pq_program_release(struct pq_program **program)
{
    if (*program) {
        pq_free((*program)->times);
        (*program)->backend->release(*program);
    }
    *program = NULL;
}

int pq_program_measure(struct pq_program *program, bool on, pique_error *err)
{
    const size_t count = (size_t)program->graph->count;
    if (on && !program->backend->how)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "device '%s' does not tell what each step takes",
                       program->backend->name);
    pq_free(program->times);
    program->times = on ? pq_calloc(count, sizeof *program->times) : NULL;
    return on && !program->times ? pq_fail_nomem(err, count * sizeof *program->times) : 0;
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
    if (g->in.planes) /* pictures are the caller's, whole */
        return true;
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
    int rc = pq_plan_lines(program->graph, program->grids, geometry, lines, err);
    size_t bands;
    if (!rc)
        rc = program->backend->memory(program, geometry, lines, bytes, err);
    if (!rc && (!band_bytes(program->graph, geometry, lines, &bands) ||
                !pq_add_size(*bytes, bands, bytes)))
        rc = pq_plan_fail(geometry, err);
    pq_free(lines);
    return rc;
}

/* Lines are as planned; of done nothing is. */
static int new_progress(const struct pq_program *program, struct pq_line **lines, int64_t **done,
                        pique_error *err)
{
    const size_t n = (size_t)program->graph->count;
    *lines = pq_calloc(n, sizeof **lines);
    *done = pq_calloc(n, sizeof **done);
    return *lines && *done ? 0 : pq_fail_nomem(err, n * (sizeof **lines + sizeof **done));
}

/* Takes lines and done, also where there is no run. */
static void set_up_run(struct pq_run *run, struct pq_program *program,
                       const struct pq_geometry *geometry, struct pq_line *lines, int64_t *done)
{
    if (!run) {
        pq_free(lines);
        pq_free(done);
        return;
    }
    run->program = program;
    run->geometry = *geometry;
    run->lines = lines;
    run->done = done;
}

int pq_run_begin(struct pq_program *program, const struct pq_geometry *geometry, bool on_disk,
                 struct pq_run **out, pique_error *err)
{
    struct pq_line *lines;
    int64_t *done;
    *out = NULL;
    int rc = new_progress(program, &lines, &done, err);
    if (!rc)
        rc = pq_plan_lines(program->graph, program->grids, geometry, lines, err);
    if (!rc)
        rc = program->backend->begin(program, geometry, lines, on_disk, out, err);
    set_up_run(rc ? NULL : *out, program, geometry, lines, done);
    return rc;
}

int pq_run_follow(struct pq_run *before, struct pq_run **out, pique_error *err)
{
    struct pq_program *program = before->program;
    struct pq_line *lines;
    int64_t *done;
    *out = NULL;
    if (!program->backend->follow)
        return 0;
    int rc = new_progress(program, &lines, &done, err);
    if (!rc) {
        memcpy(lines, before->lines, (size_t)program->graph->count * sizeof *lines);
        rc = program->backend->follow(before, out, err);
    }
    set_up_run(rc ? NULL : *out, program, &before->geometry, lines, done);
    return rc;
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

void pq_run_give(struct pq_run *run, const struct pq_given *given)
{
    run->given = given;
}

void pq_given_free(struct pq_given **given)
{
    if (!*given)
        return;
    for (int i = 0; i < (*given)->count; i++)
        pq_free((*given)->values[i]);
    pq_free((*given)->values);
    pq_free(*given);
    *given = NULL;
}

int pq_run_statistics(const struct pq_run *run, struct pq_given **out, pique_error *err)
{
    const struct pq_graph *g = run->program->graph;
    struct pq_given *given = pq_calloc(1, sizeof *given);
    if (given)
        given->values = pq_calloc((size_t)g->count, sizeof(float *));
    int rc = given && given->values ? 0 : pq_fail_nomem(err, (size_t)g->count * sizeof(float *));
    if (given) {
        given->count = given->values ? g->count : 0;
        given->frames = run->geometry.frames;
    }
    for (int i = 0; i < g->count && !rc; i++) {
        const size_t channels = (size_t)g->ops[i].channels;
        if (!pq_op_is_statistic(&g->ops[i]))
            continue;
        given->values[i] = pq_calloc(channels * (size_t)given->frames, sizeof(float));
        if (!given->values[i])
            rc = pq_fail_nomem(err, channels * (size_t)given->frames * sizeof(float));
        for (int f = 0; f < given->frames && !rc; f++)
            rc = run->program->backend->statistic(run, i, f,
                                                  given->values[i] + (size_t)f * channels, err);
    }
    if (rc)
        pq_given_free(&given);
    *out = given;
    return rc;
}

int64_t pq_run_rows(const struct pq_run *run)
{
    int64_t rows = 0;
    for (int i = 0; i < run->program->graph->count; i++)
        rows += run->done[i];
    return rows;
}

double pq_run_share(const struct pq_run *run)
{
    const struct pq_graph *g = run->program->graph;
    double done = 0, all = 0;
    for (int i = 0; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        const double row = (double)pq_op_work(op) * (double)run->lines[i].width;
        done += row * (double)run->done[i];
        all += row * (double)run->lines[i].height;
    }
    return done / all;
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
    return run->handed_out >= run->lines[output].height;
}

int pq_run_step(struct pq_run *run, const struct pq_band *in, int count, const struct pq_band *out,
                int *got, pique_error *err)
{
    *got = 0;
    int64_t missing = pq_run_missing(run);
    int64_t most = PQ_MIN(missing, run->geometry.band);
    if (count != most) /* the plan holds for whole bands alone */
        return pq_fail(err, PIQUE_EINVAL, "a step was given %d rows, %lld are expected", count,
                       (long long)most);
    int rc = run->program->backend->step(run, in, count, out, got, err);
    run->handed_out += *got;
    return rc;
}

int pq_run_sample(struct pq_run *run, const struct pq_sampling *sampling, pique_error *err)
{
    const struct pq_backend *backend = run->program->backend;
    return backend->sample
               ? backend->sample(run, sampling, err)
               : pq_fail(err, PIQUE_EUNSUPPORTED, "device '%s' takes no samples", backend->name);
}

int pq_run_advance(struct pq_run *run, const struct pq_picture *in, const struct pq_picture *out,
                   pique_error *err)
{
    int got = 0;
    int rc = run->program->backend->advance(run, in, out, &got, err);
    run->handed_out += got;
    return rc;
}

const struct pq_range *pq_run_seen(const struct pq_run *run, int pass, bool out)
{
    return run->program->backend->seen(run, pass, out);
}
