/* SPDX-License-Identifier: MIT */
/* SMPTE ST 2086 and CTA-861.3 for the encoders that write them into the stream. The container gets
 * the same from the side data of the stream. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "video/encoder.h"
#include "video/settings.h"

/* Chromaticities in steps of 1/50000, light in 1/10000 of a candela: x264 and x265. */
static void in_steps(const AVMasteringDisplayMetadata *m, char *text, size_t bytes)
{
    long v[10];
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++)
            v[2 * i + k] = (long)(av_q2d(m->display_primaries[i][k]) * 50000 + 0.5);
    v[6] = (long)(av_q2d(m->white_point[0]) * 50000 + 0.5);
    v[7] = (long)(av_q2d(m->white_point[1]) * 50000 + 0.5);
    v[8] = (long)(av_q2d(m->max_luminance) * 10000 + 0.5);
    v[9] = (long)(av_q2d(m->min_luminance) * 10000 + 0.5);
    snprintf(text, bytes, "G(%ld,%ld)B(%ld,%ld)R(%ld,%ld)WP(%ld,%ld)L(%ld,%ld)", v[2], v[3], v[4],
             v[5], v[0], v[1], v[6], v[7], v[8], v[9]);
}

/* As they are: SVT-AV1. */
static void in_numbers(const AVMasteringDisplayMetadata *m, char *text, size_t bytes)
{
    const AVRational(*p)[2] = m->display_primaries;
    snprintf(text, bytes, "G(%.5f,%.5f)B(%.5f,%.5f)R(%.5f,%.5f)WP(%.5f,%.5f)L(%.4f,%.4f)",
             av_q2d(p[1][0]), av_q2d(p[1][1]), av_q2d(p[2][0]), av_q2d(p[2][1]), av_q2d(p[0][0]),
             av_q2d(p[0][1]), av_q2d(m->white_point[0]), av_q2d(m->white_point[1]),
             av_q2d(m->max_luminance), av_q2d(m->min_luminance));
}

static int add(AVDictionary **settings, const char *list, const char *key, const char *value)
{
    char *param = pq_asprintf("%s=%s", key, value);
    const int rc = param ? pq_settings_param(settings, list, param) : AVERROR(ENOMEM);
    pq_free(param);
    return rc;
}

int pq_hdr_settings(const char *encoder, const struct pq_stream_facts *facts,
                    AVDictionary **settings)
{
    static const struct {
        const char *encoder, *list, *mastering, *light, *both;
        void (*print)(const AVMasteringDisplayMetadata *m, char *text, size_t bytes);
    } table[] = {
        {"libx264", "x264-params", "mastering-display", "cll", NULL, in_steps},
        {"libx264rgb", "x264-params", "mastering-display", "cll", NULL, in_steps},
        {"libx265", "x265-params", "master-display", "max-cll", "hdr10=1", in_steps},
        {"libsvtav1", "svtav1-params", "mastering-display", "content-light", NULL, in_numbers},
    };
    const AVMasteringDisplayMetadata *m = facts->mastering;
    const bool mastered = m && m->has_primaries && m->has_luminance;
    char text[160];
    int rc = 0;
    for (size_t i = 0; i < PQ_COUNT(table); i++) {
        if (strcmp(encoder, table[i].encoder))
            continue;
        if (mastered) {
            table[i].print(m, text, sizeof text);
            rc = add(settings, table[i].list, table[i].mastering, text);
        }
        if (rc >= 0 && facts->light) {
            snprintf(text, sizeof text, "%u,%u", facts->light->MaxCLL, facts->light->MaxFALL);
            rc = add(settings, table[i].list, table[i].light, text);
        }
        if (rc >= 0 && table[i].both && (mastered || facts->light))
            rc = pq_settings_param(settings, table[i].list, table[i].both);
    }
    return rc;
}
