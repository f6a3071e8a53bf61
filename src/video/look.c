/* SPDX-License-Identifier: MIT */
/* Which time a frame has by its number: packets come in the order in which they are decoded, and
 * frames are seen in another. But no frame before a key frame is seen after what follows it:
 *
 *     decoded   K P b b P b b   K P b b
 *     seen      K b b P b b P   K b b P        leading frames of an open group count as the second
 *     number    0 1 2 3 4 5 6   7 8 9 ..       group's: they are seen behind all of the first
 *
 * So the times of one group, sorted, are those of the numbers that it covers, and only the group
 * that has the wanted number is kept. Where the file has a list of all its packets (MP4, MOV), the
 * group is entered at once; else all packets before it are read, which is as quick as the disk.
 *
 * Then the film is entered at the key frame before that time. On the way to it frames that no other
 * needs are not decoded. */
#include "video/look.h"

#include <libavcodec/avcodec.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { MOST_IN_GROUP = 1 << 18, MOST_BAD_READS = 64 };

/* ---- the number of a frame ---- */

struct group {
    int64_t *pts;
    size_t count, capacity;
    int64_t first; /* number of its first frame */
};

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int add(struct group *g, int64_t pts, const char *path, pique_error *err)
{
    if (g->count >= MOST_IN_GROUP)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: has no key frames to count from", path);
    int64_t *grown = pq_grown(g->pts, g->count, &g->capacity, sizeof *grown);
    if (!grown)
        return pq_fail_nomem(err, (g->count + 1) * sizeof *grown);
    g->pts = grown;
    /* A file may say anything; the decoder keeps times within these too. */
    g->pts[g->count++] = av_clip64(pts, -(INT64_C(1) << 60), INT64_C(1) << 60);
    return 0;
}

/* Whether a packet becomes a frame that is seen. */
static bool is_seen(const AVStream *stream, const AVPacket *p, int64_t first_pts)
{
    if (p->stream_index != stream->index || p->flags & AV_PKT_FLAG_DISCARD)
        return false;
    /* A frame of VP8 that only others look at; WebM has it in a packet of its own. */
    if (stream->codecpar->codec_id == AV_CODEC_ID_VP8 && p->size > 0 && !(p->data[0] & 0x10))
        return false;
    /* What leans on frames before the beginning is not decoded. */
    return p->pts == AV_NOPTS_VALUE || p->pts >= first_pts;
}

static int next_packet(struct pq_input *in, AVPacket *p, bool *got, pique_error *err)
{
    for (int bad = 0;;) {
        av_packet_unref(p);
        const int status = av_read_frame(in->format, p);
        *got = status >= 0;
        if (in->io.failure.code || status == AVERROR(ENOMEM))
            return pq_av_io_fail(&in->io, status, in->path, "be read", err);
        if (status >= 0 || status == AVERROR_EOF)
            return 0;
        if (status != AVERROR(EAGAIN) && ++bad > MOST_BAD_READS)
            return 0;
    }
}

/* From a key frame on, whose number is g->first. */
static int search(struct pq_input *in, int64_t first_pts, int64_t index, struct group *g,
                  AVPacket *p, pique_error *err)
{
    bool got, begun = false;
    for (;;) {
        int rc = next_packet(in, p, &got, err);
        if (rc || !got)
            return rc;
        const bool key = p->flags & AV_PKT_FLAG_KEY;
        begun |= key && p->stream_index == in->stream->index;
        if (!begun || !is_seen(in->stream, p, first_pts))
            continue;
        if (p->pts == AV_NOPTS_VALUE)
            return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: its packets have no times", in->path);
        if (key && g->count) {
            if (index < g->first + (int64_t)g->count)
                return 0;
            g->first += (int64_t)g->count;
            g->count = 0;
        }
        rc = add(g, p->pts, in->path, err);
        if (rc)
            return rc;
    }
}

/* Where the list of packets has the last key frame whose number is at most this: go there. False
 * where there is no such list, or it is not to be trusted; then the input is to be opened anew. */
static bool jump(struct pq_input *in, int64_t index, struct group *g, AVPacket *p)
{
    AVStream *s = in->stream;
    const int count = avformat_index_get_entries_count(s);
    if (strncmp(in->format->iformat->name, "mov", 3) != 0 || count < 1 || s->nb_frames != count)
        return false;
    const AVIndexEntry *key = NULL;
    int64_t seen = 0;
    for (int i = 0; i < count; i++) {
        const AVIndexEntry *e = avformat_index_get_entry(s, i);
        if (!e || seen > index)
            break;
        if (e->flags & AVINDEX_KEYFRAME) {
            key = e;
            g->first = seen;
        }
        seen += !(e->flags & AVINDEX_DISCARD_FRAME);
    }
    if (!key)
        return false;
    const int64_t pos = key->pos;
    bool got = false;
    if (av_seek_frame(in->format, s->index, key->timestamp, AVSEEK_FLAG_BACKWARD) < 0 ||
        next_packet(in, p, &got, NULL) != 0 || !got || p->pos != pos)
        return false;
    return av_seek_frame(in->format, s->index, key->timestamp, AVSEEK_FLAG_BACKWARD) >= 0;
}

static int find_in(const struct pq_reader *r, int64_t index, struct group *g, AVPacket *p,
                   pique_error *err)
{
    const struct pq_film_read *read = r->read;
    struct pq_input *in;
    int rc = pq_input_open(read->path, read->map, read->fps, &in, err);
    if (!rc && !jump(in, index, g, p)) {
        g->first = 0;
        pq_input_close(&in);
        rc = pq_input_open(read->path, read->map, read->fps, &in, err);
    }
    /* What the decoder delivered first: the film begins there. */
    if (!rc)
        rc = search(in, g->first ? INT64_MIN : r->first->pts, index, g, p, err);
    pq_input_close(&in);
    return rc;
}

int pq_look_find(const struct pq_reader *r, int64_t index, int64_t *pts, pique_error *err)
{
    const char *path = r->read->path;
    struct group g = {0};
    if (!r->input || !strcmp(path, "-"))
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: its frames are counted by reading", path);
    AVPacket *p = av_packet_alloc();
    int rc = p ? find_in(r, index, &g, p, err) : pq_fail_nomem(err, sizeof *p);
    if (!rc && (index < g.first || index >= g.first + (int64_t)g.count))
        rc = g.first + (int64_t)g.count == 0
                 ? pq_fail(err, PIQUE_EUNSUPPORTED, "%s: has no key frames to count from", path)
                 : pq_fail(err, PIQUE_ENOENT, "%s: has no frame %lld, only %lld", path,
                           (long long)index, (long long)(g.first + (int64_t)g.count));
    if (!rc) {
        qsort(g.pts, g.count, sizeof *g.pts, compare);
        *pts = g.pts[index - g.first];
    }
    av_packet_free(&p);
    pq_free(g.pts);
    return rc;
}

/* ---- the frame at a time ---- */

/* How far reading came. */
struct reached {
    bool got;    /* a frame */
    bool behind; /* which is behind the time, and the first that came */
    bool ended;  /* it is the last of the film, and before the time */
};

/* From where the reader stands. */
static int read_until(struct pq_reader *r, int64_t pts, AVFrame *frame, struct reached *reached,
                      pique_error *err)
{
    AVFrame *next = av_frame_alloc();
    int rc = next ? 0 : pq_fail_nomem(err, sizeof *next);
    *reached = (struct reached){0};
    while (!rc) {
        bool more;
        rc = pq_reader_next(r, next, &more, err);
        reached->ended = !more;
        if (rc || !more || (reached->got && next->pts > pts))
            break;
        reached->behind = next->pts > pts;
        av_frame_unref(frame);
        av_frame_move_ref(frame, next);
        reached->got = true;
        if (frame->pts >= pts)
            break;
    }
    av_frame_free(&next);
    return rc;
}

/* By way of the nearest key frame. *good is false where that did not lead there. An end tells
 * nothing: decoders of H.264 keep back the last frames behind a key frame that is no beginning. */
static int show_near(struct pq_reader *r, int64_t pts, int64_t whole_from, bool exact,
                     AVFrame *frame, bool *good, pique_error *err)
{
    struct reached reached = {0};
    *good = false;
    r->first_due = false;
    r->consumed = true;
    int rc = r->from->near(r->from, pts, whole_from, err);
    if (!rc)
        rc = read_until(r, pts, frame, &reached, err);
    if (rc == PIQUE_EUNSUPPORTED)
        return 0;
    *good = !rc && reached.got && !reached.behind && (exact || !reached.ended);
    return rc;
}

int pq_look_show(struct pq_reader *r, int64_t pts, bool exact, AVFrame *frame, bool *got,
                 pique_error *err)
{
    const int64_t margin = exact ? 0 : PQ_MAX(av_rescale_q(2, (AVRational){1, 1}, r->time_base), 1);
    struct reached reached;
    r->skip_below = INT64_MIN;
    if (pts <= r->first->pts) { /* which is kept */
        r->first_due = true;
        return pq_reader_next(r, frame, got, err);
    }
    bool good;
    *got = true;
    int rc = show_near(r, pts, pts - margin, exact, frame, &good, err);
    /* Seen for longer than what was read whole: one that nobody needs may have been left out. */
    if (!rc && good && !exact && frame->pts < pts - margin) {
        av_frame_unref(frame);
        rc = show_near(r, pts, INT64_MIN, false, frame, &good, err);
    }
    if (rc || good)
        return rc;
    av_frame_unref(frame);
    rc = pq_reader_enter(r, pts, err);
    if (!rc)
        rc = read_until(r, pts, frame, &reached, err);
    *got = !rc && reached.got;
    return rc;
}
