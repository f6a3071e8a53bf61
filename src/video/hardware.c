/* SPDX-License-Identifier: MIT */
/* Encoders of GPUs. Those of NVIDIA and Intel's QSV take frames from memory; VAAPI takes them in
 * surfaces of the device, into which they are uploaded here. */
#include <libavutil/hwcontext.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "video/encoder.h"

const char *pq_hardware_encoder(const char *codec, enum pique_hardware kind)
{
    static const struct {
        const char *codec;
        enum pique_hardware kind;
        const char *encoder;
    } table[] = {
        {"h264", PIQUE_HARDWARE_NVENC, "h264_nvenc"}, {"h265", PIQUE_HARDWARE_NVENC, "hevc_nvenc"},
        {"av1", PIQUE_HARDWARE_NVENC, "av1_nvenc"},   {"h264", PIQUE_HARDWARE_QSV, "h264_qsv"},
        {"h265", PIQUE_HARDWARE_QSV, "hevc_qsv"},     {"av1", PIQUE_HARDWARE_QSV, "av1_qsv"},
        {"h264", PIQUE_HARDWARE_VAAPI, "h264_vaapi"}, {"h265", PIQUE_HARDWARE_VAAPI, "hevc_vaapi"},
        {"av1", PIQUE_HARDWARE_VAAPI, "av1_vaapi"},
    };
    for (size_t i = 0; i < PQ_COUNT(table); i++)
        if (table[i].kind == kind && !strcmp(table[i].codec, codec))
            return table[i].encoder;
    return NULL;
}

static int set_int(AVDictionary **settings, const char *key, int64_t value)
{
    return av_dict_set_int(settings, key, value, 0);
}

static int nvenc(AVDictionary **s, const struct pq_profile *profile, int quality, int64_t rate)
{
    char preset[8];
    snprintf(preset, sizeof preset, "p%d", profile->effort);
    int rc = av_dict_set(s, "preset", preset, 0);
    if (rc >= 0)
        rc = av_dict_set(s, "rc", "vbr", 0);
    if (rc >= 0)
        rc = rate ? set_int(s, "b", rate) : set_int(s, "cq", quality);
    return rc >= 0 && !rate ? set_int(s, "b", 0) : rc; /* else 2 Mbit/s bound the quality */
}

static int qsv(AVDictionary **s, const struct pq_profile *profile, int quality, int64_t rate)
{
    const char *preset = profile->effort > 4   ? "veryslow"
                         : profile->effort > 1 ? "medium"
                                               : "veryfast";
    int rc = av_dict_set(s, "preset", preset, 0);
    if (rc >= 0)
        rc = rate ? set_int(s, "b", rate) : set_int(s, "global_quality", quality);
    return rc;
}

static int vaapi(AVDictionary **s, const struct pq_profile *profile, int quality, int64_t rate)
{
    if (rate)
        return set_int(s, "b", rate);
    int rc = av_dict_set(s, "rc_mode", "CQP", 0);
    const bool av1 = !strcmp(profile->codec, "av1"); /* whose steps go to 255 */
    return rc >= 0 ? set_int(s, "global_quality", av1 ? 4 * quality : quality) : rc;
}

int pq_hardware_settings(const struct pq_profile *profile, enum pique_hardware kind, bool deep,
                         const struct pq_film_write *write, AVDictionary **settings)
{
    const int quality = write->crf_set ? (int)(write->crf + 0.5) : profile->quality;
    const int64_t rate = write->bitrate;
    int rc = kind == PIQUE_HARDWARE_NVENC ? nvenc(settings, profile, quality, rate)
             : kind == PIQUE_HARDWARE_QSV ? qsv(settings, profile, quality, rate)
                                          : vaapi(settings, profile, quality, rate);
    if (rc >= 0 && write->preset)
        rc = av_dict_set(settings, "preset", write->preset, 0);
    if (rc >= 0 && !strcmp(profile->codec, "h264"))
        rc = av_dict_set(settings, "profile", profile->effort > 4 ? "high" : "main", 0);
    if (rc >= 0 && !strcmp(profile->codec, "h265"))
        rc = av_dict_set(settings, "profile", deep ? "main10" : "main", 0);
    return rc;
}

int pq_hardware_attach(AVCodecContext *codec, enum AVPixelFormat samples)
{
    AVBufferRef *device = NULL;
    int rc = av_hwdevice_ctx_create(&device, AV_HWDEVICE_TYPE_VAAPI, NULL, NULL, 0);
    if (rc < 0)
        return rc;
    AVBufferRef *frames = av_hwframe_ctx_alloc(device);
    av_buffer_unref(&device); /* the frames keep it */
    if (!frames)
        return AVERROR(ENOMEM);
    AVHWFramesContext *context = (AVHWFramesContext *)frames->data;
    context->format = AV_PIX_FMT_VAAPI;
    context->sw_format = samples;
    context->width = codec->width;
    context->height = codec->height;
    context->initial_pool_size = 32;
    rc = av_hwframe_ctx_init(frames);
    if (rc < 0) {
        av_buffer_unref(&frames);
        return rc;
    }
    codec->hw_frames_ctx = frames;
    codec->pix_fmt = AV_PIX_FMT_VAAPI;
    return 0;
}

int pq_hardware_send(AVCodecContext *codec, const AVFrame *samples)
{
    AVFrame *surface = av_frame_alloc();
    int rc = surface ? av_hwframe_get_buffer(codec->hw_frames_ctx, surface, 0) : AVERROR(ENOMEM);
    if (rc >= 0)
        rc = av_hwframe_transfer_data(surface, samples, 0);
    if (rc >= 0)
        rc = av_frame_copy_props(surface, samples);
    if (rc >= 0)
        rc = avcodec_send_frame(codec, surface);
    av_frame_free(&surface);
    return rc;
}
