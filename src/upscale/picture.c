/* SPDX-License-Identifier: MIT */
/* A picture file through an engine into a picture file.
 *
 * plan.c decides everything, build_chain() puts the stages behind one another, and the output pulls
 * rows through all of them. The sink writes on a thread of its own, so encoding overlaps with
 * computing. A result that the sanity check refuses is computed once more from the start. */
#include <fenv.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "upscale/budget.h"
#include "upscale/call.h"
#include "upscale/engine.h"
#include "upscale/module.h"
#include "upscale/output.h"
#include "upscale/plan.h"
#include "upscale/stages.h"

/* One call of pique_picture_upscale(). */
struct job {
    const struct pq_engines *engines;
    pique_engine *engine; /* the first of them: threads, memory, cancel, events */
    const struct pq_picture_io *io;
    const char *src, *dst;
    const char *name; /* of src, for messages */
    struct pq_plan plan;
    struct pq_row_source *source;
    bool used; /* the source is not at its top */
    struct pq_tally tally;
    pique_picture_report report;
};

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

static int build_pass(struct job *j, struct pq_stage **chain, int pass, pique_error *err)
{
    const struct pq_plan *p = &j->plan;
    pique_engine *engine = j->engines->list[p->size.model[pass]];
    const struct pq_pass how = {
        .engine = engine, .memory_bytes = p->share[pass], .number = pass + 1, .tally = &j->tally};
    return pq_pass_stages(chain, 1, &how, p->options.tta, &j->report.approximate, err);
}

/* All stages of one attempt. On failure what was built stays in *chain. */
static int build_chain(struct job *j, struct pq_stage **chain, pique_error *err)
{
    const struct pq_plan *p = &j->plan;
    struct pq_pool *pool = pq_engine_pool(j->engine);
    int rc = pq_source_stage(chain, j->source, p->alpha, p->background,
                             pq_engine_allocator(j->engine), err);
    if (!rc && ((*chain)->width != p->size.in_width || (*chain)->height != p->size.in_height))
        rc = pq_resize_stage(chain, p->size.in_width, p->size.in_height, pool, err);
    if (!rc && (*chain)->planes == 4)
        rc = pq_bleed_stage(chain, err);
    for (int i = 0; !rc && i < p->size.passes; i++)
        rc = build_pass(j, chain, i, err);
    if (!rc && !p->size.own &&
        ((*chain)->width != p->size.width || (*chain)->height != p->size.height))
        rc = pq_resize_stage(chain, p->size.width, p->size.height, pool, err);
    if (!rc && pq_has_effect(&p->effects))
        rc = pq_effects_stage(chain, &p->effects, pool, err);
    return rc;
}

/* Pull everything through the chain into the sink, and finish it. */
static int pump(struct job *j, struct pq_stage *chain, const struct pq_picture_format *format,
                struct pq_row_sink *sink, pique_error *err)
{
    struct pq_output *output;
    int rc = pq_output_new(chain, format, sink, pq_engine_pool(j->engine), &output, err);
    j->tally.total += (uint64_t)chain->height;
    for (int done = 0, before = 0; !rc && done < chain->height; before = done) {
        if ((rc = pq_engine_check_cancel(j->engine, err)) ||
            (rc = pq_output_step(output, &done, err)))
            break;
        pq_tally_add(&j->tally, done - before);
    }
    if (!rc)
        j->report.hash = pq_output_hash(output);
    pq_output_free(&output);
    return rc ? rc : sink->finish(sink, &j->report.bytes_written, err);
}

static int attempt(struct job *j, pique_error *err)
{
    struct pq_stage *chain = NULL;
    struct pq_row_sink *sink = NULL;
    int rc = j->used ? j->source->rewind(j->source, err) : 0;
    j->used = true;
    j->tally = (struct pq_tally){.engine = j->engine};
    if (!rc)
        rc = build_chain(j, &chain, err);
    if (!rc) {
        struct pq_picture_format format = j->plan.format;
        format.width = j->report.out_width = chain->width;
        format.height = j->report.out_height = chain->height;
        rc = j->io->open_sink(j->dst, &format, &j->plan.save, j->source, &sink, err);
        if (!rc)
            rc = pump(j, chain, &format, sink, err);
    }
    if (sink)
        sink->close(sink);
    if (chain)
        chain->close(chain);
    return rc;
}

/* What was refused may have been a passing fault. What has gone down a pipe cannot be taken back.
 */
static int attempt_twice(struct job *j, pique_error *err)
{
    int rc = attempt(j, err);
    if (rc != PIQUE_EDEVICE || strcmp(j->dst, "-") == 0)
        return rc;
    j->report.retries = 1;
    pq_engine_note(j->engine, PIQUE_EVENT_RETRY, "%s: %s; it is computed once more", j->name,
                   err->message);
    rc = attempt(j, err);
    return rc == PIQUE_EDEVICE ? pq_fail(err, rc, "%s, also when computed once more", err->message)
                               : rc;
}

/* The device and the stages do not know which picture they work on; readers and writers name it. */
static int name_picture(const struct job *j, int rc, pique_error *err)
{
    if (rc != PIQUE_EDEVICE && rc != PIQUE_ENOMEM && rc != PIQUE_EINTERNAL)
        return rc;
    if (pq_starts_with(err->message, j->name) || pq_starts_with(err->message, j->dst))
        return rc;
    return pq_fail(err, rc, "%s: %s", j->name, err->message);
}

static int check_output(const struct job *j, pique_error *err)
{
    if (strcmp(j->dst, "-") != 0 && !j->plan.options.overwrite && pq_exists(j->dst))
        return pq_fail(err, PIQUE_EEXIST, "%s: exists already; --overwrite replaces it", j->dst);
    return 0;
}

static int run(struct job *j, const pique_picture_options *options, pique_error *err)
{
    int rc = pq_plan_options(&j->plan, options, err);
    if (!rc)
        rc = check_output(j, err);
    if (!rc)
        rc = pq_picture_module(&j->io, err);
    if (!rc)
        rc = j->io->open_source(j->src, j->plan.options.allow_untrusted, &j->source, err);
    if (rc)
        return rc;
    rc = pq_plan_picture(&j->plan, j->engines, j->io, j->source, j->name, j->dst, &j->used, err);
    if (!rc)
        rc = name_picture(j, attempt_twice(j, err), err);
    j->report.in_width = j->source->format.width;
    j->report.in_height = j->source->format.height;
    j->source->close(j->source);
    return rc;
}

static void fill_report(struct job *j, pique_picture_report *report, double seconds)
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

int pique_picture_upscale_chain(pique_engine *const *engines, size_t count, const char *src,
                                const char *dst, const pique_picture_options *options,
                                pique_picture_report *report, pique_error *err)
{
    struct pq_engines list;
    const int bad = pq_engines_take(engines, count, &list, err);
    if (bad)
        return bad;
    if (!src || !dst)
        return pq_fail(err, PIQUE_EINVAL, "a source and a destination are needed");
    if (report && report->size < sizeof report->size)
        return pq_fail(err, PIQUE_EINVAL, "the size of the picture report is not set");
    struct job job = {.engines = &list, .engine = engines[0], .src = src, .dst = dst};
    job.name = strcmp(src, "-") == 0 ? "standard input" : src;
    pique_error why = {0};
    const double start = pq_seconds();
    /* The same picture whatever rounding the program around us has set. */
    fenv_t theirs;
    fegetenv(&theirs);
    fesetenv(FE_DFL_ENV);
    const int rc = run(&job, options, &why);
    fesetenv(&theirs);
    if (rc && err)
        *err = why;
    if (!rc && report)
        fill_report(&job, report, pq_seconds() - start);
    return rc;
}
