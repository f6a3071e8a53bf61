/* SPDX-License-Identifier: MIT */
/* Frames without loss until their segment is sealed: FFV1, each frame for itself and with a
 * checksum in every slice, in Matroska, each in a cluster of its own. Any player shows them. What a
 * crash cut off or damaged is found by the checksums; frames before it are whole. */
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/pixdesc.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "video/demux.h"
#include "video/module.h"
#include "video/segment.h"
#include "video/writer.h"

struct journal {
    struct pq_film_journal base; /* first */
    enum AVPixelFormat format;   /* of the frames */
    int width, height;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFormatContext *out; /* writing */
    struct pq_av_io io;
    struct pq_input *in; /* reading; NULL: there is nothing to be read */
    int64_t next;        /* index; -1: any */
};

static void close_journal(struct pq_film_journal *journal)
{
    struct journal *j = (struct journal *)journal;
    avcodec_free_context(&j->codec);
    av_packet_free(&j->packet);
    avformat_free_context(j->out);
    pq_av_io_close(&j->io);
    pq_input_close(&j->in);
    pq_free(j);
}

static struct journal *new_journal(const struct pq_film_writer *like, pique_error *err)
{
    const struct pq_av_writer *w = (const struct pq_av_writer *)like;
    struct journal *j = pq_calloc(1, sizeof *j);
    AVPacket *packet = av_packet_alloc();
    if (!j || !packet) {
        pq_free(j);
        av_packet_free(&packet);
        pq_fail_nomem(err, sizeof *j);
        return NULL;
    }
    j->packet = packet;
    j->base.close = close_journal;
    j->format = w->format;
    j->width = w->facts.width;
    j->height = w->facts.height;
    j->next = -1;
    return j;
}

/* ---- writing ---- */

static int write_out(struct journal *j, AVPacket *packet, pique_error *err)
{
    int status = av_write_frame(j->out, packet);
    if (status >= 0)
        status = av_write_frame(j->out, NULL); /* the cluster ends */
    if (status < 0)
        return pq_av_io_fail(&j->io, status, j->io.file->path, "write the journal", err);
    return pq_av_io_flush(&j->io, err);
}

static int append(struct pq_film_journal *journal, const struct pq_frame *frame, int64_t index,
                  pique_error *err)
{
    struct journal *j = (struct journal *)journal;
    const char *path = j->io.file->path;
    const AVFrame *av = pq_av_frame(frame);
    if (av->format != j->format || av->width != j->width || av->height != j->height)
        return pq_fail(err, PIQUE_EINTERNAL, "%s: a frame of another size or format", path);
    int status = pq_encoder_send(j->codec, av, index);
    if (status >= 0)
        status = avcodec_receive_packet(j->codec, j->packet);
    if (status < 0)
        return pq_av_fail(err, status, path, "encode a frame");
    j->packet->stream_index = 0;
    j->packet->pts = j->packet->dts = index;
    j->packet->duration = 1;
    const int rc = write_out(j, j->packet, err);
    av_packet_unref(j->packet);
    return rc;
}

static int open_out(struct journal *j, const struct pq_stream_facts *facts, struct pq_file *file,
                    pique_error *err)
{
    struct pq_film_encoder ffv1 = {
        .encoder = "ffv1", .settings = "level=3 slices=16 slicecrc=1 g=1", .threads = 4};
    snprintf(ffv1.pixel_format, sizeof ffv1.pixel_format, "%s", av_get_pix_fmt_name(j->format));
    int rc = pq_encoder_open(&ffv1, facts, &j->codec, err);
    if (!rc)
        rc = pq_av_io_open(&j->io, file, true, err);
    if (rc)
        return rc;
    int status = avformat_alloc_output_context2(&j->out, NULL, "matroska", NULL);
    AVStream *stream = status >= 0 ? avformat_new_stream(j->out, NULL) : NULL;
    status = stream ? avcodec_parameters_from_context(stream->codecpar, j->codec) : AVERROR(ENOMEM);
    if (status >= 0) {
        stream->time_base = PQ_SEGMENT_TICK;
        j->out->pb = j->io.context;
        j->out->flags |= AVFMT_FLAG_BITEXACT | AVFMT_FLAG_CUSTOM_IO;
        j->out->avoid_negative_ts = 0;
        status = avformat_write_header(j->out, NULL);
    }
    if (status < 0)
        return pq_av_io_fail(&j->io, status, file->path, "begin the journal", err);
    return pq_av_io_flush(&j->io, err);
}

int pq_av_write_journal(const struct pq_film_writer *like, struct pq_file *file,
                        struct pq_film_journal **out, pique_error *err)
{
    *out = NULL;
    struct journal *j = new_journal(like, err);
    if (!j)
        return PIQUE_ENOMEM;
    j->base.append = append;
    const int rc = open_out(j, &((const struct pq_av_writer *)like)->facts, file, err);
    if (rc) {
        close_journal(&j->base);
        return rc;
    }
    *out = &j->base;
    return 0;
}

/* ---- reading ---- */

/* Into the order of samples that frames have everywhere. */
static AVFrame *planar(const struct journal *j, AVFrame *decoded)
{
    if (decoded->format == j->format)
        return decoded;
    AVFrame *frame = av_frame_alloc();
    if (frame) {
        frame->format = j->format;
        frame->width = j->width;
        frame->height = j->height;
        if (av_frame_get_buffer(frame, 0) < 0)
            av_frame_free(&frame);
        else
            pq_pack_frame(decoded, frame);
    }
    av_frame_free(&decoded);
    return frame;
}

static bool is_whole(const struct journal *j, const AVFrame *f)
{
    const AVCodec *ffv1 = avcodec_find_encoder(AV_CODEC_ID_FFV1);
    return !f->decode_error_flags && !(f->flags & AV_FRAME_FLAG_CORRUPT) && f->width == j->width &&
           f->height == j->height && ffv1 && f->format == (int)pq_pack_format(ffv1, j->format);
}

/* A frame out of the packet; NULL: it is damaged. */
static AVFrame *decode(struct journal *j)
{
    AVFrame *frame = av_frame_alloc();
    const bool decoded = frame && avcodec_send_packet(j->codec, j->packet) >= 0 &&
                         avcodec_receive_frame(j->codec, frame) >= 0;
    if (!decoded || !is_whole(j, frame))
        av_frame_free(&frame);
    return frame;
}

/* The next packet of the stream, whole and in its turn. */
static int read_packet(struct journal *j, bool *got, pique_error *err)
{
    *got = false;
    const int status = j->in ? av_read_frame(j->in->format, j->packet) : AVERROR_EOF;
    if (j->in && j->in->io.failure.code)
        return pq_av_io_fail(&j->in->io, status, j->in->path, "read the journal", err);
    const AVPacket *p = j->packet;
    *got = status >= 0 && p->stream_index == j->in->stream->index && p->pts >= 0 &&
           !(p->flags & AV_PKT_FLAG_CORRUPT) && (j->next < 0 || p->pts == j->next);
    return 0;
}

static int next(struct pq_film_journal *journal, struct pq_frame **out, int64_t *index,
                pique_error *err)
{
    struct journal *j = (struct journal *)journal;
    bool got;
    *out = NULL;
    int rc = read_packet(j, &got, err);
    AVFrame *frame = !rc && got ? decode(j) : NULL;
    if (frame) {
        *index = j->packet->pts;
        j->next = *index + 1;
        frame = planar(j, frame);
        rc = frame ? pq_av_frame_wrap(frame, out, err) : pq_fail_nomem(err, 1 << 20);
        av_frame_free(&frame);
    } else {
        pq_input_close(&j->in); /* nothing behind it counts */
    }
    av_packet_unref(j->packet);
    return rc;
}

static int open_decoder(struct journal *j, pique_error *err)
{
    const AVCodec *ffv1 = avcodec_find_decoder(AV_CODEC_ID_FFV1);
    j->codec = ffv1 ? avcodec_alloc_context3(ffv1) : NULL;
    if (!j->codec)
        return pq_fail_nomem(err, sizeof *j->codec);
    if (avcodec_parameters_to_context(j->codec, j->in->stream->codecpar) < 0)
        return pq_fail_nomem(err, 4096);
    j->codec->err_recognition = AV_EF_CRCCHECK | AV_EF_EXPLODE;
    j->codec->thread_count = 1;
    if (avcodec_open2(j->codec, ffv1, NULL) < 0)
        pq_input_close(&j->in); /* its head is damaged: no frame can be had */
    return 0;
}

int pq_av_read_journal(const struct pq_film_writer *like, const char *path,
                       struct pq_film_journal **out, pique_error *err)
{
    *out = NULL;
    struct journal *j = new_journal(like, err);
    if (!j)
        return PIQUE_ENOMEM;
    j->base.next = next;
    pique_error why = {0};
    int rc = pq_input_open(path, NULL, (struct pq_ratio){0, 0}, &j->in, &why);
    /* Cut off before its first frame; libav tells of a head that ends too early as of a failure to
     * read. What really cannot be read is encoded again, so nothing is lost by either. */
    if (rc == PIQUE_EFORMAT || rc == PIQUE_EUNSUPPORTED || rc == PIQUE_EIO)
        rc = 0;
    else if (rc)
        pq_fail(err, rc, "%s", why.message);
    if (!rc && j->in && j->in->stream->codecpar->codec_id != AV_CODEC_ID_FFV1)
        pq_input_close(&j->in);
    if (!rc && j->in)
        rc = open_decoder(j, err);
    if (rc) {
        close_journal(&j->base);
        return rc;
    }
    *out = &j->base;
    return 0;
}
