/* SPDX-License-Identifier: MIT */
/* What two options say together, and the way into the structures of the library. */

#include "option/option.h"

static int refuse_pair(const char *a, const char *b, const char *why, pique_error *err)
{
    return pq_fail(err, PIQUE_EINVAL, "--%s and --%s cannot be used together: %s", a, b, why);
}

static enum pique_format wanted_format(const struct pq_options *o)
{
    return (enum pique_format)pq_whole(o, PQ_OPT_FORMAT);
}

static int check_size(const struct pq_options *o, pique_error *err)
{
    bool scale = pq_given(o, PQ_OPT_SCALE), fit = pq_given(o, PQ_OPT_FIT);
    bool width = pq_given(o, PQ_OPT_WIDTH), height = pq_given(o, PQ_OPT_HEIGHT);
    const char *why = "each says the size of the output";
    if (scale && fit)
        return refuse_pair("scale", "fit", why, err);
    if (scale && (width || height))
        return refuse_pair("scale", width ? "width" : "height", why, err);
    if (fit && (width || height))
        return refuse_pair("fit", width ? "width" : "height", why, err);
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

int pq_options_check(const struct pq_options *o, pique_error *err)
{
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
    p->height = (int)v[PQ_OPT_HEIGHT].whole;
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
    e->precision = (enum pique_precision)v[PQ_OPT_PRECISION].whole;
    e->threads = (int)v[PQ_OPT_THREADS].whole;
    e->band_rows = (int)v[PQ_OPT_BAND].whole;
    e->memory_bytes = (uint64_t)v[PQ_OPT_MEMORY].whole;
    e->no_scratch_file = pq_given(o, PQ_OPT_NO_SCRATCH);
}
