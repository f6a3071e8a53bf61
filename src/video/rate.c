/* SPDX-License-Identifier: MIT */
#include "video/rate.h"

#include <libavutil/mathematics.h>

#include "base/alloc.h"
#include "video/compat_read.h"

int pq_rate_open(struct pq_rate *s, struct pq_reader *reader, struct pq_ratio fps, int64_t origin,
                 int64_t end, pique_error *err)
{
    *s = (struct pq_rate){.reader = reader, .origin = origin, .end = end};
    if (fps.num > 0)
        s->rate = (AVRational){fps.num, fps.den > 0 ? fps.den : 1};
    s->shown = av_frame_alloc();
    s->waiting = av_frame_alloc();
    return s->shown && s->waiting ? 0 : pq_fail_nomem(err, sizeof(AVFrame));
}

void pq_rate_close(struct pq_rate *s)
{
    av_frame_free(&s->shown);
    av_frame_free(&s->waiting);
}

/* Whether a tick of the film is not behind the time of the frame that is due. */
static bool not_behind(const struct pq_rate *s, int64_t tick)
{
    return av_compare_ts(tick - s->origin, s->reader->time_base, s->next, av_inv_q(s->rate)) <= 0;
}

static int64_t frame_not_before(const struct pq_rate *s, int64_t tick)
{
    return PQ_MAX(
        av_rescale_q_rnd(tick - s->origin, s->reader->time_base, av_inv_q(s->rate), AV_ROUND_UP),
        0);
}

/* The next frame of the film that counts; `waiting` stays empty at the end. */
static int fill(struct pq_rate *s, pique_error *err)
{
    bool got = false;
    if (s->waiting->buf[0])
        return 0;
    const int rc = pq_reader_next(s->reader, s->waiting, &got, err);
    if (!rc && got && s->waiting->pts >= s->end)
        av_frame_unref(s->waiting);
    return rc;
}

/* Where the last frame of the film ends. */
static int64_t end_of(const struct pq_rate *s)
{
    int64_t duration = *pq_frame_duration(s->shown);
    if (duration <= 0 && s->reader->input) {
        const AVRational rate = s->reader->input->stream->avg_frame_rate;
        if (rate.num > 0 && rate.den > 0)
            duration = av_rescale_q(1, av_inv_q(rate), s->reader->time_base);
    }
    return PQ_MIN(s->shown->pts + PQ_MAX(duration, 1), s->end);
}

static int next_constant(struct pq_rate *s, AVFrame *frame, bool *got, pique_error *err)
{
    for (;;) {
        const int rc = fill(s, err);
        if (rc)
            return rc;
        if (!s->waiting->buf[0])
            break;
        if (!s->shown->buf[0])
            s->next = PQ_MAX(s->next, frame_not_before(s, s->waiting->pts));
        else if (!not_behind(s, s->waiting->pts))
            break;
        av_frame_unref(s->shown);
        av_frame_move_ref(s->shown, s->waiting);
    }
    *got = s->shown->buf[0] && (s->waiting->buf[0] || !not_behind(s, end_of(s)));
    if (!*got)
        return 0;
    if (av_frame_ref(frame, s->shown) < 0)
        return pq_fail_nomem(err, sizeof *frame);
    frame->pts = s->next++;
    *pq_frame_duration(frame) = 1;
    return 0;
}

int pq_rate_next(struct pq_rate *s, AVFrame *frame, bool *got, pique_error *err)
{
    *got = false;
    if (s->rate.num > 0)
        return next_constant(s, frame, got, err);
    const int rc = pq_reader_next(s->reader, frame, got, err);
    if (!rc && *got && frame->pts >= s->end) {
        av_frame_unref(frame);
        *got = false;
    }
    return rc;
}

int pq_rate_enter(struct pq_rate *s, int64_t pts, pique_error *err)
{
    av_frame_unref(s->shown);
    av_frame_unref(s->waiting);
    if (s->rate.num <= 0) {
        s->reader->skip_below = PQ_MAX(s->reader->skip_below, pts);
        return pq_reader_enter(s->reader, pts, err);
    }
    s->next = pts;
    return pq_reader_enter(
        s->reader, s->origin + av_rescale_q(pts, av_inv_q(s->rate), s->reader->time_base), err);
}
