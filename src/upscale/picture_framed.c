/* SPDX-License-Identifier: MIT */
#include "upscale/picture_framed.h"

#include "base/alloc.h"
#include "upscale/framed.h"
#include "upscale/opened.h"

/* A batch on its way. */
struct reel {
    struct pq_picture_job *const *jobs;
    int count;
    struct pq_framed *framed;
    struct pq_stream *stream;
    size_t in_row, out_row;                              /* bytes */
    unsigned char *in[PQ_MAX_BATCH], *out[PQ_MAX_BATCH]; /* rows of a step */
};

static int planes_of(const struct pq_picture_format *f)
{
    return f->colours + f->alpha;
}

bool pq_pictures_are_alike(const struct pq_picture_job *a, const struct pq_picture_job *b)
{
    const struct pq_picture_format *x = &a->source->format, *y = &b->source->format;
    const struct pq_picture_format *to = &a->plan.format, *as = &b->plan.format;
    return x->width == y->width && x->height == y->height && x->depth == y->depth &&
           x->colours == y->colours && x->alpha == y->alpha && to->depth == as->depth &&
           to->colours == as->colours && to->alpha == as->alpha && a->plan.alpha == b->plan.alpha;
}

static bool are_alike(struct pq_picture_job *const *jobs, int count)
{
    for (int i = 1; i < count; i++) {
        if (!pq_pictures_are_alike(jobs[0], jobs[i]))
            return false;
    }
    return true;
}

/* A run for all of them, where it can be had. */
static int take(struct reel *r, pique_error *err)
{
    const struct pq_picture_job *j = r->jobs[0];
    const struct pq_plan *p = &j->plan;
    const struct pq_size *s = &p->size;
    const struct pq_picture_format *f = &j->source->format;
    const struct pq_frames_setup setup = {.engines = j->engines,
                                          .width = f->width,
                                          .height = f->height,
                                          .planes = planes_of(f),
                                          .depth = f->depth};
    const struct pq_image out = {.width = s->own ? s->pass_width[s->passes] : s->width,
                                 .height = s->own ? s->pass_height[s->passes] : s->height,
                                 .planes = planes_of(&p->format),
                                 .depth = p->format.depth};
    float means[PQ_MAX_BATCH];
    for (int i = 0; i < r->count; i++)
        means[i] = r->jobs[i]->plan.effects.mean;
    r->in_row = pq_picture_row_bytes(f);
    r->out_row = (size_t)out.width * (size_t)out.planes * (size_t)(out.depth / 8);
    int rc = pq_framed_take(&setup, p, &out, &r->framed, err);
    return rc ? rc : pq_framed_begin(r->framed, r->count, means, &r->stream, err);
}

/* ---- what it needs ---- */

static int make_rows(struct reel *r, pique_error *err)
{
    const pique_allocator *allocator = pq_engine_allocator(r->jobs[0]->engine);
    size_t in, out;
    if (!pq_mul_size(r->in_row, (size_t)pq_stream_band(r->stream), &in) ||
        !pq_mul_size(r->out_row, (size_t)pq_stream_max_out(r->stream), &out))
        return pq_fail_nomem(err, UINT64_MAX);
    for (int i = 0; i < r->count; i++) {
        r->in[i] = pq_big_alloc(allocator, in);
        r->out[i] = pq_big_alloc(allocator, out);
        if (!r->in[i] || !r->out[i])
            return pq_fail_nomem(err, in + out);
    }
    return 0;
}

static int open_sinks(const struct reel *r, pique_error *err)
{
    int rc = 0, width, height;
    pq_stream_output_size(r->stream, &width, &height);
    for (int i = 0; !rc && i < r->count; i++) {
        struct pq_picture_job *j = r->jobs[i];
        struct pq_picture_format format = j->plan.format;
        format.width = j->report.out_width = width;
        format.height = j->report.out_height = height;
        rc = j->io->open_sink(j->dst, &format, &j->plan.save, j->source, &j->sink, err);
        if (!rc)
            rc = pq_output_new(NULL, &format, j->sink, NULL, &j->output, err);
    }
    return rc;
}

static void close_reel(struct reel *r)
{
    const pique_allocator *allocator = pq_engine_allocator(r->jobs[0]->engine);
    for (int i = 0; i < r->count; i++) {
        pq_big_free(allocator, r->in[i]);
        pq_big_free(allocator, r->out[i]);
    }
    pq_stream_close(&r->stream);
}

/* ---- rows ---- */

/* The next rows of all pictures through the device, and those that it finishes into the sinks. */
static int step(struct reel *r, int *got, pique_error *err)
{
    const struct pq_run *run = r->stream->run;
    struct pq_picture in[PQ_MAX_BATCH], out[PQ_MAX_BATCH];
    const int64_t missing = pq_run_missing(run), before = run->handed_out;
    const int rows = (int)PQ_MIN(missing, pq_stream_band(r->stream));
    int rc = 0;
    for (int i = 0; !rc && i < r->count; i++) {
        struct pq_row_source *source = r->jobs[i]->source;
        in[i] = (struct pq_picture){
            .data = {r->in[i]}, .first = run->done[0], .stride = {(ptrdiff_t)r->in_row}};
        out[i] = (struct pq_picture){
            .data = {r->out[i]}, .first = before, .stride = {(ptrdiff_t)r->out_row}};
        if (rows)
            rc = source->read(source, rows, r->in[i], (ptrdiff_t)r->in_row, err);
    }
    if (!rc)
        rc = pq_stream_advance(r->stream, in, out, err);
    if (!rc)
        rc = pq_framed_check(r->framed, r->stream, err);
    *got = (int)(run->handed_out - before);
    for (int i = 0; !rc && i < r->count; i++)
        rc = pq_output_put(r->jobs[i]->output, *got, r->out[i], err);
    return rc;
}

static int run_reel(struct reel *r, struct pq_tally *tally, pique_error *err)
{
    int rc = 0, width, height;
    pq_stream_output_size(r->stream, &width, &height);
    tally->total += (uint64_t)height;
    while (!rc && !pq_run_finished(r->stream->run)) {
        int got;
        rc = step(r, &got, err);
        if (!rc)
            pq_tally_add(tally, got);
    }
    return rc;
}

int pq_picture_framed(struct pq_picture_job *const *jobs, int count, struct pq_tally *tally,
                      bool *done, pique_error *err)
{
    struct reel r = {.jobs = jobs, .count = count};
    *done = false;
    if (!are_alike(jobs, count))
        return 0;
    int rc = take(&r, err);
    if (rc == PIQUE_EUNSUPPORTED || rc == PIQUE_ENOMEM || rc == PIQUE_ENOSPC)
        return 0;
    *done = true;
    if (!rc)
        rc = make_rows(&r, err);
    if (!rc)
        rc = open_sinks(&r, err);
    if (!rc)
        rc = run_reel(&r, tally, err);
    close_reel(&r);
    return rc;
}
