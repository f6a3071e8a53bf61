/* SPDX-License-Identifier: MIT */
/* Writers without an encoder: yuv4mpeg2, for other programs, and nothing, for measuring. */
#include <libavutil/pixdesc.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "video/writer.h"

struct raw_writer {
    struct pq_av_writer common; /* first */
    struct pq_file *file;       /* NULL: outside a segment */
    bool y4m, begun;
    int64_t written; /* of the segment */
};

/* "420p10": what the header says of the samples; 8 bits of 4:2:0 name the place of chroma. */
static void chroma_tag(const struct pq_av_writer *w, char *text, size_t bytes)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(w->format);
    const int depth = d->comp[0].depth;
    const char *chroma = d->log2_chroma_h ? "420" : d->log2_chroma_w ? "422" : "444";
    char deep[16] = "";
    if (depth > 8)
        snprintf(deep, sizeof deep, "p%d", depth);
    if (d->nb_components == 1) {
        snprintf(text, bytes, "mono%.*s", 3, depth > 8 ? deep + 1 : "");
        return;
    }
    const char *site = "";
    if (depth == 8 && d->log2_chroma_h) {
        const struct pq_colour colour =
            pq_colour_resolve(w->facts.colour, w->format, w->facts.width, w->facts.height);
        site = colour.site == AVCHROMA_LOC_CENTER    ? "jpeg"
               : colour.site == AVCHROMA_LOC_TOPLEFT ? "paldv"
                                                     : "mpeg2";
    }
    snprintf(text, bytes, "%s%s%s", chroma, deep, site);
}

static int write_header(struct raw_writer *r, pique_error *err)
{
    const struct pq_stream_facts *facts = &r->common.facts;
    char tag[24], text[200];
    const bool timed = facts->rate.num > 0 && facts->rate.den > 0;
    chroma_tag(&r->common, tag, sizeof tag);
    const int n = snprintf(text, sizeof text, "YUV4MPEG2 W%d H%d F%d:%d Ip A%d:%d C%s%s\n",
                           facts->width, facts->height, timed ? facts->rate.num : 25,
                           timed ? facts->rate.den : 1, facts->sar.num, facts->sar.den, tag,
                           facts->colour.range == AVCOL_RANGE_JPEG   ? " XCOLORRANGE=FULL"
                           : facts->colour.range == AVCOL_RANGE_MPEG ? " XCOLORRANGE=LIMITED"
                                                                     : "");
    return pq_file_write(r->file, text, (size_t)n, err);
}

static int begin(struct pq_film_writer *writer, struct pq_file *file, pique_error *err)
{
    struct raw_writer *r = (struct raw_writer *)writer;
    r->file = file;
    r->written = 0;
    if (!r->y4m || r->begun)
        return 0;
    r->begun = true;
    return write_header(r, err);
}

static int write_frame(struct pq_film_writer *writer, const struct pq_frame *frame, int64_t index,
                       int64_t *readable, pique_error *err)
{
    struct raw_writer *r = (struct raw_writer *)writer;
    int rc = r->y4m ? pq_file_write(r->file, "FRAME\n", 6, err) : 0;
    for (int p = 0; !rc && r->y4m && p < frame->planes; p++) {
        const struct pq_frame_plane *plane = &frame->plane[p];
        for (int y = 0; !rc && y < plane->rows; y++)
            rc = pq_file_write(r->file, plane->data + y * plane->stride, (size_t)plane->row_bytes,
                               err);
    }
    if (!rc)
        r->written++;
    *readable = r->written;
    return rc;
}

static int end(struct pq_film_writer *writer, pique_error *err)
{
    ((struct raw_writer *)writer)->file = NULL;
    return 0;
}

static void abandon(struct pq_film_writer *writer)
{
    ((struct raw_writer *)writer)->file = NULL;
}

static void close_writer(struct pq_film_writer *writer)
{
    pq_writer_free(&((struct raw_writer *)writer)->common);
}

int pq_open_raw_writer(const struct pq_film_write *write, const struct pq_film_encoder *chosen,
                       struct pq_film_writer **out, pique_error *err)
{
    struct raw_writer *r = pq_calloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return pq_fail_nomem(err, sizeof *r);
    r->common.base = (struct pq_film_writer){.begin = begin,
                                             .write = write_frame,
                                             .end = end,
                                             .abandon = abandon,
                                             .close = close_writer};
    r->y4m = !strcmp(chosen->encoder, "y4m");
    const int rc = pq_writer_setup(&r->common, write, chosen, err);
    if (rc) {
        close_writer(&r->common.base);
        return rc;
    }
    *out = &r->common.base;
    return 0;
}
