/* SPDX-License-Identifier: MIT */
/* BT.601 luma, with the coefficients that picture programs have used since Pillow's "L" mode:
 * 16-bit fractions of 0.299, 0.587 and 0.114 whose sum is exactly 1. */
#pragma once

static inline float pq_luma(const float *rgb)
{
    const float r = 19595 / 65536.0f, g = 38470 / 65536.0f, b = 7471 / 65536.0f;
    return r * rgb[0] + g * rgb[1] + b * rgb[2];
}

/* Also what is not a number becomes 0; the sanity check (check.h) has refused it before. */
static inline float pq_clip01(float v)
{
    return v > 0 ? (v < 1 ? v : 1) : 0;
}
