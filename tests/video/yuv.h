/* SPDX-License-Identifier: MIT */
/* Luma and chroma as struct pq_yuv defines them, in double; and how far colours that somebody made
 * of it are from those of zimg. */
#pragma once

#include "films.h"

/* The planes of a frame as struct pq_yuv means them. */
struct pq_image planes_of(const struct pq_frame *frame);

/* R, G and B of a picture of that kind, pixel by pixel, clipped to 0 .. 1: chroma by Catmull-Rom,
 * mirrored at the borders. The caller frees. */
float *colours_of(const struct pq_yuv *yuv, const struct pq_image *planes);
/* And back, not rounded: what the samples of each plane should be. Sides that chroma does not
 * divide are continued by repeating the last pixel. The caller frees each. */
void samples_of(const struct pq_yuv *yuv, const float *rgb, int width, int height,
                double *plane[3]);

/* How far colours of a whole frame, in rows of pixels as colours_of() has them, are at most from
 * those that zimg made of the piece that begins at x, y; in steps of 16 bits. */
double colours_off(const float *rgb, int width, int x, int y, const struct pq_image *piece);
/* How far samples are at most from what they should be; in their own steps. */
double samples_off(double *const plane[3], const struct pq_yuv *yuv, const struct pq_frame *frame);
