/* SPDX-License-Identifier: MIT */
#include "backend/fault/fault.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/alloc.h"

enum kind { FAULT_ERROR, FAULT_NAN, FAULT_FLAT, FAULT_MEMORY };

struct fault_program {
    struct pq_program base;
    struct pq_program *inner; /* the processor's */
    enum kind kind;
    long at, steps, runs;
    bool forever;
};

struct fault_run {
    struct pq_run base;
    struct pq_run *inner;
};

static bool parse(const char *id, struct fault_program *p)
{
    char kind[8], plus = '\0';
    int n = sscanf(id, "fault:%7[a-z]@%ld%c", kind, &p->at, &plus);
    static const char *const kinds[] = {"error", "nan", "flat", "memory"};
    for (size_t k = 0; n >= 2 && k < PQ_COUNT(kinds); k++) {
        if (strcmp(kind, kinds[k]) != 0)
            continue;
        p->kind = (enum kind)k;
        p->forever = plus == '+';
        return true;
    }
    return false;
}

static unsigned tiers(const char *id)
{
    (void)id;
    return pq_backend_cpu.tiers("cpu");
}

static bool supports(const struct pq_op *op, const char **reason)
{
    return pq_backend_cpu.supports(op, reason);
}

static int compile(const struct pq_graph *graph, const struct pq_device_options *options,
                   struct pq_program **out, pique_error *err)
{
    struct fault_program *p = pq_calloc(1, sizeof *p);
    if (!p)
        return pq_fail_nomem(err, sizeof *p);
    struct pq_device_options inner = *options;
    inner.id = "cpu";
    int rc = parse(options->id, p) ? 0
                                   : pq_fail(err, PIQUE_EINVAL,
                                             "'%s': fault:KIND@N[+] with "
                                             "KIND error, nan, flat or memory is expected",
                                             options->id);
    if (!rc)
        rc = pq_backend_cpu.compile(graph, &inner, &p->inner, err);
    if (rc) {
        pq_free(p);
        return rc;
    }
    p->base =
        (struct pq_program){.backend = &pq_backend_fault, .graph = graph, .grids = p->inner->grids};
    *out = &p->base;
    return 0;
}

static void release(struct pq_program *base)
{
    struct fault_program *p = (struct fault_program *)base;
    pq_program_release(&p->inner);
    pq_free(p);
}

static const char *numeric_key(const struct pq_program *base)
{
    return pq_program_numeric_key(((const struct fault_program *)base)->inner);
}

static int memory(const struct pq_program *base, const struct pq_geometry *geometry,
                  const struct pq_line *lines, size_t *bytes, pique_error *err)
{
    const struct fault_program *p = (const struct fault_program *)base;
    return pq_backend_cpu.memory(p->inner, geometry, lines, bytes, err);
}

static bool is_due(const struct fault_program *p, long count)
{
    return p->at && (count == p->at || (count > p->at && p->forever));
}

static int begin(struct pq_program *base, const struct pq_geometry *geometry,
                 const struct pq_line *lines, bool on_disk, struct pq_run **out, pique_error *err)
{
    (void)lines;
    struct fault_program *p = (struct fault_program *)base;
    if (p->kind == FAULT_MEMORY && is_due(p, ++p->runs))
        return pq_fail(err, PIQUE_ENOMEM, "there is no memory (on purpose, for run %ld)", p->runs);
    struct fault_run *run = pq_calloc(1, sizeof *run);
    if (!run)
        return pq_fail_nomem(err, sizeof *run);
    int rc = pq_run_begin(p->inner, geometry, on_disk, &run->inner, err);
    if (rc) {
        pq_free(run);
        return rc;
    }
    *out = &run->base;
    return 0;
}

static void end(struct pq_run *base)
{
    struct fault_run *run = (struct fault_run *)base;
    pq_run_end(&run->inner);
    pq_free(run);
}

static int spoil(const struct fault_program *p, const struct pq_run *run, const struct pq_band *out,
                 int rows, pique_error *err)
{
    const struct pq_line *line = &run->lines[p->base.graph->output];
    size_t floats =
        (size_t)line->width * (size_t)p->base.graph->ops[p->base.graph->output].channels;
    if (p->kind == FAULT_ERROR)
        return pq_fail(err, PIQUE_EDEVICE, "the device was lost (on purpose, at step %ld)",
                       p->steps);
    if (p->kind == FAULT_NAN && rows > 0)
        out->data[floats / 2] = NAN;
    for (int y = 0; p->kind == FAULT_FLAT && y < rows; y++)
        memset(out->data + y * out->row_stride, 0, floats * sizeof *out->data);
    return 0;
}

static int step(struct pq_run *base, const struct pq_band *in, int count, const struct pq_band *out,
                int *got, pique_error *err)
{
    struct fault_run *run = (struct fault_run *)base;
    struct fault_program *p = (struct fault_program *)base->program;
    run->inner->given = base->given;
    int rc = pq_run_step(run->inner, in, count, out, got, err);
    if (rc)
        return rc;
    memcpy(base->done, run->inner->done, (size_t)p->base.graph->count * sizeof *base->done);
    if (*got == 0 && p->kind != FAULT_ERROR)
        return 0;
    p->steps++;
    if (p->kind != FAULT_MEMORY && is_due(p, p->steps))
        return spoil(p, base, out, *got, err);
    return 0;
}

static int statistic(const struct pq_run *base, int op, int frame, float *out, pique_error *err)
{
    const struct pq_run *inner = ((const struct fault_run *)base)->inner;
    return inner->program->backend->statistic(inner, op, frame, out, err);
}

static uint64_t free_memory(const char *id)
{
    (void)id;
    return pq_backend_cpu.free_memory("cpu");
}

static bool describe(size_t i, pique_device_info *info)
{
    (void)i;
    (void)info;
    return false;
}

const struct pq_backend pq_backend_fault = {
    .name = "fault",
    .highest_band = CPU_HIGHEST_BAND,
    .lowest_band = CPU_LOWEST_BAND,
    .tiers = tiers,
    .supports = supports,
    .compile = compile,
    .release = release,
    .numeric_key = numeric_key,
    .memory = memory,
    .begin = begin,
    .end = end,
    .step = step,
    .statistic = statistic,
    .free_memory = free_memory,
    .describe = describe,
};
