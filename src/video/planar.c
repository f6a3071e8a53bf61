/* SPDX-License-Identifier: MIT */
#include "video/planar.h"

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "video/av.h"
#include "video/convert.h"

/* What a format becomes. */
struct kind {
    bool rgb, alpha;
    int depth, log2_w, log2_h;
    int parts; /* 1: gray, 3 */
};

static struct kind kind_of(const AVPixFmtDescriptor *desc, bool alpha)
{
    struct kind k = {.log2_w = desc->log2_chroma_w, .log2_h = desc->log2_chroma_h};
    const bool palette = desc->flags & AV_PIX_FMT_FLAG_PAL;
    k.rgb = palette || desc->flags & AV_PIX_FMT_FLAG_RGB;
    k.alpha = palette ? alpha : !!(desc->flags & AV_PIX_FMT_FLAG_ALPHA);
    k.parts = k.rgb || desc->nb_components > 2 || k.alpha ? 3 : 1;
    for (int c = 0; c < desc->nb_components; c++)
        k.depth = PQ_MAX(k.depth, desc->comp[c].depth);
    k.depth = PQ_MAX(k.depth, 8);
    return k;
}

static bool fits(const AVPixFmtDescriptor *desc, const struct kind *k)
{
    return !!(desc->flags & AV_PIX_FMT_FLAG_RGB) == k->rgb &&
           !!(desc->flags & AV_PIX_FMT_FLAG_ALPHA) == k->alpha &&
           desc->nb_components == k->parts + k->alpha && desc->comp[0].depth == k->depth &&
           desc->log2_chroma_w == k->log2_w && desc->log2_chroma_h == k->log2_h;
}

enum AVPixelFormat pq_planar_of(enum AVPixelFormat format, bool alpha)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(format), *to = NULL;
    const uint64_t no = AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BAYER | AV_PIX_FMT_FLAG_FLOAT;
    if (pq_can_convert(format))
        return format;
    if (!desc || desc->flags & no || desc->nb_components < 1 || pq_starts_with(desc->name, "xyz"))
        return AV_PIX_FMT_NONE;
    struct kind k = kind_of(desc, alpha);
    for (; k.depth <= 16; k.depth++) /* a depth that has no planes goes into the next one */
        for (to = NULL; (to = av_pix_fmt_desc_next(to));) {
            const enum AVPixelFormat id = av_pix_fmt_desc_get_id(to);
            if (fits(to, &k) && pq_can_convert(id) && !pq_starts_with(to->name, "yuvj"))
                return id;
        }
    return AV_PIX_FMT_NONE;
}

/* ---- samples ---- */

/* A row of one component as 16 bits. Whole bytes and words are the common case. */
static void read_row(const AVFrame *in, const AVPixFmtDescriptor *desc, int c, int y, int width,
                     uint16_t *row)
{
    const AVComponentDescriptor *comp = &desc->comp[c];
    const bool palette = desc->flags & AV_PIX_FMT_FLAG_PAL;
    const unsigned mask = (1U << comp->depth) - 1;
    const unsigned char *from =
        in->data[comp->plane] + (ptrdiff_t)y * in->linesize[comp->plane] + comp->offset;
    if (!palette && !(desc->flags & AV_PIX_FMT_FLAG_BITSTREAM) && comp->shift + comp->depth <= 8 &&
        !(desc->flags & AV_PIX_FMT_FLAG_BE)) {
        for (int x = 0; x < width; x++, from += comp->step)
            row[x] = (uint16_t)(*from >> comp->shift & mask);
    } else if (!palette && comp->depth > 8 && comp->shift + comp->depth <= 16 &&
               !(desc->flags & AV_PIX_FMT_FLAG_BITSTREAM)) {
        const bool big = desc->flags & AV_PIX_FMT_FLAG_BE;
        for (int x = 0; x < width; x++, from += comp->step) {
            const unsigned word =
                big ? (unsigned)from[0] << 8 | from[1] : (unsigned)from[1] << 8 | from[0];
            row[x] = (uint16_t)(word >> comp->shift & mask);
        }
    } else {
        const unsigned char *data[4];
        memcpy(data, in->data, sizeof data);
        av_read_image_line2(row, data, in->linesize, desc, 0, y, c, width, palette, 2);
    }
}

/* From `depth` bits to more, such that 0 and the highest value stay what they are in RGB, and all
 * else in YUV where the lowest bits are added. */
static void widen(uint16_t *row, int width, int depth, int to, bool full)
{
    const unsigned high = (1U << depth) - 1, top = (1U << to) - 1;
    for (int x = 0; x < width && depth != to; x++)
        row[x] =
            (uint16_t)(full ? (row[x] * top + high / 2) / high : (unsigned)row[x] << (to - depth));
}

static void write_row(const uint16_t *row, int width, int depth, unsigned char *to)
{
    if (depth > 8)
        memcpy(to, row, 2 * (size_t)width);
    else
        for (int x = 0; x < width; x++)
            to[x] = (unsigned char)row[x];
}

/* Gray with alpha has no planes of its own: its colours are gray. */
static void fill_gray(uint16_t *row, int width, int depth)
{
    for (int x = 0; x < width; x++)
        row[x] = (uint16_t)(1U << (depth - 1));
}

/* Component c of the new format is which of the old? -1: of none. */
static int component_of(const AVPixFmtDescriptor *from, const AVPixFmtDescriptor *to, int c)
{
    const bool alpha = to->nb_components == 4 && c == 3;
    if (from->flags & AV_PIX_FMT_FLAG_PAL)
        return c;
    if (from->nb_components <= 2) /* gray */
        return c == 0 ? 0 : alpha ? from->nb_components - 1 : -1;
    return c;
}

static void unpack(const AVFrame *in, AVFrame *out, uint16_t *row)
{
    const AVPixFmtDescriptor *from = av_pix_fmt_desc_get(in->format);
    const AVPixFmtDescriptor *to = av_pix_fmt_desc_get(out->format);
    const bool rgb = to->flags & AV_PIX_FMT_FLAG_RGB;
    const int depth = to->comp[0].depth;
    for (int c = 0; c < to->nb_components; c++) {
        const bool chroma = !rgb && (c == 1 || c == 2);
        const int width = AV_CEIL_RSHIFT(in->width, chroma ? to->log2_chroma_w : 0);
        const int height = AV_CEIL_RSHIFT(in->height, chroma ? to->log2_chroma_h : 0);
        const int p = to->comp[c].plane, source = component_of(from, to, c);
        const bool palette = from->flags & AV_PIX_FMT_FLAG_PAL;
        const int had = palette || source < 0 ? depth : from->comp[source].depth;
        for (int y = 0; y < height; y++) {
            if (source < 0)
                fill_gray(row, width, depth);
            else
                read_row(in, from, source, y, width, row);
            widen(row, width, had, depth, rgb || c == 3 || had < 8);
            if (from->flags & AV_PIX_FMT_FLAG_BITSTREAM && in->format == AV_PIX_FMT_MONOWHITE)
                for (int x = 0; x < width; x++)
                    row[x] ^= 255;
            write_row(row, width, depth, out->data[p] + (ptrdiff_t)y * out->linesize[p]);
        }
    }
}

int pq_make_planar(const AVFrame *in, enum AVPixelFormat format, AVFrame *out, const char *name,
                   pique_error *err)
{
    out->format = format;
    out->width = in->width;
    out->height = in->height;
    int status = av_frame_get_buffer(out, 0);
    if (!status)
        status = av_frame_copy_props(out, in);
    if (status < 0)
        return pq_av_fail(err, status, name, "hold a frame");
    uint16_t *row = pq_malloc(2 * ((size_t)in->width + 16));
    if (!row)
        return pq_fail_nomem(err, 2 * (size_t)in->width);
    unpack(in, out, row);
    pq_free(row);
    return 0;
}
