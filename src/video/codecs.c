/* SPDX-License-Identifier: MIT */
/* What each profile means. Threads are fixed numbers because they are part of the bits of some
 * encoders: x264 and x265 search less far where another thread has not got to yet. */
#include "video/codecs.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "video/module.h"

#define X265_PARAMS "x265-params=log-level=none:open-gop=0"
#define SVT_PARAMS  "svtav1-params=lp=8:irefresh-type=2"
#define VP9_FIXED   "b=0 row-mt=0 tile-columns=2 frame-parallel=0 lag-in-frames=25"
#define YUV_8_10    "yuv420p yuv420p10le yuv422p yuv422p10le"

#define FFV1_FORMATS                                                                               \
    "yuv420p yuv420p10le yuv420p12le yuv420p16le yuv422p yuv422p10le yuv422p12le yuv422p16le "     \
    "yuv444p yuv444p10le yuv444p12le yuv444p16le gbrp gbrp10le gbrp12le gbrp16le gray gray16le "   \
    "yuva420p yuva420p10le yuva422p yuva422p10le yuva444p yuva444p10le yuva444p16le gbrap "        \
    "gbrap10le gbrap12le gbrap16le"

/* clang-format off */
#define PROFILES(X)                                                                              \
    X("h264", "Main (Good)", "8 bit, plays everywhere",                                          \
     "libx264", "yuv420p", "crf=20 preset=medium profile=main", 0, 8, 20, 4)                     \
    X("h264", "High (Better)", "8 bit, or 10 where the film has them; visually lossless",        \
     "libx264", YUV_8_10, "crf=17 preset=slow", PQ_PROFILE_DEFAULT, 8, 17, 7)                    \
    X("h264", "Lossless (Best)", "bit exact, 4:4:4 or RGB in the film's depth; few players",     \
     "libx264", "yuv444p yuv444p10le gbrp", "qp=0 preset=medium", PQ_PROFILE_LOSSLESS, 8, 0, 0)  \
                                                                                                 \
    X("h265", "Main (8-bit)", "8 bit",                                                           \
     "libx265", "yuv420p", "crf=20 preset=medium profile=main " X265_PARAMS,                     \
     PQ_PROFILE_DEFAULT, 4, 20, 4)                                                               \
    X("h265", "Main10 (10-bit)", "10 bit",                                                       \
     "libx265", "yuv420p10le", "crf=20 preset=medium profile=main10 " X265_PARAMS,               \
     PQ_PROFILE_DEEP, 4, 20, 4)                                                                  \
    X("h265", "Main10 High Quality", "10 bit, slow, visually lossless",                          \
     "libx265", "yuv420p10le", "crf=16 preset=slow profile=main10 " X265_PARAMS, 0, 4, 16, 7)    \
    X("h265", "Main10 Fast", "10 bit, fast",                                                     \
     "libx265", "yuv420p10le", "crf=24 preset=veryfast profile=main10 " X265_PARAMS, 0, 4, 24, 1)\
                                                                                                 \
    X("av1", "Good", "8 or 10 bit as the film",                                                  \
     "libsvtav1", "yuv420p yuv420p10le", "crf=24 preset=6 " SVT_PARAMS, PQ_PROFILE_DEFAULT, 8,   \
     24, 4)                                                                                      \
    X("av1", "Better", "8 or 10 bit, slow",                                                      \
     "libsvtav1", "yuv420p yuv420p10le", "crf=17 preset=4 " SVT_PARAMS, 0, 8, 18, 7)             \
    X("av1", "Fast", "8 or 10 bit, fast",                                                        \
     "libsvtav1", "yuv420p yuv420p10le", "crf=30 preset=9 " SVT_PARAMS, 0, 8, 30, 1)             \
                                                                                                 \
    X("vp9", "Good", "8, 10 or 12 bit; keeps alpha in 8 bit",                                    \
     "libvpx-vp9",                                                                               \
     YUV_8_10 " yuv420p12le yuv444p yuv444p10le yuv444p12le gbrp yuva420p",                      \
     "crf=22 deadline=good cpu-used=2 " VP9_FIXED, PQ_PROFILE_DEFAULT, 8, 0, 0)                  \
    X("vp9", "Better", "the same, slow",                                                         \
     "libvpx-vp9",                                                                               \
     YUV_8_10 " yuv420p12le yuv444p yuv444p10le yuv444p12le gbrp yuva420p",                      \
     "crf=15 deadline=good cpu-used=1 " VP9_FIXED, 0, 8, 0, 0)                                   \
                                                                                                 \
    X("prores", "422 Proxy", "10 bit, for cutting", "prores_ks", "yuv422p10le",                  \
     "profile=proxy vendor=apl0", PQ_PROFILE_RATED, 4, 0, 0)                                     \
    X("prores", "422 LT", "10 bit, light", "prores_ks", "yuv422p10le",                           \
     "profile=lt vendor=apl0", PQ_PROFILE_RATED, 4, 0, 0)                                        \
    X("prores", "422", "10 bit", "prores_ks", "yuv422p10le",                                     \
     "profile=standard vendor=apl0", PQ_PROFILE_RATED, 4, 0, 0)                                  \
    X("prores", "422 HQ", "10 bit, high quality", "prores_ks", "yuv422p10le",                    \
     "profile=hq vendor=apl0", PQ_PROFILE_RATED | PQ_PROFILE_DEFAULT, 4, 0, 0)                   \
    X("prores", "4444", "4:4:4 of 10 bit, keeps alpha", "prores_ks", "yuv444p10le yuva444p10le", \
     "profile=4444 vendor=apl0", PQ_PROFILE_RATED | PQ_PROFILE_ALPHA, 4, 0, 0)                   \
    X("prores", "4444 XQ", "4:4:4 of 10 bit, highest rate, keeps alpha", "prores_ks",            \
     "yuv444p10le yuva444p10le", "profile=4444xq vendor=apl0", PQ_PROFILE_RATED, 4, 0, 0)        \
                                                                                                 \
    X("dnxhd", "DNxHD 36", "1920x1080, 8 bit", "dnxhd", "yuv422p",                               \
     "profile=dnxhd b=36000000", PQ_PROFILE_RATED, 4, 0, 0)                                      \
    X("dnxhd", "DNxHD 115", "1920x1080 or 960x720, 8 bit", "dnxhd", "yuv422p",                   \
     "profile=dnxhd b=115000000", PQ_PROFILE_RATED, 4, 0, 0)                                     \
    X("dnxhd", "DNxHD 175", "1920x1080, 8 or 10 bit", "dnxhd", "yuv422p yuv422p10le",            \
     "profile=dnxhd b=175000000", PQ_PROFILE_RATED, 4, 0, 0)                                     \
    X("dnxhd", "DNxHD 220", "1920x1080 or 1280x720, 8 bit", "dnxhd", "yuv422p",                  \
     "profile=dnxhd b=220000000", PQ_PROFILE_RATED, 4, 0, 0)                                     \
    X("dnxhd", "DNxHR LB", "8 bit, low rate", "dnxhd", "yuv422p",                                \
     "profile=dnxhr_lb", PQ_PROFILE_RATED, 4, 0, 0)                                              \
    X("dnxhd", "DNxHR SQ", "8 bit", "dnxhd", "yuv422p",                                          \
     "profile=dnxhr_sq", PQ_PROFILE_RATED, 4, 0, 0)                                              \
    X("dnxhd", "DNxHR HQ", "8 bit, high quality", "dnxhd", "yuv422p",                            \
     "profile=dnxhr_hq", PQ_PROFILE_RATED | PQ_PROFILE_DEFAULT, 4, 0, 0)                         \
    X("dnxhd", "DNxHR HQX", "10 bit, high quality", "dnxhd", "yuv422p10le",                      \
     "profile=dnxhr_hqx", PQ_PROFILE_RATED | PQ_PROFILE_DEEP, 4, 0, 0)                           \
    X("dnxhd", "DNxHR 444", "4:4:4 or RGB of 10 bit", "dnxhd", "yuv444p10le gbrp10le",           \
     "profile=dnxhr_444", PQ_PROFILE_RATED, 4, 0, 0)                                             \
                                                                                                 \
    X("ffv1", "Lossless", "bit exact in the film's own format; for keeping", "ffv1",             \
     FFV1_FORMATS,                                                                               \
     "level=3 slices=16 slicecrc=1 g=1", PQ_PROFILE_LOSSLESS | PQ_PROFILE_DEFAULT |              \
     PQ_PROFILE_ANY_SIZE, 4, 0, 0)

#define ROW(codec, name, about, encoder, formats, options, flags, threads, quality, effort)      \
    {codec, name, about, encoder, formats, options, flags, threads, quality, effort},
#define LINE(codec, name, about, ...) codec "\t" name "\t" about "\n"

static const struct pq_profile table[] = {PROFILES(ROW)};

static const struct {
    const char *name, *codec;
} names[] = {
    {"h264", "h264"}, {"avc", "h264"}, {"h264avc", "h264"}, {"x264", "h264"},
    {"h265", "h265"}, {"hevc", "h265"}, {"h265hevc", "h265"}, {"x265", "h265"},
    {"av1", "av1"}, {"vp9", "vp9"}, {"ffv1", "ffv1"}, {"prores", "prores"},
    {"dnxhd", "dnxhd"}, {"dnxhr", "dnxhd"}, {"dnxhddnxhr", "dnxhd"},
};

/* What the encoder has: the size of a frame in bytes follows from these, whatever the rate of
 * frames is. */
static const struct {
    const char *profile;
    int width, height;
} dnxhd_sizes[] = {
    {"DNxHD 36", 1920, 1080},
    {"DNxHD 115", 1920, 1080}, {"DNxHD 115", 960, 720},
    {"DNxHD 175", 1920, 1080},
    {"DNxHD 220", 1920, 1080}, {"DNxHD 220", 1280, 720},
};
/* clang-format on */

/* ---- names ---- */

/* Letters and digits alone, small. */
static void plain(const char *name, char *out, size_t bytes)
{
    size_t n = 0;
    for (; *name && n + 1 < bytes; name++)
        if (isalnum((unsigned char)*name))
            out[n++] = (char)tolower((unsigned char)*name);
    out[n] = 0;
}

const char *pq_codec_named(const char *name)
{
    char wanted[64];
    plain(name, wanted, sizeof wanted);
    for (size_t i = 0; i < PQ_COUNT(names); i++)
        if (!strcmp(wanted, names[i].name))
            return names[i].codec;
    return NULL;
}

static int fail_names(const char *codec, const char *name, const char *what, pique_error *err)
{
    char list[400] = "";
    size_t n = 0;
    for (size_t i = 0; i < PQ_COUNT(table); i++)
        if (!strcmp(table[i].codec, codec) && n < sizeof list)
            n +=
                (size_t)snprintf(list + n, sizeof list - n, "%s'%s'", n ? ", " : "", table[i].name);
    return pq_fail(err, PIQUE_EINVAL, "%s %s '%s'; it has %s", codec, pq_tr(what), name, list);
}

static const struct pq_profile *default_of(const char *codec, bool alpha, bool deep)
{
    const struct pq_profile *usual = NULL;
    for (size_t i = 0; i < PQ_COUNT(table); i++) {
        const struct pq_profile *p = &table[i];
        if (strcmp(p->codec, codec))
            continue;
        if (alpha && (p->flags & PQ_PROFILE_ALPHA))
            return p;
        const bool is_deep = p->flags & PQ_PROFILE_DEEP;
        if ((p->flags & PQ_PROFILE_DEFAULT) || (deep && is_deep))
            usual = p;
    }
    return usual;
}

/* "115" and "hq" are meant as well where the codec's name stands first in the profile's. */
static bool is_meant(const char *wanted, const char *full, bool whole)
{
    const char *rest = full;
    if (!strncmp(full, "dnxhd", 5) || !strncmp(full, "dnxhr", 5))
        rest = full + 5;
    const size_t n = whole ? 64 : strlen(wanted);
    return !strncmp(full, wanted, n) || !strncmp(rest, wanted, n);
}

/* The one row that is meant; *several where there are more. */
static const struct pq_profile *match(const char *codec, const char *wanted, bool whole,
                                      bool *several)
{
    const struct pq_profile *found = NULL;
    for (size_t i = 0; i < PQ_COUNT(table); i++) {
        char full[64];
        plain(table[i].name, full, sizeof full);
        if (strcmp(table[i].codec, codec) || !is_meant(wanted, full, whole))
            continue;
        *several = *several || found;
        found = &table[i];
    }
    return found;
}

int pq_profile_find(const char *codec, const char *name, bool alpha, bool deep,
                    const struct pq_profile **out, pique_error *err)
{
    char wanted[64];
    bool several = false;
    if (!name) {
        *out = default_of(codec, alpha, deep);
        return 0;
    }
    plain(name, wanted, sizeof wanted);
    *out = *wanted ? match(codec, wanted, true, &several) : NULL;
    if (*wanted && !*out) {
        static const char *const known[][3] = {{"h264", "lossless", "losslessbest"},
                                               {"h265", "main10hq", "main10highquality"},
                                               {"h265", "main", "main8bit"},
                                               {"h265", "main10", "main1010bit"}};
        for (size_t i = 0; i < PQ_COUNT(known); i++)
            if (!strcmp(codec, known[i][0]) && !strcmp(wanted, known[i][1]))
                *out = match(codec, known[i][2], true, &several);
        if (!*out)
            *out = match(codec, wanted, false, &several);
    }
    if (!*out)
        return fail_names(codec, name, "has no profile", err);
    if (several)
        return fail_names(codec, name, "has more than one profile that begins with", err);
    return 0;
}

const struct pq_profile *pq_profile_exact(const char *codec, const char *name)
{
    for (size_t i = 0; i < PQ_COUNT(table); i++)
        if (!strcmp(table[i].codec, codec) && !strcmp(table[i].name, name))
            return &table[i];
    return NULL;
}

/* ---- sizes ---- */

static bool is_dnxhd(const struct pq_profile *profile)
{
    return profile && !strncmp(profile->name, "DNxHD ", 6);
}

int pq_dnxhd_size(const struct pq_profile *profile, int width, int height, pique_error *err)
{
    if (profile && !strcmp(profile->codec, "dnxhd") && !is_dnxhd(profile)) {
        if (width >= 256 && height >= 120)
            return 0;
        return pq_fail(err, PIQUE_EINVAL, "%s begins at 256x120 pixels, and this is %dx%d",
                       profile->name, width, height);
    }
    if (!is_dnxhd(profile))
        return 0;
    char list[128] = "";
    size_t n = 0;
    for (size_t i = 0; i < PQ_COUNT(dnxhd_sizes); i++) {
        if (strcmp(dnxhd_sizes[i].profile, profile->name) || n >= sizeof list)
            continue;
        if (dnxhd_sizes[i].width == width && dnxhd_sizes[i].height == height)
            return 0;
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%dx%d", n ? pq_tr(" or ") : "",
                              dnxhd_sizes[i].width, dnxhd_sizes[i].height);
    }
    return pq_fail(err, PIQUE_EINVAL,
                   "%s is for films of %s, and this would be %dx%d; the DNxHR profiles take any "
                   "size",
                   profile->name, list, width, height);
}

void pq_profile_try_size(const struct pq_profile *profile, int *width, int *height)
{
    *width = is_dnxhd(profile) ? 1920 : 256;
    *height = is_dnxhd(profile) ? 1080 : 256;
}

/* ---- the list ---- */

const char *pq_av_profiles(void)
{
    return PROFILES(LINE);
}
