/* SPDX-License-Identifier: MIT */
#include "video/deinterlace.h"

#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>

#include "base/alloc.h"
#include "base/str.h"
#include "video/av.h"
#include "video/compat_read.h"

enum { HELD = 8 }; /* more than the filter keeps back */

struct pq_deinterlacer {
    AVFilterGraph *graph;
    AVFilterContext *from, *to;
    AVRational time_base;
    /* The filter counts in halves, and what it does to durations changed with its versions. */
    struct {
        int64_t pts, duration;
    } held[HELD];
    unsigned pushed;
    char *name;
};

static int build(struct pq_deinterlacer *d, const AVFrame *like)
{
    char *args = pq_asprintf("video_size=%dx%d:pix_fmt=%d:time_base=%d/%d", like->width,
                             like->height, like->format, d->time_base.num, d->time_base.den);
    d->graph = avfilter_graph_alloc();
    if (!args || !d->graph) {
        pq_free(args);
        return AVERROR(ENOMEM);
    }
    AVFilterContext *bwdif;
    int rc = avfilter_graph_create_filter(&d->from, avfilter_get_by_name("buffer"), "in", args,
                                          NULL, d->graph);
    pq_free(args);
    if (rc >= 0)
        rc = avfilter_graph_create_filter(&bwdif, avfilter_get_by_name("bwdif"), "bwdif",
                                          "mode=send_frame:parity=auto:deint=all", NULL, d->graph);
    if (rc >= 0)
        rc = avfilter_graph_create_filter(&d->to, avfilter_get_by_name("buffersink"), "out", NULL,
                                          NULL, d->graph);
    if (rc >= 0)
        rc = avfilter_link(d->from, 0, bwdif, 0);
    if (rc >= 0)
        rc = avfilter_link(bwdif, 0, d->to, 0);
    return rc >= 0 ? avfilter_graph_config(d->graph, NULL) : rc;
}

int pq_deinterlacer_open(const AVFrame *like, AVRational time_base, const char *name,
                         struct pq_deinterlacer **out, pique_error *err)
{
    *out = NULL;
    struct pq_deinterlacer *d = pq_calloc(1, sizeof *d);
    if (!d)
        return pq_fail_nomem(err, sizeof *d);
    d->time_base = time_base;
    d->name = pq_strdup(name);
    int status = d->name ? build(d, like) : AVERROR(ENOMEM);
    if (status >= 0 && av_buffersink_get_format(d->to) != like->format)
        status = AVERROR(ENOSYS); /* a conversion would have been put in */
    if (status < 0) {
        const int rc = pq_av_fail(err, status, name, "be deinterlaced");
        pq_deinterlacer_close(&d);
        return rc;
    }
    *out = d;
    return 0;
}

void pq_deinterlacer_close(struct pq_deinterlacer **deinterlacer)
{
    struct pq_deinterlacer *d = *deinterlacer;
    *deinterlacer = NULL;
    if (!d)
        return;
    avfilter_graph_free(&d->graph);
    pq_free(d->name);
    pq_free(d);
}

int pq_deinterlacer_push(struct pq_deinterlacer *d, AVFrame *frame, pique_error *err)
{
    if (frame) {
        d->held[d->pushed % HELD].pts = frame->pts;
        d->held[d->pushed++ % HELD].duration = *pq_frame_duration(frame);
        /* Films that do not say it are those for which this was asked for. */
        pq_frame_set_interlaced(frame, true);
    }
    const int status = av_buffersrc_add_frame(d->from, frame);
    return status < 0 ? pq_av_fail(err, status, d->name, "be deinterlaced") : 0;
}

static int64_t duration_at(const struct pq_deinterlacer *d, int64_t pts)
{
    for (int i = 0; i < HELD; i++)
        if (d->held[i].pts == pts)
            return d->held[i].duration;
    return 0;
}

int pq_deinterlacer_pull(struct pq_deinterlacer *d, AVFrame *frame, bool *got, bool *end,
                         pique_error *err)
{
    const int status = av_buffersink_get_frame(d->to, frame);
    *got = status >= 0;
    *end = status == AVERROR_EOF;
    if (*end || status == AVERROR(EAGAIN))
        return 0;
    if (status < 0)
        return pq_av_fail(err, status, d->name, "be deinterlaced");
    frame->pts = av_rescale_q(frame->pts, av_buffersink_get_time_base(d->to), d->time_base);
    *pq_frame_duration(frame) = duration_at(d, frame->pts);
    pq_frame_set_interlaced(frame, false);
    return 0;
}
