/* SPDX-License-Identifier: MIT */
/* Some encoders take lists of parameters of their own library ("x264-params"). libav passes these
 * on and says nothing where a name is wrong; and a few of them write files. So the names that may
 * be in such a list are known here, and a list of another library is refused. */
#include "video/settings.h"

#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

int pq_settings_parse(const char *text, AVDictionary **settings, pique_error *err)
{
    if (av_dict_parse_string(settings, text, "=", " ", 0) < 0)
        return pq_fail(err, PIQUE_EINVAL, "'%s' is not a list of settings, key=value", text);
    return 0;
}

int pq_settings_text(const AVDictionary *settings, char *text, size_t bytes, pique_error *err)
{
    char *all = NULL;
    if (av_dict_get_string(settings, &all, '=', ' ') < 0)
        return pq_fail_nomem(err, bytes);
    const size_t n = strlen(all);
    if (n < bytes)
        memcpy(text, all, n + 1);
    av_free(all);
    if (n >= bytes)
        return pq_fail(err, PIQUE_EINVAL, "the options of the encoder are longer than %zu letters",
                       bytes - 1);
    return 0;
}

int pq_settings_param(AVDictionary **settings, const char *list, const char *param)
{
    const AVDictionaryEntry *old = av_dict_get(*settings, list, NULL, 0);
    char *all = pq_asprintf("%s%s%s", old ? old->value : "", old && *old->value ? ":" : "", param);
    const int rc = all ? av_dict_set(settings, list, all, 0) : AVERROR(ENOMEM);
    pq_free(all);
    return rc;
}

/* ---- by hand ---- */

/* clang-format off */
static const char *const x264_params[] = {
    "aq-mode", "aq-strength", "b-adapt", "b-bias", "b-pyramid", "bframes", "bluray-compat",
    "cabac", "chroma-qp-offset", "cqm", "crf-max", "deadzone-inter", "deadzone-intra", "deblock",
    "direct", "8x8dct", "fast-pskip", "filler", "force-cfr", "ipratio", "keyint", "level", "me",
    "merange", "min-keyint", "mixed-refs", "mvrange", "nal-hrd", "no-deblock", "no-mbtree",
    "mbtree", "no-psy", "no-scenecut", "nr", "partitions", "pbratio", "psy", "psy-rd", "qblur",
    "qcomp", "qpmax", "qpmin", "qpstep", "ratetol", "rc-lookahead", "ref", "scenecut", "subme",
    "subq", "sync-lookahead", "trellis", "vbv-bufsize", "vbv-init", "vbv-maxrate", "weightb",
    "weightp", NULL};
static const char *const x265_params[] = {
    "amp", "aq-mode", "aq-motion", "aq-strength", "b-adapt", "b-intra", "b-pyramid",
    "bframe-bias", "bframes", "cbqpoffs", "constrained-intra", "crf-max", "crf-min", "crqpoffs",
    "ctu", "cu-lossless", "cutree", "deblock", "dhdr10-opt", "early-skip", "fades", "fast-intra",
    "hdr10-opt", "high-tier", "hme", "ipratio", "keyint", "level-idc", "limit-modes",
    "limit-refs", "limit-sao", "limit-tu", "lossless", "max-merge", "max-tu-size", "me",
    "merange", "min-cu-size", "min-keyint", "nr-inter", "nr-intra", "pbratio", "psy-rd",
    "psy-rdoq", "qcomp", "qg-size", "qpmax", "qpmin", "qpstep", "rc-grain", "rc-lookahead", "rd",
    "rdoq-level", "rdpenalty", "rect", "ref", "rskip", "sao", "scenecut", "selective-sao",
    "signhide", "splitrd-skip", "ssim-rd", "strong-intra-smoothing", "subme", "temporal-mvp",
    "tskip", "tskip-fast", "tu-inter-depth", "tu-intra-depth", "uhd-bd", "vbv-bufsize",
    "vbv-init", "vbv-maxrate", "weightb", "weightp", NULL};
static const char *const svt_params[] = {
    "aq-mode", "bias-pct", "enable-cdef", "enable-dlf", "enable-mfmv", "enable-overlays",
    "enable-qm", "enable-restoration", "enable-tf", "enable-tpl-la", "fast-decode",
    "film-grain", "film-grain-denoise", "hierarchical-levels", "keyint", "lookahead", "max-qp",
    "maxsection-pct", "mbr", "min-qp", "minsection-pct", "overshoot-pct", "pred-struct",
    "qm-max", "qm-min", "scd", "scm", "tile-columns", "tile-rows", "tune", "undershoot-pct",
    NULL};

static const struct {
    const char *option;
    const char *const *names;
} lists[] = {{"x264-params", x264_params}, {"x264opts", x264_params},
             {"x265-params", x265_params}, {"svtav1-params", svt_params}};

/* What the film, the job or this program settles. */
static const char *const settled[] = {
    "threads", "thread_type", "time_base", "pixel_format", "pix_fmt", "video_size", "flags",
    "flags2", "export_side_data", "colorspace", "color_primaries", "color_trc", "color_range",
    "chroma_sample_location", "debug", "dump_separator", "codec_whitelist", "ab", "ar", "ac",
    "device", "stats", "passlogfile", "fastfirstpass", "2pass", "multipass"};
/* clang-format on */

static bool is_among(const char *name, size_t n, const char *const *names)
{
    for (; *names; names++)
        if (strlen(*names) == n && !strncmp(*names, name, n))
            return true;
    return false;
}

/* "a=1:b=2" holds known names alone. */
static int check_list(const char *encoder, const char *option, const char *value, pique_error *err)
{
    const char *const *names = NULL;
    for (size_t i = 0; i < PQ_COUNT(lists); i++)
        if (!strcmp(option, lists[i].option))
            names = lists[i].names;
    if (!names)
        return pq_fail(err, PIQUE_EINVAL,
                       "%s: '%s' is not accepted, since it could name files to be written", encoder,
                       option);
    if (strpbrk(value, "\\'\""))
        return pq_fail(err, PIQUE_EINVAL, "%s: quotes have no place in '%s=%s'", encoder, option,
                       value);
    while (*value) {
        const size_t name = strcspn(value, "=:");
        if (!is_among(value, name, names))
            return pq_fail(err, PIQUE_EINVAL,
                           "%s: '%.*s' is not among the parameters of '%s' that pique knows",
                           encoder, (int)PQ_MIN(name, 64), value, option);
        value += strcspn(value, ":");
        value += *value == ':';
    }
    return 0;
}

static bool takes_a_list(const char *key)
{
    return pq_ends_with(key, "-params") || pq_ends_with(key, "_params") ||
           pq_ends_with(key, "opts") || pq_ends_with(key, "-parameters");
}

static int check_name(const AVCodec *codec, const char *key, pique_error *err)
{
    for (size_t i = 0; i < PQ_COUNT(settled); i++)
        if (!strcmp(key, settled[i]))
            return pq_fail(err, PIQUE_EINVAL, "%s: '%s' is not for setting by hand", codec->name,
                           key);
    if (strstr(key, "file") || strstr(key, "path") || strstr(key, "dump"))
        if (strcmp(key, "profile"))
            return pq_fail(err, PIQUE_EINVAL,
                           "%s: '%s' is not accepted, since it could name a file", codec->name,
                           key);
    return 0;
}

int pq_settings_by_hand(const AVCodec *codec, const char *option, AVDictionary **settings,
                        pique_error *err)
{
    const char *equals = strchr(option, '=');
    if (!equals || equals == option)
        return pq_fail(err, PIQUE_EINVAL, "'%s' is not key=value", option);
    char *key = pq_strndup(option, (size_t)(equals - option));
    AVCodecContext *scratch = avcodec_alloc_context3(codec);
    const AVOption *known = NULL;
    int rc = key && scratch ? check_name(codec, key, err) : pq_fail_nomem(err, 4096);
    if (!rc) {
        known = av_opt_find(scratch, key, NULL, 0, AV_OPT_SEARCH_CHILDREN);
        const int both = AV_OPT_FLAG_ENCODING_PARAM | AV_OPT_FLAG_VIDEO_PARAM;
        if (!known || (known->flags & both) != both)
            rc = pq_fail(err, PIQUE_EINVAL, "%s has no option '%s'", codec->name, key);
        else if (takes_a_list(key))
            rc = check_list(codec->name, key, equals + 1, err);
    }
    if (!rc && av_opt_set(scratch, key, equals + 1, AV_OPT_SEARCH_CHILDREN) < 0)
        rc = pq_fail(err, PIQUE_EINVAL, "%s does not take '%s' for '%s'", codec->name, equals + 1,
                     key);
    if (!rc) {
        const int set = takes_a_list(key) ? pq_settings_param(settings, key, equals + 1)
                                          : av_dict_set(settings, key, equals + 1, 0);
        if (set < 0)
            rc = pq_fail_nomem(err, strlen(option));
    }
    avcodec_free_context(&scratch);
    pq_free(key);
    return rc;
}
