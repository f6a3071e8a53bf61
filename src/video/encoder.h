/* SPDX-License-Identifier: MIT */
/* An encoder of libav, opened as it was chosen. */
#pragma once

#include <libavcodec/avcodec.h>
#include <libavutil/mastering_display_metadata.h>

#include "film/video.h"
#include "video/codecs.h"
#include "video/colour.h"
#include "video/source.h"

/* What the stream of frames is, beside what was chosen. */
struct pq_stream_facts {
    const char *name; /* for messages */
    int width, height;
    AVRational rate, sar;
    struct pq_colour colour;
    const AVMasteringDisplayMetadata *mastering; /* NULL: none */
    const AVContentLightMetadata *light;
};

/* `settings` has all that the encoder is given. The time base is a frame; extradata is global. */
int pq_encoder_open(const struct pq_film_encoder *chosen, const struct pq_stream_facts *facts,
                    AVCodecContext **out, pique_error *err);
void pq_encoder_close(AVCodecContext **codec);
/* A frame in chosen.pixel_format, which the encoder gets in the order of samples that it takes;
 * NULL: no more. A libav status. */
int pq_encoder_send(AVCodecContext *codec, const AVFrame *frame, int64_t pts);

/* The tags of frames of this format and size whose colours are those of the source: what it said,
 * and what has to be said so that a player does not guess otherwise. */
struct pq_colour pq_encoder_colour(const struct pq_av_source *like, enum AVPixelFormat format,
                                   const char *encoder, int width, int height);

/* What the planes of such frames are; false where struct pq_yuv cannot say all of it. */
bool pq_encoder_yuv(const struct pq_av_source *like, enum AVPixelFormat format, const char *encoder,
                    int width, int height, struct pq_yuv *out);

/* Whether the encoder of what was chosen opens and encodes; `version` and the like are filled. */
int pq_encoder_try(struct pq_film_encoder *chosen, const struct pq_profile *profile,
                   pique_error *err);

/* ---- formats ---- */

/* What an encoder takes frames of this format as: the format itself, or the same samples in another
 * order. AV_PIX_FMT_NONE: not at all. */
enum AVPixelFormat pq_pack_format(const AVCodec *codec, enum AVPixelFormat format);
/* The same samples in the other order; either way. `to` has its format, size and memory. */
void pq_pack_frame(const AVFrame *from, AVFrame *to);

/* The format of `list` (names; NULL: all that the encoder takes) that keeps most of the source. */
enum AVPixelFormat pq_format_choose(const AVCodec *codec, const char *list,
                                    enum AVPixelFormat source, bool alpha);
/* The sentence about what it does not keep of it; "" where it keeps all. */
void pq_format_loss(enum AVPixelFormat source, enum AVPixelFormat format, bool alpha,
                    const char *what, char *text, size_t bytes);

/* ---- HDR ---- */

/* The numbers of HDR10 as the library behind the encoder takes them. A libav status. */
int pq_hdr_settings(const char *encoder, const struct pq_stream_facts *facts,
                    AVDictionary **settings);

/* ---- encoders of GPUs (hardware.c) ---- */

/* "h264_nvenc" and its options for a profile; NULL: there is none. */
const char *pq_hardware_encoder(const char *codec, enum pique_hardware kind);
int pq_hardware_settings(const struct pq_profile *profile, enum pique_hardware kind, bool deep,
                         const struct pq_film_write *write, AVDictionary **settings);
/* Where the encoder takes frames in the memory of a device: that device. libav statuses. */
int pq_hardware_attach(AVCodecContext *codec, enum AVPixelFormat samples);
int pq_hardware_send(AVCodecContext *codec, const AVFrame *samples);
