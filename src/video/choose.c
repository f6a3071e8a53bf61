/* SPDX-License-Identifier: MIT */
/* From codec, profile and options to an encoder with its settings: what choose() says. Whatever it
 * says has been tried with one frame, so that a wrong value is refused before the work starts. */
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "video/containers.h"
#include "video/encoder.h"
#include "video/module.h"
#include "video/settings.h"

struct choice {
    const struct pq_film_write *write;
    const struct pq_av_source *like;
    const char *codec;                /* of ours; NULL: an encoder by hand */
    const struct pq_profile *profile; /* NULL: the same */
    bool deep;                        /* the source has more than 8 bits */
    struct pq_film_encoder *out;
};

static void note(const struct choice *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void note(const struct choice *c, const char *fmt, ...)
{
    char text[400];
    va_list args;
    if (!c->write->note)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, pq_tr(fmt), args);
    va_end(args);
    c->write->note(c->write->note_user, text);
}

/* What is chosen, and its subsampling as the multiple that sides must be of. */
static void set_format(struct choice *c, enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
    const bool any = c->profile && (c->profile->flags & PQ_PROFILE_ANY_SIZE);
    snprintf(c->out->pixel_format, sizeof c->out->pixel_format, "%s", d->name);
    c->out->depth = d->comp[0].depth;
    c->out->alpha = d->flags & AV_PIX_FMT_FLAG_ALPHA;
    c->out->multiple_x = any ? 1 : 1 << d->log2_chroma_w;
    c->out->multiple_y = any ? 1 : 1 << d->log2_chroma_h;
}

/* ---- without an encoder ---- */

static int choose_raw(struct choice *c)
{
    static const char formats[] = "yuv420p yuv420p10le yuv420p12le yuv420p16le yuv422p "
                                  "yuv422p10le yuv422p12le yuv422p16le yuv444p yuv444p10le "
                                  "yuv444p12le yuv444p16le gray";
    static const AVCodec anything = {.name = "y4m"};
    const enum AVPixelFormat format = pq_format_choose(&anything, formats, c->like->format, false);
    char loss[200];
    snprintf(c->out->encoder, sizeof c->out->encoder, "%s", c->write->container);
    set_format(c, format);
    c->out->multiple_x = c->out->multiple_y = 1;
    pq_format_loss(c->like->format, format, c->write->alpha, c->write->container, loss,
                   sizeof loss);
    if (*loss && strcmp(c->write->container, "null"))
        note(c, "%s", loss);
    return 0;
}

/* ---- settings ---- */

/* x264 calls its profiles by depth and chroma. */
static const char *x264_profile(enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
    if (!d->log2_chroma_w)
        return "high444";
    return !d->log2_chroma_h ? "high422" : d->comp[0].depth > 8 ? "high10" : "high";
}

static int profile_settings(const struct choice *c, enum AVPixelFormat format,
                            AVDictionary **settings)
{
    int rc = av_dict_parse_string(settings, c->profile->options, "=", " ", 0);
    if (rc >= 0 && !strcmp(c->out->encoder, "libx264") &&
        !av_dict_get(*settings, "profile", NULL, 0))
        rc = av_dict_set(settings, "profile", x264_profile(format), 0);
    if (rc >= 0 && !strcmp(c->out->encoder, "libvpx-vp9") && c->out->alpha)
        rc = av_dict_set(settings, "auto-alt-ref", "0", 0); /* its alpha cannot follow these */
    return rc;
}

static bool has_option(const AVCodec *codec, const char *key)
{
    return codec->priv_class &&
           av_opt_find((void *)&codec->priv_class, key, NULL, 0, AV_OPT_SEARCH_FAKE_OBJ);
}

static int set_quality(const struct choice *c, const AVCodec *codec, AVDictionary **settings,
                       pique_error *err)
{
    const struct pq_film_write *w = c->write;
    const int fixed = c->profile ? c->profile->flags & (PQ_PROFILE_LOSSLESS | PQ_PROFILE_RATED) : 0;
    if (fixed && (w->crf_set || w->bitrate))
        return pq_fail(err, PIQUE_EINVAL, "%s '%s' %s: it takes neither a quality nor a rate",
                       c->codec, c->profile->name,
                       fixed & PQ_PROFILE_RATED ? pq_tr("has a rate of its own")
                                                : pq_tr("is without loss"));
    if (w->crf_set && w->bitrate)
        return pq_fail(err, PIQUE_EINVAL, "a quality (crf) and a rate exclude each other");
    if (w->crf_set) {
        char number[32];
        if (!has_option(codec, "crf"))
            return pq_fail(err, PIQUE_EINVAL, "%s has no constant quality (crf)", codec->name);
        snprintf(number, sizeof number, "%g", w->crf);
        char option[48];
        snprintf(option, sizeof option, "crf=%s", number);
        return pq_settings_by_hand(codec, option, settings, err);
    }
    if (!w->bitrate)
        return 0;
    if (w->bitrate < 1000 || w->bitrate > INT32_MAX)
        return pq_fail(err, PIQUE_EINVAL, "a rate of %lld bits a second makes no sense",
                       (long long)w->bitrate);
    av_dict_set(settings, "crf", NULL, 0);
    if (av_dict_set_int(settings, "b", w->bitrate, 0) < 0 ||
        (!strcmp(codec->name, "libsvtav1") &&
         pq_settings_param(settings, "svtav1-params", "rc=1") < 0))
        return pq_fail_nomem(err, 64);
    note(c, "each stretch of the film meets the rate for itself; a quality (crf) spends the same "
            "bits better");
    return 0;
}

static int set_preset(const struct choice *c, const AVCodec *codec, AVDictionary **settings,
                      pique_error *err)
{
    if (!c->write->preset)
        return 0;
    const char *key = has_option(codec, "preset")     ? "preset"
                      : has_option(codec, "cpu-used") ? "cpu-used"
                                                      : NULL;
    if (!key)
        return pq_fail(err, PIQUE_EINVAL, "%s has no presets", codec->name);
    char option[96];
    snprintf(option, sizeof option, "%s=%s", key, c->write->preset);
    return pq_settings_by_hand(codec, option, settings, err);
}

static int set_by_hand(const struct choice *c, const AVCodec *codec, AVDictionary **settings,
                       pique_error *err)
{
    int rc = set_quality(c, codec, settings, err);
    if (!rc)
        rc = set_preset(c, codec, settings, err);
    for (size_t i = 0; !rc && i < c->write->option_count; i++)
        rc = pq_settings_by_hand(codec, c->write->options[i], settings, err);
    return rc;
}

/* ---- encoders ---- */

/* The source's format as the encoder can have it, said where that is less. */
static int choose_format(struct choice *c, const AVCodec *codec, const char *list, pique_error *err)
{
    const enum AVPixelFormat format =
        pq_format_choose(codec, list, c->like->format, c->write->alpha);
    if (format == AV_PIX_FMT_NONE)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s takes no frames of a format that pique makes",
                       codec->name);
    set_format(c, format);
    return 0;
}

static void say_loss(const struct choice *c)
{
    char loss[200], what[96];
    snprintf(what, sizeof what, "%s%s%s", c->codec ? c->codec : c->out->encoder,
             c->profile ? " " : "", c->profile ? c->profile->name : "");
    pq_format_loss(c->like->format, av_get_pix_fmt(c->out->pixel_format), c->write->alpha, what,
                   loss, sizeof loss);
    if (*loss)
        note(c, "%s", loss);
}

static int finish(struct choice *c, AVDictionary *settings, pique_error *err)
{
    int rc = pq_settings_text(settings, c->out->settings, sizeof c->out->settings, err);
    return rc ? rc : pq_encoder_try(c->out, c->profile, err);
}

static int choose_software(struct choice *c, pique_error *err)
{
    const char *name = c->profile ? c->profile->encoder : c->write->codec;
    const bool rgb_twin =
        !strcmp(name, "libx264") && pq_format_choose(avcodec_find_encoder_by_name("libx264rgb"),
                                                     c->profile ? c->profile->formats : "",
                                                     c->like->format, false) == AV_PIX_FMT_GBRP;
    if (rgb_twin)
        name = "libx264rgb"; /* which libav has as an encoder of its own */
    const AVCodec *codec = avcodec_find_encoder_by_name(name);
    if (!codec)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "this FFmpeg has no encoder '%s'", name);
    snprintf(c->out->encoder, sizeof c->out->encoder, "%s", name);
    c->out->threads = c->profile ? c->profile->threads : 8;
    int rc = choose_format(c, codec, c->profile ? c->profile->formats : NULL, err);
    if (rc)
        return rc;
    AVDictionary *settings = NULL;
    if (c->profile && profile_settings(c, av_get_pix_fmt(c->out->pixel_format), &settings) < 0)
        rc = pq_fail_nomem(err, 512);
    if (!rc)
        rc = set_by_hand(c, codec, &settings, err);
    if (!rc)
        rc = finish(c, settings, err);
    av_dict_free(&settings);
    if (!rc)
        say_loss(c);
    return rc;
}

static bool try_hardware(struct choice *c, enum pique_hardware kind)
{
    const char *name = pq_hardware_encoder(c->codec, kind);
    const AVCodec *codec = name ? avcodec_find_encoder_by_name(name) : NULL;
    if (!codec)
        return false;
    snprintf(c->out->encoder, sizeof c->out->encoder, "%s", name);
    c->out->threads = 1;
    AVDictionary *settings = NULL;
    bool works =
        !choose_format(c, codec, c->profile->formats, NULL) &&
        pq_hardware_settings(c->profile, kind, c->out->depth > 8, c->write, &settings) >= 0;
    for (size_t i = 0; works && i < c->write->option_count; i++)
        works = !pq_settings_by_hand(codec, c->write->options[i], &settings, NULL);
    works = works && !finish(c, settings, NULL);
    av_dict_free(&settings);
    if (works)
        say_loss(c);
    return works;
}

static const char *hardware_name(enum pique_hardware kind)
{
    return kind == PIQUE_HARDWARE_NVENC ? "NVENC" : kind == PIQUE_HARDWARE_QSV ? "QSV" : "VAAPI";
}

/* What is set by hand is said in the words of the software encoder; it decides then. */
static bool choose_hardware(struct choice *c)
{
    static const enum pique_hardware order[] = {PIQUE_HARDWARE_NVENC, PIQUE_HARDWARE_QSV,
                                                PIQUE_HARDWARE_VAAPI};
    const struct pq_film_write *w = c->write;
    const bool by_hand = w->preset || w->crf_set || w->option_count;
    if (!c->profile || w->hardware == PIQUE_HARDWARE_OFF)
        return false;
    if (w->hardware == PIQUE_HARDWARE_AUTO) {
        if (!c->profile->quality || by_hand)
            return false;
        for (size_t i = 0; i < PQ_COUNT(order); i++)
            if (try_hardware(c, order[i]))
                return true;
        note(c, "no GPU here encodes %s: %s does it in software", c->codec, c->profile->encoder);
        return false;
    }
    if (c->profile->quality && try_hardware(c, w->hardware))
        return true;
    note(c, "%s does not encode %s '%s' here: %s does it in software", hardware_name(w->hardware),
         c->codec, c->profile->name, c->profile->encoder);
    return false;
}

/* ---- the choice ---- */

static int check_container(const struct choice *c, const AVCodec *codec, pique_error *err)
{
    const AVOutputFormat *muxer = pq_container_muxer(c->write->container);
    if (!muxer)
        return pq_fail(err, PIQUE_EINVAL, "there is no container '%s'; pique writes %s",
                       c->write->container, pq_tr(PQ_CONTAINERS));
    const bool any = !strcmp(c->write->container, "mkv"); /* by the tags of other containers too */
    if (codec && !any && avformat_query_codec(muxer, codec->id, FF_COMPLIANCE_NORMAL) != 1)
        return pq_fail(err, PIQUE_EINVAL, "%s cannot hold %s; mkv can, and mov what is for cutting",
                       c->write->container, c->codec ? c->codec : codec->name);
    return 0;
}

static int find_codec(struct choice *c, pique_error *err)
{
    const struct pq_film_write *w = c->write;
    const char *name = w->codec;
    if (!name)
        name = !strcmp(w->container, "webm") ? "vp9" : "h264";
    c->codec = pq_codec_named(name);
    if (!c->codec) {
        const AVCodec *codec = avcodec_find_encoder_by_name(name);
        if (!codec || codec->type != AVMEDIA_TYPE_VIDEO)
            return pq_fail(err, PIQUE_EINVAL,
                           "'%s' is neither a codec that pique knows nor an encoder of this FFmpeg",
                           name);
        if (w->profile)
            return pq_fail(err, PIQUE_EINVAL,
                           "%s is chosen by hand and has no profiles; give its options", name);
        return 0;
    }
    int rc = pq_profile_find(c->codec, w->profile, w->alpha, c->deep, &c->profile, err);
    if (rc)
        return rc;
    snprintf(c->out->codec, sizeof c->out->codec, "%s", c->codec);
    snprintf(c->out->profile, sizeof c->out->profile, "%s", c->profile->name);
    return 0;
}

static int choose(struct choice *c, pique_error *err)
{
    const struct pq_film_write *write = c->write;
    const AVPixFmtDescriptor *source = av_pix_fmt_desc_get(c->like->format);
    if (!source)
        return pq_fail(err, PIQUE_EINTERNAL, "the film's frames have no format");
    c->deep = !(source->flags & AV_PIX_FMT_FLAG_PAL) && source->comp[0].depth > 8;
    if (!strcmp(write->container, "y4m") || !strcmp(write->container, "null"))
        return choose_raw(c);
    int rc = check_container(c, NULL, err);
    if (!rc)
        rc = find_codec(c, err);
    if (!rc)
        rc = check_container(
            c, avcodec_find_encoder_by_name(c->profile ? c->profile->encoder : write->codec), err);
    if (!rc && write->width && write->height)
        rc = pq_dnxhd_size(c->profile, write->width, write->height, err);
    if (rc || choose_hardware(c))
        return rc;
    return choose_software(c, err);
}

int pq_av_choose(const struct pq_film_write *write, struct pq_film_encoder *out, pique_error *err)
{
    struct choice c = {
        .write = write, .like = (const struct pq_av_source *)write->like, .out = out};
    struct pq_yuv yuv;
    *out = (struct pq_film_encoder){.multiple_x = 1, .multiple_y = 1};
    const int rc = choose(&c, err);
    if (!rc) /* which matrix may depend on the size; that it is one of those does not */
        out->yuv =
            pq_encoder_yuv(c.like, av_get_pix_fmt(out->pixel_format), out->encoder, 1, 1, &yuv);
    return rc;
}
