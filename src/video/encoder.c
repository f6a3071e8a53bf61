/* SPDX-License-Identifier: MIT */
/* Opening an encoder and giving it frames. All that decides its bits is in what was chosen: the
 * settings, the format and the number of threads. */
#include "video/encoder.h"

#include <dlfcn.h>
#include <libavutil/frame.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "video/settings.h"
#include "video/yuv.h"

/* ---- opening ---- */

static bool is_limited_by_nature(const char *encoder)
{
    return pq_starts_with(encoder, "prores") || !strcmp(encoder, "dnxhd");
}

struct pq_colour pq_encoder_colour(const struct pq_av_source *like, enum AVPixelFormat format,
                                   const char *encoder, int width, int height)
{
    const AVPixFmtDescriptor *to = av_pix_fmt_desc_get(format);
    const AVPixFmtDescriptor *from = av_pix_fmt_desc_get(like->format);
    const bool to_rgb = to && (to->flags & AV_PIX_FMT_FLAG_RGB);
    const bool from_rgb = from && (from->flags & AV_PIX_FMT_FLAG_RGB);
    struct pq_colour said = like->tagged, meant = like->colour;
    if (to_rgb != from_rgb) { /* the conversion decides, by what is usual for the size */
        said.matrix = meant.matrix = to_rgb ? AVCOL_SPC_RGB : AVCOL_SPC_UNSPECIFIED;
        said.range = meant.range = AVCOL_RANGE_UNSPECIFIED;
        meant = pq_colour_resolve(meant, format, width, height);
        said.matrix = meant.matrix;
        said.range = meant.range;
    }
    if (is_limited_by_nature(encoder) && !to_rgb && meant.range != AVCOL_RANGE_MPEG)
        said.range = meant.range = AVCOL_RANGE_MPEG; /* neither stream nor mov can say "full" */
    if (!to || (!to->log2_chroma_w && !to->log2_chroma_h))
        said.site = AVCHROMA_LOC_UNSPECIFIED; /* no sample is between others */
    const struct pq_colour guess = pq_colour_resolve(said, format, width, height);
    if (said.matrix == AVCOL_SPC_UNSPECIFIED && guess.matrix != meant.matrix)
        said.matrix = meant.matrix;
    if (said.primaries == AVCOL_PRI_UNSPECIFIED && guess.primaries != meant.primaries)
        said.primaries = meant.primaries;
    if (said.transfer == AVCOL_TRC_UNSPECIFIED && guess.transfer != meant.transfer)
        said.transfer = meant.transfer;
    if (said.range == AVCOL_RANGE_UNSPECIFIED && guess.range != meant.range)
        said.range = meant.range;
    return said;
}

bool pq_encoder_yuv(const struct pq_av_source *like, enum AVPixelFormat format, const char *encoder,
                    int width, int height, struct pq_yuv *out)
{
    const struct pq_colour said = pq_encoder_colour(like, format, encoder, width, height);
    const struct pq_samples samples = {.format = format,
                                       .colour = pq_colour_resolve(said, format, width, height),
                                       .width = width,
                                       .height = height};
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(format);
    return desc && desc->nb_components == 3 && pq_yuv_of(&samples, out);
}

static void set_facts(AVCodecContext *codec, const struct pq_film_encoder *chosen,
                      const struct pq_stream_facts *facts)
{
    const bool timed = facts->rate.num > 0 && facts->rate.den > 0;
    codec->width = facts->width;
    codec->height = facts->height;
    codec->framerate = timed ? facts->rate : (AVRational){25, 1};
    codec->time_base = av_inv_q(codec->framerate); /* a tick is a frame */
    if (codec->codec_id == AV_CODEC_ID_MPEG4 && codec->time_base.den > 65535)
        codec->time_base = (AVRational){1, 25};
    codec->sample_aspect_ratio = facts->sar;
    codec->colorspace = facts->colour.matrix;
    codec->color_primaries = facts->colour.primaries;
    codec->color_trc = facts->colour.transfer;
    codec->color_range = facts->colour.range;
    codec->chroma_sample_location = facts->colour.site;
    codec->thread_count = chosen->threads;
    codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
}

static int open_with(AVCodecContext *codec, const AVCodec *encoder, AVDictionary **settings,
                     enum AVPixelFormat packed, const char *name, pique_error *err)
{
    codec->pix_fmt = packed;
    int rc = encoder->pix_fmts && encoder->pix_fmts[0] == AV_PIX_FMT_VAAPI
                 ? pq_hardware_attach(codec, packed)
                 : 0;
    if (rc >= 0)
        rc = avcodec_open2(codec, encoder, settings);
    if (rc < 0) {
        char what[128];
        snprintf(what, sizeof what, pq_tr("open the encoder %s"), encoder->name);
        return pq_av_fail(err, rc, name, what);
    }
    const AVDictionaryEntry *left = av_dict_get(*settings, "", NULL, AV_DICT_IGNORE_SUFFIX);
    if (left)
        return pq_fail(err, PIQUE_EINVAL, "%s: %s has no option '%s'", name, encoder->name,
                       left->key);
    return 0;
}

int pq_encoder_open(const struct pq_film_encoder *chosen, const struct pq_stream_facts *facts,
                    AVCodecContext **out, pique_error *err)
{
    const AVCodec *encoder = avcodec_find_encoder_by_name(chosen->encoder);
    const enum AVPixelFormat format = av_get_pix_fmt(chosen->pixel_format);
    *out = NULL;
    if (!encoder)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: this FFmpeg has no encoder '%s'", facts->name,
                       chosen->encoder);
    const enum AVPixelFormat packed = pq_pack_format(encoder, format);
    if (packed == AV_PIX_FMT_NONE)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: the encoder %s does not take %s", facts->name,
                       encoder->name, chosen->pixel_format);
    AVDictionary *settings = NULL;
    AVCodecContext *codec = avcodec_alloc_context3(encoder);
    int rc = codec ? pq_settings_parse(chosen->settings, &settings, err)
                   : pq_fail_nomem(err, sizeof *codec);
    if (!rc && pq_hdr_settings(chosen->encoder, facts, &settings) < 0)
        rc = pq_fail_nomem(err, 256);
    if (!rc) {
        set_facts(codec, chosen, facts);
        rc = open_with(codec, encoder, &settings, packed, facts->name, err);
    }
    av_dict_free(&settings);
    if (rc)
        pq_encoder_close(&codec);
    *out = codec;
    return rc;
}

static AVFrame *grey_frame(enum AVPixelFormat format, int width, int height)
{
    AVFrame *frame = av_frame_alloc();
    if (!frame)
        return NULL;
    frame->format = format;
    frame->width = width;
    frame->height = height;
    if (av_frame_get_buffer(frame, 0) < 0)
        av_frame_free(&frame);
    for (int p = 0; frame && p < 4 && frame->data[p]; p++) {
        const bool half = (p == 1 || p == 2);
        const int rows =
            half ? AV_CEIL_RSHIFT(height, av_pix_fmt_desc_get(format)->log2_chroma_h) : height;
        memset(frame->data[p], 1, (size_t)frame->linesize[p] * (size_t)rows);
    }
    return frame;
}

/* SVT-AV1 1.4 waits for ever where it is closed before its stream has ended. */
static void end_stream(AVCodecContext *codec)
{
    AVFrame *frame = grey_frame(codec->pix_fmt, codec->width, codec->height);
    AVPacket *packet = av_packet_alloc();
    if (frame && packet) {
        frame->pts = INT64_C(1) << 40; /* it may have had none, and needs one */
        avcodec_send_frame(codec, frame);
        avcodec_send_frame(codec, NULL);
        while (avcodec_receive_packet(codec, packet) >= 0)
            av_packet_unref(packet);
    }
    av_frame_free(&frame);
    av_packet_free(&packet);
}

void pq_encoder_close(AVCodecContext **codec)
{
    if (*codec && avcodec_is_open(*codec) && !strcmp((*codec)->codec->name, "libsvtav1"))
        end_stream(*codec);
    avcodec_free_context(codec);
}

/* ---- frames ---- */

static int send_packed(AVCodecContext *codec, const AVFrame *samples)
{
    return codec->hw_frames_ctx ? pq_hardware_send(codec, samples)
                                : avcodec_send_frame(codec, samples);
}

int pq_encoder_send(AVCodecContext *codec, const AVFrame *frame, int64_t pts)
{
    if (!frame)
        return avcodec_send_frame(codec, NULL);
    AVFrame *own = av_frame_alloc();
    if (!own)
        return AVERROR(ENOMEM);
    const enum AVPixelFormat packed = pq_pack_format(codec->codec, frame->format);
    int rc;
    if (packed == frame->format) {
        rc = av_frame_ref(own, frame);
    } else {
        own->format = packed;
        own->width = frame->width;
        own->height = frame->height;
        rc = packed == AV_PIX_FMT_NONE ? AVERROR(EINVAL) : av_frame_get_buffer(own, 0);
        if (rc >= 0)
            pq_pack_frame(frame, own);
    }
    own->pts = pts;
    own->pict_type = AV_PICTURE_TYPE_NONE; /* of the source's, which are no advice for ours */
    own->color_range = codec->color_range;
    own->colorspace = codec->colorspace;
    own->color_primaries = codec->color_primaries;
    own->color_trc = codec->color_trc;
    own->chroma_location = codec->chroma_sample_location;
    own->sample_aspect_ratio = codec->sample_aspect_ratio;
    if (rc >= 0)
        rc = send_packed(codec, own);
    av_frame_free(&own);
    return rc;
}

/* ---- trying ---- */

/* x264 and x265 sign what they encode. */
static void find_signature(const uint8_t *data, int size, struct pq_str *version)
{
    static const char *const marks[] = {"x264 - core ", "x265 (build "};
    for (size_t m = 0; m < PQ_COUNT(marks); m++) {
        const uint8_t *at =
            size > 0 ? memmem(data, (size_t)size, marks[m], strlen(marks[m])) : NULL;
        if (!at)
            continue;
        size_t n = 0;
        const size_t left = (size_t)(data + size - at);
        /* "x265 (build 199) - 3.5+1-f0c1022b6:[Linux]... - H.265/HEVC codec": the numbers alone */
        const bool hevc = m == 1;
        while (n < left && n < 48 && at[n] >= ' ' && at[n] < 127 && !(hevc && at[n] == ':') &&
               !(n > 8 && !memcmp(at + n, " - H", PQ_MIN(4, left - n))))
            n++;
        if (version->length && strstr(version->data, marks[m]))
            continue;
        pq_str_add(version, ", ");
        pq_str_add_n(version, (const char *)at, n);
    }
}

/* Those that do not sign tell their version when asked; their libraries are loaded with libav. */
static void ask_version(const char *encoder, struct pq_str *version)
{
    static const struct {
        const char *encoder, *function;
    } who[] = {{"libsvtav1", "svt_av1_get_version"}, {"libvpx", "vpx_codec_version_str"}};
    for (size_t i = 0; i < PQ_COUNT(who); i++) {
        if (!pq_starts_with(encoder, who[i].encoder))
            continue;
        const char *(*ask)(void) = NULL;
        *(void **)&ask = dlsym(RTLD_DEFAULT, who[i].function);
        const char *told = ask ? ask() : NULL;
        if (told)
            pq_str_printf(version, ", %s %s", who[i].encoder, told);
    }
}

static int encode_one(AVCodecContext *codec, const AVFrame *frame, struct pq_str *version)
{
    AVPacket *packet = av_packet_alloc();
    int packets = 0;
    int rc = packet ? pq_encoder_send(codec, frame, 0) : AVERROR(ENOMEM);
    if (rc >= 0)
        rc = pq_encoder_send(codec, NULL, 0);
    while (rc >= 0 && (rc = avcodec_receive_packet(codec, packet)) >= 0) {
        packets++;
        find_signature(packet->data, packet->size, version);
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    find_signature(codec->extradata, codec->extradata_size, version);
    if (rc == AVERROR_EOF)
        return packets ? 0 : AVERROR_UNKNOWN;
    return rc;
}

int pq_encoder_try(struct pq_film_encoder *chosen, const struct pq_profile *profile,
                   pique_error *err)
{
    struct pq_stream_facts facts = {.name = pq_tr("the film"), .rate = {25, 1}, .sar = {1, 1}};
    pq_profile_try_size(profile, &facts.width, &facts.height);
    facts.colour =
        pq_colour_resolve((struct pq_colour){.matrix = AVCOL_SPC_UNSPECIFIED},
                          av_get_pix_fmt(chosen->pixel_format), facts.width, facts.height);
    AVCodecContext *codec = NULL;
    struct pq_str version = {0};
    int rc = pq_encoder_open(chosen, &facts, &codec, err);
    if (rc)
        return rc;
    AVFrame *frame = grey_frame(av_get_pix_fmt(chosen->pixel_format), facts.width, facts.height);
    pq_str_printf(&version, "libavcodec %u.%u.%u", avcodec_version() >> 16,
                  avcodec_version() >> 8 & 255, avcodec_version() & 255);
    pq_str_add(&version, ", ");
    pq_converter_version(&version);
    const int status = frame ? encode_one(codec, frame, &version) : AVERROR(ENOMEM);
    if (status < 0) {
        char what[128];
        snprintf(what, sizeof what, pq_tr("encode a frame with %s"), chosen->encoder);
        rc = pq_av_fail(err, status, facts.name, what);
    }
    ask_version(chosen->encoder, &version);
    if (!rc && version.failed)
        rc = pq_fail_nomem(err, sizeof chosen->version);
    if (!rc)
        snprintf(chosen->version, sizeof chosen->version, "%s", version.data);
    pq_str_free(&version);
    av_frame_free(&frame);
    pq_encoder_close(&codec);
    return rc;
}
