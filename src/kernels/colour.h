/* SPDX-License-Identifier: MIT */
/* What is done to a colour, by the same few operations on the processor and in the kernels of a
 * GPU. */
#pragma once

#include <math.h>

#include "base/inline.h"

/* BT.601 luma, with the coefficients that picture programs have used since Pillow's "L" mode:
 * 16-bit fractions of 0.299, 0.587 and 0.114 whose sum is exactly 1. */
PQ_INLINE float pq_luma(const float *rgb)
{
    const float r = 19595 / 65536.0f, g = 38470 / 65536.0f, b = 7471 / 65536.0f;
    return r * rgb[0] + g * rgb[1] + b * rgb[2];
}

/* Also what is not a number becomes 0; the sanity check (upscale/check.h) has refused it before. */
PQ_INLINE float pq_clip01(float v)
{
#ifdef __CUDA_ARCH__
    return __saturatef(v); /* the same in one instruction */
#endif
    const float w = v > 0.0f ? v : 0.0f; /* an instruction each */
    return w < 1.0f ? w : 1.0f;
}

/* Of a sample whose largest value is `max`: clipping first leaves nothing for floor() to do but
 * what the cast does. */
PQ_INLINE int pq_sample_of(float v, float max)
{
    return (int)(pq_clip01(v) * max + 0.5f);
}

/* ---- alpha ---- */

/* A colour that is not opaque, over another one. */
PQ_INLINE float pq_over(float v, float alpha, float background)
{
    return v * alpha + background * (1.0f - alpha);
}

/* As fine as any output holds it: where it was even it stays so to the last bit. */
PQ_INLINE float pq_alpha_of_16_bits(float alpha)
{
    return floorf(pq_clip01(alpha) * 65535.0f + 0.5f) / 65535.0f;
}

/* A colour that was weighted by alpha, whose value of 16 bits is `rounded`. What becomes 0 has no
 * colour: it would be noise over nothing. */
PQ_INLINE float pq_unweighted(float v, float alpha, float rounded)
{
    return rounded > 0.0f ? v / pq_clip01(alpha) : 0.0f;
}

/* ---- effects (struct pq_touch) ---- */

/* The value and its eight neighbours, row by row, `step` from one to the next of a row. */
PQ_INLINE float pq_smooth(const float *above, const float *here, const float *below, long step)
{
    const float *rows[3] = {above, here, below};
    float sum = 0.0f;
    for (int dy = 0; dy < 3; dy++) {
        const float *p = rows[dy];
        sum += *(p - step);
        sum += dy == 1 ? 5.0f * *p : *p;
        sum += *(p + step);
    }
    return sum / 13.0f;
}

PQ_INLINE float pq_sharpened(float v, float smooth, float sharpen)
{
    return v + sharpen * (v - smooth);
}

/* Colours away from a value that stands for gray: contrast about a mean, saturation about luma. */
PQ_INLINE float pq_away_from(float v, float centre, float factor)
{
    return centre + factor * (v - centre);
}
