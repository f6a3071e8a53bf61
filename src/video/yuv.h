/* SPDX-License-Identifier: MIT */
/* Frames that a device converts itself: what their planes mean, in its words. */
#pragma once

#include <stdbool.h>

#include "video/convert.h"

/* What the first three planes are; false where they are no Y'CbCr that struct pq_yuv describes:
 * RGB, gray, 4:1:1, matrices of constant luminance and all that are not made of kr and kb. The
 * meaning is that of convert.h: the same colours, but for the last bits. */
bool pq_yuv_of(const struct pq_samples *samples, struct pq_yuv *out);
