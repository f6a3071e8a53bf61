/* SPDX-License-Identifier: MIT */
/* A picture file through an engine into a picture file.
 *
 * plan.c decides everything, build_chains() puts the stages behind one another, and the output
 * pulls rows through all of them. Several pictures of one size (pictures.c) have a chain each,
 * which meet in the networks. The sink writes on a thread of its own, so encoding overlaps with
 * computing. A result that the sanity check refuses is computed once more from the start. */
#include <fenv.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/lang.h"
#include "base/str.h"
#include "upscale/budget.h"
#include "upscale/call.h"
#include "upscale/engine.h"
#include "upscale/module.h"
#include "upscale/picture.h"
#include "upscale/picture_framed.h"
#include "upscale/stages.h"

int pique_picture_probe(const char *path, bool allow_untrusted, pique_picture_info *info,
                        pique_error *err)
{
    if (!path || !info || info->size < sizeof info->size)
        return pq_fail(err, PIQUE_EINVAL, "a path and a picture info with its size are needed");
    const struct pq_picture_io *io;
    int rc = pq_picture_module(&io, err);
    if (rc)
        return rc;
    pique_picture_info full = {.size = sizeof full};
    rc = io->probe(path, allow_untrusted, &full, err);
    if (!rc)
        pq_copy_out(info, info->size, &full, sizeof full);
    return rc;
}

/* The stages before the networks. On failure what was built stays in *chain. */
static int build_before(struct pq_picture_job *j, struct pq_stage **chain, pique_error *err)
{
    const struct pq_plan *p = &j->plan;
    int rc = pq_source_stage(chain, j->source, p->alpha, p->background,
                             pq_engine_allocator(j->engine), err);
    if (!rc && ((*chain)->width != p->size.in_width || (*chain)->height != p->size.in_height))
        rc = pq_resize_stage(chain, p->size.in_width, p->size.in_height, pq_engine_pool(j->engine),
                             err);
    if (!rc && (*chain)->planes == 4)
        rc = pq_bleed_stage(chain, err);
    return rc;
}

static int build_after(struct pq_picture_job *j, struct pq_stage **chain, pique_error *err)
{
    const struct pq_plan *p = &j->plan;
    struct pq_pool *pool = pq_engine_pool(j->engine);
    int rc = 0;
    if (!p->size.own && ((*chain)->width != p->size.width || (*chain)->height != p->size.height))
        rc = pq_resize_stage(chain, p->size.width, p->size.height, pool, err);
    if (!rc && pq_has_effect(&p->effects))
        rc = pq_effects_stage(chain, &p->effects, pool, err);
    return rc;
}

/* All stages of one attempt, of pictures of one size. */
static int build_chains(struct pq_picture_job *const *jobs, int count, struct pq_stage **chains,
                        const uint64_t *share, struct pq_tally *tally, pique_error *err)
{
    const struct pq_plan *p = &jobs[0]->plan;
    bool approximate = false;
    int rc = 0;
    for (int i = 0; !rc && i < count; i++)
        rc = build_before(jobs[i], &chains[i], err);
    for (int pass = 0; !rc && pass < p->size.passes; pass++) {
        const struct pq_pass how = {.engine = jobs[0]->engines->list[p->size.model[pass]],
                                    .memory_bytes = share[pass],
                                    .number = pass + 1,
                                    .tally = tally};
        rc = pq_pass_stages(chains, count, &how, p->options.tta, &approximate, err);
    }
    for (int i = 0; !rc && i < count; i++) {
        jobs[i]->report.approximate = approximate;
        rc = build_after(jobs[i], &chains[i], err);
    }
    return rc;
}

/* The sink of a picture, and what rounds its rows into it. */
static int open_output(struct pq_picture_job *j, struct pq_stage *chain, pique_error *err)
{
    struct pq_picture_format format = j->plan.format;
    format.width = j->report.out_width = chain->width;
    format.height = j->report.out_height = chain->height;
    int rc = j->io->open_sink(j->dst, &format, &j->plan.save, j->source, &j->sink, err);
    return rc ? rc
              : pq_output_new(chain, &format, j->sink, pq_engine_pool(j->engine), &j->output, err);
}

/* Pull everything through the chains, side by side, into the sinks. */
static int pump(struct pq_picture_job *const *jobs, int count, int height, struct pq_tally *tally,
                pique_error *err)
{
    int rc = 0;
    tally->total += (uint64_t)height;
    for (int done = 0, before = 0; !rc && done < height; before = done) {
        rc = pq_engine_check_cancel(jobs[0]->engine, err);
        for (int i = 0; !rc && i < count; i++)
            rc = pq_output_step(jobs[i]->output, &done, err);
        if (!rc)
            pq_tally_add(tally, done - before);
    }
    return rc;
}

static int finish(struct pq_picture_job *const *jobs, int count, pique_error *err)
{
    int rc = 0;
    for (int i = 0; !rc && i < count; i++) {
        struct pq_picture_job *j = jobs[i];
        j->report.hash = pq_output_hash(j->output);
        rc = j->sink->finish(j->sink, &j->report.bytes_written, err);
        j->written = !rc;
    }
    return rc;
}

static void close_output(struct pq_picture_job *j, struct pq_stage *chain)
{
    if (j->output)
        pq_output_free(&j->output);
    if (j->sink)
        j->sink->close(j->sink);
    j->sink = NULL;
    if (chain)
        chain->close(chain);
}

int pq_picture_attempt(struct pq_picture_job *const *jobs, int count, const uint64_t *share,
                       pique_error *err)
{
    struct pq_stage *chains[PQ_MAX_BATCH] = {0};
    struct pq_tally tally = {.engine = jobs[0]->engine, .silent = jobs[0]->silent};
    int rc = 0;
    for (int i = 0; !rc && i < count; i++) {
        rc = jobs[i]->used ? jobs[i]->source->rewind(jobs[i]->source, err) : 0;
        jobs[i]->used = true;
    }
    bool done = false;
    if (!rc)
        rc = pq_picture_framed(jobs, count, &tally, &done, err);
    if (!rc && !done)
        rc = build_chains(jobs, count, chains, share, &tally, err);
    for (int i = 0; !rc && !done && i < count; i++)
        rc = open_output(jobs[i], chains[i], err);
    if (!rc && !done)
        rc = pump(jobs, count, chains[0]->height, &tally, err);
    if (!rc)
        rc = finish(jobs, count, err);
    for (int i = 0; i < count; i++)
        close_output(jobs[i], chains[i]);
    return rc;
}

static int attempt(struct pq_picture_job *j, pique_error *err)
{
    return pq_picture_attempt(&j, 1, j->plan.share, err);
}

/* What was refused may have been a passing fault. What has gone down a pipe cannot be taken back.
 */
static int attempt_twice(struct pq_picture_job *j, pique_error *err)
{
    const int failures = pq_engines_failures(j->engines);
    int rc = attempt(j, err);
    if (rc != PIQUE_EDEVICE || strcmp(j->dst, "-") == 0 ||
        (j->has_other && pq_engines_failures(j->engines) > failures))
        return rc;
    j->report.retries = 1;
    pq_engine_note(j->engine, PIQUE_EVENT_RETRY, "%s: %s; it is computed once more", j->name,
                   err->message);
    rc = attempt(j, err);
    return rc == PIQUE_EDEVICE ? pq_fail(err, rc, "%s, also when computed once more", err->message)
                               : rc;
}

/* The device and the stages do not know which picture they work on; readers and writers name it. */
static int name_picture(const struct pq_picture_job *j, int rc, pique_error *err)
{
    if (rc != PIQUE_EDEVICE && rc != PIQUE_ENOMEM && rc != PIQUE_EINTERNAL)
        return rc;
    if (pq_starts_with(err->message, j->name) || pq_starts_with(err->message, j->dst))
        return rc;
    return pq_fail(err, rc, "%s: %s", j->name, err->message);
}

static int check_output(const struct pq_picture_job *j, pique_error *err)
{
    if (strcmp(j->dst, "-") != 0 && !j->plan.options.overwrite && pq_exists(j->dst))
        return pq_fail(err, PIQUE_EEXIST, "%s: exists already; --overwrite replaces it", j->dst);
    return 0;
}

int pq_picture_open(struct pq_picture_job *j, const pique_picture_options *options,
                    pique_error *err)
{
    j->name = strcmp(j->src, "-") == 0 ? pq_tr("standard input") : j->src;
    int rc = pq_plan_options(&j->plan, options, err);
    if (!rc)
        rc = check_output(j, err);
    if (!rc)
        rc = pq_picture_module(&j->io, err);
    if (!rc)
        rc = j->io->open_source(j->src, j->plan.options.allow_untrusted, &j->source, err);
    if (rc)
        return rc;
    j->report.in_width = j->source->format.width;
    j->report.in_height = j->source->format.height;
    rc = pq_plan_picture(&j->plan, j->engines, j->io, j->source, j->name, j->dst, &j->used, err);
    j->shared = rc ? NULL : j->engines;
    return rc;
}

int pq_picture_place(struct pq_picture_job *j, struct pq_crew *crew, int device, pique_error *err)
{
    const struct pq_station *station = pq_crew_station(crew, device);
    j->engines = &station->engines;
    j->engine = station->list[0];
    j->has_other = pq_crew_has_other(crew, device);
    j->report.moved = j->devices++;
    j->report.fallback_key[0] = '\0';
    if (station->other_key)
        memcpy(j->report.fallback_key, station->key, sizeof j->report.fallback_key);
    if (j->shared == j->engines)
        return 0;
    int rc = pq_plan_share(&j->plan, j->engines, j->source, j->name, err);
    j->shared = rc ? NULL : j->engines;
    return rc;
}

int pq_picture_run(struct pq_picture_job *j, pique_error *err)
{
    return name_picture(j, attempt_twice(j, err), err);
}

void pq_picture_close(struct pq_picture_job *j)
{
    if (j->source)
        j->source->close(j->source);
    j->source = NULL;
}

void pq_picture_report(struct pq_picture_job *j, pique_picture_report *report, double seconds)
{
    const char *name = j->plan.caps->name;
    memcpy(j->report.format, name, PQ_MIN(strlen(name), sizeof j->report.format - 1));
    j->report.depth = j->plan.format.depth;
    j->report.passes = j->plan.size.passes;
    j->report.seconds = seconds;
    pq_copy_out(report, report->size, &j->report, sizeof j->report);
}

int pique_picture_upscale(pique_engine *engine, const char *src, const char *dst,
                          const pique_picture_options *options, pique_picture_report *report,
                          pique_error *err)
{
    return pique_picture_upscale_chain(&engine, 1, src, dst, options, report, err);
}

static int run_on(void *crew, void *job, int device, pique_error *err)
{
    int rc = pq_picture_place(job, crew, device, err);
    return rc ? rc : pq_picture_run(job, err);
}

/* On the first device that can. What has gone down a pipe cannot be begun anew on another. */
static int upscale(struct pq_picture_job *j, struct pq_crew *crew,
                   const pique_picture_options *options, pique_error *err)
{
    const int first = pq_crew_first(crew);
    j->engines = &pq_crew_station(crew, first)->engines;
    j->engine = j->engines->list[0];
    int rc = pq_picture_open(j, options, err);
    if (strcmp(j->dst, "-") == 0)
        return rc ? rc : run_on(crew, j, first, err);
    if (rc && (rc != PIQUE_ENOMEM || pq_crew_count(crew) == 1))
        return rc;
    return pq_crew_do(crew, run_on, crew, j, err);
}

int pique_picture_upscale_chain(pique_engine *const *engines, size_t count, const char *src,
                                const char *dst, const pique_picture_options *options,
                                pique_picture_report *report, pique_error *err)
{
    struct pq_engines list;
    struct pq_crew *crew;
    const int bad = pq_engines_take(engines, count, &list, err);
    if (bad)
        return bad;
    if (!src || !dst)
        return pq_fail(err, PIQUE_EINVAL, "a source and a destination are needed");
    if (report && report->size < sizeof report->size)
        return pq_fail(err, PIQUE_EINVAL, "the size of the picture report is not set");
    struct pq_picture_job job = {.src = src, .dst = dst};
    const struct pq_crew_setup setup = {.engines = &list};
    pique_error why = {0};
    const double start = pq_seconds();
    /* The same picture whatever rounding the program around us has set. */
    fenv_t theirs;
    fegetenv(&theirs);
    fesetenv(FE_DFL_ENV);
    int rc = pq_crew_open(&setup, &crew, &why);
    if (!rc)
        rc = upscale(&job, crew, options, &why);
    pq_picture_close(&job);
    fesetenv(&theirs);
    if (rc && err)
        *err = why;
    if (!rc && report)
        pq_picture_report(&job, report, pq_seconds() - start);
    pq_crew_close(&crew);
    return rc;
}

static uint64_t plan_bytes(const struct pq_picture_job *j)
{
    const struct pq_plan *p = &j->plan;
    uint64_t passes = 0;
    for (int i = 0; i < p->size.passes; i++) /* with tta one runs after the other */
        passes = p->options.tta ? PQ_MAX(passes, p->share[i]) : passes + p->share[i];
    return passes + p->whole_bytes + pq_plan_other_bytes(p, &j->source->format);
}

int pique_picture_plan_only(pique_engine *const *engines, size_t count, const char *src,
                            const char *dst, const pique_picture_options *options,
                            pique_picture_plan *plan, pique_error *err)
{
    struct pq_engines list;
    if (!src || !dst || !plan || plan->size < sizeof plan->size)
        return pq_fail(err, PIQUE_EINVAL,
                       "a source, a destination and a plan with its size are "
                       "needed");
    int rc = pq_engines_take(engines, count, &list, err);
    if (rc)
        return rc;
    struct pq_picture_job job = {.engines = &list, .engine = engines[0], .src = src, .dst = dst};
    rc = pq_picture_open(&job, options, err);
    if (!rc) {
        const struct pq_size *size = &job.plan.size;
        pique_picture_plan p = {.size = sizeof p,
                                .in_width = job.report.in_width,
                                .in_height = job.report.in_height,
                                .out_width = size->width,
                                .out_height = size->height,
                                .passes = size->passes,
                                .memory_bytes = plan_bytes(&job)};
        for (int i = 0; i < size->passes; i++)
            p.network_pixels += (double)size->pass_width[i] * size->pass_height[i];
        pq_copy_out(plan, plan->size, &p, sizeof p);
    }
    pq_picture_close(&job);
    return rc;
}
