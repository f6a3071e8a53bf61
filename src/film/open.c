/* SPDX-License-Identifier: MIT */
/* A film from its options to everything that is open for it. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "base/lang.h"
#include "base/sequence.h"
#include "base/str.h"
#include "film/describe.h"
#include "film/devices.h"
#include "film/picture.h"
#include "upscale/budget.h"
#include "upscale/call.h"
#include "upscale/engine.h"

enum { SEGMENT_FRAMES = 240 };

/* ---- options ---- */

static int take_options(struct pq_film *film, const pique_film_options *options, pique_error *err)
{
    pique_film_options *o = &film->options;
    if (options) {
        if (options->size < sizeof o->size)
            return pq_fail(err, PIQUE_EINVAL, "the size of the film options is not set");
        memcpy(o, options, PQ_MIN(options->size, sizeof *o));
    }
    o->size = sizeof *o;
    if (o->picture) {
        if (o->picture->size < sizeof o->size)
            return pq_fail(err, PIQUE_EINVAL, "the size of the picture options is not set");
        memcpy(&film->picture, o->picture, PQ_MIN(o->picture->size, sizeof film->picture));
    }
    film->picture.size = sizeof film->picture;
    if (o->batch < 0 || o->batch > PQ_MAX_BATCH)
        return pq_fail(err, PIQUE_EINVAL, "a batch of %d frames makes no sense: 1 to %d", o->batch,
                       PQ_MAX_BATCH);
    if (o->tolerance < 0 || o->tolerance > 4)
        return pq_fail(err, PIQUE_EINVAL, "a tolerance of %d makes no sense: 0 to 4", o->tolerance);
    if (o->segment_frames < 0)
        return pq_fail(err, PIQUE_EINVAL, "segments of %d frames make no sense", o->segment_frames);
    if (!(o->from >= 0) || !(o->to >= 0) || (o->to > 0 && o->to <= o->from))
        return pq_fail(err, PIQUE_EINVAL, "from %g to %g seconds is no part of a film", o->from,
                       o->to);
    if (o->fps_num < 0 || o->fps_den < 0 || (o->fps_num > 0) != (o->fps_den > 0))
        return pq_fail(err, PIQUE_EINVAL, "%d/%d frames a second make no sense", o->fps_num,
                       o->fps_den);
    if (o->no_parallel)
        o->batch = 1;
    film->segment_frames = o->segment_frames ? o->segment_frames : SEGMENT_FRAMES;
    return 0;
}

/* ---- what comes out ---- */

static const char *container_of(const char *name)
{
    static const char *const known[][2] = {{".mp4", "mp4"}, {".m4v", "mp4"},   {".mkv", "mkv"},
                                           {".mov", "mov"}, {".webm", "webm"}, {".y4m", "y4m"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < PQ_COUNT(known); i++) {
        if (strcasecmp(dot, known[i][0]) == 0)
            return known[i][1];
    }
    return NULL;
}

static bool is_container(const char *name)
{
    static const char *const known[] = {"mp4", "mkv", "mov", "webm", "y4m", "null"};
    for (size_t i = 0; i < PQ_COUNT(known); i++) {
        if (strcmp(name, known[i]) == 0)
            return true;
    }
    return false;
}

static int choose_kind(struct pq_film *film, pique_error *err)
{
    const char *dst = film->dst;
    film->kind = PQ_FILM_PICTURES;
    if (film->single)
        return 0;
    const char *container = film->options.container;
    if (container && !is_container(container))
        return pq_fail(err, PIQUE_EINVAL, "there is no container '%s': mp4, mkv, mov, webm or y4m",
                       container);
    if (strcmp(dst, "null:") == 0)
        container = "null";
    else if (strcmp(dst, "-") == 0)
        container = "y4m"; /* the one format that needs no way back */
    else if (!container && !film->picture.format)
        container = container_of(dst);
    film->kind = !container ? PQ_FILM_PICTURES
                 : strcmp(container, "y4m") == 0 || strcmp(container, "null") == 0 ? PQ_FILM_STREAM
                                                                                   : PQ_FILM_FILM;
    const char *slash = strrchr(dst, '/'), *dot = strrchr(slash ? slash : dst, '.');
    if (!container && !film->picture.format && dot && !pq_is_sequence(dst, NULL))
        return pq_fail(
            err, PIQUE_EUNSUPPORTED,
            "%s: no film is called like that; mp4, mkv, mov, webm and y4m are known, and "
            "names with %%06d for numbered pictures",
            dst);
    snprintf(film->container, sizeof film->container, "%s", container ? container : "");
    return 0;
}

/* "dir/name_frames" for "dir/name.mkv". */
static char *frame_folder(const struct pq_film *film)
{
    const char *dst = film->dst, *slash = strrchr(dst, '/');
    const char *dot = strrchr(slash ? slash : dst, '.');
    const int stem = dot && film->kind != PQ_FILM_PICTURES ? (int)(dot - dst) : (int)strlen(dst);
    return pq_asprintf("%.*s_frames", stem, dst);
}

static int keep_one(struct pq_frame_files *files, enum pique_frame_format format,
                    const char *folder, const char *name, pique_error *err)
{
    char *path = pq_asprintf("%s/%s", folder, name);
    int rc = path ? pq_make_folders(path, err) : pq_fail_nomem(err, strlen(folder));
    if (!rc)
        rc = pq_frame_files_kept(files, format, path, "", err);
    pq_free(path);
    return rc;
}

static int keep_frames(struct pq_film *film, pique_error *err)
{
    const pique_film_options *o = &film->options;
    if (o->keep == PIQUE_KEEP_NONE)
        return 0;
    char *folder = o->frame_folder ? pq_strdup(o->frame_folder) : frame_folder(film);
    int rc = folder ? 0 : pq_fail_nomem(err, 64);
    if (!rc && (o->keep & PIQUE_KEEP_SOURCE))
        rc = keep_one(&film->kept_source, o->frame_format, folder, "source", err);
    if (!rc && (o->keep & PIQUE_KEEP_RESULT) && film->kind != PQ_FILM_PICTURES)
        rc = keep_one(&film->kept_result, o->frame_format, folder, "result", err);
    pq_free(folder);
    return rc;
}

static int open_files(struct pq_film *film, pique_error *err)
{
    if (film->kind != PQ_FILM_PICTURES)
        return 0;
    const int depth = film->source->facts.info.depth > 8 ? 16 : 8;
    int rc =
        pq_frame_files_result(&film->files, film->dst, film->single, &film->picture, depth, err);
    if (rc || film->single)
        return rc;
    return pq_is_sequence(film->dst, NULL) ? pq_make_folder_of(film->dst, err)
                                           : pq_make_folders(film->dst, err);
}

/* ---- source, network, writer ---- */

int pq_film_reopen(struct pq_film *film, pique_error *err)
{
    if (film->source)
        film->source->close(film->source);
    film->source = NULL;
    return film->io->open_source(&film->read, &film->source, err);
}

/* A piece without a place lies in the middle. */
static int centre_crop(struct pq_film *film, pique_error *err)
{
    struct pq_film_read whole = film->read;
    struct pq_film_source *source;
    whole.crop_width = whole.crop_height = 0;
    whole.note = NULL;
    int rc = film->io->open_source(&whole, &source, err);
    if (rc)
        return rc;
    film->read.crop_x = PQ_MAX(source->facts.info.width - film->read.crop_width, 0) / 2;
    film->read.crop_y = PQ_MAX(source->facts.info.height - film->read.crop_height, 0) / 2;
    source->close(source);
    return 0;
}

static int open_source(struct pq_film *film, pique_error *err)
{
    const pique_film_options *o = &film->options;
    film->read = (struct pq_film_read){
        .path = film->src,
        .from = o->from,
        .to = o->to,
        .map = o->map,
        .deinterlace = o->deinterlace,
        .crop_auto = o->crop_auto,
        .crop_width = o->crop_width,
        .crop_height = o->crop_height,
        .crop_x = o->crop_x,
        .crop_y = o->crop_y,
        .fps = {o->fps_num, o->fps_den},
        .alpha = film->picture.alpha != PIQUE_ALPHA_DROP,
        .note = pq_film_on_note,
        .note_user = film,
    };
    int rc = film->read.crop_width && film->read.crop_x < 0 ? centre_crop(film, err) : 0;
    if (!rc)
        rc = pq_film_reopen(film, err);
    if (rc)
        return rc;
    /* Found once: what follows opens the same piece of the same film. */
    const struct pq_film_facts *f = &film->source->facts;
    if (film->read.crop_auto) {
        film->read.crop_auto = false;
        film->read.crop_width = f->crop_width;
        film->read.crop_height = f->crop_height;
        film->read.crop_x = f->crop_x;
        film->read.crop_y = f->crop_y;
    }
    return 0;
}

static struct pq_film_write writing(struct pq_film *film)
{
    const pique_film_options *o = &film->options;
    return (struct pq_film_write){
        .like = film->source,
        .container = film->container,
        .codec = o->codec,
        .profile = o->profile,
        .preset = o->preset,
        .crf = o->crf,
        .crf_set = o->crf_set,
        .bitrate = o->bitrate,
        .options = o->encoder_options,
        .option_count = o->encoder_option_count,
        .hardware = o->hardware,
        .alpha = film->read.alpha && film->source->facts.info.alpha &&
                 film->picture.alpha == PIQUE_ALPHA_KEEP,
        .width = film->plan.out_width,
        .height = film->plan.out_height,
        .in_width = film->source->facts.info.width,
        .in_height = film->source->facts.info.height,
        .note = pq_film_on_note,
        .note_user = film,
    };
}

/* An encoder does not know for which film it refuses. */
static int name_failure(const struct pq_film *film, int rc, pique_error *err)
{
    return err && !pq_starts_with(err->message, film->name)
               ? pq_fail(err, rc, "%s: %s", film->name, err->message)
               : rc;
}

static int choose_encoder(struct pq_film *film, pique_error *err)
{
    if (film->kind == PQ_FILM_PICTURES) {
        film->encoder = (struct pq_film_encoder){
            .depth = film->files.depth, .multiple_x = 1, .multiple_y = 1, .alpha = true};
        snprintf(film->encoder.encoder, sizeof film->encoder.encoder, "%s", film->files.caps->name);
        return 0;
    }
    struct pq_film_write write = writing(film);
    if (film->job.resumed)
        write.note = NULL; /* it was said when the job began */
    int rc = film->io->choose(&write, &film->encoder, err);
    return rc ? name_failure(film, rc, err) : 0;
}

/* An encoder without alpha gets pictures without. */
static void flatten(struct pq_film *film)
{
    const bool alpha = film->read.alpha && film->source->facts.info.alpha;
    if (!alpha || film->kind == PQ_FILM_PICTURES || film->encoder.alpha ||
        film->picture.alpha != PIQUE_ALPHA_KEEP)
        return;
    film->picture.alpha = PIQUE_ALPHA_FLATTEN;
    pq_film_note(film, "%s: %s keeps no transparency; it is composed over the background",
                 film->name, film->encoder.encoder);
}

static int open_writer(struct pq_film *film, pique_error *err)
{
    pique_film_plan *p = &film->plan;
    if (film->kind != PQ_FILM_PICTURES) {
        const struct pq_film_write write = writing(film);
        int rc = film->io->open_writer(&write, &film->encoder, &film->writer, err);
        if (rc)
            return name_failure(film, rc, err);
        film->encoder = film->writer->encoder;
    }
    snprintf(p->encoder, sizeof p->encoder, "%s", film->encoder.encoder);
    snprintf(p->pixel_format, sizeof p->pixel_format, "%s", film->encoder.pixel_format);
    snprintf(p->container, sizeof p->container, "%s",
             film->kind == PQ_FILM_PICTURES ? "pictures" : film->container);
    p->segments =
        p->frames ? (int)((p->frames + film->segment_frames - 1) / film->segment_frames) : 0;
    return 0;
}

/* In halves of a sample a pixel, by how the format is called; what is called otherwise has at most
 * three. */
static uint64_t halves_of(const char *format)
{
    if (pq_starts_with(format, "gray"))
        return 2;
    return strstr(format, "420") || strstr(format, "nv12") || strstr(format, "p010") ? 3
           : strstr(format, "422")                                                   ? 4
                                                                                     : 6;
}

uint64_t pq_film_result_bytes(const struct pq_film *film)
{
    const pique_film_plan *p = &film->plan;
    const uint64_t halves =
        halves_of(film->encoder.pixel_format) + (film->encoder.alpha && film->read.alpha ? 2 : 0);
    return (uint64_t)p->out_width * (uint64_t)p->out_height * halves / 2 *
           (film->encoder.depth > 8 ? 2 : 1);
}

/* ---- the job ---- */

static int check_outputs(const struct pq_film *film, pique_error *err)
{
    if (film->options.overwrite || film->kind == PQ_FILM_STREAM || film->single)
        return 0; /* these refuse when they are made */
    char *path = film->kind == PQ_FILM_FILM ? pq_strdup(film->dst) : pq_frame_path(&film->files, 0);
    if (!path)
        return pq_fail_nomem(err, strlen(film->dst));
    int rc = 0;
    if (pq_exists(path) && !(film->job.resumed && film->kind == PQ_FILM_PICTURES))
        rc = pq_fail(err, PIQUE_EEXIST, "%s: exists already; --overwrite replaces it", path);
    pq_free(path);
    return rc;
}

static int open_job(struct pq_film *film, pique_error *err)
{
    const pique_film_options *o = &film->options;
    char *folder = o->job_folder ? pq_strdup(o->job_folder) : pq_film_job_folder(film->dst);
    int rc = folder ? pq_job_open(&film->job, folder, film->dst, o->anew, err)
                    : pq_fail_nomem(err, strlen(film->dst));
    pq_free(folder);
    film->has_job = true;
    return rc;
}

int pq_film_open(struct pq_film *film, pique_engine *const *engines, size_t count, const char *src,
                 const char *dst, const pique_film_options *options, enum pq_film_purpose purpose,
                 pique_error *err)
{
    *film = (struct pq_film){.src = src,
                             .dst = dst,
                             .single = purpose == PQ_FILM_ONE_FRAME,
                             .job = {.lock = {.fd = -1}}};
    pthread_mutex_init(&film->lock, NULL);
    pthread_mutex_init(&film->converting, NULL);
    pq_made_init(&film->made);
    film->plan.size = sizeof film->plan;
    film->plan.seconds = -1;
    if (!src || !dst)
        return pq_fail(err, PIQUE_EINVAL, "a source and a destination are needed");
    snprintf(film->name, sizeof film->name, "%s",
             strcmp(src, "-") == 0 ? pq_tr("standard input") : src);
    pq_utf8_trim(film->name);
    int rc = pq_engines_take(engines, count, &film->engines, err);
    film->engine = rc ? NULL : engines[0];
    if (!rc)
        rc = take_options(film, options, err);
    if (!rc)
        rc = choose_kind(film, err);
    if (!rc)
        rc = pq_video_module(&film->io, err);
    if (!rc && purpose == PQ_FILM_DO && film->kind != PQ_FILM_STREAM)
        rc = open_job(film, err);
    if (rc || film->job.complete)
        return rc;
    rc = open_source(film, err);
    if (!rc)
        rc = open_files(film, err);
    if (!rc)
        rc = check_outputs(film, err);
    if (!rc)
        rc = choose_encoder(film, err);
    if (!rc)
        rc = pq_film_open_crew(film, err);
    if (!rc)
        pq_film_choose_planes(film);
    if (!rc)
        rc = pq_film_specify(film, err);
    if (!rc && film->job.resumed)
        rc = pq_spec_compare(&film->job.spec, &film->spec, film->job.folder, err);
    if (!rc)
        rc = pq_film_load_made(film, err);
    if (!rc)
        flatten(film);
    if (!rc)
        rc = pq_film_open_plain(film, err);
    if (!rc)
        rc = open_writer(film, err);
    if (!rc)
        rc = pq_film_open_devices(film, err);
    if (!rc)
        rc = keep_frames(film, err);
    return rc;
}

void pq_film_close(struct pq_film *film)
{
    if (film->writer)
        film->writer->close(film->writer);
    pq_film_close_devices(film);
    pq_frames_close(&film->plain);
    if (film->source)
        film->source->close(film->source);
    pq_frame_files_free(&film->files);
    pq_frame_files_free(&film->kept_source);
    pq_frame_files_free(&film->kept_result);
    pq_spec_free(&film->spec);
    if (film->has_job)
        pq_job_close(&film->job);
    pq_made_free(&film->made);
    pthread_mutex_destroy(&film->converting);
    pthread_mutex_destroy(&film->lock);
}

/* ---- who listens ---- */

void pq_film_tell(struct pq_film *film, pique_event *event)
{
    if (!film->options.event)
        return;
    event->size = sizeof *event;
    pthread_mutex_lock(&film->lock);
    film->options.event(film->options.event_user, event);
    pthread_mutex_unlock(&film->lock);
}

void pq_film_note(struct pq_film *film, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, pq_tr(fmt), args);
    va_end(args);
    pq_utf8_trim(text);
    pq_film_on_note(film, text);
}

void pq_film_on_note(void *film, const char *text)
{
    pique_event event = {.kind = PIQUE_EVENT_NOTE, .text = text};
    pq_film_tell(film, &event);
}
