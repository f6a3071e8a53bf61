/* SPDX-License-Identifier: MIT */
/* One frame of a film as a picture, by the way that all of it would go. */
#include <fenv.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "film/devices.h"
#include "film/picture.h"
#include "upscale/call.h"

static int one_frame(struct pq_film *film, pique_picture_report *r, pique_error *err)
{
    struct pq_result *result = NULL;
    struct pq_frame *frame = NULL;
    int rc = pq_result_new(film->io, &result, err);
    if (!rc)
        rc = film->source->read(film->source, &frame, err);
    if (!rc && !frame)
        rc = pq_fail(err, PIQUE_EINVAL, "%s: ends before that time", film->name);
    if (!rc)
        rc = pq_film_take(film, film->source, frame, result, err);
    film->io->frame_unref(&frame);
    if (!rc)
        rc = pq_film_room(film, result, err);
    if (!rc)
        rc = pq_film_compute(film, 1, &result, err);
    if (!rc)
        rc = pq_frame_write(&film->files, film->dst, &result->out, &r->bytes_written, err);
    r->hash = rc ? 0 : pq_image_hash(&result->out);
    pq_result_unref(&result);
    return rc;
}

int pique_film_preview(pique_engine *const *engines, size_t count, const char *src, const char *dst,
                       double at, const pique_film_options *options, pique_picture_report *report,
                       pique_error *err)
{
    struct pq_film film;
    pique_film_options o = {.size = sizeof o};
    pique_picture_report r = {.size = sizeof r};
    if (report && report->size < sizeof report->size)
        return pq_fail(err, PIQUE_EINVAL, "the size of the picture report is not set");
    if (options)
        memcpy(&o, options, PQ_MIN(options->size, sizeof o));
    o.size = sizeof o;
    o.from = at;
    o.to = 0;
    o.batch = 1;
    o.keep = PIQUE_KEEP_NONE;
    const double start = pq_seconds();
    fenv_t theirs;
    fegetenv(&theirs);
    fesetenv(FE_DFL_ENV);
    int rc = pq_film_open(&film, engines, count, src, dst, &o, PQ_FILM_ONE_FRAME, err);
    if (!rc)
        rc = one_frame(&film, &r, err);
    if (!rc && report) {
        r.in_width = film.plan.in_width;
        r.in_height = film.plan.in_height;
        r.out_width = film.plan.out_width;
        r.out_height = film.plan.out_height;
        r.passes = film.plan.passes;
        r.depth = film.files.depth;
        pq_film_count_devices(&film);
        r.approximate = film.report.approximate;
        r.retries = film.report.retries;
        r.moved = film.report.moved;
        r.seconds = pq_seconds() - start;
        memcpy(r.format, film.files.caps->name,
               PQ_MIN(strlen(film.files.caps->name), sizeof r.format - 1));
        pq_copy_out(report, report->size, &r, sizeof r);
    }
    pq_film_close(&film);
    fesetenv(&theirs);
    return rc;
}
