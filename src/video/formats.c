/* SPDX-License-Identifier: MIT */
/* Which format of samples an encoder is given: the one that keeps most of the source. Frames are
 * planar everywhere; the few encoders that want samples side by side get them so at the last
 * moment. */
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "video/encoder.h"

/* ---- choosing ---- */

static bool is_rgb(const AVPixFmtDescriptor *d)
{
    return d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL);
}

static int depth_of(const AVPixFmtDescriptor *d)
{
    return d->flags & AV_PIX_FMT_FLAG_PAL ? 8 : d->comp[0].depth;
}

static bool is_grey(const AVPixFmtDescriptor *d)
{
    return d->nb_components < 3 && !(d->flags & AV_PIX_FMT_FLAG_PAL);
}

static int chroma_cost(const AVPixFmtDescriptor *from, const AVPixFmtDescriptor *to)
{
    if (is_grey(to))
        return is_grey(from) ? 0 : 5000;
    if (is_rgb(from) && is_rgb(to))
        return 0;
    if (is_rgb(to))
        return 60;
    const int w = is_rgb(from) ? 0 : is_grey(from) ? 1 : from->log2_chroma_w;
    const int h = is_rgb(from) ? 0 : is_grey(from) ? 1 : from->log2_chroma_h;
    if (to->log2_chroma_w == w && to->log2_chroma_h == h)
        return is_rgb(from) ? 5 : 0;
    if (to->log2_chroma_w > w || to->log2_chroma_h > h) /* what players have most of is 4:2:0 */
        return to->log2_chroma_w == 1 && to->log2_chroma_h == 1 ? 30 : 40;
    return 20 + w - to->log2_chroma_w + h - to->log2_chroma_h;
}

static int cost_of(enum AVPixelFormat source, enum AVPixelFormat format, bool alpha)
{
    const AVPixFmtDescriptor *from = av_pix_fmt_desc_get(source);
    const AVPixFmtDescriptor *to = av_pix_fmt_desc_get(format);
    const int flags = AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_PAL |
                      AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER;
    if (!from || !to || (to->flags & flags) || to->nb_components == 2)
        return -1;
    if (to->nb_components > 2 && !(to->flags & AV_PIX_FMT_FLAG_PLANAR))
        return -1;
    if (av_pix_fmt_count_planes(format) != to->nb_components || to->comp[0].shift)
        return -1; /* nv12, and samples in the upper bits */
    if (to->log2_chroma_w > 1 || to->log2_chroma_h > 1 || (!to->log2_chroma_w && to->log2_chroma_h))
        return -1; /* 4:1:1 and 4:4:0, which hardly anything plays */
    if (!strncmp(to->name, "yuvj", 4))
        return -1;
    const bool has_alpha = to->flags & AV_PIX_FMT_FLAG_ALPHA;
    int cost = chroma_cost(from, to);
    const int lack = depth_of(from) - depth_of(to);
    cost += lack > 0 ? 100 + 10 * lack : -lack;
    if (alpha != has_alpha)
        cost += alpha ? 1000 : 2000;
    return cost;
}

static void better(enum AVPixelFormat source, enum AVPixelFormat format, bool alpha,
                   enum AVPixelFormat *best, int *least)
{
    const int cost = cost_of(source, format, alpha);
    if (cost < 0 || (*best != AV_PIX_FMT_NONE && cost >= *least))
        return;
    *best = format;
    *least = cost;
}

enum AVPixelFormat pq_format_choose(const AVCodec *codec, const char *list,
                                    enum AVPixelFormat source, bool alpha)
{
    enum AVPixelFormat best = AV_PIX_FMT_NONE;
    int least = 0;
    while (list && *list) {
        char name[32];
        const size_t n = strcspn(list, " ");
        snprintf(name, sizeof name, "%.*s", (int)PQ_MIN(n, sizeof name - 1), list);
        const enum AVPixelFormat format = av_get_pix_fmt(name);
        if (pq_pack_format(codec, format) != AV_PIX_FMT_NONE)
            better(source, format, alpha, &best, &least);
        list += n + (list[n] == ' ');
    }
    if (list)
        return best;
    for (const enum AVPixelFormat *f = codec->pix_fmts; f && *f != AV_PIX_FMT_NONE; f++)
        better(source, *f, alpha, &best, &least);
    static const enum AVPixelFormat plain[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10,
                                               AV_PIX_FMT_GBRP, AV_PIX_FMT_GBRAP};
    for (size_t i = 0; best == AV_PIX_FMT_NONE && i < PQ_COUNT(plain); i++)
        if (pq_pack_format(codec, plain[i]) != AV_PIX_FMT_NONE)
            better(source, plain[i], alpha, &best, &least);
    return best;
}

void pq_format_loss(enum AVPixelFormat source, enum AVPixelFormat format, bool alpha,
                    const char *what, char *text, size_t bytes)
{
    const AVPixFmtDescriptor *from = av_pix_fmt_desc_get(source);
    const AVPixFmtDescriptor *to = av_pix_fmt_desc_get(format);
    size_t n = 0;
    *text = 0;
    if (!from || !to)
        return;
    if (depth_of(from) > depth_of(to))
        n += (size_t)snprintf(text, bytes, pq_tr("%d bits a sample become %d, dithered"),
                              depth_of(from), depth_of(to));
    const bool full = is_rgb(from) || (!from->log2_chroma_w && !from->log2_chroma_h);
    const bool less = !is_grey(from) && !is_rgb(to) &&
                      ((full && (to->log2_chroma_w || to->log2_chroma_h)) ||
                       (!full && (to->log2_chroma_w > from->log2_chroma_w ||
                                  to->log2_chroma_h > from->log2_chroma_h)));
    if (less && n < bytes)
        n += (size_t)snprintf(text + n, bytes - n, pq_tr("%scolour is kept for every %s pixel"),
                              n ? ", " : "", to->log2_chroma_h ? pq_tr("fourth") : pq_tr("second"));
    if (alpha && !(to->flags & AV_PIX_FMT_FLAG_ALPHA) && n < bytes)
        n += (size_t)snprintf(text + n, bytes - n,
                              pq_tr("%salpha is lost; ProRes 4444, FFV1 and VP9 keep it"),
                              n ? ", " : "");
    if (n && n < bytes)
        snprintf(text + n, bytes - n, pq_tr(": %s holds no more of the film's %s"), what,
                 from->name);
}

/* ---- order of samples ---- */

static bool takes(const AVCodec *codec, enum AVPixelFormat format)
{
    if (!codec->pix_fmts)
        return true;
    for (const enum AVPixelFormat *f = codec->pix_fmts; *f != AV_PIX_FMT_NONE; f++)
        if (*f == format)
            return true;
    return false;
}

enum AVPixelFormat pq_pack_format(const AVCodec *codec, enum AVPixelFormat format)
{
    static const struct {
        enum AVPixelFormat planar, packed;
    } pairs[] = {{AV_PIX_FMT_GBRP, AV_PIX_FMT_BGR0},
                 {AV_PIX_FMT_GBRAP, AV_PIX_FMT_BGRA},
                 {AV_PIX_FMT_YUV420P, AV_PIX_FMT_NV12},
                 {AV_PIX_FMT_YUV420P10, AV_PIX_FMT_P010}};
    if (format == AV_PIX_FMT_NONE)
        return AV_PIX_FMT_NONE;
    if (takes(codec, format))
        return format;
    const bool device = codec->pix_fmts && codec->pix_fmts[0] == AV_PIX_FMT_VAAPI;
    for (size_t i = 0; i < PQ_COUNT(pairs); i++)
        if (pairs[i].planar == format && (takes(codec, pairs[i].packed) || (device && i >= 2)))
            return pairs[i].packed;
    return AV_PIX_FMT_NONE;
}

/* Planes G, B, R and A, and pixels B, G, R, A or nothing. */
static void pack_rgb(const AVFrame *planar, const AVFrame *pixels, bool unpack)
{
    static const int order[4] = {1, 0, 2, 3}; /* plane of each byte */
    const int planes = planar->data[3] ? 4 : 3;
    for (int y = 0; y < planar->height; y++) {
        uint8_t *pixel = pixels->data[0] + (ptrdiff_t)y * pixels->linesize[0];
        for (int b = 0; b < 4; b++) {
            const bool none = order[b] >= planes;
            uint8_t *row =
                none ? NULL : planar->data[order[b]] + (ptrdiff_t)y * planar->linesize[order[b]];
            for (int x = 0; x < planar->width; x++)
                if (unpack && row)
                    row[x] = pixel[4 * x + b];
                else if (!unpack)
                    pixel[4 * x + b] = row ? row[x] : 255;
        }
    }
}

static void copy_rows(const AVFrame *from, AVFrame *to, int bytes)
{
    for (int y = 0; y < from->height; y++)
        memcpy(to->data[0] + (ptrdiff_t)y * to->linesize[0],
               from->data[0] + (ptrdiff_t)y * from->linesize[0], (size_t)bytes);
}

static void pack_nv12(const AVFrame *from, AVFrame *to)
{
    copy_rows(from, to, from->width);
    for (int y = 0; y < AV_CEIL_RSHIFT(from->height, 1); y++)
        for (int p = 0; p < 2; p++) {
            const uint8_t *in = from->data[1 + p] + (ptrdiff_t)y * from->linesize[1 + p];
            uint8_t *out = to->data[1] + (ptrdiff_t)y * to->linesize[1];
            for (int x = 0; x < AV_CEIL_RSHIFT(from->width, 1); x++)
                out[2 * x + p] = in[x];
        }
}

/* P010 has its ten bits at the top. */
static void pack_p010(const AVFrame *from, AVFrame *to)
{
    for (int y = 0; y < from->height; y++) {
        const uint16_t *in = (const uint16_t *)(from->data[0] + (ptrdiff_t)y * from->linesize[0]);
        uint16_t *out = (uint16_t *)(to->data[0] + (ptrdiff_t)y * to->linesize[0]);
        for (int x = 0; x < from->width; x++)
            out[x] = (uint16_t)(in[x] << 6);
    }
    for (int y = 0; y < AV_CEIL_RSHIFT(from->height, 1); y++)
        for (int p = 0; p < 2; p++) {
            const uint16_t *in =
                (const uint16_t *)(from->data[1 + p] + (ptrdiff_t)y * from->linesize[1 + p]);
            uint16_t *out = (uint16_t *)(to->data[1] + (ptrdiff_t)y * to->linesize[1]);
            for (int x = 0; x < AV_CEIL_RSHIFT(from->width, 1); x++)
                out[2 * x + p] = (uint16_t)(in[x] << 6);
        }
}

void pq_pack_frame(const AVFrame *from, AVFrame *to)
{
    if (to->format == AV_PIX_FMT_BGR0 || to->format == AV_PIX_FMT_BGRA)
        pack_rgb(from, to, false);
    else if (from->format == AV_PIX_FMT_BGR0 || from->format == AV_PIX_FMT_BGRA)
        pack_rgb(to, from, true);
    else if (to->format == AV_PIX_FMT_NV12)
        pack_nv12(from, to);
    else
        pack_p010(from, to);
}
