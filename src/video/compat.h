/* SPDX-License-Identifier: MIT */
/* What writing asks of the version of FFmpeg: 5 to 7. */
#pragma once

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if LIBAVCODEC_VERSION_MAJOR < 59
#error "FFmpeg 5 (libavcodec 59) or later is needed"
#endif

/* What a stream that is written says beside its packets. */
static inline int pq_av_side_data_set(AVStream *stream, enum AVPacketSideDataType type,
                                      const uint8_t *data, size_t size)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 30, 0)
    AVCodecParameters *par = stream->codecpar;
    AVPacketSideData *side =
        av_packet_side_data_new(&par->coded_side_data, &par->nb_coded_side_data, type, size, 0);
    uint8_t *to = side ? side->data : NULL;
#else
    uint8_t *to = av_stream_new_side_data(stream, type, size);
#endif
    if (!to)
        return AVERROR(ENOMEM);
    memcpy(to, data, size);
    return 0;
}

/* "stereo", "5.1(side)": the channels as a filter takes them. */
static inline void pq_av_channels(const AVCodecContext *codec, char *text, size_t bytes)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 24, 100)
    if (codec->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC) {
        AVChannelLayout usual;
        av_channel_layout_default(&usual, codec->ch_layout.nb_channels);
        av_channel_layout_describe(&usual, text, bytes);
        av_channel_layout_uninit(&usual);
        return;
    }
    av_channel_layout_describe(&codec->ch_layout, text, bytes);
#else
    av_get_channel_layout_string(text, (int)bytes, codec->channels,
                                 codec->channel_layout
                                     ? codec->channel_layout
                                     : (uint64_t)av_get_default_channel_layout(codec->channels));
#endif
}

static inline int pq_av_channel_count(const AVCodecContext *codec)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 24, 100)
    return codec->ch_layout.nb_channels;
#else
    return codec->channels;
#endif
}

/* The channels of an encoder: so many, in their usual places. */
static inline void pq_av_set_channels(AVCodecContext *codec, int count)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 24, 100)
    av_channel_layout_uninit(&codec->ch_layout);
    av_channel_layout_default(&codec->ch_layout, count);
#else
    codec->channels = count;
    codec->channel_layout = (uint64_t)av_get_default_channel_layout(count);
#endif
}
