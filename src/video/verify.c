/* SPDX-License-Identifier: MIT */
/* The film that was written, read once more: every frame is there and has its time. */
#include <libavcodec/avcodec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "video/join.h"

static int fail_packet(const struct pq_due *due, int64_t n, int64_t is, int64_t should,
                       pique_error *err)
{
    return pq_fail(err, PIQUE_EINTERNAL,
                   "%s: read once more, frame %lld of the film has the time %lld and not %lld",
                   due->join->name, (long long)due->order[n], (long long)is, (long long)should);
}

static int check_packet(const struct pq_due *due, int64_t n, const AVPacket *p, AVRational tick,
                        pique_error *err)
{
    const struct pq_film_join *join = due->join;
    if (n >= due->frames)
        return pq_fail(err, PIQUE_EINTERNAL, "%s: read once more, it has more than %lld frames",
                       join->name, (long long)due->frames);
    const int64_t should = av_rescale_q(join->pts[due->order[n]] - join->origin,
                                        pq_rational_of(join->time_base), tick);
    if (p->pts == AV_NOPTS_VALUE || llabs(p->pts - should) > 1)
        return fail_packet(due, n, p->pts, should, err);
    return 0;
}

static int check_length(const struct pq_due *due, const AVStream *s, pique_error *err)
{
    const struct pq_film_join *join = due->join;
    if (s->duration == AV_NOPTS_VALUE || s->duration <= 0)
        return 0;
    const int64_t ticks = join->pts[join->frames - 1] + due->last_duration - join->pts[0];
    const double should = (double)ticks * join->time_base.num / join->time_base.den;
    const double is = (double)s->duration * av_q2d(s->time_base);
    const double frame = (double)due->last_duration * join->time_base.num / join->time_base.den;
    /* A container may count from time 0 rather than from the first frame. */
    const double lead =
        (double)(join->pts[0] - join->origin) * join->time_base.num / join->time_base.den;
    if (is < should - 2 * frame - 0.01 || is > should + 2 * frame + PQ_MAX(lead, 0) + 0.01)
        return pq_fail(err, PIQUE_EINTERNAL,
                       "%s: read once more, its video takes %.3f seconds and not %.3f", join->name,
                       is, should);
    return 0;
}

int pq_verify(const struct pq_due *due, const char *path, pique_error *err)
{
    struct pq_input *input;
    char map[16];
    snprintf(map, sizeof map, "v:%d", due->video);
    int rc = pq_input_open(path, map, (struct pq_ratio){0, 0}, &input, err);
    if (rc)
        return rc;
    AVPacket *p = av_packet_alloc();
    int64_t n = 0;
    int status = 0;
    if (!p)
        rc = pq_fail_nomem(err, sizeof *p);
    while (!rc && (status = av_read_frame(input->format, p)) >= 0) {
        if (p->stream_index == input->stream->index)
            rc = check_packet(due, n++, p, input->stream->time_base, err);
        av_packet_unref(p);
    }
    if (!rc && (status != AVERROR_EOF || input->io.failure.code))
        rc = pq_av_io_fail(&input->io, status, due->join->name, "read it once more", err);
    if (!rc && n != due->frames)
        rc = pq_fail(err, PIQUE_EINTERNAL, "%s: read once more, it has %lld frames and not %lld",
                     due->join->name, (long long)n, (long long)due->frames);
    if (!rc)
        rc = check_length(due, input->stream, err);
    av_packet_free(&p);
    pq_input_close(&input);
    return rc;
}
