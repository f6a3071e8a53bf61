/* SPDX-License-Identifier: MIT */
#include "upscale/plan.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "upscale/budget.h"
#include "upscale/engine.h"
#include "upscale/format.h"

static bool within(double v, double least, double most)
{
    return v >= least && v <= most; /* false for NaN */
}

static int check_effects(const pique_picture_options *o, pique_error *err)
{
    if (!within(o->sharpen, 0, 2))
        return pq_fail(err, PIQUE_EINVAL, "a sharpening of %g makes no sense: 0 to 2", o->sharpen);
    if (!within(o->contrast, 0, 100))
        return pq_fail(err, PIQUE_EINVAL, "a contrast of %g makes no sense: 0 to 100, 1 is neutral",
                       o->contrast);
    if (!within(o->saturation, 0, 100) && o->saturation != -1)
        return pq_fail(err, PIQUE_EINVAL,
                       "a saturation of %g makes no sense: 0 to 100, 1 is neutral, -1 is grey",
                       o->saturation);
    return 0;
}

static int check_writing(const pique_picture_options *o, pique_error *err)
{
    if (o->quality < 0 || o->quality > 100)
        return pq_fail(err, PIQUE_EINVAL, "a quality of %d makes no sense: 1 to 100", o->quality);
    if (o->compression < -1 || o->compression > 9)
        return pq_fail(err, PIQUE_EINVAL, "a compression of %d makes no sense: 0 to 9",
                       o->compression);
    if (o->depth != 0 && o->depth != 8 && o->depth != 16)
        return pq_fail(err, PIQUE_EINVAL, "a depth of %d bits makes no sense: 8 or 16", o->depth);
    if ((int)o->alpha < PIQUE_ALPHA_KEEP || o->alpha > PIQUE_ALPHA_FLATTEN)
        return pq_fail(err, PIQUE_EINVAL, "%d is no way to treat alpha", (int)o->alpha);
    return 0;
}

int pq_plan_options(struct pq_plan *plan, const pique_picture_options *options, pique_error *err)
{
    *plan = (struct pq_plan){0};
    pique_picture_options *o = &plan->options;
    if (options) {
        if (options->size < sizeof o->size)
            return pq_fail(err, PIQUE_EINVAL, "the size of the picture options is not set");
        memcpy(o, options, PQ_MIN(options->size, sizeof *o));
    }
    o->size = sizeof *o;
    for (int c = 0; c < 3; c++)
        plan->background[c] = o->background_set ? o->background[c] : 255;
    plan->effects =
        (struct pq_effects){.touch = {
                                .sharpen = (float)o->sharpen,
                                .contrast = o->contrast == 0 ? 1 : (float)o->contrast,
                                .saturation = o->saturation == 0    ? 1
                                              : o->saturation == -1 ? 0
                                                                    : (float)o->saturation,
                            }};
    int rc = pq_size_check(o, err);
    if (!rc)
        rc = check_effects(o, err);
    return rc ? rc : check_writing(o, err);
}

static int choose_depth(struct pq_plan *p, int source_depth, pique_engine *engine, const char *src,
                        const char *dst, pique_error *err)
{
    const int wanted = p->options.depth;
    p->format.depth = wanted ? wanted : source_depth;
    if (p->format.depth == 8 || p->caps->depth16)
        return 0;
    if (wanted)
        return pq_fail(err, PIQUE_EINVAL, "%s: %s holds 8 bits a sample, not %d", dst,
                       p->caps->name, wanted);
    p->format.depth = 8;
    pq_engine_note(engine, PIQUE_EVENT_NOTE, "%s has 16 bits a sample, %s holds 8: %s gets 8", src,
                   p->caps->name, dst);
    return 0;
}

static int choose_saving(struct pq_plan *p, const char *dst, pique_error *err)
{
    const pique_picture_options *o = &p->options;
    if (o->lossless && p->caps->format == PIQUE_FORMAT_JPEG)
        return pq_fail(err, PIQUE_EINVAL, "%s: JPEG always loses; WebP, AVIF, JXL and PNG need not",
                       dst);
    p->save = (struct pq_save){
        .format = p->caps->format,
        .quality = o->quality ? o->quality : 95,
        .lossless = o->lossless,
        .compression = o->compression_set && o->compression >= 0 ? o->compression : 6,
        .overwrite = o->overwrite,
    };
    return 0;
}

/* What a picture carries and its new format cannot is lost, but not in silence. */
static void note_losses(const struct pq_plan *p, pique_engine *engine,
                        const pique_picture_info *info, const char *src, const char *dst)
{
    const struct {
        bool lost;
        const char *what;
    } table[] = {
        {info->has_icc && !p->caps->icc && info->colours != 4, pq_tr("a colour profile")},
        {info->has_exif && !p->caps->exif, pq_tr("EXIF data")},
        {info->has_xmp && !p->caps->xmp, pq_tr("XMP data")},
    };
    for (size_t i = 0; i < PQ_COUNT(table); i++)
        if (table[i].lost)
            pq_engine_note(engine, PIQUE_EVENT_NOTE,
                           "%s has %s, and pique puts none into %s: %s "
                           "goes without",
                           src, table[i].what, p->caps->name, dst);
}

/* Memory that grows with the height of the picture is told before it is taken, where it is much. */
static void note_memory(const struct pq_plan *p, pique_engine *engine, const char *src)
{
    const uint64_t much = UINT64_C(128) << 20;
    if (p->whole_bytes >= much)
        pq_engine_note(engine, PIQUE_EVENT_NOTE,
                       "%s: --tta keeps whole pictures, which takes %" PRIu64 " MiB", src,
                       p->whole_bytes >> 20);
}

static void choose_alpha(struct pq_plan *p, const struct pq_picture_format *in)
{
    p->alpha = in->alpha ? p->options.alpha : PIQUE_ALPHA_DROP;
    if (p->alpha == PIQUE_ALPHA_KEEP && !p->caps->alpha)
        p->alpha = PIQUE_ALPHA_FLATTEN;
    p->format.alpha = p->alpha == PIQUE_ALPHA_KEEP;
    const unsigned char *b = p->background;
    const bool coloured = p->alpha == PIQUE_ALPHA_FLATTEN && (b[0] != b[1] || b[1] != b[2]);
    p->format.colours = in->colours == 1 && p->caps->grey && !coloured ? 1 : 3;
}

static int check_cancel(void *engine, pique_error *err)
{
    return pq_engine_check_cancel(engine, err);
}

/* Learn what only the whole source tells. An opaque picture needs no alpha in the network: what
 * comes out would be opaque, and the colours do not depend on it. */
static int survey(struct pq_plan *p, pique_engine *engine, struct pq_row_source *source,
                  const char *src, bool *used, pique_error *err)
{
    if (p->alpha == PIQUE_ALPHA_DROP && p->effects.touch.contrast == 1)
        return 0;
    struct pq_stage *stage = NULL;
    struct pq_survey found;
    int rc =
        pq_source_stage(&stage, source, p->alpha, p->background, pq_engine_allocator(engine), err);
    if (rc)
        return rc;
    *used = true;
    rc = pq_survey(stage, check_cancel, engine, &found, err);
    stage->close(stage);
    if (rc)
        return rc;
    p->effects.mean = found.mean;
    if (!found.transparent)
        p->alpha = PIQUE_ALPHA_DROP;
    else if (p->alpha == PIQUE_ALPHA_FLATTEN && p->options.alpha == PIQUE_ALPHA_KEEP)
        pq_engine_note(engine, PIQUE_EVENT_NOTE,
                       "%s is partly transparent and %s cannot be: it is laid over #%02x%02x%02x",
                       src, p->caps->name, p->background[0], p->background[1], p->background[2]);
    return 0;
}

/* The most samples of one pixel in a batch, whatever the models' channels: alpha takes as many as
 * the colours. */
static int batch_samples(int planes)
{
    return planes == 4 ? 6 : 4;
}

uint64_t pq_plan_other_bytes(const struct pq_plan *p, const struct pq_picture_format *source)
{
    /* Two rings of 65 rows and two rows; 16 rows of floats, as many of samples of half the size at
     * most, and 18 of the effects; what a pass keeps beyond the rows of a step. */
    enum {
        SOURCE_ROWS = 16,
        BLEED_ROWS = 132,
        OUT_ROWS = 42,
        NETWORK_ROWS = 8,
        PIXEL = 16,
        TURNED_ROWS = 16
    };
    const struct pq_size *s = &p->size;
    const int planes = p->alpha == PIQUE_ALPHA_KEEP ? 4 : 3;
    uint64_t sum = pq_picture_row_bytes(source) * SOURCE_ROWS;
    if (planes == 4)
        sum += (uint64_t)s->in_width * PIXEL * BLEED_ROWS;
    sum += (uint64_t)s->width * PIXEL * OUT_ROWS;
    for (int i = 0; i <= s->passes; i++) {
        const int side =
            p->options.tta ? PQ_MAX(s->pass_width[i], s->pass_height[i]) : s->pass_width[i];
        sum += (uint64_t)side * (uint64_t)batch_samples(planes) * 4 * NETWORK_ROWS;
        if (p->options.tta)
            sum += (uint64_t)side * PIXEL * TURNED_ROWS;
    }
    uint64_t resize = 0, first = 0;
    const int w = s->pass_width[s->passes], h = s->pass_height[s->passes];
    if (!s->own && (w != s->width || h != s->height))
        resize = pq_resize_bytes(w, h, planes, s->width, s->height);
    if (s->in_height != source->height)
        first = pq_resize_bytes(source->width, source->height, planes, s->in_width, s->in_height);
    if (resize == UINT64_MAX || first == UINT64_MAX || resize > UINT64_MAX - first - sum)
        return UINT64_MAX;
    return sum + resize + first;
}

int pq_plan_share(struct pq_plan *p, const struct pq_engines *engines,
                  const struct pq_row_source *source, const char *src, pique_error *err)
{
    const struct pq_demand demand = {.alpha = p->alpha == PIQUE_ALPHA_KEEP,
                                     .tta = p->options.tta,
                                     .other = pq_plan_other_bytes(p, &source->format),
                                     .whole = p->whole_bytes};
    return pq_budget_share(engines, &p->size, &demand, src, p->share, err);
}

static int choose_size(struct pq_plan *p, const struct pq_engines *engines,
                       const struct pq_row_source *source, const char *src, const char *dst,
                       pique_error *err)
{
    struct pq_scale scales[PIQUE_CHAIN_MODELS];
    int rc = pq_engines_scales(engines, scales, err);
    if (!rc)
        rc = pq_size_resolve(&p->options, source->format.width, source->format.height, scales,
                             engines->count, src, &p->size, err);
    if (rc)
        return rc;
    const struct pq_size *s = &p->size;
    if (PQ_MAX(s->width, s->height) > p->caps->max_extent)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: %d x %d pixels are more than the %d a side that %s holds", dst,
                       s->width, s->height, p->caps->max_extent, p->caps->name);
    const bool alpha = p->alpha == PIQUE_ALPHA_KEEP;
    p->whole_bytes = p->options.tta ? pq_tta_bytes(s, alpha ? 4 : 3) : 0;
    return pq_plan_share(p, engines, source, src, err);
}

int pq_plan_picture(struct pq_plan *p, const struct pq_engines *engines,
                    const struct pq_picture_io *io, struct pq_row_source *source, const char *src,
                    const char *dst, bool *used, pique_error *err)
{
    pique_engine *engine = engines->list[0];
    int rc =
        pq_format_choose(io->formats, p->options.format, dst, source->info.format, &p->caps, err);
    if (!rc)
        rc = choose_saving(p, dst, err);
    if (!rc)
        rc = choose_depth(p, source->format.depth, engine, src, dst, err);
    if (rc)
        return rc;
    choose_alpha(p, &source->format);
    /* What cannot work fails before the survey; memory is judged after it, when it is known whether
     * alpha takes part. */
    rc = choose_size(p, engines, source, src, dst, err);
    if (rc && rc != PIQUE_ENOMEM)
        return rc;
    rc = survey(p, engine, source, src, used, err);
    if (!rc)
        rc = choose_size(p, engines, source, src, dst, err);
    if (!rc || rc == PIQUE_ENOMEM) {
        note_losses(p, engine, &source->info, src, dst);
        note_memory(p, engine, src);
    }
    return rc;
}
