/* SPDX-License-Identifier: MIT */
/* Packed samples, palettes, samples of other depths than whole bytes or of the other byte order,
 * into planes that convert.h takes. Nothing is lost. */
#pragma once

#include <libavutil/frame.h>
#include <stdbool.h>

#include "base/error.h"

/* The format that frames of this one become: itself where convert.h takes it, AV_PIX_FMT_NONE where
 * there is none (floats, Bayer, XYZ, frames of a GPU). A palette with `alpha` keeps it. */
enum AVPixelFormat pq_planar_of(enum AVPixelFormat format, bool alpha);

/* A new frame of that format in `out`, which is empty, with the properties of `in`. */
int pq_make_planar(const AVFrame *in, enum AVPixelFormat format, AVFrame *out, const char *name,
                   pique_error *err);
