/* SPDX-License-Identifier: MIT */
/* One film of the segments and of what the source has beside its video; no frame is encoded again.
 *
 * The packets of a segment have the index of their frame for a time. A frame's own time comes from
 * the table of the job. For the time of decoding, packet n of the film is decoded when frame n - D
 * is shown, D being how many frames the encoder reorders by at most: this rises, and is never
 * later than the frame itself, whatever the rate of frames does. */
#include "video/join.h"

#include <libavcodec/avcodec.h>
#include <libavutil/mastering_display_metadata.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "video/compat.h"
#include "video/compat_read.h"
#include "video/containers.h"
#include "video/module.h"
#include "video/segment.h"

struct joiner {
    const struct pq_film_join *join;
    struct pq_tracks tracks;
    struct pq_input *segment; /* that is read now */
    size_t next_segment;
    AVCodecParameters *video; /* of the first segment */
    AVRational sar;
    AVFormatContext *out;
    AVStream *stream;
    struct pq_av_io io;
    AVPacket *packet, *sound; /* of the video, which may wait, and of the source */
    bool waits;
    int32_t *order; /* index of the frame of each packet */
    int64_t count;
    int64_t last_duration;
    int delay; /* D */
    pique_error *err;
    int failed; /* a sentence is in err already */
};

/* ---- times ---- */

static int64_t tick_of(const struct joiner *j, int64_t index)
{
    const struct pq_film_join *join = j->join;
    if (index >= 0)
        return join->pts[index] - join->origin;
    const int64_t first = join->frames > 1 ? join->pts[1] - join->pts[0] : j->last_duration;
    return join->pts[0] - join->origin + index * first;
}

static int64_t duration_of(const struct joiner *j, int64_t index)
{
    return index + 1 < j->join->frames ? j->join->pts[index + 1] - j->join->pts[index]
                                       : j->last_duration;
}

/* Of the video, from time 0 of the film. */
static double seconds_of(const struct joiner *j)
{
    const struct pq_ratio t = j->join->time_base;
    return (double)(tick_of(j, j->join->frames - 1) + j->last_duration) * t.num / t.den;
}

static int check_table(struct joiner *j)
{
    const struct pq_film_join *join = j->join;
    if (join->frames < 1 || join->frames > INT32_MAX || join->time_base.num <= 0 ||
        join->time_base.den <= 0)
        return pq_fail(j->err, PIQUE_EINVAL, "%s: there are no frames to join", join->name);
    for (int64_t i = 1; i < join->frames; i++)
        if (join->pts[i] <= join->pts[i - 1])
            return pq_fail(j->err, PIQUE_EFORMAT, "%s: the time of frame %lld does not rise",
                           join->name, (long long)i);
    j->last_duration = join->last_duration > 0 ? join->last_duration
                       : join->frames > 1
                           ? join->pts[join->frames - 1] - join->pts[join->frames - 2]
                           : PQ_MAX(join->time_base.den / join->time_base.num / 25, 1);
    return 0;
}

/* ---- segments ---- */

static int parameters_differ(const AVCodecParameters *a, const AVCodecParameters *b)
{
    return a->codec_id != b->codec_id || a->width != b->width || a->height != b->height ||
           a->extradata_size != b->extradata_size ||
           (a->extradata_size && memcmp(a->extradata, b->extradata, (size_t)a->extradata_size));
}

static int open_segment(struct joiner *j)
{
    const char *path = j->join->segments[j->next_segment];
    int rc = pq_input_open(path, NULL, (struct pq_ratio){0, 0}, &j->segment, j->err);
    if (rc)
        return rc;
    j->next_segment++;
    const AVStream *s = j->segment->stream;
    j->delay = PQ_MAX(j->delay, s->codecpar->video_delay);
    if (av_cmp_q(s->time_base, PQ_SEGMENT_TICK))
        return pq_fail(j->err, PIQUE_EFORMAT, "%s: this is no segment of pique's", path);
    if (j->video)
        return parameters_differ(j->video, s->codecpar)
                   ? pq_fail(j->err, PIQUE_EFORMAT,
                             "%s: it was encoded otherwise than the segment before", path)
                   : 0;
    const AVDictionaryEntry *sar = av_dict_get(s->metadata, PQ_SEGMENT_SAR, NULL, 0);
    if (!sar || sscanf(sar->value, "%d:%d", &j->sar.num, &j->sar.den) != 2 || j->sar.num <= 0 ||
        j->sar.den <= 0)
        return pq_fail(j->err, PIQUE_EFORMAT, "%s: this is no segment of pique's", path);
    j->video = avcodec_parameters_alloc();
    if (!j->video || avcodec_parameters_copy(j->video, s->codecpar) < 0)
        return pq_fail_nomem(j->err, sizeof *j->video);
    return 0;
}

static int take_packet(struct joiner *j)
{
    const struct pq_film_join *join = j->join;
    AVPacket *p = j->packet;
    const int64_t index = p->pts;
    if (index < 0 || index >= join->frames || j->count >= join->frames ||
        (p->flags & AV_PKT_FLAG_CORRUPT))
        return pq_fail(j->err, PIQUE_EFORMAT,
                       "%s: a frame numbered %lld is in it, and the film has %lld",
                       j->segment->path, (long long)index, (long long)join->frames);
    const int64_t shown = j->count - j->delay;
    if (shown > index)
        return pq_fail(j->err, PIQUE_EFORMAT, "%s: frame %lld comes too late to be shown",
                       j->segment->path, (long long)index);
    j->order[j->count++] = (int32_t)index;
    p->pts = tick_of(j, index);
    p->dts = tick_of(j, shown);
    p->duration = duration_of(j, index);
    j->waits = true;
    return 0;
}

/* The next packet of the video is in j->packet where j->waits. */
static int next_video(struct joiner *j)
{
    while (!j->waits) {
        if (!j->segment) {
            if (j->next_segment == j->join->count)
                return 0;
            const int rc = open_segment(j);
            if (rc)
                return rc;
        }
        const int status = av_read_frame(j->segment->format, j->packet);
        if (status == AVERROR_EOF && !j->segment->io.failure.code) {
            pq_input_close(&j->segment);
            continue;
        }
        if (status < 0)
            return pq_av_io_fail(&j->segment->io, status, j->segment->path, "read the segment",
                                 j->err);
        if (j->packet->stream_index == j->segment->stream->index) {
            const int rc = take_packet(j);
            if (rc)
                return rc;
        } else {
            av_packet_unref(j->packet);
        }
    }
    return 0;
}

/* ---- writing ---- */

static int write_packet(struct joiner *j, AVPacket *p)
{
    const int status = av_interleaved_write_frame(j->out, p);
    return status < 0 ? pq_av_io_fail(&j->io, status, j->join->name, "write the film", j->err) : 0;
}

static int put_video(struct joiner *j)
{
    const struct pq_ratio tick = j->join->time_base;
    j->packet->stream_index = j->stream->index;
    j->packet->pos = -1;
    av_packet_rescale_ts(j->packet, pq_rational_of(tick), j->stream->time_base);
    j->waits = false;
    return write_packet(j, j->packet);
}

/* Matroska has no time before 0. */
static bool has_before(const struct joiner *j)
{
    return !strcmp(j->out->oformat->name, "mp4") || !strcmp(j->out->oformat->name, "mov");
}

/* Cut to the piece that is kept, at 0 and at the end; false: it is outside. */
static bool cut_packet(const struct joiner *j, const struct pq_track *t, AVPacket *p)
{
    const AVRational us = AV_TIME_BASE_Q;
    const bool text = t->in->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE;
    const int64_t after = p->pts + PQ_MAX(p->duration, 0);
    const bool cut_front = j->join->read->from > 0 || !has_before(j);
    if (p->pts < 0 && (text || cut_front)) {
        if (text && after > 0) {
            p->duration = after;
            p->pts = p->dts = 0;
        } else if (!has_before(j) || after <= 0) {
            return false;
        }
    }
    if (j->tracks.end == INT64_MAX)
        return true;
    const int64_t end = av_rescale_q(j->tracks.end - j->tracks.start, us, t->tick);
    if (p->pts >= end)
        return false;
    if (text && p->pts + p->duration > end)
        p->duration = end - p->pts;
    return true;
}

static void mend_times(struct pq_track *t, AVPacket *p)
{
    if (p->dts == AV_NOPTS_VALUE)
        p->dts = p->pts != AV_NOPTS_VALUE ? p->pts : t->any ? t->last_dts + 1 : 0;
    if (t->any && p->dts <= t->last_dts)
        p->dts = t->last_dts + 1;
    if (p->pts == AV_NOPTS_VALUE || p->pts < p->dts)
        p->pts = p->dts;
    t->last_dts = p->dts;
    t->any = true;
}

static int put_track(void *user, struct pq_track *t, AVPacket *p)
{
    struct joiner *j = user;
    const int64_t shift = av_rescale_q(j->tracks.start, AV_TIME_BASE_Q, t->tick);
    if (p->pts == AV_NOPTS_VALUE && p->dts == AV_NOPTS_VALUE && !t->any)
        p->dts = shift;
    if (p->pts != AV_NOPTS_VALUE)
        p->pts -= shift;
    if (p->dts != AV_NOPTS_VALUE)
        p->dts -= shift;
    if (p->pts == AV_NOPTS_VALUE)
        p->pts = p->dts != AV_NOPTS_VALUE ? p->dts : t->last_dts + 1;
    const bool moving = t->in->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    if (moving && !t->any && !(p->flags & AV_PKT_FLAG_KEY))
        return 0; /* what it needs was cut off */
    if (!cut_packet(j, t, p))
        return 0;
    mend_times(t, p);
    p->stream_index = t->out->index;
    p->pos = -1;
    av_packet_rescale_ts(p, t->tick, t->out->time_base);
    j->failed = write_packet(j, p);
    return j->failed ? AVERROR_EXTERNAL : 0;
}

static int feed_track(struct joiner *j, struct pq_track *t, AVPacket *packet)
{
    const int status = t->recoder ? pq_recode(t, packet, put_track, j) : put_track(j, t, packet);
    if (j->failed)
        return j->failed;
    return status < 0
               ? pq_av_fail(j->err, status, j->tracks.input->path, "copy a stream of the film")
               : 0;
}

/* Video up to this time of the source, microseconds. */
static int put_video_until(struct joiner *j, int64_t time)
{
    const AVRational tick = pq_rational_of(j->join->time_base);
    int rc = 0;
    while (!rc && !(rc = next_video(j)) && j->waits &&
           (time == INT64_MAX ||
            av_compare_ts(j->packet->dts, tick, time - j->tracks.start, AV_TIME_BASE_Q) <= 0))
        rc = put_video(j);
    return rc;
}

/* All tracks of the source, and the video beside them. */
static int copy_tracks(struct joiner *j)
{
    AVFormatContext *source = j->tracks.input->format;
    const int64_t stop = j->tracks.end == INT64_MAX ? INT64_MAX : j->tracks.end + 10 * AV_TIME_BASE;
    bool any = false;
    for (int i = 0; i < j->tracks.count; i++)
        any = any || j->tracks.track[i].in->discard != AVDISCARD_ALL;
    j->tracks.input->stream->discard = AVDISCARD_ALL;
    if (any && j->join->read->from > 0)
        av_seek_frame(source, -1, j->tracks.start,
                      AVSEEK_FLAG_BACKWARD); /* or from its beginning */
    int rc = 0, status = any ? 0 : AVERROR_EOF;
    while (!rc && status >= 0 && (status = av_read_frame(source, j->sound)) >= 0) {
        struct pq_track *t = j->sound->stream_index < j->tracks.count
                                 ? &j->tracks.track[j->sound->stream_index]
                                 : NULL;
        const int64_t dts = j->sound->dts != AV_NOPTS_VALUE ? j->sound->dts : j->sound->pts;
        if (t && t->out && t->way != PQ_PICTURE) {
            const int64_t us = dts == AV_NOPTS_VALUE
                                   ? j->tracks.start
                                   : av_rescale_q(dts, t->in->time_base, AV_TIME_BASE_Q);
            if (us > stop)
                status = AVERROR_EOF;
            else if (!(rc = put_video_until(j, us)))
                rc = feed_track(j, t, j->sound);
        }
        av_packet_unref(j->sound);
    }
    if (!rc && j->tracks.input->io.failure.code)
        rc = pq_av_io_fail(&j->tracks.input->io, status, j->tracks.input->path, "read", j->err);
    for (int i = 0; !rc && i < j->tracks.count; i++)
        if (j->tracks.track[i].recoder)
            rc = feed_track(j, &j->tracks.track[i], NULL);
    return rc;
}

/* ---- the file ---- */

/* The muxer reads what it wrote, to put its index in front. */
struct reread {
    struct pq_av_io io; /* first: its context's opaque is it */
    struct pq_file file;
};

static const char *path_of(const struct pq_film_join *join)
{
    return join->out->temp_path ? join->out->temp_path : join->out->path;
}

static int open_again(AVFormatContext *format, AVIOContext **out, const char *url, int flags,
                      AVDictionary **options)
{
    const struct joiner *j = format->opaque;
    *out = NULL;
    if (flags != AVIO_FLAG_READ)
        return AVERROR(EPERM);
    struct reread *r = pq_calloc(1, sizeof *r);
    if (!r)
        return AVERROR(ENOMEM);
    r->file.fd = -1;
    if (pq_file_open(path_of(j->join), &r->file, NULL) ||
        pq_av_io_open(&r->io, &r->file, false, NULL)) {
        pq_file_close(&r->file);
        pq_free(r);
        return AVERROR(EIO);
    }
    *out = r->io.context;
    return 0;
}

static int close_again(AVFormatContext *format, AVIOContext *context)
{
    if (!context)
        return 0;
    struct reread *r = context->opaque;
    pq_av_io_close(&r->io);
    pq_file_close(&r->file);
    pq_free(r);
    return 0;
}

static int copy_hdr(struct joiner *j)
{
    static const enum AVPacketSideDataType kinds[] = {AV_PKT_DATA_MASTERING_DISPLAY_METADATA,
                                                      AV_PKT_DATA_CONTENT_LIGHT_LEVEL};
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < PQ_COUNT(kinds); i++) {
        size_t size = 0;
        const uint8_t *data = pq_stream_side_data(j->segment->stream, kinds[i], &size);
        if (data)
            rc = pq_av_side_data_set(j->stream, kinds[i], data, size);
    }
    return rc;
}

static int set_video(struct joiner *j)
{
    const bool quicktime = has_before(j);
    AVCodecParameters *par = j->stream->codecpar;
    const struct pq_ratio t = j->join->time_base;
    const int64_t ticks = tick_of(j, j->join->frames - 1) + j->last_duration - tick_of(j, 0);
    par->codec_tag = quicktime && par->codec_id == AV_CODEC_ID_HEVC ? MKTAG('h', 'v', 'c', '1') : 0;
    par->sample_aspect_ratio = j->stream->sample_aspect_ratio = j->sar;
    j->stream->time_base = pq_rational_of(t);
    av_reduce(&j->stream->avg_frame_rate.num, &j->stream->avg_frame_rate.den,
              j->join->frames * t.den, PQ_MAX(ticks, 1) * t.num, INT32_MAX);
    const AVDictionaryEntry *alpha =
        av_dict_get(j->segment->stream->metadata, "alpha_mode", NULL, 0);
    int rc = alpha ? av_dict_set(&j->stream->metadata, "alpha_mode", alpha->value, 0) : 0;
    if (rc >= 0)
        rc = copy_hdr(j);
    return rc < 0 ? pq_fail_nomem(j->err, 256) : 0;
}

static int open_out(struct joiner *j)
{
    const struct pq_film_join *join = j->join;
    int rc = pq_av_io_open(&j->io, join->out, true, j->err);
    if (rc)
        return rc;
    if (avformat_alloc_output_context2(&j->out, pq_container_muxer(join->container), NULL, "film") <
        0)
        return pq_fail_nomem(j->err, sizeof *j->out);
    j->out->pb = j->io.context;
    j->out->flags |= AVFMT_FLAG_CUSTOM_IO;
    j->out->opaque = j;
    j->out->io_open = open_again;
    j->out->io_close2 = close_again;
    rc = pq_tracks_add(&j->tracks, j->out, j->video, &j->stream, j->err);
    if (!rc)
        rc = set_video(j);
    if (!rc)
        rc = pq_tracks_say(&j->tracks, j->out, seconds_of(j), j->err);
    if (rc)
        return rc;
    AVDictionary *options = NULL;
    if (has_before(j))
        av_dict_set(&options, "movflags", "+faststart+write_colr", 0);
    const int status = avformat_write_header(j->out, &options);
    av_dict_free(&options);
    return status < 0 ? pq_av_io_fail(&j->io, status, join->name, "begin the film", j->err) : 0;
}

static int write_all(struct joiner *j)
{
    int rc = j->tracks.input ? copy_tracks(j) : 0;
    if (!rc)
        rc = put_video_until(j, INT64_MAX);
    if (!rc && j->count != j->join->frames)
        rc = pq_fail(j->err, PIQUE_EFORMAT, "%s: its segments hold %lld frames of %lld",
                     j->join->name, (long long)j->count, (long long)j->join->frames);
    if (rc)
        return rc;
    const int status = av_write_trailer(j->out);
    if (status < 0)
        return pq_av_io_fail(&j->io, status, j->join->name, "end the film", j->err);
    return pq_av_io_flush(&j->io, j->err);
}

static int verify(struct joiner *j, int video)
{
    const struct pq_due due = {.join = j->join,
                               .order = j->order,
                               .frames = j->count,
                               .last_duration = j->last_duration,
                               .video = video};
    return pq_verify(&due, path_of(j->join), j->err);
}

/* How many films come before ours in the result. */
static int place_of(const struct joiner *j)
{
    int place = 0;
    for (int i = 0; i < j->stream->index; i++)
        place += j->out->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
                 !(j->out->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC);
    return place;
}

int pq_av_join(const struct pq_film_join *join, struct pq_film_joined *out, pique_error *err)
{
    struct joiner j = {.join = join, .err = err};
    *out = (struct pq_film_joined){0};
    j.packet = av_packet_alloc();
    j.sound = av_packet_alloc();
    j.order = pq_calloc((size_t)PQ_MAX(join->frames, 1), sizeof *j.order);
    int rc = j.packet && j.sound && j.order ? check_table(&j)
                                            : pq_fail_nomem(err, (size_t)join->frames * 4);
    if (!rc && !join->count)
        rc = pq_fail(err, PIQUE_EINVAL, "%s: there are no segments to join", join->name);
    if (!rc)
        rc = pq_tracks_open(join, &j.tracks, err);
    if (!rc && (join->partial || join->read->to > 0))
        j.tracks.end = j.tracks.start + (int64_t)(seconds_of(&j) * AV_TIME_BASE + 0.5);
    if (!rc)
        rc = open_segment(&j);
    if (!rc)
        rc = open_out(&j);
    if (!rc)
        rc = write_all(&j);
    if (!rc)
        rc = verify(&j, place_of(&j));
    if (!rc)
        *out = (struct pq_film_joined){.frames = j.count,
                                       .seconds = seconds_of(&j),
                                       .streams = (int)j.out->nb_streams,
                                       .lost = j.tracks.lost};
    avformat_free_context(j.out);
    pq_av_io_close(&j.io);
    pq_tracks_close(&j.tracks);
    pq_input_close(&j.segment);
    avcodec_parameters_free(&j.video);
    av_packet_free(&j.packet);
    av_packet_free(&j.sound);
    pq_free(j.order);
    return rc;
}

int pq_av_lost(const struct pq_film_join *join, int *lost, pique_error *err)
{
    struct pq_tracks tracks;
    *lost = 0;
    if (!strcmp(join->container, "y4m") || !strcmp(join->container, "null"))
        return 0;
    const int rc = pq_tracks_open(join, &tracks, err);
    if (!rc)
        *lost = tracks.lost;
    pq_tracks_close(&tracks);
    return rc;
}
