/* SPDX-License-Identifier: MIT */
/* What the numbers of a film's samples mean. */
#pragma once

#include <libavutil/pixfmt.h>

struct pq_colour {
    enum AVColorSpace matrix;
    enum AVColorPrimaries primaries;
    enum AVColorTransferCharacteristic transfer;
    enum AVColorRange range;
    enum AVChromaLocation site;
};

/* What a film means that leaves things open, as players guess: by size (720 rows or 1280 columns
 * and more are BT.709, 576 rows BT.601 of PAL, less that of NTSC), limited range for YUV, full for
 * RGB, chroma at the left. What is said stays. */
struct pq_colour pq_colour_resolve(struct pq_colour said, enum AVPixelFormat format, int width,
                                   int height);
