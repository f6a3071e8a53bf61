/* SPDX-License-Identifier: MIT */
/* A source: what lies between a file and the frames and pictures that film/ asks for.
 *
 *     reader -> rate -> read()          to_rgb(): convert -> turn, and the piece that is kept
 *
 * Pictures are cropped and turned, frames are not: chroma that lies between two pixels has its
 * place only in the frame as it was stored. */
#include <libavutil/pixdesc.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "video/bars.h"
#include "video/convert.h"
#include "video/facts.h"
#include "video/look.h"
#include "video/module.h"
#include "video/rate.h"

enum { SAMPLES = 24 }; /* frames that are looked at for black bars */

struct source {
    struct pq_av_source av; /* first */
    struct pq_film_read read;
    char *path, *map;
    struct pq_reader reader;
    struct pq_rate rate;
    struct pq_turn turn;
    struct pq_piece piece; /* of the picture as seen */
    int seen_width, seen_height;
    struct pq_converter *converter;
    struct pq_image stored;          /* before it is turned; made when it is needed */
    struct pq_frame *queue[SAMPLES]; /* read before they were asked for */
    int queued;
    bool started;
};

static void note(const struct source *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void note(const struct source *s, const char *fmt, ...)
{
    char text[512];
    va_list args;
    if (!s->read.note)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, pq_tr(fmt), args);
    va_end(args);
    pq_utf8_trim(text);
    s->read.note(s->read.note_user, text);
}

/* ---- pictures ---- */

/* Memory of our own for a picture: this is a module, and upscale/ is not in it. */
static int make_image(struct pq_image *im, int width, int height, int planes, int depth,
                      pique_error *err)
{
    const size_t stride = ((size_t)width * (depth > 8 ? 2U : 1U) + 63) & ~(size_t)63;
    size_t plane, all;
    *im = (struct pq_image){.width = width, .height = height, .planes = planes, .depth = depth};
    if (!pq_mul_size(stride, (size_t)height, &plane) || !pq_mul_size(plane, (size_t)planes, &all) ||
        !(im->memory = pq_big_alloc(NULL, all)))
        return pq_fail_nomem(err, (unsigned long long)stride * (unsigned)height);
    for (int p = 0; p < planes; p++) {
        im->data[p] = (unsigned char *)im->memory + (size_t)p * plane;
        im->stride[p] = (ptrdiff_t)stride;
    }
    return 0;
}

static void free_image(struct pq_image *im)
{
    pq_big_free(NULL, im->memory);
    *im = (struct pq_image){0};
}

static int piece_to_rgb(struct source *s, const AVFrame *frame, struct pq_piece seen,
                        struct pq_image *out, pique_error *err)
{
    const struct pq_piece p = pq_turn_back(s->turn, seen, s->seen_width, s->seen_height);
    if (pq_turn_is_none(s->turn))
        return pq_convert_to_rgb(s->converter, frame, p.x, p.y, out, err);
    if (s->stored.width != p.width || s->stored.height != p.height) {
        free_image(&s->stored);
        const int rc = make_image(&s->stored, p.width, p.height, out->planes, out->depth, err);
        if (rc)
            return rc;
    }
    const int rc = pq_convert_to_rgb(s->converter, frame, p.x, p.y, &s->stored, err);
    if (!rc)
        pq_turn_image(s->turn, &s->stored, out);
    return rc;
}

static int source_to_rgb(struct pq_film_source *base, const struct pq_frame *frame,
                         struct pq_image *out, pique_error *err)
{
    struct source *s = (struct source *)base;
    const AVFrame *av = pq_av_frame(frame);
    if (out->width != s->piece.width || out->height != s->piece.height)
        return pq_fail(err, PIQUE_EINVAL, "%s: a picture of %d x %d where %d x %d is due", s->path,
                       out->width, out->height, s->piece.width, s->piece.height);
    return piece_to_rgb(s, av, s->piece, out, err);
}

/* ---- frames ---- */

static int next_frame(struct source *s, struct pq_frame **out, pique_error *err)
{
    bool got;
    *out = NULL;
    AVFrame *frame = av_frame_alloc();
    if (!frame)
        return pq_fail_nomem(err, sizeof *frame);
    int rc = pq_rate_next(&s->rate, frame, &got, err);
    if (!rc && got)
        rc = pq_av_frame_wrap(frame, out, err);
    av_frame_free(&frame);
    return rc;
}

static int source_read(struct pq_film_source *base, struct pq_frame **out, pique_error *err)
{
    struct source *s = (struct source *)base;
    s->started = true;
    if (!s->queued)
        return next_frame(s, out, err);
    *out = s->queue[0];
    memmove(s->queue, s->queue + 1, (size_t)--s->queued * sizeof *s->queue);
    return 0;
}

static void drop_queue(struct source *s, int64_t below)
{
    int kept = 0;
    for (int i = 0; i < s->queued; i++)
        if (s->queue[i]->pts < below)
            pq_av_frame_unref(&s->queue[i]);
        else
            s->queue[kept++] = s->queue[i];
    s->queued = kept;
}

static int source_seek(struct pq_film_source *base, int64_t pts, pique_error *err)
{
    struct source *s = (struct source *)base;
    if (s->started)
        return pq_fail(err, PIQUE_EINVAL, "%s: was read already", s->path);
    if (s->queued && s->queue[s->queued - 1]->pts >= pts) {
        drop_queue(s, pts);
        return 0;
    }
    drop_queue(s, INT64_MAX);
    return pq_rate_enter(&s->rate, pts, err);
}

static int source_find(struct pq_film_source *base, int64_t index, int64_t *pts, pique_error *err)
{
    struct source *s = (struct source *)base;
    return pq_look_find(&s->reader, index, pts, err);
}

static int source_show(struct pq_film_source *base, int64_t pts, bool exact, struct pq_frame **out,
                       pique_error *err)
{
    struct source *s = (struct source *)base;
    bool got;
    *out = NULL;
    drop_queue(s, INT64_MAX);
    AVFrame *frame = av_frame_alloc();
    if (!frame)
        return pq_fail_nomem(err, sizeof *frame);
    int rc = pq_look_show(&s->reader, pts, exact, frame, &got, err);
    if (!rc && got)
        rc = pq_av_frame_wrap(frame, out, err);
    av_frame_free(&frame);
    return rc;
}

static void source_close(struct pq_film_source *base)
{
    struct source *s = (struct source *)base;
    if (!s)
        return;
    drop_queue(s, INT64_MAX);
    pq_rate_close(&s->rate);
    pq_reader_close(&s->reader);
    pq_converter_close(&s->converter);
    free_image(&s->stored);
    av_buffer_unref(&s->av.mastering);
    av_buffer_unref(&s->av.light);
    av_buffer_unref(&s->av.dynamic);
    pq_free(s->path);
    pq_free(s->map);
    pq_free(s);
}

/* ---- black bars ---- */

static int look_at(struct source *s, const AVFrame *frame, struct pq_bars *bars, pique_error *err)
{
    struct pq_image im;
    const struct pq_film_facts *f = &s->av.base.facts;
    int rc = make_image(&im, s->seen_width, s->seen_height, s->read.alpha && f->info.alpha ? 4 : 3,
                        f->rgb_depth, err);
    const struct pq_piece all = {0, 0, s->seen_width, s->seen_height};
    if (!rc)
        rc = piece_to_rgb(s, frame, all, &im, err);
    if (!rc)
        pq_bars_look(bars, &im);
    free_image(&im);
    return rc;
}

/* Of a pipe, the first frames; they are kept. */
static int look_ahead(struct source *s, struct pq_bars *bars, pique_error *err)
{
    int rc = 0;
    while (!rc && s->queued < SAMPLES) {
        struct pq_frame *frame;
        rc = next_frame(s, &frame, err);
        if (rc || !frame)
            break;
        s->queue[s->queued++] = frame;
    }
    for (int i = 0; i < s->queued && !rc; i++)
        rc = look_at(s, pq_av_frame(s->queue[i]), bars, err);
    return rc;
}

/* Frames all over the film, as far as it can be entered; *looked counts them. */
static int look_by_jumps(struct source *s, struct pq_reader *r, AVFrame *frame,
                         struct pq_bars *bars, int *looked, pique_error *err)
{
    const double seconds = s->av.base.facts.info.seconds;
    const int64_t ticks = (int64_t)(seconds / av_q2d(r->time_base));
    bool got;
    for (int i = 1; i < SAMPLES; i++) {
        int rc = pq_reader_jump(r, s->rate.origin + ticks / SAMPLES * i, err);
        if (rc == PIQUE_EUNSUPPORTED)
            continue;
        if (!rc)
            rc = pq_reader_next(r, frame, &got, err);
        if (!rc && got)
            rc = look_at(s, frame, bars, err);
        *looked += !rc && got;
        av_frame_unref(frame);
        if (rc)
            return rc;
    }
    return 0;
}

/* Every so many frames from the beginning. */
static int look_in_order(struct source *s, struct pq_reader *r, AVFrame *frame,
                         struct pq_bars *bars, pique_error *err)
{
    const int64_t apart = PQ_MIN(s->av.base.facts.info.frames / SAMPLES + 1, 50);
    bool got = true;
    for (int64_t i = 0; i < apart * SAMPLES && got; i++) {
        int rc = pq_reader_next(r, frame, &got, err);
        if (!rc && got && i % apart == 0)
            rc = look_at(s, frame, bars, err);
        av_frame_unref(frame);
        if (rc)
            return rc;
    }
    return 0;
}

/* By a second reader, so that the first stays where it is. */
static int look_around(struct source *s, struct pq_bars *bars, pique_error *err)
{
    const struct pq_film_read plain = {.path = s->path, .map = s->map, .fps = s->read.fps};
    struct pq_reader r = {0};
    AVFrame *frame = av_frame_alloc();
    int looked = 0;
    int rc = frame ? pq_reader_open(&r, &plain, err) : pq_fail_nomem(err, sizeof *frame);
    if (!rc)
        rc = look_by_jumps(s, &r, frame, bars, &looked, err);
    if (!rc && looked < SAMPLES / 4) {
        pq_reader_close(&r);
        r = (struct pq_reader){0};
        rc = pq_reader_open(&r, &plain, err);
        if (!rc)
            rc = look_in_order(s, &r, frame, bars, err);
    }
    pq_reader_close(&r);
    av_frame_free(&frame);
    return rc;
}

static int find_bars(struct source *s, pique_error *err)
{
    struct pq_bars bars = {0};
    const bool pipe = !strcmp(s->path, "-");
    const int rc = pipe ? look_ahead(s, &bars, err) : look_around(s, &bars, err);
    if (rc)
        return rc;
    if (!pq_bars_found(&bars, &s->piece)) {
        note(s, "%s: no black bars were found", s->path);
        s->piece = (struct pq_piece){0, 0, s->seen_width, s->seen_height};
        return 0;
    }
    note(s, "%s: black bars are cut off: %d x %d at %d, %d is left", s->path, s->piece.width,
         s->piece.height, s->piece.x, s->piece.y);
    return 0;
}

/* ---- opening ---- */

static int choose_piece(struct source *s, pique_error *err)
{
    struct pq_film_facts *f = &s->av.base.facts;
    const struct pq_film_read *r = &s->read;
    s->piece = (struct pq_piece){0, 0, s->seen_width, s->seen_height};
    int rc = 0;
    if (r->crop_width > 0) {
        if (r->crop_height < 1 || r->crop_x < 0 || r->crop_y < 0 ||
            r->crop_width > s->seen_width - r->crop_x ||
            r->crop_height > s->seen_height - r->crop_y)
            return pq_fail(err, PIQUE_EINVAL,
                           "%s: a piece of %d x %d at %d, %d does not lie within %d x %d", s->path,
                           r->crop_width, r->crop_height, r->crop_x, r->crop_y, s->seen_width,
                           s->seen_height);
        s->piece = (struct pq_piece){r->crop_x, r->crop_y, r->crop_width, r->crop_height};
    } else if (r->crop_auto) {
        rc = find_bars(s, err);
    }
    f->info.width = s->piece.width;
    f->info.height = s->piece.height;
    if (s->piece.width < s->seen_width || s->piece.height < s->seen_height) {
        f->crop_width = s->piece.width;
        f->crop_height = s->piece.height;
        f->crop_x = s->piece.x;
        f->crop_y = s->piece.y;
    }
    return rc;
}

/* The range of time, and the rate. A sequence has the rate from its demuxer. */
static int open_rate(struct source *s, pique_error *err)
{
    struct pq_film_facts *f = &s->av.base.facts;
    const bool sequence = s->reader.input && s->reader.input->sequence;
    const struct pq_ratio fps = sequence ? (struct pq_ratio){0, 0} : s->read.fps;
    const int64_t from = f->origin;
    const int64_t end = s->read.to > 0 ? pq_reader_tick(&s->reader, s->read.to) : INT64_MAX;
    int rc = pq_rate_open(&s->rate, &s->reader, fps, from, end, err);
    if (!rc && s->read.from > 0) {
        rc = pq_reader_enter(&s->reader, from, err);
        if (fps.num <= 0)
            s->reader.skip_below = from;
    }
    if (fps.num > 0) {
        f->time_base = pq_ratio_of(av_inv_q(s->rate.rate));
        f->origin = 0;
    }
    return rc;
}

static int open_converter(struct source *s, pique_error *err)
{
    const struct pq_samples samples = {s->reader.format, s->av.colour, s->reader.width,
                                       s->reader.height};
    const bool alpha = s->read.alpha && s->av.base.facts.info.alpha;
    return pq_converter_to_rgb(&samples, alpha ? 4 : 3, s->path, &s->converter, err);
}

static int look_at_first(struct source *s, pique_error *err)
{
    int rc = 0;
    if (!s->queued) {
        rc = next_frame(s, &s->queue[0], err);
        s->queued = !rc && s->queue[0];
    }
    if (!rc && !s->queued)
        return pq_fail(err, PIQUE_EINVAL, "%s: has no frame between %g and %g s", s->path,
                       s->read.from, s->read.to);
    if (!rc)
        s->av.base.facts.first_pts = s->queue[0]->pts;
    return rc;
}

static int open_all(struct source *s, pique_error *err)
{
    int rc = pq_reader_open(&s->reader, &s->read, err);
    if (!rc)
        rc = pq_source_facts(&s->reader, &s->av, err);
    if (rc)
        return rc;
    if (!pq_reader_turn(&s->reader, &s->turn))
        note(s, "%s: is to be shown turned by an angle that is no quarter; it is left as it is",
             s->path);
    s->seen_width = s->av.base.facts.info.width;
    s->seen_height = s->av.base.facts.info.height;
    rc = open_converter(s, err);
    if (!rc)
        rc = open_rate(s, err);
    if (!rc)
        rc = choose_piece(s, err);
    return rc ? rc : look_at_first(s, err);
}

int pq_av_open_source(const struct pq_film_read *read, struct pq_film_source **out,
                      pique_error *err)
{
    *out = NULL;
    struct source *s = pq_calloc(1, sizeof *s);
    if (!s)
        return pq_fail_nomem(err, sizeof *s);
    s->read = *read;
    s->path = pq_strdup(read->path);
    s->map = read->map ? pq_strdup(read->map) : NULL;
    s->read.path = s->path;
    s->read.map = s->map;
    s->av.base.read = source_read;
    s->av.base.seek = source_seek;
    s->av.base.find = source_find;
    s->av.base.show = source_show;
    s->av.base.to_rgb = source_to_rgb;
    s->av.base.close = source_close;
    const int rc = s->path && (s->map || !read->map) ? open_all(s, err)
                                                     : pq_fail_nomem(err, strlen(read->path));
    if (rc)
        source_close(&s->av.base);
    else
        *out = &s->av.base;
    return rc;
}
