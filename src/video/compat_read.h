/* SPDX-License-Identifier: MIT */
/* What reading asks of the version of FFmpeg: 5 to 7. */
#pragma once

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdbool.h>

static inline bool pq_frame_is_interlaced(const AVFrame *frame)
{
#ifdef AV_FRAME_FLAG_INTERLACED
    return frame->flags & AV_FRAME_FLAG_INTERLACED;
#else
    return frame->interlaced_frame;
#endif
}

static inline void pq_frame_set_interlaced(AVFrame *frame, bool interlaced)
{
#ifdef AV_FRAME_FLAG_INTERLACED
    frame->flags = interlaced ? frame->flags | AV_FRAME_FLAG_INTERLACED
                              : frame->flags & ~AV_FRAME_FLAG_INTERLACED;
#else
    frame->interlaced_frame = interlaced;
#endif
}

/* The field duration of libavutil 57.30 took the place of pkt_duration. */
static inline int64_t *pq_frame_duration(AVFrame *frame)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 0)
    return &frame->duration;
#else
    return &frame->pkt_duration;
#endif
}

/* NULL: the stream says nothing of the kind. */
static inline const uint8_t *pq_stream_side_data(const AVStream *stream,
                                                 enum AVPacketSideDataType type, size_t *size)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 30, 0)
    const AVPacketSideData *side = stream->codecpar->coded_side_data;
    const int count = stream->codecpar->nb_coded_side_data;
#else
    const AVPacketSideData *side = stream->side_data;
    const int count = stream->nb_side_data;
#endif
    for (int i = 0; i < count; i++)
        if (side[i].type == type) {
            *size = side[i].size;
            return side[i].data;
        }
    return NULL;
}

static inline int pq_stream_channels(const AVCodecParameters *par)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 24, 100)
    return par->ch_layout.nb_channels;
#else
    return par->channels;
#endif
}
