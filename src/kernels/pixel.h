/* SPDX-License-Identifier: MIT */
/* Rows of pixels moved, repeated, added and resampled. Strides are floats from one pixel to the
 * next, of a second input 0 where one pixel stands for all; widths are pixels of the input. Plain C
 * at every level: a move has no rounding, an addition has one, so a compiler may vectorise them and
 * the bits stay. */
#pragma once

#include <stdint.h>

/* Output row factor*y + dy of a pixel shuffle: channel c*f*f + dy*f + dx of input pixel x becomes
 * channel c of output pixel f*x + dx. channels counts those of the output. */
void pq_pixel_shuffle_row(const float *in, int in_stride, int width, int channels, int factor,
                          int dy, float *out, int out_stride);

/* And back: row y of the result from `factor` rows; channels counts those of the input, width
 * pixels of the output. */
void pq_pixel_unshuffle_row(const float *const *rows, int in_stride, int width, int channels,
                            int factor, float *out, int out_stride);

/* The same two with channel (dy*f + dx)*channels + c in place of c*f*f + dy*f + dx. */
void pq_pixel_shuffle_by_place_row(const float *in, int in_stride, int width, int channels,
                                   int factor, int dy, float *out, int out_stride);
void pq_pixel_unshuffle_by_place_row(const float *const *rows, int in_stride, int width,
                                     int channels, int factor, float *out, int out_stride);

/* Each pixel becomes `factor` pixels. */
void pq_nearest_row(const float *in, int in_stride, int width, int channels, int factor, float *out,
                    int out_stride);

/* a + scale b, the product rounded first */
void pq_add_row(const float *a, int a_stride, const float *b, int b_stride, float scale, int width,
                int channels, float *out, int out_stride);

/* The channels of one pixel row to a place among those of another. */
void pq_copy_row(const float *in, int in_stride, int width, int channels, float *out,
                 int out_stride);

/* in < 0 ? slope in : in, one slope a channel. */
void pq_act_row(const float *in, int in_stride, const float *slopes, int width, int channels,
                float *out, int out_stride);

void pq_mul_row(const float *a, int a_stride, const float *b, int b_stride, int width, int channels,
                float *out, int out_stride);

/* All channels of a times the one channel of b. */
void pq_mul_by_one_row(const float *a, int a_stride, const float *b, int b_stride, int width,
                       int channels, float *out, int out_stride);

/* Into low .. high; NaN stays. */
void pq_clip_row(const float *in, int in_stride, float low, float high, int width, int channels,
                 float *out, int out_stride);

/* in * factors + terms, one of each a channel; the product is rounded first. */
void pq_affine_row(const float *in, int in_stride, const float *factors, const float *terms,
                   int width, int channels, float *out, int out_stride);

/* One output row from its two input rows, t of the way from the first to the second: first across,
 * then down. */
void pq_bilinear_row(const float *const rows[2], float t, int in_stride, int in_width, int channels,
                     float *out, int out_stride, int out_width);

/* One output row of a bicubic resampling by num/den from its four input rows, whose weights are
 * wy: first across, then down, each as ((w0 v0 + w1 v1) + w2 v2) + w3 v3. */
void pq_bicubic_row(const float *const rows[4], const float wy[4], int in_stride, int in_width,
                    int channels, int num, int den, float *out, int out_stride, int out_width);
