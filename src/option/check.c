/* SPDX-License-Identifier: MIT */
/* What two options say together, and the way into the structures of the library. */

#include "base/alloc.h"
#include "base/lang.h"
#include "option/option.h"

static int refuse_pair(const char *a, const char *b, const char *why, pique_error *err)
{
    return pq_fail(err, PIQUE_EINVAL, "--%s and --%s cannot be used together: %s", a, b,
                   pq_tr(why));
}

/* Formats of films stand behind those of pictures in the list of choices. */
static enum pique_format wanted_format(const struct pq_options *o)
{
    const int64_t choice = pq_whole(o, PQ_OPT_FORMAT);
    return choice > PIQUE_FORMAT_PPM ? PIQUE_FORMAT_AUTO : (enum pique_format)choice;
}

const char *pq_options_container(const struct pq_options *o)
{
    return pq_whole(o, PQ_OPT_FORMAT) > PIQUE_FORMAT_PPM ? pq_text(o, PQ_OPT_FORMAT) : NULL;
}

static int check_size(const struct pq_options *o, pique_error *err)
{
    bool scale = pq_given(o, PQ_OPT_SCALE), fit = pq_given(o, PQ_OPT_FIT);
    bool width = pq_given(o, PQ_OPT_WIDTH), height = pq_given(o, PQ_OPT_HEIGHT);
    const char *why = pq_tr("each says the size of the output");
    if (scale && fit)
        return refuse_pair("scale", "fit", why, err);
    if (scale && (width || height))
        return refuse_pair("scale", width ? "width" : "height", why, err);
    if (fit && (width || height))
        return refuse_pair("fit", width ? "width" : "height", why, err);
    if (pq_given(o, PQ_OPT_RESOLUTION) && (scale || fit || width || height))
        return refuse_pair("resolution",
                           scale   ? "scale"
                           : fit   ? "fit"
                           : width ? "width"
                                   : "height",
                           why, err);
    return 0;
}

int pq_options_check_format(const struct pq_options *o, enum pique_format format, const char *name,
                            pique_error *err)
{
    if (format == PIQUE_FORMAT_AUTO)
        return 0;
    bool lossy = format == PIQUE_FORMAT_JPEG || format == PIQUE_FORMAT_WEBP ||
                 format == PIQUE_FORMAT_AVIF || format == PIQUE_FORMAT_JXL;
    if (pq_given(o, PQ_OPT_LOSSLESS) && format == PIQUE_FORMAT_JPEG)
        return pq_fail(err, PIQUE_EINVAL, "--lossless: jpeg cannot be written without loss");
    if (pq_given(o, PQ_OPT_QUALITY) && !lossy)
        return pq_fail(err, PIQUE_EINVAL, "--quality: %s has no quality; it loses nothing", name);
    if (pq_given(o, PQ_OPT_COMPRESSION) && format != PIQUE_FORMAT_PNG &&
        format != PIQUE_FORMAT_TIFF)
        return pq_fail(err, PIQUE_EINVAL, "--compression: is for png and tiff, not for %s", name);
    bool deep = pq_given(o, PQ_OPT_DEPTH) && pq_whole(o, PQ_OPT_DEPTH) == 1;
    if (deep && (format == PIQUE_FORMAT_JPEG || format == PIQUE_FORMAT_WEBP))
        return pq_fail(err, PIQUE_EINVAL, "--depth: %s holds 8 bits a sample, not 16", name);
    return 0;
}

static int check_film(const struct pq_options *o, pique_error *err)
{
    if (pq_given(o, PQ_OPT_CRF) && pq_given(o, PQ_OPT_BITRATE))
        return refuse_pair("crf", "bitrate", "one says the quality, the other the size", err);
    if (pq_given(o, PQ_OPT_TO_TIME) &&
        o->values[PQ_OPT_TO_TIME].number <= o->values[PQ_OPT_FROM_TIME].number)
        return pq_fail(err, PIQUE_EINVAL, "--to: lies before --ss, or is where the film begins");
    return 0;
}

int pq_options_check(const struct pq_options *o, pique_error *err)
{
    int bad = check_film(o, err);
    if (bad)
        return bad;
    if (pq_given(o, PQ_OPT_OVERWRITE) && pq_given(o, PQ_OPT_SKIP_EXISTING))
        return refuse_pair("overwrite", "skip-existing", "one replaces what the other keeps", err);
    if (pq_given(o, PQ_OPT_QUIET) && pq_given(o, PQ_OPT_VERBOSE))
        return refuse_pair("quiet", "verbose", "one says less, the other more", err);
    int rc = check_size(o, err);
    return rc ? rc : pq_options_check_format(o, wanted_format(o), pq_text(o, PQ_OPT_FORMAT), err);
}

void pq_options_to_picture(const struct pq_options *o, pique_picture_options *p)
{
    const struct pq_value *v = o->values;
    p->scale = v[PQ_OPT_SCALE].set ? v[PQ_OPT_SCALE].number : 0;
    p->width = (int)v[PQ_OPT_WIDTH].whole;
    static const int heights[] = {720, 1080, 1440, 2160, 4320};
    p->height = v[PQ_OPT_RESOLUTION].set ? heights[v[PQ_OPT_RESOLUTION].whole]
                                         : (int)v[PQ_OPT_HEIGHT].whole;
    p->fit_width = v[PQ_OPT_FIT].width;
    p->fit_height = v[PQ_OPT_FIT].height;
    p->pre_downscale = (int)v[PQ_OPT_PRE_DOWNSCALE].whole;
    p->sharpen = v[PQ_OPT_SHARPEN].number;
    p->contrast = v[PQ_OPT_CONTRAST].number;
    /* In the library 0 means "not asked for" and -1 means grey. */
    p->saturation = v[PQ_OPT_SATURATION].number > 0 ? v[PQ_OPT_SATURATION].number : -1;
    p->alpha = (enum pique_alpha)v[PQ_OPT_ALPHA].whole;
    for (int i = 0; i < 3; i++)
        p->background[i] = v[PQ_OPT_BACKGROUND].rgb[i];
    p->background_set = true;
    p->format = wanted_format(o);
    p->quality = (int)v[PQ_OPT_QUALITY].whole;
    p->lossless = v[PQ_OPT_LOSSLESS].whole != 0;
    p->compression = (int)v[PQ_OPT_COMPRESSION].whole;
    p->compression_set = true;
    p->depth = !v[PQ_OPT_DEPTH].set ? 0 : v[PQ_OPT_DEPTH].whole == 0 ? 8 : 16;
    p->overwrite = v[PQ_OPT_OVERWRITE].whole != 0;
    p->tta = v[PQ_OPT_TTA].whole != 0;
    p->allow_untrusted = v[PQ_OPT_ALLOW_UNTRUSTED].whole != 0;
}

void pq_options_to_engine(const struct pq_options *o, pique_engine_options *e)
{
    const struct pq_value *v = o->values;
    e->device = v[PQ_OPT_DEVICE].text;
    e->fallback = v[PQ_OPT_FALLBACK].text;
    e->precision = (enum pique_precision)v[PQ_OPT_PRECISION].whole;
    e->threads = (int)v[PQ_OPT_THREADS].whole;
    e->band_rows = (int)v[PQ_OPT_BAND].whole;
    e->memory_bytes = (uint64_t)v[PQ_OPT_MEMORY].whole;
    e->no_scratch_file = pq_given(o, PQ_OPT_NO_SCRATCH);
}

void pq_options_to_film(const struct pq_options *o, pique_film_options *f)
{
    const struct pq_value *v = o->values, *crop = &v[PQ_OPT_CROP];
    f->from = v[PQ_OPT_FROM_TIME].set ? v[PQ_OPT_FROM_TIME].number : 0;
    f->to = v[PQ_OPT_TO_TIME].set ? v[PQ_OPT_TO_TIME].number : 0;
    f->map = v[PQ_OPT_MAP].text;
    f->no_audio = pq_given(o, PQ_OPT_NO_AUDIO);
    f->no_subtitles = pq_given(o, PQ_OPT_NO_SUBS);
    f->deinterlace = pq_given(o, PQ_OPT_DEINTERLACE);
    f->crop_auto = crop->set && crop->whole;
    f->crop_width = crop->set ? crop->width : 0;
    f->crop_height = crop->set ? crop->height : 0;
    f->crop_x = crop->set ? crop->x : 0;
    f->crop_y = crop->set ? PQ_MAX(crop->y, 0) : 0;
    f->fps_num = v[PQ_OPT_RATE].width;
    f->fps_den = v[PQ_OPT_RATE].height;
    f->batch = (int)v[PQ_OPT_BATCH].whole; /* 0 is auto */
    f->no_parallel = pq_given(o, PQ_OPT_NO_PARALLEL);
    f->no_reuse = v[PQ_OPT_DUPLICATES].whole == 1;
    f->tolerance = v[PQ_OPT_DUPLICATES].whole > 1 ? (int)v[PQ_OPT_DUPLICATES].whole - 1 : 0;
    f->container = pq_options_container(o);
    f->codec = v[PQ_OPT_CODEC].text;
    f->profile = v[PQ_OPT_PROFILE].text;
    f->crf = v[PQ_OPT_CRF].number;
    f->crf_set = v[PQ_OPT_CRF].set;
    f->bitrate = v[PQ_OPT_BITRATE].whole;
    f->preset = v[PQ_OPT_PRESET].text;
    f->encoder_options = v[PQ_OPT_ENC].all;
    f->encoder_option_count = v[PQ_OPT_ENC].all_count;
    f->hardware = (enum pique_hardware)v[PQ_OPT_HARDWARE].whole;
    f->keep = (enum pique_keep_frames)v[PQ_OPT_KEEP_FRAMES].whole;
    f->frame_format = (enum pique_frame_format)v[PQ_OPT_FRAME_FORMAT].whole;
    f->overwrite = pq_given(o, PQ_OPT_OVERWRITE);
    f->job_folder = v[PQ_OPT_JOB].text;
    f->segment_frames = (int)v[PQ_OPT_SEGMENT].whole;
    f->force = pq_given(o, PQ_OPT_FORCE);
    f->anew = pq_given(o, PQ_OPT_RESTART);
}
