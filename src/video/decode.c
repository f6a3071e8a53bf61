/* SPDX-License-Identifier: MIT */
#include "video/decode.h"

#include <inttypes.h>
#include <libavcodec/avcodec.h>
#include <libavutil/cpu.h>
#include <libavutil/opt.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "video/compat_read.h"

enum { MAX_THREADS = 8, MAX_BAD_READS = 64 };

struct decoder {
    struct pq_frames_from base; /* first */
    struct pq_input *input;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *held;      /* decoded, and the next to be delivered; empty: none */
    bool pending;       /* packet is to be sent */
    bool drained;       /* no packet will come any more */
    bool entered;       /* not read from the beginning: the end tells nothing of the length */
    int bad_reads;      /* one after the other */
    int64_t whole_from; /* frames before it may be left out; INT64_MIN: none */
    int64_t last, step; /* time and length of the frame before; AV_NOPTS_VALUE, 0: none */
    int64_t frames, damaged, moved;
    pq_note_fn *note;
    void *note_user;
};

__attribute__((format(printf, 2, 3))) static void note(struct decoder *d, const char *fmt, ...)
{
    char text[512];
    va_list args;
    if (!d->note)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, pq_tr(fmt), args);
    va_end(args);
    pq_utf8_trim(text);
    d->note(d->note_user, text);
}

static double seconds(const struct decoder *d, int64_t ticks)
{
    return ticks == AV_NOPTS_VALUE ? 0 : (double)ticks * av_q2d(d->input->stream->time_base);
}

/* Said once, and counted at the end. */
static void note_damage(struct decoder *d)
{
    if (d->damaged++ == 0)
        note(d, "%s: a frame near %.2f s is damaged; it is kept as the decoder makes it",
             d->input->path, seconds(d, d->last));
}

/* ---- packets ---- */

/* Whether the film is shorter than its container says. */
static void note_end(struct decoder *d)
{
    const AVStream *s = d->input->stream;
    if (d->damaged > 1)
        note(d, "%s: %" PRId64 " places were damaged", d->input->path, d->damaged);
    if (d->entered || !d->frames)
        return;
    const int64_t start = s->start_time == AV_NOPTS_VALUE ? 0 : s->start_time;
    const double is = seconds(d, d->last + d->step - start);
    const double said = s->duration > 0 ? seconds(d, s->duration)
                        : d->input->format->duration > 0
                            ? (double)d->input->format->duration / AV_TIME_BASE
                            : 0;
    if (said > 0 && is < said * 0.98 - 1)
        note(d, "%s: the video ends at %.2f s, the file says %.2f s; it may be cut off",
             d->input->path, is, said);
}

/* The next packet of the stream; *got is false at the end. */
static int next_packet(struct decoder *d, bool *got, pique_error *err)
{
    struct pq_input *in = d->input;
    for (;;) {
        av_packet_unref(d->packet);
        const int status = av_read_frame(in->format, d->packet);
        *got = status >= 0;
        if (in->io.failure.code || status == AVERROR(ENOMEM))
            return pq_av_io_fail(&in->io, status, in->path, "be read", err);
        if (status == AVERROR(EAGAIN))
            continue;
        if (status == AVERROR_EOF)
            return 0;
        if (status < 0) {
            note_damage(d);
            if (++d->bad_reads > MAX_BAD_READS || in->sequence)
                return 0;
            continue;
        }
        d->bad_reads = 0;
        if (d->packet->stream_index != in->stream->index)
            continue;
        if (d->packet->flags & AV_PKT_FLAG_CORRUPT)
            note_damage(d);
        if (av_packet_get_side_data(d->packet, AV_PKT_DATA_ENCRYPTION_INFO, NULL))
            return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: its video is encrypted", in->path);
        return 0;
    }
}

/* One packet more into the decoder, or the news that none comes any more. */
static int feed(struct decoder *d, pique_error *err)
{
    bool got = true;
    if (d->drained) /* it was told, and owes its last frames */
        return pq_fail(err, PIQUE_EFORMAT, "%s: its decoder does not come to an end",
                       d->input->path);
    if (!d->pending) {
        const int rc = next_packet(d, &got, err);
        if (rc)
            return rc;
    }
    if (got && d->whole_from != INT64_MIN) {
        const int64_t at = d->packet->pts;
        d->codec->skip_frame =
            at != AV_NOPTS_VALUE && at < d->whole_from ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
    }
    const int status = avcodec_send_packet(d->codec, got ? d->packet : NULL);
    d->pending = got && status == AVERROR(EAGAIN);
    if (!got)
        d->drained = true;
    if (status == AVERROR(ENOMEM))
        return pq_av_fail(err, status, d->input->path, "be decoded");
    if (status < 0 && status != AVERROR(EAGAIN) && status != AVERROR_EOF)
        note_damage(d);
    return 0;
}

/* ---- frames ---- */

/* Ticks of a frame whose length nobody says. */
static int64_t usual_step(const struct decoder *d)
{
    const AVStream *s = d->input->stream;
    const AVRational rate = s->avg_frame_rate.num > 0 ? s->avg_frame_rate : s->r_frame_rate;
    if (rate.num <= 0 || rate.den <= 0)
        return 1;
    return PQ_MAX(av_rescale_q(1, av_inv_q(rate), s->time_base), 1);
}

static void set_time(struct decoder *d, AVFrame *f)
{
    int64_t *duration = pq_frame_duration(f), at = f->best_effort_timestamp;
    if (*duration < 0 || *duration > INT32_MAX)
        *duration = 0;
    const bool first = d->last == AV_NOPTS_VALUE;
    if (at == AV_NOPTS_VALUE)
        at = !first                                           ? d->last + d->step
             : d->input->stream->start_time != AV_NOPTS_VALUE ? d->input->stream->start_time
                                                              : 0;
    at = av_clip64(at, -(INT64_C(1) << 60), INT64_C(1) << 60);
    if (!first && at <= d->last) {
        if (d->moved++ == 0)
            note(d, "%s: the time of a frame at %.3f s does not rise; it is put a tick later",
                 d->input->path, seconds(d, at));
        at = d->last + 1;
    }
    f->pts = at;
    d->step = *duration > 0 ? *duration : usual_step(d);
    d->last = at;
}

static int check_size(const struct decoder *d, const AVFrame *f, pique_error *err)
{
    if (f->width > 0 && f->height > 0 && f->width <= PQ_FILM_MAX_SIDE &&
        f->height <= PQ_FILM_MAX_SIDE)
        return 0;
    return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: frames of %d x %d are too large", d->input->path,
                   f->width, f->height);
}

static int decode(struct decoder *d, AVFrame *frame, bool *got, pique_error *err)
{
    for (;;) {
        const int status = avcodec_receive_frame(d->codec, frame);
        *got = status >= 0;
        if (status >= 0)
            break;
        if (status == AVERROR_EOF) {
            note_end(d);
            return 0;
        }
        if (status == AVERROR(ENOMEM))
            return pq_av_fail(err, status, d->input->path, "be decoded");
        if (status != AVERROR(EAGAIN)) {
            note_damage(d);
            continue;
        }
        const int rc = feed(d, err);
        if (rc)
            return rc;
    }
    set_time(d, frame);
    d->frames++;
    if (frame->flags & AV_FRAME_FLAG_CORRUPT || frame->decode_error_flags)
        note_damage(d);
    return check_size(d, frame, err);
}

static int decoder_next(struct pq_frames_from *from, AVFrame *frame, bool *got, pique_error *err)
{
    struct decoder *d = (struct decoder *)from;
    if (!d->held->buf[0])
        return decode(d, frame, got, err);
    av_frame_move_ref(frame, d->held);
    *got = true;
    return 0;
}

/* ---- entering in the middle ---- */

/* The packet that was found is the first. */
static void restart(struct decoder *d)
{
    avcodec_flush_buffers(d->codec);
    av_frame_unref(d->held);
    d->pending = true;
    d->drained = false;
    d->bad_reads = 0;
    d->last = AV_NOPTS_VALUE;
    d->entered = true;
}

/* Codecs whose key frames are what they say: nothing behind one needs what is before. */
static bool keeps_keys(enum AVCodecID id)
{
    static const enum AVCodecID ids[] = {
        AV_CODEC_ID_H264,     AV_CODEC_ID_HEVC,    AV_CODEC_ID_AV1,        AV_CODEC_ID_VP8,
        AV_CODEC_ID_VP9,      AV_CODEC_ID_MPEG4,   AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_MPEG1VIDEO,
        AV_CODEC_ID_VC1,      AV_CODEC_ID_WMV3,    AV_CODEC_ID_THEORA,     AV_CODEC_ID_MJPEG,
        AV_CODEC_ID_PRORES,   AV_CODEC_ID_DNXHD,   AV_CODEC_ID_FFV1,       AV_CODEC_ID_HUFFYUV,
        AV_CODEC_ID_FFVHUFF,  AV_CODEC_ID_UTVIDEO, AV_CODEC_ID_RAWVIDEO,   AV_CODEC_ID_PNG,
        AV_CODEC_ID_JPEG2000, AV_CODEC_ID_DVVIDEO, AV_CODEC_ID_V210,       AV_CODEC_ID_MAGICYUV,
        AV_CODEC_ID_TIFF,     AV_CODEC_ID_BMP,
    };
    for (size_t i = 0; i < PQ_COUNT(ids); i++)
        if (ids[i] == id)
            return true;
    return false;
}

static int cannot_enter(const struct decoder *d, pique_error *err)
{
    return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: cannot be entered in the middle", d->input->path);
}

/* Where the first key frame is that follows a jump to `tick`. */
static int key_after_jump(struct decoder *d, int64_t tick, int64_t *at, bool *found,
                          pique_error *err)
{
    struct pq_input *in = d->input;
    *found = false;
    if (av_seek_frame(in->format, in->stream->index, tick, AVSEEK_FLAG_BACKWARD) < 0)
        return in->io.failure.code ? pq_av_io_fail(&in->io, 0, in->path, "be read", err) : 0;
    for (bool got = true;;) {
        const int rc = next_packet(d, &got, err);
        if (rc || !got)
            return rc;
        if (!(d->packet->flags & AV_PKT_FLAG_KEY))
            continue;
        *at = d->packet->pts;
        *found = d->packet->pts != AV_NOPTS_VALUE;
        return 0;
    }
}

/* The last key frame at or before `tick`. Containers without an index jump as they can, so the
 * jump is made longer until it lands before. */
static int key_before(struct decoder *d, int64_t tick, int64_t *at, bool *found, pique_error *err)
{
    const AVRational tb = d->input->stream->time_base;
    int64_t back = 0, step = PQ_MAX(av_rescale_q(1, (AVRational){1, 1}, tb), 1);
    for (int tries = 0; tries < 12; tries++) {
        const int rc = key_after_jump(d, tick - back, at, found, err);
        if (rc || !*found || *at <= tick)
            return rc;
        back += step;
        step *= 2;
    }
    *found = false;
    return 0;
}

/* Whether the first frame that comes is that of the key frame. Where a film is refreshed piece by
 * piece, the decoder keeps quiet until all pieces were there, and then they are nearly the same. */
static int begin_at(struct decoder *d, int64_t key, pique_error *err)
{
    for (bool got;;) {
        const int rc = decode(d, d->held, &got, err);
        if (rc)
            return rc;
        if (got && d->held->pts == key)
            return 0;
        if (!got || d->held->pts > key)
            return cannot_enter(d, err);
        av_frame_unref(d->held);
    }
}

static bool has_entries(const struct decoder *d)
{
    const struct pq_input *in = d->input;
    return keeps_keys(d->codec->codec_id) && !(in->format->iformat->flags & AVFMT_NOTIMESTAMPS) &&
           (in->sequence || pq_file_size(&in->file) >= 0);
}

/* Two key frames back: what follows the first of them may lean on frames before it (an open group
 * of pictures), what follows the second leans on nothing that is not decoded now. */
static int decoder_enter(struct pq_frames_from *from, int64_t tick, pique_error *err)
{
    struct decoder *d = (struct decoder *)from;
    int64_t near, far, again;
    bool found;
    if (!has_entries(d))
        return cannot_enter(d, err);
    int rc = key_before(d, tick, &near, &found, err);
    if (rc || !found)
        return rc ? rc : cannot_enter(d, err);
    rc = key_before(d, near - 1, &far, &found, err);
    if (rc || !found || far >= near)
        return rc ? rc : cannot_enter(d, err);
    rc = key_after_jump(d, far, &again, &found, err);
    if (rc || !found || again != far)
        return rc ? rc : cannot_enter(d, err);
    restart(d);
    d->whole_from = INT64_MIN;
    d->codec->skip_frame = AVDISCARD_DEFAULT;
    return begin_at(d, far, err);
}

static int decoder_near(struct pq_frames_from *from, int64_t tick, int64_t whole_from,
                        pique_error *err)
{
    struct decoder *d = (struct decoder *)from;
    int64_t key;
    bool found = false;
    int rc = has_entries(d) ? key_before(d, tick, &key, &found, err) : 0;
    if (rc || !found)
        return rc ? rc : cannot_enter(d, err);
    restart(d);
    d->whole_from = whole_from;
    return 0;
}

/* ---- opening ---- */

/* libav's own decoders of VP8 and VP9 leave alpha out, which WebM keeps beside the frames. */
static const AVCodec *find_decoder(const AVStream *stream)
{
    const enum AVCodecID id = stream->codecpar->codec_id;
    const AVDictionaryEntry *alpha = av_dict_get(stream->metadata, "alpha_mode", NULL, 0);
    const AVCodec *codec = NULL;
    if (alpha && !strcmp(alpha->value, "1") && (id == AV_CODEC_ID_VP8 || id == AV_CODEC_ID_VP9))
        codec = avcodec_find_decoder_by_name(id == AV_CODEC_ID_VP8 ? "libvpx" : "libvpx-vp9");
    return codec ? codec : avcodec_find_decoder(id);
}

static int open_codec(struct decoder *d, pique_error *err)
{
    const struct pq_input *in = d->input;
    const AVCodec *codec = find_decoder(in->stream);
    if (!codec)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: libav has no decoder for its video (%s)",
                       in->path, avcodec_get_name(in->stream->codecpar->codec_id));
    d->codec = avcodec_alloc_context3(codec);
    d->packet = av_packet_alloc();
    d->held = av_frame_alloc();
    if (!d->codec || !d->packet || !d->held ||
        avcodec_parameters_to_context(d->codec, in->stream->codecpar) < 0)
        return pq_fail_nomem(err, sizeof *d->codec);
    d->codec->pkt_timebase = in->stream->time_base;
    d->codec->max_pixels = PQ_FILM_MAX_PIXELS;
    d->codec->flags |= AV_CODEC_FLAG_UNALIGNED;
    /* Never one alone: what a decoder makes of damage may depend on whether there are several. */
    d->codec->thread_count = PQ_MAX(2, PQ_MIN(av_cpu_count(), MAX_THREADS));
    const int status = avcodec_open2(d->codec, codec, NULL);
    return status < 0 ? pq_av_fail(err, status, in->path, "be decoded") : 0;
}

static void decoder_close(struct pq_frames_from *from)
{
    struct decoder *d = (struct decoder *)from;
    avcodec_free_context(&d->codec);
    av_packet_free(&d->packet);
    av_frame_free(&d->held);
    pq_free(d);
}

int pq_decoder_open(struct pq_input *input, pq_note_fn *note_fn, void *note_user,
                    struct pq_frames_from **out, pique_error *err)
{
    *out = NULL;
    struct decoder *d = pq_calloc(1, sizeof *d);
    if (!d)
        return pq_fail_nomem(err, sizeof *d);
    d->base = (struct pq_frames_from){decoder_next, decoder_enter, decoder_near, decoder_close};
    d->whole_from = INT64_MIN;
    d->input = input;
    d->last = AV_NOPTS_VALUE;
    d->note = note_fn;
    d->note_user = note_user;
    const int rc = open_codec(d, err);
    if (rc)
        decoder_close(&d->base);
    else
        *out = &d->base;
    return rc;
}
