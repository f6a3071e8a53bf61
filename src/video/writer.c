/* SPDX-License-Identifier: MIT */
/* Segments: each a Matroska file with one stream, from an encoder that begins anew, so that a
 * segment needs nothing of the one before it. The time of a frame is its index in milliseconds,
 * which Matroska keeps exactly; the join gives frames their own times again.
 *
 * After every frame what came out of the encoder is a cluster of its own in the file. A process
 * that dies leaves a file that plays up to there. */
#include "video/writer.h"

#include <libavformat/avformat.h>
#include <libavutil/pixdesc.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "video/compat.h"
#include "video/module.h"
#include "video/segment.h"

/* ---- frames ---- */

static int open_converter(struct pq_av_writer *w, const struct pq_image *in, pique_error *err)
{
    const struct pq_samples to = {
        .format = w->format,
        .colour = pq_colour_resolve(w->facts.colour, w->format, w->facts.width, w->facts.height),
        .width = w->facts.width,
        .height = w->facts.height};
    pq_converter_close(&w->converter);
    w->planes = in->planes;
    w->depth = in->depth;
    return pq_converter_from_rgb(&to, in->planes, in->depth, w->facts.name, &w->converter, err);
}

static int blank(struct pq_film_writer *writer, struct pq_frame **out, pique_error *err)
{
    AVFrame *frame;
    *out = NULL;
    int rc = pq_frame_pool_get(((struct pq_av_writer *)writer)->pool, &frame, err);
    if (!rc)
        rc = pq_av_frame_wrap(frame, out, err);
    av_frame_free(&frame);
    return rc;
}

static int from_rgb(struct pq_film_writer *writer, const struct pq_image *in, struct pq_frame **out,
                    pique_error *err)
{
    struct pq_av_writer *w = (struct pq_av_writer *)writer;
    *out = NULL;
    if (in->width != w->facts.width || in->height != w->facts.height)
        return pq_fail(err, PIQUE_EINTERNAL, "%s: a picture of %dx%d for a film of %dx%d",
                       w->facts.name, in->width, in->height, w->facts.width, w->facts.height);
    if (!w->converter || in->planes != w->planes || in->depth != w->depth) {
        const int rc = open_converter(w, in, err);
        if (rc)
            return rc;
    }
    AVFrame *frame;
    int rc = pq_frame_pool_get(w->pool, &frame, err);
    if (!rc)
        rc = pq_convert_from_rgb(w->converter, in, frame, err);
    if (!rc)
        rc = pq_av_frame_wrap(frame, out, err);
    av_frame_free(&frame);
    return rc;
}

/* The shape of a pixel, so that the picture keeps the shape it was shown in. Where sides were only
 * rounded to whole pixels, the shape stays: players would scale a film for a thousandth. */
static AVRational pixel_shape(const struct pq_film_write *write, AVRational in)
{
    if (in.num <= 0 || in.den <= 0)
        in = (AVRational){1, 1};
    const int64_t a = (int64_t)write->in_width * write->height;
    const int64_t b = (int64_t)write->in_height * write->width;
    if (a <= 0 || b <= 0)
        return in;
    const double change = (double)a / (double)b;
    const double pixel = 2.0 / PQ_MIN(PQ_MIN(write->width, write->height),
                                      PQ_MIN(write->in_width, write->in_height));
    if (change > 1 - pixel && change < 1 + pixel)
        return in;
    AVRational stretch;
    av_reduce(&stretch.num, &stretch.den, a, b, INT32_MAX);
    av_reduce(&in.num, &in.den, (int64_t)in.num * stretch.num, (int64_t)in.den * stretch.den,
              INT32_MAX);
    return in;
}

int pq_writer_setup(struct pq_av_writer *w, const struct pq_film_write *write,
                    const struct pq_film_encoder *chosen, pique_error *err)
{
    const struct pq_av_source *like = (const struct pq_av_source *)write->like;
    w->format = av_get_pix_fmt(chosen->pixel_format);
    if (w->format == AV_PIX_FMT_NONE)
        return pq_fail(err, PIQUE_EINVAL, "'%s' is no format of frames", chosen->pixel_format);
    if (write->width <= 0 || write->height <= 0 || write->width % chosen->multiple_x ||
        write->height % chosen->multiple_y)
        return pq_fail(err, PIQUE_EINVAL, "%s takes no frames of %dx%d", chosen->encoder,
                       write->width, write->height);
    w->base.encoder = *chosen;
    w->base.from_rgb = from_rgb;
    w->base.blank = blank;
    if (!pq_encoder_yuv(like, w->format, chosen->encoder, write->width, write->height,
                        &w->base.yuv))
        w->base.yuv.depth = 0;
    w->facts = (struct pq_stream_facts){
        .name = pq_tr("the film"),
        .width = write->width,
        .height = write->height,
        .rate = like->frame_rate,
        .sar = pixel_shape(write, like->sar),
        .colour = pq_encoder_colour(like, w->format, chosen->encoder, write->width, write->height)};
    if (like->mastering) {
        w->mastering = *(const AVMasteringDisplayMetadata *)like->mastering->data;
        w->facts.mastering = &w->mastering;
    }
    if (like->light) {
        w->light = *(const AVContentLightMetadata *)like->light->data;
        w->facts.light = &w->light;
    }
    return pq_frame_pool_new(w->format, write->width, write->height, &w->pool, err);
}

void pq_writer_free(struct pq_av_writer *w)
{
    pq_converter_close(&w->converter);
    pq_frame_pool_free(&w->pool);
    pq_free(w);
}

/* ---- segments ---- */

struct segment_writer {
    struct pq_av_writer common; /* first */
    AVCodecContext *codec;      /* NULL outside a segment */
    AVFormatContext *format;
    AVPacket *packet;
    struct pq_av_io io;
    uint8_t *extradata; /* of the first segment, which all must have */
    int extradata_size;
    int64_t first, next;  /* indices of the segment's first frame and the one that comes */
    unsigned char *there; /* for each of its frames whether its packet is in the file */
    size_t capacity;
    int64_t readable; /* so many of them without a gap */
    int64_t packets;  /* in the file */
};

/* Before its time of showing a packet is decoded by as many frames at most as any codec reorders.
 */
enum { MOST_REORDERED = 32 };

static void drop_segment(struct segment_writer *s)
{
    pq_encoder_close(&s->codec);
    avformat_free_context(s->format);
    s->format = NULL;
    pq_av_io_close(&s->io);
}

static int check_extradata(struct segment_writer *s, pique_error *err)
{
    const AVCodecContext *c = s->codec;
    if (!s->extradata) {
        s->extradata = pq_malloc((size_t)c->extradata_size);
        if (!s->extradata)
            return pq_fail_nomem(err, (unsigned)c->extradata_size);
        s->extradata_size = c->extradata_size;
        if (c->extradata_size)
            memcpy(s->extradata, c->extradata, (size_t)c->extradata_size);
        return 0;
    }
    if (s->extradata_size == c->extradata_size &&
        (!c->extradata_size || !memcmp(s->extradata, c->extradata, (size_t)c->extradata_size)))
        return 0;
    return pq_fail(err, PIQUE_EINTERNAL, "%s: %s opens otherwise than for the segment before",
                   s->common.facts.name, s->common.base.encoder.encoder);
}

static int add_stream(struct segment_writer *s, pique_error *err)
{
    const struct pq_stream_facts *facts = &s->common.facts;
    AVStream *stream = avformat_new_stream(s->format, NULL);
    int rc = stream ? avcodec_parameters_from_context(stream->codecpar, s->codec) : AVERROR(ENOMEM);
    if (rc >= 0 && facts->mastering)
        rc = pq_av_side_data_set(stream, AV_PKT_DATA_MASTERING_DISPLAY_METADATA,
                                 (const uint8_t *)facts->mastering, sizeof *facts->mastering);
    if (rc >= 0 && facts->light)
        rc = pq_av_side_data_set(stream, AV_PKT_DATA_CONTENT_LIGHT_LEVEL,
                                 (const uint8_t *)facts->light, sizeof *facts->light);
    if (rc >= 0) {
        char sar[32];
        snprintf(sar, sizeof sar, "%d:%d", facts->sar.num, facts->sar.den);
        rc = av_dict_set(&stream->metadata, PQ_SEGMENT_SAR, sar, 0);
        stream->sample_aspect_ratio = stream->codecpar->sample_aspect_ratio = facts->sar;
        stream->time_base = PQ_SEGMENT_TICK;
        if (s->common.base.encoder.alpha)
            av_dict_set(&stream->metadata, "alpha_mode", "1", 0);
    }
    return rc < 0 ? pq_av_fail(err, rc, s->io.file->path, "begin the segment") : 0;
}

static int open_file(struct segment_writer *s, struct pq_file *file, pique_error *err)
{
    int rc = pq_av_io_open(&s->io, file, true, err);
    if (rc)
        return rc;
    int status = avformat_alloc_output_context2(&s->format, NULL, "matroska", NULL);
    if (status < 0)
        return pq_av_fail(err, status, file->path, "begin the segment");
    s->format->pb = s->io.context;
    s->format->flags |= AVFMT_FLAG_BITEXACT | AVFMT_FLAG_CUSTOM_IO;
    s->format->avoid_negative_ts = 0;
    rc = add_stream(s, err);
    if (rc)
        return rc;
    status = avformat_write_header(s->format, NULL);
    if (status < 0)
        return pq_av_io_fail(&s->io, status, file->path, "begin the segment", err);
    return pq_av_io_flush(&s->io, err);
}

static int begin(struct pq_film_writer *writer, struct pq_file *file, pique_error *err)
{
    struct segment_writer *s = (struct segment_writer *)writer;
    drop_segment(s);
    s->first = s->next = -1;
    s->readable = s->packets = 0;
    int rc = pq_encoder_open(&writer->encoder, &s->common.facts, &s->codec, err);
    if (!rc)
        rc = check_extradata(s, err);
    if (!rc)
        rc = open_file(s, file, err);
    if (rc)
        drop_segment(s);
    return rc;
}

/* Keep account of which frames are in the file. */
static int mark(struct segment_writer *s, int64_t index, pique_error *err)
{
    if (index < s->first || index >= s->next || s->there[index - s->first])
        return pq_fail(err, PIQUE_EINTERNAL, "%s: %s made a frame that it was not given",
                       s->common.facts.name, s->codec->codec->name);
    s->there[index - s->first] = 1;
    while (s->readable < s->next - s->first && s->there[s->readable])
        s->readable++;
    return 0;
}

/* When the next packet is decoded, of the order of packets alone. What x265 says of it can go back
 * at the end of few frames, and nothing keeps it: when segments are joined it is found anew. Of
 * codecs that reorder nothing, Matroska may store it instead of the time of showing. */
static int64_t decoded_at(const struct segment_writer *s, int64_t pts)
{
    const AVCodecDescriptor *d = avcodec_descriptor_get(s->codec->codec_id);
    const bool reorders = d && d->props & AV_CODEC_PROP_REORDER;
    return reorders ? s->first - MOST_REORDERED + s->packets : pts;
}

/* What the encoder has ready goes into the file. */
static int drain(struct segment_writer *s, pique_error *err)
{
    const char *path = s->io.file->path;
    int status, packets = 0;
    while ((status = avcodec_receive_packet(s->codec, s->packet)) >= 0) {
        AVPacket *p = s->packet;
        int rc = mark(s, p->pts, err);
        p->stream_index = 0;
        p->duration = 1;
        p->dts = decoded_at(s, p->pts);
        s->packets++;
        if (!rc && (status = av_write_frame(s->format, p)) < 0)
            rc = pq_av_io_fail(&s->io, status, path, "write the segment", err);
        av_packet_unref(p);
        if (rc)
            return rc;
        packets++;
    }
    if (status != AVERROR(EAGAIN) && status != AVERROR_EOF)
        return pq_av_fail(err, status, path, "encode a frame");
    if (packets && (status = av_write_frame(s->format, NULL)) < 0) /* the cluster ends */
        return pq_av_io_fail(&s->io, status, path, "write the segment", err);
    return packets ? pq_av_io_flush(&s->io, err) : 0;
}

static int take_index(struct segment_writer *s, int64_t index, pique_error *err)
{
    if (s->first < 0)
        s->first = s->next = index;
    if (index < 0 || index != s->next || index - s->first > INT32_MAX)
        return pq_fail(err, PIQUE_EINTERNAL, "frame %lld of a segment came where %lld was due",
                       (long long)index, (long long)s->next);
    const size_t count = (size_t)(index - s->first);
    unsigned char *grown = pq_grown(s->there, count, &s->capacity, 1);
    if (!grown)
        return pq_fail_nomem(err, count + 1);
    s->there = grown;
    s->there[count] = 0;
    s->next = index + 1;
    return 0;
}

static int write_frame(struct pq_film_writer *writer, const struct pq_frame *frame, int64_t index,
                       int64_t *readable, pique_error *err)
{
    struct segment_writer *s = (struct segment_writer *)writer;
    const AVFrame *av = pq_av_frame(frame);
    if (!s->codec)
        return pq_fail(err, PIQUE_EINTERNAL, "a frame came outside a segment");
    if (av->format != s->common.format || av->width != s->codec->width ||
        av->height != s->codec->height)
        return pq_fail(err, PIQUE_EINTERNAL, "%s: a frame of another size or format",
                       s->common.facts.name);
    int rc = take_index(s, index, err);
    if (rc)
        return rc;
    const int status = pq_encoder_send(s->codec, av, index);
    if (status < 0)
        return pq_av_fail(err, status, s->io.file->path, "encode a frame");
    rc = drain(s, err);
    *readable = s->readable;
    return rc;
}

static int end(struct pq_film_writer *writer, pique_error *err)
{
    struct segment_writer *s = (struct segment_writer *)writer;
    if (!s->codec)
        return pq_fail(err, PIQUE_EINTERNAL, "a segment ends that did not begin");
    const char *path = s->io.file->path;
    int status = pq_encoder_send(s->codec, NULL, 0);
    int rc = status < 0 ? pq_av_fail(err, status, path, "end the segment") : drain(s, err);
    if (!rc && s->readable != s->next - s->first)
        rc =
            pq_fail(err, PIQUE_EINTERNAL, "%s: %s took %lld frames and made %lld", path,
                    s->codec->codec->name, (long long)(s->next - s->first), (long long)s->readable);
    if (!rc && (status = av_write_trailer(s->format)) < 0)
        rc = pq_av_io_fail(&s->io, status, path, "end the segment", err);
    if (!rc)
        rc = pq_av_io_flush(&s->io, err);
    drop_segment(s);
    return rc;
}

static void abandon(struct pq_film_writer *writer)
{
    drop_segment((struct segment_writer *)writer);
}

static void close_writer(struct pq_film_writer *writer)
{
    struct segment_writer *s = (struct segment_writer *)writer;
    drop_segment(s);
    av_packet_free(&s->packet);
    pq_free(s->extradata);
    pq_free(s->there);
    pq_writer_free(&s->common);
}

int pq_av_open_writer(const struct pq_film_write *write, const struct pq_film_encoder *chosen,
                      struct pq_film_writer **out, pique_error *err)
{
    *out = NULL;
    if (!strcmp(chosen->encoder, "y4m") || !strcmp(chosen->encoder, "null"))
        return pq_open_raw_writer(write, chosen, out, err);
    struct segment_writer *s = pq_calloc(1, sizeof *s);
    if (!s)
        return pq_fail_nomem(err, sizeof *s);
    s->common.base = (struct pq_film_writer){.begin = begin,
                                             .write = write_frame,
                                             .end = end,
                                             .abandon = abandon,
                                             .close = close_writer};
    s->packet = av_packet_alloc();
    int rc = s->packet ? pq_writer_setup(&s->common, write, chosen, err)
                       : pq_fail_nomem(err, sizeof *s->packet);
    if (!rc)
        rc = pq_dnxhd_size(pq_profile_exact(chosen->codec, chosen->profile), write->width,
                           write->height, err);
    if (!rc) /* now rather than after minutes */
        rc = pq_encoder_open(&s->common.base.encoder, &s->common.facts, &s->codec, err);
    if (rc) {
        close_writer(&s->common.base);
        return rc;
    }
    pq_encoder_close(&s->codec);
    *out = &s->common.base;
    return 0;
}
