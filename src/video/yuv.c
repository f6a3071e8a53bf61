/* SPDX-License-Identifier: MIT */
#include "video/yuv.h"

#include <libavutil/pixdesc.h>

#include "base/alloc.h"

/* ITU-R BT.709-6, BT.601-7, BT.2020-2, SMPTE 240M and FCC 73.682, as H.273 table 4 has them. */
static bool weights_of(enum AVColorSpace matrix, struct pq_yuv *out)
{
    static const struct {
        enum AVColorSpace matrix;
        double kr, kb;
    } table[] = {{AVCOL_SPC_BT709, 0.2126, 0.0722},   {AVCOL_SPC_FCC, 0.30, 0.11},
                 {AVCOL_SPC_BT470BG, 0.299, 0.114},   {AVCOL_SPC_SMPTE170M, 0.299, 0.114},
                 {AVCOL_SPC_SMPTE240M, 0.212, 0.087}, {AVCOL_SPC_BT2020_NCL, 0.2627, 0.0593}};
    for (size_t i = 0; i < PQ_COUNT(table); i++) {
        if (table[i].matrix != matrix)
            continue;
        out->kr = table[i].kr;
        out->kb = table[i].kb;
        return true;
    }
    return false;
}

/* In halves of a luma sample. What is not subsampled lies where luma does, whatever is said. */
static bool site_of(enum AVChromaLocation site, struct pq_yuv *out)
{
    static const struct {
        enum AVChromaLocation site;
        int x, y;
    } table[] = {{AVCHROMA_LOC_LEFT, 0, 1},       {AVCHROMA_LOC_CENTER, 1, 1},
                 {AVCHROMA_LOC_TOPLEFT, 0, 0},    {AVCHROMA_LOC_TOP, 1, 0},
                 {AVCHROMA_LOC_BOTTOMLEFT, 0, 2}, {AVCHROMA_LOC_BOTTOM, 1, 2}};
    for (size_t i = 0; i < PQ_COUNT(table); i++) {
        if (table[i].site != site)
            continue;
        out->site_x = out->sub_x ? table[i].x : 0;
        out->site_y = out->sub_y ? table[i].y : 0;
        return true;
    }
    return false;
}

bool pq_yuv_of(const struct pq_samples *samples, struct pq_yuv *out)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(samples->format);
    if (!pq_can_convert(samples->format) || desc->nb_components < 3 ||
        desc->flags & AV_PIX_FMT_FLAG_RGB || desc->log2_chroma_w > 1 || desc->log2_chroma_h > 1)
        return false;
    for (int c = 0; c < 3; c++)
        if (desc->comp[c].plane != c)
            return false;
    *out = (struct pq_yuv){.depth = desc->comp[0].depth,
                           .sub_x = desc->log2_chroma_w,
                           .sub_y = desc->log2_chroma_h,
                           .full = samples->colour.range == AVCOL_RANGE_JPEG};
    return weights_of(samples->colour.matrix, out) && site_of(samples->colour.site, out);
}
