/* SPDX-License-Identifier: MIT */
/* Sound and subtitles of a form that the container does not take, in one that it takes. */
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "video/compat.h"
#include "video/join.h"

enum { TEXT_BYTES = 64 << 10 };

struct pq_recoder {
    AVCodecContext *decoder, *encoder;
    AVFilterGraph *graph; /* of sound */
    AVFilterContext *source, *sink;
    AVFrame *frame;
    AVPacket *packet;
    uint8_t *text;
};

void pq_recode_close(struct pq_recoder **recoder)
{
    struct pq_recoder *r = *recoder;
    *recoder = NULL;
    if (!r)
        return;
    avfilter_graph_free(&r->graph);
    avcodec_free_context(&r->decoder);
    avcodec_free_context(&r->encoder);
    av_frame_free(&r->frame);
    av_packet_free(&r->packet);
    pq_free(r->text);
    pq_free(r);
}

/* ---- opening ---- */

static int open_decoder(struct pq_track *t, struct pq_recoder *r)
{
    const AVCodec *decoder = avcodec_find_decoder(t->in->codecpar->codec_id);
    r->decoder = avcodec_alloc_context3(decoder);
    if (!r->decoder)
        return AVERROR(ENOMEM);
    int rc = avcodec_parameters_to_context(r->decoder, t->in->codecpar);
    r->decoder->pkt_timebase = t->in->time_base;
    return rc < 0 ? rc : avcodec_open2(r->decoder, decoder, NULL);
}

static int rate_for(const AVCodec *encoder, int rate)
{
    int best = rate;
    for (const int *s = encoder->supported_samplerates; s && *s; s++) {
        if (*s == rate)
            return rate;
        if (best == rate || abs(*s - rate) < abs(best - rate))
            best = *s;
    }
    return best;
}

static int open_graph(const struct pq_track *t, struct pq_recoder *r)
{
    char args[256], layout[96], usual[96];
    const AVCodecContext *d = r->decoder, *e = r->encoder;
    AVFilterContext *resample = NULL, *format = NULL;
    pq_av_channels(d, layout, sizeof layout);
    pq_av_channels(e, usual, sizeof usual);
    r->graph = avfilter_graph_alloc();
    if (!r->graph)
        return AVERROR(ENOMEM);
    snprintf(args, sizeof args, "time_base=%d/%d:sample_rate=%d:sample_fmt=%s:channel_layout=%s",
             t->in->time_base.num, t->in->time_base.den, d->sample_rate,
             av_get_sample_fmt_name(d->sample_fmt), layout);
    int rc = avfilter_graph_create_filter(&r->source, avfilter_get_by_name("abuffer"), "in", args,
                                          NULL, r->graph);
    if (rc >= 0) /* what is missing in between becomes silence, so that the rest stays in time */
        rc = avfilter_graph_create_filter(&resample, avfilter_get_by_name("aresample"), "resample",
                                          "async=1", NULL, r->graph);
    snprintf(args, sizeof args, "sample_fmts=%s:sample_rates=%d:channel_layouts=%s",
             av_get_sample_fmt_name(e->sample_fmt), e->sample_rate, usual);
    if (rc >= 0)
        rc = avfilter_graph_create_filter(&format, avfilter_get_by_name("aformat"), "format", args,
                                          NULL, r->graph);
    if (rc >= 0)
        rc = avfilter_graph_create_filter(&r->sink, avfilter_get_by_name("abuffersink"), "out",
                                          NULL, NULL, r->graph);
    if (rc >= 0)
        rc = avfilter_link(r->source, 0, resample, 0);
    if (rc >= 0)
        rc = avfilter_link(resample, 0, format, 0);
    if (rc >= 0)
        rc = avfilter_link(format, 0, r->sink, 0);
    if (rc >= 0)
        rc = avfilter_graph_config(r->graph, NULL);
    if (rc >= 0 && e->frame_size > 0 &&
        !(e->codec->capabilities & AV_CODEC_CAP_VARIABLE_FRAME_SIZE))
        av_buffersink_set_frame_size(r->sink, (unsigned)e->frame_size);
    return rc;
}

static const AVCodec *sound_encoder(enum AVCodecID id)
{
    const AVCodec *opus = id == AV_CODEC_ID_OPUS ? avcodec_find_encoder_by_name("libopus") : NULL;
    return opus ? opus : avcodec_find_encoder(id);
}

static int open_sound(struct pq_track *t, struct pq_recoder *r, const AVFormatContext *out)
{
    const AVCodec *codec = sound_encoder(t->codec);
    const int channels = pq_av_channel_count(r->decoder);
    if (!codec || channels < 1 || r->decoder->sample_rate < 1)
        return AVERROR_ENCODER_NOT_FOUND;
    AVCodecContext *e = r->encoder = avcodec_alloc_context3(codec);
    if (!e)
        return AVERROR(ENOMEM);
    pq_av_set_channels(e, PQ_MIN(channels, 8));
    e->sample_rate = rate_for(codec, r->decoder->sample_rate);
    e->sample_fmt = codec->sample_fmts ? codec->sample_fmts[0] : AV_SAMPLE_FMT_FLT;
    e->time_base = (AVRational){1, e->sample_rate};
    e->bit_rate = t->codec == AV_CODEC_ID_FLAC ? 0 : INT64_C(96000) * PQ_MIN(channels, 8);
    e->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL; /* where only libav's own Opus is */
    if (out->oformat->flags & AVFMT_GLOBALHEADER)
        e->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    int rc = avcodec_open2(e, codec, NULL);
    return rc < 0 ? rc : open_graph(t, r);
}

static int open_text(struct pq_track *t, struct pq_recoder *r)
{
    const AVCodec *codec = avcodec_find_encoder(t->codec);
    AVCodecContext *e = r->encoder = avcodec_alloc_context3(codec);
    r->text = pq_malloc(TEXT_BYTES);
    if (!e || !r->text)
        return AVERROR(ENOMEM);
    e->time_base = (AVRational){1, 1000};
    const int bytes = r->decoder->subtitle_header_size;
    if (bytes > 0) {
        e->subtitle_header = av_mallocz((size_t)bytes + 1);
        if (!e->subtitle_header)
            return AVERROR(ENOMEM);
        memcpy(e->subtitle_header, r->decoder->subtitle_header, (size_t)bytes);
        e->subtitle_header_size = bytes;
    }
    return avcodec_open2(e, codec, NULL);
}

int pq_recode_open(struct pq_track *t, const AVFormatContext *out, const char *name,
                   pique_error *err)
{
    struct pq_recoder *r = t->recoder = pq_calloc(1, sizeof *r);
    if (!r)
        return pq_fail_nomem(err, sizeof *r);
    r->frame = av_frame_alloc();
    r->packet = av_packet_alloc();
    int rc = r->frame && r->packet ? open_decoder(t, r) : AVERROR(ENOMEM);
    if (rc >= 0)
        rc = t->way == PQ_SOUND ? open_sound(t, r, out) : open_text(t, r);
    if (rc >= 0)
        rc = avcodec_parameters_from_context(t->out->codecpar, r->encoder);
    if (rc < 0) {
        char what[160];
        snprintf(what, sizeof what, pq_tr("make %s of its %s"), avcodec_get_name(t->codec),
                 avcodec_get_name(t->in->codecpar->codec_id));
        return pq_av_fail(err, rc, name, what);
    }
    t->out->codecpar->codec_tag = 0;
    t->out->time_base = t->tick = r->encoder->time_base;
    return 0;
}

/* ---- sound ---- */

/* Packets leave in ticks of the encoder. */
static int put_packets(struct pq_track *t, pq_packet_fn *put, void *user)
{
    struct pq_recoder *r = t->recoder;
    int rc;
    while ((rc = avcodec_receive_packet(r->encoder, r->packet)) >= 0) {
        rc = put(user, t, r->packet);
        av_packet_unref(r->packet);
        if (rc < 0)
            return rc;
    }
    return rc == AVERROR(EAGAIN) || rc == AVERROR_EOF ? 0 : rc;
}

static int encode_filtered(struct pq_track *t, pq_packet_fn *put, void *user)
{
    struct pq_recoder *r = t->recoder;
    int rc;
    while ((rc = av_buffersink_get_frame(r->sink, r->frame)) >= 0) {
        r->frame->pts = av_rescale_q(r->frame->pts, av_buffersink_get_time_base(r->sink),
                                     r->encoder->time_base);
        rc = avcodec_send_frame(r->encoder, r->frame);
        av_frame_unref(r->frame);
        if (rc >= 0)
            rc = put_packets(t, put, user);
        if (rc < 0)
            return rc;
    }
    return rc == AVERROR(EAGAIN) || rc == AVERROR_EOF ? 0 : rc;
}

static int recode_sound(struct pq_track *t, const AVPacket *packet, pq_packet_fn *put, void *user)
{
    struct pq_recoder *r = t->recoder;
    int rc = avcodec_send_packet(r->decoder, packet);
    if (rc == AVERROR_INVALIDDATA)
        return 0; /* a damaged packet becomes silence */
    while (rc >= 0 && (rc = avcodec_receive_frame(r->decoder, r->frame)) >= 0) {
        r->frame->pts = r->frame->best_effort_timestamp;
        rc = av_buffersrc_add_frame(r->source, r->frame);
        av_frame_unref(r->frame);
        if (rc >= 0)
            rc = encode_filtered(t, put, user);
    }
    if (rc < 0 && rc != AVERROR(EAGAIN) && rc != AVERROR_EOF && rc != AVERROR_INVALIDDATA)
        return rc;
    if (packet)
        return 0;
    rc = av_buffersrc_add_frame(r->source, NULL);
    if (rc >= 0)
        rc = encode_filtered(t, put, user);
    if (rc >= 0)
        rc = avcodec_send_frame(r->encoder, NULL);
    return rc < 0 && rc != AVERROR_EOF ? rc : put_packets(t, put, user);
}

/* ---- text ---- */

static int recode_text(struct pq_track *t, const AVPacket *packet, pq_packet_fn *put, void *user)
{
    struct pq_recoder *r = t->recoder;
    AVSubtitle subtitle = {0};
    int got = 0;
    if (!packet)
        return 0;
    AVPacket *copy = av_packet_clone(packet); /* the decoder may write to it */
    if (!copy)
        return AVERROR(ENOMEM);
    int rc = avcodec_decode_subtitle2(r->decoder, &subtitle, &got, copy);
    av_packet_free(&copy);
    if (rc < 0 || !got)
        return rc == AVERROR(ENOMEM) ? rc : 0; /* a damaged line is no reason to lose the film */
    subtitle.start_display_time = 0;
    rc = avcodec_encode_subtitle(r->encoder, r->text, TEXT_BYTES, &subtitle);
    avsubtitle_free(&subtitle);
    if (rc <= 0)
        return 0;
    const int size = rc;
    rc = av_new_packet(r->packet, size);
    if (rc < 0)
        return rc;
    memcpy(r->packet->data, r->text, (size_t)size);
    r->packet->flags |= AV_PKT_FLAG_KEY;
    r->packet->pts = av_rescale_q(packet->pts, t->in->time_base, r->encoder->time_base);
    r->packet->dts = r->packet->pts;
    r->packet->duration = av_rescale_q(packet->duration, t->in->time_base, r->encoder->time_base);
    rc = put(user, t, r->packet);
    av_packet_unref(r->packet);
    return rc;
}

int pq_recode(struct pq_track *t, const AVPacket *packet, pq_packet_fn *put, void *user)
{
    return t->way == PQ_SOUND ? recode_sound(t, packet, put, user)
                              : recode_text(t, packet, put, user);
}
