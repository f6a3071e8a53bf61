/* SPDX-License-Identifier: MIT */
/* Which kind of thing is looked at, and how one picture of it is found. Unfinished films are in
 * look_job.c; what becomes of the picture is in shown.c. */
#include "film/look.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sequence.h"
#include "base/str.h"
#include "film/shown.h"
#include "upscale/call.h"
#include "upscale/module.h"

/* ---- pictures ---- */

static void tell_picture(const pique_picture_info *info, pique_look_report *r)
{
    r->kind = PIQUE_LOOK_PICTURE;
    r->width = info->width;
    r->height = info->height;
    r->frames = 1;
    r->depth = info->depth;
    r->alpha = info->alpha;
    snprintf(r->codec, sizeof r->codec, "%s", info->format);
    snprintf(r->container, sizeof r->container, "%s", info->format);
}

int pq_look_at_picture(const struct pq_look *l, const char *path, pique_error *err)
{
    struct pq_row_source *rows;
    int rc = l->pictures->open_source(path, l->options->allow_untrusted, &rows, err);
    if (rc)
        return rc;
    tell_picture(&rows->info, l->report);
    if (l->dst)
        rc = pq_shown_write(l->pictures, rows, true, l->options, l->dst, &l->report->out_width,
                            &l->report->out_height, err);
    rows->close(rows);
    return rc;
}

/* ---- films ---- */

static void tell_film(const pique_film_info *info, pique_look_report *r)
{
    r->kind = PIQUE_LOOK_FILM;
    r->width = info->width;
    r->height = info->height;
    r->frames = info->frames;
    r->seconds = info->seconds;
    r->fps = info->fps_num > 0 && info->fps_den > 0 ? (double)info->fps_num / info->fps_den : 0;
    r->depth = info->depth;
    r->alpha = info->alpha;
    r->audio = info->audio;
    r->subtitles = info->subtitles;
    memcpy(r->codec, info->codec, sizeof r->codec);
    memcpy(r->container, info->container, sizeof r->container);
}

int pq_look_at_frame(const struct pq_look *l, struct pq_film_source *source,
                     const struct pq_frame *frame, pique_error *err)
{
    const struct pq_film_facts *f = &source->facts;
    struct pq_image image;
    tell_film(&f->info, l->report);
    if (!l->dst)
        return 0;
    int rc = pq_image_new(f->info.width, f->info.height, f->info.alpha ? 4 : 3, f->rgb_depth, NULL,
                          &image, err);
    if (!rc)
        rc = source->to_rgb(source, frame, &image, err);
    if (!rc) {
        struct pq_shown_image rows;
        pq_shown_image(&rows, &image);
        rc = pq_shown_write(l->pictures, &rows.rows, false, l->options, l->dst,
                            &l->report->out_width, &l->report->out_height, err);
    }
    pq_image_free(&image);
    return rc;
}

/* Where only reading tells which frame is the n-th. */
static int count_to(const struct pq_look *l, struct pq_film_source *source, int64_t index,
                    struct pq_frame **out, pique_error *err)
{
    int rc = 0;
    for (int64_t i = 0; !rc && i <= index; i++) {
        l->films->frame_unref(out);
        rc = source->read(source, out, err);
        if (!rc && !*out)
            return pq_fail(err, PIQUE_ENOENT, "%s: has no frame %lld, only %lld", l->src,
                           (long long)index, (long long)i);
    }
    return rc;
}

static int frame_of(const struct pq_look *l, struct pq_film_source *source, struct pq_frame **out,
                    pique_error *err)
{
    const struct pq_film_facts *f = &source->facts;
    const pique_look_options *o = l->options;
    int64_t pts;
    if (o->by_time) {
        const double ticks = o->at * f->time_base.den / f->time_base.num;
        pts = f->origin + (ticks < 1e15 ? llround(ticks) : (int64_t)1e15);
        return source->show(source, pts, false, out, err);
    }
    int rc = source->find(source, o->frame, &pts, err);
    if (rc == PIQUE_EUNSUPPORTED)
        return count_to(l, source, o->frame, out, err);
    if (!rc)
        rc = source->show(source, pts, true, out, err);
    if (!rc && *out && (*out)->pts == pts)
        return 0;
    l->films->frame_unref(out);
    return rc ? rc : source->show(source, pts, false, out, err);
}

static double time_of(const struct pq_film_facts *f, const struct pq_frame *frame)
{
    const double ticks = (double)(frame->pts - f->origin);
    return PQ_MAX(ticks * f->time_base.num / f->time_base.den, 0);
}

int pq_look_at_film(const struct pq_look *l, const char *path, pique_error *err)
{
    const struct pq_film_read read = {.path = path, .alpha = true};
    struct pq_film_source *source;
    struct pq_frame *frame = NULL;
    int rc = l->films->open_source(&read, &source, err);
    if (rc)
        return rc;
    if (l->dst)
        rc = frame_of(l, source, &frame, err);
    if (!rc && l->dst && !frame)
        rc = pq_fail(err, PIQUE_ENOENT, "%s: has no such frame", l->src);
    if (!rc)
        rc = pq_look_at_frame(l, source, frame, err);
    if (!rc && frame)
        l->report->at = time_of(&source->facts, frame);
    l->films->frame_unref(&frame);
    source->close(source);
    return rc;
}

/* ---- any file ---- */

/* Whether the picture module takes it, and as one that does not move. */
static bool is_still(const struct pq_look *l, pique_error *why)
{
    pique_picture_info info = {.size = sizeof info};
    why->code = PIQUE_EFORMAT;
    if (pq_is_sequence(l->src, NULL))
        return false;
    why->code = l->pictures->probe(l->src, l->options->allow_untrusted, &info, why);
    return !why->code && info.frames <= 1;
}

static int look_at_file(struct pq_look *l, pique_error *err)
{
    pique_error why = {0}, film = {0};
    if (is_still(l, &why))
        return pq_look_at_picture(l, l->src, err);
    if (why.code && why.code != PIQUE_EFORMAT && why.code != PIQUE_EUNSUPPORTED)
        return pq_fail(err, why.code, "%s", why.message);
    int rc = pq_video_module(&l->films, &film);
    if (!rc)
        rc = pq_look_at_film(l, l->src, &film);
    if (!rc)
        return 0;
    if (why.code == 0) /* it moves, and only its first picture can be had */
        return l->options->frame == 0 && !l->options->by_time
                   ? pq_look_at_picture(l, l->src, err)
                   : pq_fail(err, film.code, "%s", film.message);
    /* A picture whose reader is not trusted is no film either; that it is one should be said. */
    const bool picture = why.code == PIQUE_EUNSUPPORTED && film.code == PIQUE_EFORMAT;
    return picture ? pq_fail(err, why.code, "%s", why.message)
                   : pq_fail(err, film.code, "%s", film.message);
}

/* ---- the call ---- */

static int take_options(pique_look_options *o, const pique_look_options *given, pique_error *err)
{
    if (given) {
        if (given->size < sizeof given->size)
            return pq_fail(err, PIQUE_EINVAL, "the size of the look options is not set");
        memcpy(o, given, PQ_MIN(given->size, sizeof *o));
    }
    o->size = sizeof *o;
    if (o->frame < 0 || (o->by_time && !(o->at >= 0)))
        return pq_fail(err, PIQUE_EINVAL, "a frame before the beginning cannot be looked at");
    if (o->side < 0 || o->crop_width < 0 || (o->crop_width && o->crop_height < 1))
        return pq_fail(err, PIQUE_EINVAL, "a picture of no size cannot be looked at");
    return 0;
}

int pique_look(const char *src, const pique_look_options *options, const char *dst,
               pique_look_report *report, pique_error *err)
{
    pique_look_options o = {.size = sizeof o};
    pique_look_report r = {.size = sizeof r, .at = -1};
    struct pq_look l = {.src = src, .dst = dst, .options = &o, .report = &r};
    if (!src || (report && report->size < sizeof report->size))
        return pq_fail(err, PIQUE_EINVAL,
                       "a file to look at and a look report with its size are needed");
    int rc = take_options(&o, options, err);
    if (!rc)
        rc = pq_picture_module(&l.pictures, err);
    r.frame = o.by_time ? -1 : o.frame;
    if (!rc)
        rc = pq_is_folder(src) ? pq_look_at_folder(&l, err) : look_at_file(&l, err);
    if (!rc && r.kind == PIQUE_LOOK_PICTURE)
        r.frame = 0;
    if (!rc && report)
        pq_copy_out(report, report->size, &r, sizeof r);
    return rc;
}
