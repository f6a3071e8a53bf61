/* SPDX-License-Identifier: MIT */
/* Between the planes of a film and those of a picture, with zimg: matrix, range, place of the
 * chroma samples and depth. Primaries and transfer stay what they are, so RGB is that of the film.
 *
 *     to RGB    8 bit for RGB of 8 bits in full range, which is copied bit for bit, else 16 bit
 *     from RGB  rounded to the depth of the film; ordered dither, which depends on x and y alone,
 *               where that is less than the picture's
 *
 * Chroma is resampled with Catmull-Rom both ways. Alpha is of full range and touches no colour.
 * Sizes that the chroma grid does not divide are continued by repeating the last sample. The bits
 * are the same on every x86-64, whatever else it knows. */
#pragma once

#include <libavutil/frame.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "upscale/frames.h"
#include "video/colour.h"

/* What lies in the planes of a frame. */
struct pq_samples {
    enum AVPixelFormat format; /* pq_can_convert() */
    struct pq_colour colour;   /* resolved: matrix, range and site are said */
    int width, height;
};

/* Whether a format is of planes in native order, gray, YUV or RGB, with alpha or without, of 8 to
 * 16 bits. All others have to become one of these first (planar.h). */
bool pq_can_convert(enum AVPixelFormat format);

/* 8 where 8 bits hold every value in RGB, else 16. */
int pq_rgb_depth(const struct pq_samples *samples);

/* Thread-safety: one call at a time. */
struct pq_converter;

/* From frames to pictures of pq_rgb_depth(), or back from pictures of this depth, 8 or 16.
 * planes: 3 or 4 of the picture. Alpha that one side lacks is dropped, or opaque. `name` begins
 * messages; it is copied. PIQUE_EUNSUPPORTED where the matrix is one that zimg does not know. */
int pq_converter_to_rgb(const struct pq_samples *from, int planes, const char *name,
                        struct pq_converter **out, pique_error *err);
int pq_converter_from_rgb(const struct pq_samples *to, int planes, int depth, const char *name,
                          struct pq_converter **out, pique_error *err);
void pq_converter_close(struct pq_converter **converter);

/* The piece of the frame that begins at x, y and is of the picture's size. Neighbours beyond the
 * piece count for its chroma. Memory of `out` is the caller's. */
int pq_convert_to_rgb(struct pq_converter *converter, const AVFrame *in, int x, int y,
                      struct pq_image *out, pique_error *err);
/* Into the buffers of `out`, which has the format and size of the converter: of
 * av_frame_get_buffer(), and writable. */
int pq_convert_from_rgb(struct pq_converter *converter, const struct pq_image *in, AVFrame *out,
                        pique_error *err);

/* "zimg 3.0.4": what decides the bits of a conversion, beside what is told it. */
void pq_converter_version(struct pq_str *out);
