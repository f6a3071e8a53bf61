/* SPDX-License-Identifier: MIT */
/* The public way to kernels' trials, to the processor's peak and to the times of an engine's steps.
 */
#include "pique/measure.h"

#include <fenv.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/pool.h"
#include "kernels/trial/trial.h"
#include "kernels/wide.h"
#include "upscale/opened.h"

/* ---- kernels ---- */

const char *pique_cpu_level_get(size_t i, bool *here)
{
    if (i >= PQ_CPU_LEVELS)
        return NULL;
    if (here)
        *here = pq_cpu_has((enum pq_cpu_level)i);
    return pq_cpu_level_name((enum pq_cpu_level)i);
}

static const struct pq_trial_kernel *kernel_at(size_t i, pique_error *err)
{
    if (i < pq_trial_kernel_count)
        return &pq_trial_kernels[i];
    pq_fail(err, PIQUE_EINVAL, "there are no more kernels");
    return NULL;
}

/* Of a name, where this processor has it. */
static int find_level(const char *name, int *level, pique_error *err)
{
    bool here;
    const char *one;
    for (*level = 0; (one = pique_cpu_level_get((size_t)*level, &here)) != NULL; ++*level) {
        if (strcmp(one, name) == 0)
            return here ? 0 : pq_fail(err, PIQUE_EUNSUPPORTED, "this processor has no %s", name);
    }
    return pq_fail(err, PIQUE_EINVAL, "there is no instruction set '%s'", name);
}

int pique_kernel_get(size_t i, pique_kernel_info *info, pique_error *err)
{
    if (info->size < sizeof *info)
        return pq_fail(err, PIQUE_EINVAL, "the kernel info has size %zu; %zu is expected",
                       info->size, sizeof *info);
    const struct pq_trial_kernel *kernel = kernel_at(i, err);
    if (!kernel)
        return PIQUE_EINVAL;
    info->name = kernel->name;
    info->moves = kernel->moves;
    return 0;
}

int pique_kernel_check(size_t i, const char *level, int cases, pique_error *err)
{
    const struct pq_trial_kernel *kernel = kernel_at(i, err);
    int at;
    int rc = kernel ? find_level(level, &at, err) : PIQUE_EINVAL;
    if (!rc && cases < 1)
        rc = pq_fail(err, PIQUE_EINVAL, "%d cases: 1 or more are possible", cases);
    if (rc)
        return rc;
    fenv_t theirs;
    fegetenv(&theirs);
    fesetenv(FE_DFL_ENV);
    rc = pq_trial_check(kernel, at, 1, cases, err);
    fesetenv(&theirs);
    return rc;
}

int pique_kernel_time(size_t i, const char *level, double seconds, pique_kernel_rate *rate,
                      pique_error *err)
{
    if (rate->size < sizeof *rate)
        return pq_fail(err, PIQUE_EINVAL, "the kernel rate has size %zu; %zu is expected",
                       rate->size, sizeof *rate);
    const struct pq_trial_kernel *kernel = kernel_at(i, err);
    int at;
    int rc = kernel ? find_level(level, &at, err) : PIQUE_EINVAL;
    return rc ? rc : pq_trial_time(kernel, at, seconds, &rate->rate, rate->shape, err);
}

/* ---- the peak ---- */

enum { ROUNDS = 20000, PIECES = 16 }; /* of a piece, some 50 us; pieces a thread at a time */

struct peak {
    double (*fn)(long rounds);
    double flops; /* of a piece, as every one says */
};

static void peak_piece(void *context, int index, int worker)
{
    struct peak *peak = context;
    const double flops = peak->fn(ROUNDS);
    if (index == 0)
        peak->flops = flops;
}

int pique_cpu_peak(int threads, double seconds, double *flops, pique_error *err)
{
    struct pq_pool *pool = NULL;
    *flops = 0;
    if (threads < 0 || threads > 1024)
        return pq_fail(err, PIQUE_EINVAL, "%d threads: 1 to 1024 are possible, 0 is automatic",
                       threads);
    int rc = pq_pool_create(threads ? threads : pq_cores(), &pool, err);
    if (rc)
        return rc;
    struct peak peak = {.fn = pq_wide((int)pq_cpu_level())->peak};
    const int pieces = PIECES * pq_pool_threads(pool);
    pq_pool_run(pool, pieces, peak_piece, &peak); /* warm */
    const double start = pq_seconds();
    double done = 0, now;
    do {
        pq_pool_run(pool, pieces, peak_piece, &peak);
        done += peak.flops * pieces;
        now = pq_seconds();
    } while (now - start < seconds);
    *flops = done / (now - start);
    pq_pool_destroy(&pool);
    return 0;
}

/* ---- the steps of an engine ---- */

int pique_engine_measure(pique_engine *engine, bool on, pique_error *err)
{
    return pq_program_measure(engine->program, on, err);
}

int pique_engine_get_step(const pique_engine *engine, size_t i, pique_step_info *info,
                          pique_error *err)
{
    if (info->size < sizeof *info)
        return pq_fail(err, PIQUE_EINVAL, "the step info has size %zu; %zu is expected", info->size,
                       sizeof *info);
    const struct pq_program *program = engine->program;
    const struct pq_graph *g = program->graph;
    if (!program->times)
        return pq_fail(err, PIQUE_EINVAL, "no steps are measured");
    if (i >= (size_t)g->count)
        return pq_fail(err, PIQUE_EINVAL, "there are no more steps");
    const struct pq_op *op = &g->ops[i];
    const bool window = op->kind == PQ_OP_CONV2D || op->kind == PQ_OP_DEPTHWISE;
    *info = (pique_step_info){
        .size = info->size,
        .kind = pq_op_name(op->kind),
        .how = program->backend->how(program, (int)i),
        .kernel_width = window ? op->hor.kernel : 0,
        .kernel_height = window ? op->ver.kernel : 0,
        .channels = op->channels,
        .pixels = program->times[i].pixels,
        .planned = pq_op_work(op) * program->times[i].pixels,
        .seconds = program->times[i].seconds,
    };
    for (int k = 0; k < op->inputs - op->residual && !(op->global_inputs >> k & 1); k++)
        info->in_channels += g->ops[op->in[k]].channels;
    return 0;
}
