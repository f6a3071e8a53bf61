/* SPDX-License-Identifier: MIT */
#include "video/facts.h"

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "video/compat_read.h"
#include "video/yuv.h"

static const AVStream *stream_of(const struct pq_reader *r)
{
    return r->input ? r->input->stream : NULL;
}

bool pq_reader_turn(const struct pq_reader *r, struct pq_turn *out)
{
    size_t size = 0;
    int32_t matrix[9];
    *out = (struct pq_turn){0};
    const uint8_t *data =
        r->input ? pq_stream_side_data(r->input->stream, AV_PKT_DATA_DISPLAYMATRIX, &size) : NULL;
    if (!data || size < sizeof matrix)
        return true;
    memcpy(matrix, data, sizeof matrix);
    return pq_turn_of(matrix, out);
}

struct pq_colour pq_reader_tags(const struct pq_reader *r)
{
    const AVFrame *f = r->first;
    struct pq_colour c = {f->colorspace, f->color_primaries, f->color_trc, f->color_range,
                          f->chroma_location};
    const AVCodecParameters *par = r->input ? r->input->stream->codecpar : NULL;
    if (!par)
        return c;
    if (c.matrix == AVCOL_SPC_UNSPECIFIED)
        c.matrix = par->color_space;
    if (c.primaries == AVCOL_PRI_UNSPECIFIED)
        c.primaries = par->color_primaries;
    if (c.transfer == AVCOL_TRC_UNSPECIFIED)
        c.transfer = par->color_trc;
    if (c.range == AVCOL_RANGE_UNSPECIFIED)
        c.range = par->color_range;
    if (c.site == AVCHROMA_LOC_UNSPECIFIED)
        c.site = par->chroma_location;
    return c;
}

/* ---- metadata of high dynamic range ---- */

/* From the first frame, else from the stream. */
static int keep_metadata(const struct pq_reader *r, enum AVFrameSideDataType of_frame,
                         enum AVPacketSideDataType of_stream, AVBufferRef **out)
{
    const AVFrameSideData *side = av_frame_get_side_data(r->first, of_frame);
    size_t size;
    if (side) {
        *out = av_buffer_ref(side->buf);
        return *out ? 0 : AVERROR(ENOMEM);
    }
    const uint8_t *data = r->input ? pq_stream_side_data(r->input->stream, of_stream, &size) : NULL;
    if (!data)
        return 0;
    *out = av_buffer_alloc(size);
    if (!*out)
        return AVERROR(ENOMEM);
    memcpy((*out)->data, data, size);
    return 0;
}

static int keep_hdr(const struct pq_reader *r, struct pq_av_source *s, pique_error *err)
{
    static const enum AVFrameSideDataType dynamic[] = {
        AV_FRAME_DATA_DYNAMIC_HDR_PLUS, AV_FRAME_DATA_DOVI_METADATA, AV_FRAME_DATA_DOVI_RPU_BUFFER};
    int status = keep_metadata(r, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA,
                               AV_PKT_DATA_MASTERING_DISPLAY_METADATA, &s->mastering);
    if (!status)
        status = keep_metadata(r, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
                               AV_PKT_DATA_CONTENT_LIGHT_LEVEL, &s->light);
    for (size_t i = 0; i < PQ_COUNT(dynamic) && !status && !s->dynamic; i++) {
        const AVFrameSideData *side = av_frame_get_side_data(r->first, dynamic[i]);
        if (side && !(s->dynamic = av_buffer_ref(side->buf)))
            status = AVERROR(ENOMEM);
    }
    return status ? pq_av_fail(err, status, r->read->path, "keep its metadata") : 0;
}

/* ---- times ---- */

static AVRational rate_of(const struct pq_reader *r)
{
    const AVRational usual = {25, 1};
    if (!r->input) {
        const int64_t ms = *pq_frame_duration(r->first);
        return ms > 0 && ms < 1000000 ? (AVRational){1000, (int)ms} : usual;
    }
    AVRational rate = av_guess_frame_rate(r->input->format, r->input->stream, NULL);
    if (rate.num <= 0 || rate.den <= 0)
        rate = r->input->stream->avg_frame_rate;
    return rate.num > 0 && rate.den > 0 ? rate : usual;
}

static double seconds_of(const struct pq_reader *r, AVRational rate)
{
    const AVStream *s = stream_of(r);
    if (!s)
        return (double)r->webp_frames / av_q2d(rate);
    if (s->duration > 0)
        return (double)s->duration * av_q2d(s->time_base);
    if (s->nb_frames > 0)
        return (double)s->nb_frames / av_q2d(rate);
    return r->input->format->duration > 0 ? (double)r->input->format->duration / AV_TIME_BASE : 0;
}

/* The first tick that is not before so many seconds. */
static int64_t tick_at(double seconds, AVRational time_base)
{
    const double ticks = ceil(seconds / av_q2d(time_base) - 1e-6);
    return ticks < 1e15 ? (int64_t)ticks : (int64_t)1e15;
}

static int64_t origin_of(const struct pq_reader *r)
{
    const int64_t start = r->input ? r->input->format->start_time : AV_NOPTS_VALUE;
    return start == AV_NOPTS_VALUE ? 0 : av_rescale_q(start, AV_TIME_BASE_Q, r->time_base);
}

int64_t pq_reader_tick(const struct pq_reader *r, double seconds)
{
    return origin_of(r) + tick_at(seconds, r->time_base);
}

static int set_times(const struct pq_reader *r, struct pq_av_source *s, pique_error *err)
{
    struct pq_film_facts *f = &s->base.facts;
    const struct pq_film_read *read = r->read;
    const AVStream *stream = stream_of(r);
    const bool sequence = r->input && r->input->sequence;
    double seconds = seconds_of(r, s->frame_rate);
    if (read->from < 0 || (read->to > 0 && read->to <= read->from))
        return pq_fail(err, PIQUE_EINVAL, "%s: nothing lies from %g to %g s", read->path,
                       read->from, read->to);
    if (seconds > 0 && read->from >= seconds + 1)
        return pq_fail(err, PIQUE_EINVAL, "%s: begins at %g s and has only %.2f s", read->path,
                       read->from, seconds);
    f->time_base = pq_ratio_of(r->time_base);
    f->origin = pq_reader_tick(r, read->from);
    int64_t frames = stream ? stream->nb_frames : r->webp_frames;
    const bool all = read->from <= 0 && read->to <= 0;
    if (read->to > 0 && (seconds <= 0 || read->to < seconds))
        seconds = read->to;
    seconds = seconds > read->from ? seconds - read->from : 0;
    if (read->fps.num > 0 && !sequence)
        s->frame_rate = (AVRational){read->fps.num, PQ_MAX(read->fps.den, 1)};
    if (!all || frames <= 0 || (read->fps.num > 0 && !sequence))
        frames = (int64_t)llround(PQ_MIN(seconds * av_q2d(s->frame_rate), 1e15));
    f->info.frames = frames;
    f->info.seconds = seconds;
    f->info.fps_num = s->frame_rate.num;
    f->info.fps_den = s->frame_rate.den;
    return 0;
}

/* ---- all ---- */

static void count_streams(const struct pq_reader *r, pique_film_info *info)
{
    for (unsigned i = 0; r->input && i < r->input->format->nb_streams; i++) {
        const AVStream *s = r->input->format->streams[i];
        info->audio += s->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
        info->subtitles += s->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE;
        info->attachments += s->codecpar->codec_type == AVMEDIA_TYPE_ATTACHMENT ||
                             s->disposition & AV_DISPOSITION_ATTACHED_PIC;
    }
    info->chapters = r->input ? (int)r->input->format->nb_chapters : 0;
}

static AVRational sar_of(const struct pq_reader *r, bool swap)
{
    AVRational sar = {1, 1};
    if (r->input)
        sar = av_guess_sample_aspect_ratio(r->input->format, r->input->stream, r->first);
    if (sar.num <= 0 || sar.den <= 0)
        return (AVRational){1, 1};
    av_reduce(&sar.num, &sar.den, sar.num, sar.den, 65535);
    return swap ? av_inv_q(sar) : sar;
}

static void set_picture(const struct pq_reader *r, struct pq_av_source *s, struct pq_turn turn)
{
    struct pq_film_facts *f = &s->base.facts;
    const AVPixFmtDescriptor *was = av_pix_fmt_desc_get(r->decoded);
    const AVPixFmtDescriptor *is = av_pix_fmt_desc_get(r->format);
    const AVStream *stream = stream_of(r);
    const enum AVFieldOrder order = stream ? stream->codecpar->field_order : AV_FIELD_UNKNOWN;
    const int bytes = av_image_get_buffer_size(r->format, r->width, r->height, 1);
    f->info.width = turn.swap ? r->height : r->width;
    f->info.height = turn.swap ? r->width : r->height;
    s->sar = sar_of(r, turn.swap);
    f->info.sar_num = s->sar.num;
    f->info.sar_den = s->sar.den;
    f->info.depth = is->comp[0].depth;
    f->info.alpha = is->flags & AV_PIX_FMT_FLAG_ALPHA;
    f->info.interlaced =
        !r->read->deinterlace && (pq_frame_is_interlaced(r->first) || order > AV_FIELD_PROGRESSIVE);
    f->info.hdr =
        s->colour.transfer == AVCOL_TRC_SMPTE2084 || s->colour.transfer == AVCOL_TRC_ARIB_STD_B67;
    f->frame_width = r->width;
    f->frame_height = r->height;
    f->frame_bytes = bytes > 0 ? (uint64_t)bytes : 0;
    snprintf(f->pixel_format, sizeof f->pixel_format, "%s", was->name);
}

int pq_source_facts(const struct pq_reader *r, struct pq_av_source *s, pique_error *err)
{
    struct pq_film_facts *f = &s->base.facts;
    const AVStream *stream = stream_of(r);
    struct pq_turn turn;
    f->info.size = sizeof f->info;
    snprintf(f->info.container, sizeof f->info.container, "%.*s",
             (int)strcspn(r->input ? r->input->format->iformat->name : "webp", ","),
             r->input ? r->input->format->iformat->name : "webp");
    snprintf(f->info.codec, sizeof f->info.codec, "%s",
             stream ? avcodec_get_name(stream->codecpar->codec_id) : "webp");
    pq_reader_turn(r, &turn);
    s->tagged = pq_reader_tags(r);
    s->colour = pq_colour_resolve(s->tagged, r->decoded, r->width, r->height);
    s->format = r->format;
    s->frame_rate = rate_of(r);
    set_picture(r, s, turn);
    const struct pq_samples samples = {r->format, s->colour, r->width, r->height};
    f->rgb_depth = pq_rgb_depth(&samples);
    struct pq_yuv yuv;
    if (pq_turn_is_none(turn) && !(r->read->alpha && f->info.alpha) && pq_yuv_of(&samples, &yuv))
        f->yuv = yuv;
    count_streams(r, &f->info);
    const int rc = set_times(r, s, err);
    return rc ? rc : keep_hdr(r, s, err);
}
