/* SPDX-License-Identifier: MIT */
#include "film/describe.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "pique/model.h"

char *pq_film_job_folder(const char *dst)
{
    size_t n = strlen(dst);
    while (n > 1 && dst[n - 1] == '/')
        n--;
    return pq_asprintf("%.*s.job", (int)n, dst);
}

static int specify_models(struct pq_film *film, pique_error *err)
{
    int rc = 0;
    for (int i = 0; !rc && i < film->engines.count; i++) {
        char name[32];
        snprintf(name, sizeof name, i ? "model %d" : "model", i + 1);
        rc = pq_spec_set(&film->spec, err, name, "sha256 %s",
                         pique_model_sha256(pq_engine_model(film->engines.list[i])));
        snprintf(name, sizeof name, i ? "numeric key %d" : "numeric key", i + 1);
        if (!rc)
            rc = pq_spec_set(&film->spec, err, name, "%s",
                             pique_engine_numeric_key(film->engines.list[i]));
    }
    return rc;
}

/* A device that converts colours itself gives other bits than zimg, whose version is the encoder's;
 * which ones its numeric key tells. */
static int specify_colours(struct pq_film *film, pique_error *err)
{
    static const char *const by_device[] = {"in", "out", "in and out"};
    const int which = film->planes_in + 2 * film->planes_out;
    return which ? pq_spec_set(&film->spec, err, "colour conversion", "%s by the device",
                               by_device[which - 1])
                 : 0;
}

static int specify_picture(struct pq_film *film, pique_error *err)
{
    const pique_picture_options *p = &film->picture;
    struct pq_spec *s = &film->spec;
    int rc = pq_spec_set(s, err, "scale", "%g", p->scale);
    if (!rc)
        rc = pq_spec_set(s, err, "size", "%dx%d, to fit %dx%d", p->width, p->height, p->fit_width,
                         p->fit_height);
    if (!rc)
        rc = pq_spec_set(s, err, "pre-downscale", "%d", p->pre_downscale);
    if (!rc)
        rc = pq_spec_set(s, err, "sharpen", "%g", p->sharpen);
    if (!rc)
        rc = pq_spec_set(s, err, "contrast", "%g", p->contrast == 0 ? 1 : p->contrast);
    if (!rc)
        rc = pq_spec_set(s, err, "saturation", "%g", p->saturation == 0 ? 1 : p->saturation);
    if (!rc)
        rc = pq_spec_set(s, err, "alpha", "%d over %d,%d,%d", (int)p->alpha, p->background[0],
                         p->background[1], p->background[2]);
    return rc ? rc : pq_spec_set(s, err, "tta", "%d", p->tta);
}

static int specify_reading(struct pq_film *film, pique_error *err)
{
    const struct pq_film_read *r = &film->read;
    struct pq_spec *s = &film->spec;
    int rc = pq_spec_set(s, err, "part", "%g to %g", r->from, r->to);
    if (!rc)
        rc = pq_spec_set(s, err, "map", "%s", r->map ? r->map : "");
    if (!rc)
        rc = pq_spec_set(s, err, "deinterlace", "%d", r->deinterlace);
    if (!rc)
        rc = pq_spec_set(s, err, "crop", "%dx%d+%d+%d", r->crop_width, r->crop_height, r->crop_x,
                         r->crop_y);
    if (!rc)
        rc = pq_spec_set(s, err, "fps", "%d/%d", r->fps.num, r->fps.den);
    const pique_film_options *o = &film->options;
    return rc            ? rc
           : o->no_reuse ? pq_spec_set(s, err, "skip-duplicates", "off")
                         : pq_spec_set(s, err, "skip-duplicates", "%d", o->tolerance);
}

static int specify_writing(struct pq_film *film, pique_error *err)
{
    const pique_film_options *o = &film->options;
    struct pq_spec *s = &film->spec;
    struct pq_str by_hand = {0};
    for (size_t i = 0; i < o->encoder_option_count; i++)
        pq_str_printf(&by_hand, "%s%s", i ? " " : "", o->encoder_options[i]);
    int rc = by_hand.failed ? pq_fail_nomem(err, 256) : 0;
    if (!rc)
        rc = pq_spec_set(s, err, "enc", "%s", by_hand.data ? by_hand.data : "");
    pq_str_free(&by_hand);
    if (!rc)
        rc = pq_spec_set(s, err, "container", "%s", film->container);
    if (!rc)
        rc = pq_spec_set(s, err, "codec", "%s", o->codec ? o->codec : "");
    if (!rc)
        rc = pq_spec_set(s, err, "profile", "%s", o->profile ? o->profile : "");
    if (!rc)
        rc = pq_spec_set(s, err, "preset", "%s", o->preset ? o->preset : "");
    if (!rc && o->crf_set)
        rc = pq_spec_set(s, err, "crf", "%g", o->crf);
    if (!rc)
        rc = pq_spec_set(s, err, "bitrate", "%lld", (long long)o->bitrate);
    if (!rc)
        rc = pq_spec_set(s, err, "segment", "%d", film->segment_frames);
    if (!rc && film->kind == PQ_FILM_PICTURES)
        rc = pq_spec_set(s, err, "pictures", "%s, format %d, quality %d%s, compression %d, %d bits",
                         strrchr(film->files.pattern, '/') ? strrchr(film->files.pattern, '/') + 1
                                                           : film->files.pattern,
                         (int)film->files.caps->format, film->files.save.quality,
                         film->files.save.lossless ? ", lossless" : "",
                         film->files.save.compression, film->files.depth);
    if (!rc)
        rc = pq_spec_set(s, err, "keep-frames", "%d as %d", (int)o->keep, (int)o->frame_format);
    return rc ? rc
              : pq_spec_set(s, err, "tracks", "audio %d, subtitles %d", !o->no_audio,
                            !o->no_subtitles);
}

/* Segments of one film come from one encoder: the same program, of the same version. */
static int specify_encoder(struct pq_film *film, pique_error *err)
{
    const struct pq_film_encoder *e = &film->encoder;
    struct pq_spec *s = &film->spec;
    if (film->kind == PQ_FILM_PICTURES)
        return 0;
    int rc = pq_spec_set(s, err, "encoder", "%s of %s", e->encoder, e->version);
    if (!rc)
        rc = pq_spec_set(s, err, "encoder settings", "%s", e->settings);
    return rc ? rc : pq_spec_set(s, err, "pixel format", "%s", e->pixel_format);
}

int pq_film_specify(struct pq_film *film, pique_error *err)
{
    int rc = pq_spec_input(&film->spec, film->src, err);
    if (!rc)
        rc = specify_models(film, err);
    if (!rc)
        rc = specify_colours(film, err);
    if (!rc)
        rc = specify_picture(film, err);
    if (!rc)
        rc = specify_reading(film, err);
    if (!rc)
        rc = specify_writing(film, err);
    return rc ? rc : specify_encoder(film, err);
}

/* ---- joining ---- */

struct pq_film_join pq_film_joining(const struct pq_film *film)
{
    const struct pq_film_facts *f = &film->source->facts;
    return (struct pq_film_join){.read = &film->read,
                                 .container = film->container,
                                 .no_audio = film->options.no_audio,
                                 .no_subtitles = film->options.no_subtitles,
                                 .time_base = f->time_base,
                                 .origin = f->origin};
}

int pq_film_join_facts(const struct pq_film_join *join, json_t **out, pique_error *err)
{
    const struct pq_film_read *read = join->read;
    char real[PATH_MAX];
    const char *src = realpath(read->path, real) ? real : read->path;
    *out = json_pack("{s:s, s:s, s:f, s:f, s:s, s:b, s:b, s:i, s:i, s:I, s:i, s:i}", "source", src,
                     "container", join->container, "from", read->from, "to", read->to, "map",
                     read->map ? read->map : "", "no_audio", join->no_audio, "no_subtitles",
                     join->no_subtitles, "time_base_num", join->time_base.num, "time_base_den",
                     join->time_base.den, "origin", (json_int_t)join->origin, "fps_num",
                     read->fps.num, "fps_den", read->fps.den);
    return *out ? 0
                : pq_fail(err, PIQUE_EINVAL, "%s: a film whose name is no UTF-8 cannot be a job",
                          read->path);
}

bool pq_film_join_read(const json_t *facts, struct pq_film_join *join, struct pq_film_read *read)
{
    const char *map;
    json_int_t origin;
    int no_audio, no_subtitles;
    *read = (struct pq_film_read){0};
    *join = (struct pq_film_join){.read = read};
    if (json_unpack((json_t *)facts, "{s:s, s:s, s:F, s:F, s:s, s:b, s:b, s:i, s:i, s:I, s:i, s:i}",
                    "source", &read->path, "container", &join->container, "from", &read->from, "to",
                    &read->to, "map", &map, "no_audio", &no_audio, "no_subtitles", &no_subtitles,
                    "time_base_num", &join->time_base.num, "time_base_den", &join->time_base.den,
                    "origin", &origin, "fps_num", &read->fps.num, "fps_den", &read->fps.den) != 0)
        return false;
    read->map = *map ? map : NULL;
    join->no_audio = no_audio;
    join->no_subtitles = no_subtitles;
    join->origin = origin;
    return join->time_base.num > 0 && join->time_base.den > 0;
}
