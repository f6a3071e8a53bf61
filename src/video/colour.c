/* SPDX-License-Identifier: MIT */
#include "video/colour.h"

#include <libavutil/pixdesc.h>
#include <stdbool.h>

static bool is_rgb(enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(format);
    return desc && desc->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL);
}

/* Formats of JPEG mean full range whatever the tag is. */
static bool is_full(enum AVPixelFormat format)
{
    switch (format) {
    case AV_PIX_FMT_YUVJ411P:
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ444P:
    case AV_PIX_FMT_MONOBLACK:
    case AV_PIX_FMT_MONOWHITE:
        return true;
    default:
        return is_rgb(format);
    }
}

struct system {
    enum AVColorSpace matrix;
    enum AVColorPrimaries primaries;
    enum AVColorTransferCharacteristic transfer;
};

static struct system system_of(int width, int height)
{
    static const struct system hd = {AVCOL_SPC_BT709, AVCOL_PRI_BT709, AVCOL_TRC_BT709};
    static const struct system pal = {AVCOL_SPC_BT470BG, AVCOL_PRI_BT470BG, AVCOL_TRC_SMPTE170M};
    static const struct system ntsc = {AVCOL_SPC_SMPTE170M, AVCOL_PRI_SMPTE170M,
                                       AVCOL_TRC_SMPTE170M};
    if (width >= 1280 || height >= 720)
        return hd;
    return height == 576 ? pal : ntsc;
}

struct pq_colour pq_colour_resolve(struct pq_colour said, enum AVPixelFormat format, int width,
                                   int height)
{
    const struct system guess = system_of(width, height);
    struct pq_colour c = said;
    const bool rgb = is_rgb(format);
    const bool wide = c.primaries == AVCOL_PRI_BT2020;
    if (rgb)
        c.matrix = AVCOL_SPC_RGB;
    else if (c.matrix == AVCOL_SPC_UNSPECIFIED || c.matrix == AVCOL_SPC_RESERVED ||
             c.matrix == AVCOL_SPC_RGB)
        c.matrix = wide ? AVCOL_SPC_BT2020_NCL : guess.matrix;
    if (c.primaries == AVCOL_PRI_UNSPECIFIED || c.primaries == AVCOL_PRI_RESERVED ||
        c.primaries == AVCOL_PRI_RESERVED0) {
        c.primaries = rgb ? AVCOL_PRI_BT709 : guess.primaries;
        if (c.matrix == AVCOL_SPC_BT2020_NCL || c.matrix == AVCOL_SPC_BT2020_CL)
            c.primaries = AVCOL_PRI_BT2020;
    }
    if (c.transfer == AVCOL_TRC_UNSPECIFIED || c.transfer == AVCOL_TRC_RESERVED ||
        c.transfer == AVCOL_TRC_RESERVED0)
        c.transfer = rgb ? AVCOL_TRC_IEC61966_2_1 : guess.transfer;
    if (is_full(format) && c.range != AVCOL_RANGE_MPEG)
        c.range = AVCOL_RANGE_JPEG;
    else if (c.range == AVCOL_RANGE_UNSPECIFIED)
        c.range = AVCOL_RANGE_MPEG;
    if (c.site == AVCHROMA_LOC_UNSPECIFIED)
        c.site = AVCHROMA_LOC_LEFT;
    return c;
}
