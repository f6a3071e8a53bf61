/* SPDX-License-Identifier: MIT */
#include "video/reader.h"

#include <libavutil/pixdesc.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "video/planar.h"
#include "video/sequence.h"
#include "video/webp.h"

/* ---- opening ---- */

static int open_from(struct pq_reader *r, pique_error *err)
{
    const struct pq_film_read *read = r->read;
    if (!pq_is_picture_sequence(read->path) && pq_is_webp(read->path)) {
        r->time_base = (AVRational){1, 1000};
        return pq_webp_open(read->path, &r->from, &r->webp_frames, err);
    }
    int rc = pq_input_open(read->path, read->map, read->fps, &r->input, err);
    if (rc)
        return rc;
    r->time_base = r->input->stream->time_base;
    if (r->time_base.num <= 0 || r->time_base.den <= 0)
        return pq_fail(err, PIQUE_EFORMAT, "%s: its times count in nothing", read->path);
    return pq_decoder_open(r->input, read->note, read->note_user, &r->from, err);
}

static void close_from(struct pq_reader *r)
{
    if (r->from)
        r->from->close(r->from);
    r->from = NULL;
    pq_input_close(&r->input);
}

/* Palettes of PNG have alpha; those of older formats leave it at whatever it is. */
static bool palette_alpha(const struct pq_reader *r)
{
    const enum AVCodecID id = r->input ? r->input->stream->codecpar->codec_id : AV_CODEC_ID_NONE;
    return id == AV_CODEC_ID_PNG || id == AV_CODEC_ID_APNG;
}

static int decode_first(struct pq_reader *r, pique_error *err)
{
    bool got;
    int rc = r->from->next(r->from, r->first, &got, err);
    if (!rc && !got)
        rc = pq_fail(err, PIQUE_EFORMAT, "%s: has no frame that can be decoded", r->read->path);
    if (rc)
        return rc;
    const char *name = av_get_pix_fmt_name(r->first->format);
    r->decoded = r->first->format;
    r->width = r->first->width;
    r->height = r->first->height;
    r->format = pq_planar_of(r->decoded, palette_alpha(r));
    if (r->format == AV_PIX_FMT_NONE)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: its frames (%s) cannot be converted",
                       r->read->path, name ? name : pq_tr("of an unknown kind"));
    r->first_due = true;
    return 0;
}

static int open_deinterlacer(struct pq_reader *r, pique_error *err)
{
    const AVFrame like = {.width = r->width, .height = r->height, .format = r->format};
    pq_deinterlacer_close(&r->deinterlacer);
    r->ended = false;
    return r->read->deinterlace
               ? pq_deinterlacer_open(&like, r->time_base, r->read->path, &r->deinterlacer, err)
               : 0;
}

int pq_reader_open(struct pq_reader *r, const struct pq_film_read *read, pique_error *err)
{
    r->read = read;
    r->skip_below = INT64_MIN;
    r->first = av_frame_alloc();
    int rc = r->first ? open_from(r, err) : pq_fail_nomem(err, sizeof *r->first);
    if (!rc)
        rc = decode_first(r, err);
    if (!rc)
        rc = open_deinterlacer(r, err);
    return rc;
}

void pq_reader_close(struct pq_reader *r)
{
    pq_deinterlacer_close(&r->deinterlacer);
    close_from(r);
    av_frame_free(&r->first);
}

/* ---- reading ---- */

static int decode(struct pq_reader *r, AVFrame *frame, bool *got, pique_error *err)
{
    r->consumed = true;
    if (!r->first_due)
        return r->from->next(r->from, frame, got, err);
    r->first_due = false;
    *got = true;
    return av_frame_ref(frame, r->first) < 0 ? pq_fail_nomem(err, sizeof *frame) : 0;
}

static int check_same(const struct pq_reader *r, const AVFrame *f, pique_error *err)
{
    if (f->width != r->width || f->height != r->height)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: its frames change from %d x %d to %d x %d at %.2f s, which one film "
                       "cannot",
                       r->read->path, r->width, r->height, f->width, f->height,
                       (double)f->pts * av_q2d(r->time_base));
    if (f->format == (int)r->decoded)
        return 0;
    const char *was = av_get_pix_fmt_name(r->decoded), *is = av_get_pix_fmt_name(f->format);
    return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: its frames change from %s to %s at %.2f s",
                   r->read->path, was ? was : "?", is ? is : "?",
                   (double)f->pts * av_q2d(r->time_base));
}

static int next_planar(struct pq_reader *r, AVFrame *frame, bool *got, pique_error *err)
{
    int rc = decode(r, frame, got, err);
    if (rc || !*got)
        return rc;
    rc = check_same(r, frame, err);
    if (rc || r->format == r->decoded)
        return rc;
    AVFrame *planar = av_frame_alloc();
    if (!planar)
        return pq_fail_nomem(err, sizeof *planar);
    rc = pq_make_planar(frame, r->format, planar, r->read->path, err);
    av_frame_unref(frame);
    if (!rc)
        av_frame_move_ref(frame, planar);
    av_frame_free(&planar);
    return rc;
}

static int next_smooth(struct pq_reader *r, AVFrame *frame, bool *got, pique_error *err)
{
    if (!r->deinterlacer)
        return next_planar(r, frame, got, err);
    for (bool end;;) {
        int rc = pq_deinterlacer_pull(r->deinterlacer, frame, got, &end, err);
        if (rc || *got || end || r->ended)
            return rc;
        bool more;
        rc = next_planar(r, frame, &more, err);
        if (!rc)
            rc = pq_deinterlacer_push(r->deinterlacer, more ? frame : NULL, err);
        r->ended = !more;
        av_frame_unref(frame);
        if (rc)
            return rc;
        if (r->ended)
            return pq_deinterlacer_pull(r->deinterlacer, frame, got, &end, err);
    }
}

int pq_reader_next(struct pq_reader *r, AVFrame *frame, bool *got, pique_error *err)
{
    for (;;) {
        const int rc = next_smooth(r, frame, got, err);
        if (rc || !*got || frame->pts >= r->skip_below)
            return rc;
        av_frame_unref(frame);
    }
}

/* ---- entering in the middle ---- */

int pq_reader_jump(struct pq_reader *r, int64_t tick, pique_error *err)
{
    r->first_due = false;
    const int rc = r->from->enter(r->from, tick, err);
    return rc ? rc : open_deinterlacer(r, err);
}

int pq_reader_enter(struct pq_reader *r, int64_t tick, pique_error *err)
{
    const bool pipe = !strcmp(r->read->path, "-");
    if (!r->consumed && (pipe || tick <= r->first->pts))
        return 0; /* all that is before is yet to come, and is skipped */
    if (pipe)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: a pipe is read once", r->read->path);
    int rc = pq_reader_jump(r, tick, err);
    if (rc != PIQUE_EUNSUPPORTED)
        return rc;
    close_from(r);
    rc = open_from(r, err);
    return rc ? rc : open_deinterlacer(r, err);
}
