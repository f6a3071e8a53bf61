/* SPDX-License-Identifier: MIT */
/* A film file through an engine into a film file: what is open (open.c) goes through the pipeline
 * from the first segment that is missing, and what is sealed then is joined. */
#include <fenv.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/str.h"
#include "film/describe.h"
#include "film/devices.h"
#include "film/join.h"
#include "film/pipeline.h"
#include "film/sink.h"
#include "upscale/call.h"
#include "upscale/engine.h"

/* ---- where to begin ---- */

/* What earlier runs sealed goes into the report as if it had been done now. */
static void count_sealed(struct pq_film *film, const struct pq_sealed_list *sealed)
{
    pique_film_report *r = &film->report;
    for (int i = 0; i < sealed->count; i++) {
        const struct pq_sealed *s = &sealed->list[i];
        r->frames += s->frames;
        r->unique += s->unique;
        r->reused += s->reused;
        r->bytes_written += s->bytes;
        r->hash = XXH3_64bits_withSeed(&s->hash, sizeof s->hash, r->hash);
    }
    r->segments = r->segments_kept = film->plan.segments_done = sealed->count;
}

static int skip_frames(struct pq_film *film, int64_t count, pique_error *err)
{
    int rc = 0;
    for (int64_t i = 0; !rc && i < count; i++) {
        struct pq_frame *frame = NULL;
        if ((rc = pq_engine_check_cancel(film->engine, err)) == 0)
            rc = film->source->read(film->source, &frame, err);
        if (!rc && !frame)
            rc = pq_fail(err, PIQUE_EFORMAT,
                         "%s: has %lld frames, and the unfinished job knows more", film->name,
                         (long long)i);
        film->io->frame_unref(&frame);
    }
    return rc;
}

/* The source before the first frame that is missing. */
static int go_to(struct pq_film *film, const struct pq_sealed_list *sealed, pique_error *err)
{
    if (sealed->count == 0)
        return 0;
    int rc = film->source->seek(film->source, sealed->list[sealed->count - 1].next_pts, err);
    if (rc != PIQUE_EUNSUPPORTED)
        return rc;
    rc = pq_film_reopen(film, err);
    return rc ? rc : skip_frames(film, sealed->frames, err);
}

/* ---- the end ---- */

static int join(struct pq_film *film, pique_error *err)
{
    struct pq_sealed_list sealed = {0};
    struct pq_film_join how = pq_film_joining(film); /* its notes were given before the start */
    const double start = pq_seconds();
    int rc = pq_sealed_read(&film->job, false, &sealed, err);
    if (!rc && !sealed.whole)
        rc = pq_fail(err, PIQUE_EINTERNAL, "%s: a sealed segment is gone", film->job.folder);
    if (!rc)
        rc = pq_join_film(film->io, &film->job, &sealed, &how, film->dst, film->options.overwrite,
                          true, &film->report.bytes_written, err);
    pq_sealed_list_free(&sealed);
    film->report.join_seconds = pq_seconds() - start;
    return rc;
}

/* ---- before the start ---- */

static int begin_job(struct pq_film *film, pique_error *err)
{
    const struct pq_film_join how = pq_film_joining(film);
    json_t *facts;
    if (!film->has_job || film->job.resumed)
        return 0;
    int rc = pq_film_join_facts(&how, &facts, err);
    if (rc)
        return rc;
    rc = pq_job_begin(&film->job, &film->spec, facts, film->options.settings, err);
    json_decref(facts);
    return rc;
}

/* What the result cannot hold of the source. */
static int tell_lost(struct pq_film *film, pique_error *err)
{
    struct pq_film_join how = pq_film_joining(film);
    if (film->kind != PQ_FILM_FILM)
        return 0;
    how.name = film->dst;
    how.note = pq_film_on_note;
    how.note_user = film;
    return film->io->lost(&how, &film->report.lost, err);
}

static int check_disk(struct pq_film *film, pique_error *err)
{
    const pique_film_plan *p = &film->plan;
    if (!p->disk_bytes || p->disk_bytes <= p->disk_free || film->kind == PQ_FILM_STREAM)
        return 0;
    const unsigned long long need = (unsigned long long)(p->disk_bytes >> 20) + 1,
                             have = (unsigned long long)(p->disk_free >> 20);
    if (film->options.force) {
        pq_film_note(film, "%s: about %llu MiB will be needed, and %llu MiB are free", film->dst,
                     need, have);
        return 0;
    }
    return pq_fail(err, PIQUE_ENOSPC,
                   "%s: about %llu MiB will be needed, and %llu MiB are free; --force starts all "
                   "the same",
                   film->dst, need, have);
}

/* ---- the whole ---- */

static int work(struct pq_film *film, const struct pq_sealed_list *sealed, pique_error *err)
{
    int rc = begin_job(film, err);
    if (!rc)
        rc = pq_job_clear_control(&film->job, err);
    if (!rc)
        rc = go_to(film, sealed, err);
    return rc ? rc : pq_pipeline_run(film, sealed->frames, err);
}

static int run(struct pq_film *film, pique_error *err)
{
    struct pq_sealed_list sealed = {0};
    int rc = 0;
    if (film->has_job)
        rc = pq_sealed_read(&film->job, film->kind == PQ_FILM_FILM, &sealed, err);
    if (!rc)
        count_sealed(film, &sealed);
    if (!rc)
        rc = tell_lost(film, err);
    if (!rc && !sealed.whole)
        rc = pq_film_estimate(film, err);
    if (!rc && !sealed.whole)
        rc = check_disk(film, err);
    if (!rc) {
        pique_event event = {.kind = PIQUE_EVENT_PLANNED, .plan = &film->plan};
        pq_film_tell(film, &event);
    }
    if (!rc && !sealed.whole)
        rc = work(film, &sealed, err);
    pq_sealed_list_free(&sealed);
    if (!rc && film->report.frames == 0)
        rc = pq_fail(err, PIQUE_EFORMAT, "%s: has no frames", film->name);
    if (!rc && film->kind == PQ_FILM_FILM)
        rc = join(film, err);
    if (!rc)
        pq_film_tell_made(film);
    if (!rc && film->has_job)
        rc = pq_job_remove(&film->job, err);
    return rc;
}

static void fill_report(struct pq_film *film, pique_film_report *report, double seconds)
{
    pique_film_report *r = &film->report;
    r->size = sizeof *r;
    r->plan = film->plan;
    r->seconds = seconds;
    r->batch = film->plan.batch;
    pq_film_count_devices(film);
    pq_copy_out(report, report->size, r, sizeof *r);
}

int pique_film_upscale(pique_engine *const *engines, size_t count, const char *src, const char *dst,
                       const pique_film_options *options, pique_film_report *report,
                       pique_error *err)
{
    struct pq_film film;
    pique_error why = {0};
    if (report && report->size < sizeof report->size)
        return pq_fail(err, PIQUE_EINVAL, "the size of the film report is not set");
    const double start = pq_seconds();
    fenv_t theirs; /* the same film whatever rounding the program around us has set */
    fegetenv(&theirs);
    fesetenv(FE_DFL_ENV);
    int rc = pq_film_open(&film, engines, count, src, dst, options, PQ_FILM_DO, &why);
    if (!rc)
        rc = film.job.complete ? pq_job_remove(&film.job, &why) : run(&film, &why);
    fesetenv(&theirs);
    if (rc && err)
        *err = why;
    if (!rc && report)
        fill_report(&film, report, pq_seconds() - start);
    pq_film_close(&film);
    return rc;
}

int pique_film_plan_only(pique_engine *const *engines, size_t count, const char *src,
                         const char *dst, const pique_film_options *options, pique_film_plan *plan,
                         pique_error *err)
{
    struct pq_film film;
    if (!plan || plan->size < sizeof plan->size)
        return pq_fail(err, PIQUE_EINVAL, "the size of the film plan is not set");
    int rc = pq_film_open(&film, engines, count, src, dst, options, PQ_FILM_PLAN, err);
    if (!rc)
        rc = tell_lost(&film, err);
    if (!rc)
        rc = pq_film_estimate(&film, err);
    if (!rc)
        pq_copy_out(plan, plan->size, &film.plan, sizeof film.plan);
    pq_film_close(&film);
    return rc;
}

/* ---- while it runs ---- */

int pq_film_check(struct pq_film *film, pique_error *err)
{
    const struct timespec nap = {.tv_nsec = 100 * 1000 * 1000};
    for (bool told = false;; told = true) {
        enum pique_film_control what = PIQUE_FILM_RUN;
        int rc = pq_engine_check_cancel(film->engine, err);
        if (rc)
            return rc;
        if (film->options.control)
            what = film->options.control(film->options.control_user);
        if (what == PIQUE_FILM_RUN && film->has_job)
            what = pq_job_control(&film->job);
        if (what == PIQUE_FILM_STOP)
            return pq_fail(err, PIQUE_ECANCELED, "stopped on request");
        if (what == PIQUE_FILM_RUN)
            return 0;
        if (!told)
            pq_film_note(film, "%s: holds until it is told to go on", film->name);
        nanosleep(&nap, NULL);
    }
}

/* ---- other calls ---- */

int pique_film_keep(const char *job_folder, const char *dst, bool overwrite, int64_t *frames,
                    pique_error *err)
{
    struct pq_job job = {.lock = {.fd = -1}};
    struct pq_sealed_list sealed = {0};
    const struct pq_video_io *io;
    struct pq_film_join how;
    struct pq_film_read read;
    int rc = job_folder && dst ? pq_video_module(&io, err)
                               : pq_fail(err, PIQUE_EINVAL, "a job and a destination are needed");
    if (!rc)
        rc = pq_job_peek(&job, job_folder, err);
    if (!rc)
        rc = pq_folder_lock(job_folder, &job.lock, err);
    if (!rc && !pq_film_join_read(job.join, &how, &read))
        rc = pq_fail(err, PIQUE_EFORMAT, "%s: job.json is damaged", job_folder);
    if (!rc)
        rc = pq_sealed_read(&job, true, &sealed, err);
    if (!rc)
        rc = pq_join_film(io, &job, &sealed, &how, dst, overwrite, false, NULL, err);
    if (!rc && frames)
        *frames = sealed.frames;
    pq_sealed_list_free(&sealed);
    pq_job_close(&job);
    return rc;
}

int pique_film_job_settings(const char *job_folder, char **settings, pique_error *err)
{
    struct pq_job job;
    *settings = NULL;
    int rc = pq_job_peek(&job, job_folder, err);
    if (!rc) {
        *settings = job.settings;
        job.settings = NULL;
        if (!*settings)
            rc = pq_fail(err, PIQUE_EFORMAT, "%s: says not how it was started", job_folder);
    }
    pq_job_close(&job);
    return rc;
}

int pique_film_probe(const char *path, pique_film_info *info, pique_error *err)
{
    const struct pq_video_io *io;
    struct pq_film_source *source;
    if (!path || !info || info->size < sizeof info->size)
        return pq_fail(err, PIQUE_EINVAL, "a path and a film info with its size are needed");
    int rc = pq_video_module(&io, err);
    const struct pq_film_read read = {.path = path, .alpha = true};
    if (!rc)
        rc = io->open_source(&read, &source, err);
    if (rc)
        return rc;
    pq_copy_out(info, info->size, &source->facts.info, sizeof source->facts.info);
    source->close(source);
    return 0;
}

int pique_film_describe(const char *path, char **json, pique_error *err)
{
    const struct pq_video_io *io;
    *json = NULL;
    int rc = pq_video_module(&io, err);
    return rc ? rc : io->describe(path, json, err);
}

const char *pique_film_profiles(void)
{
    const struct pq_video_io *io;
    return pq_video_module(&io, NULL) ? NULL : io->profiles();
}

void pique_text_free(char **text)
{
    pq_free(*text);
    *text = NULL;
}
