/* SPDX-License-Identifier: MIT */
#include "kernels/pixel.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

void pq_pixel_shuffle_row(const float *in, int in_stride, int width, int channels, int factor,
                          int dy, float *out, int out_stride)
{
    for (int x = 0; x < width; x++, in += in_stride) {
        for (int dx = 0; dx < factor; dx++, out += out_stride) {
            for (int c = 0; c < channels; c++)
                out[c] = in[(c * factor + dy) * factor + dx];
        }
    }
}

void pq_pixel_unshuffle_row(const float *const *rows, int in_stride, int width, int channels,
                            int factor, float *out, int out_stride)
{
    for (int x = 0; x < width; x++, out += out_stride) {
        for (int c = 0; c < channels; c++) {
            for (int dy = 0; dy < factor; dy++) {
                for (int dx = 0; dx < factor; dx++)
                    out[(c * factor + dy) * factor + dx] =
                        rows[dy][((ptrdiff_t)x * factor + dx) * in_stride + c];
            }
        }
    }
}

void pq_pixel_shuffle_by_place_row(const float *in, int in_stride, int width, int channels,
                                   int factor, int dy, float *out, int out_stride)
{
    in += (ptrdiff_t)dy * factor * channels;
    for (int x = 0; x < width; x++, in += in_stride) {
        for (int dx = 0; dx < factor; dx++, out += out_stride)
            memcpy(out, in + (ptrdiff_t)dx * channels, (size_t)channels * sizeof *out);
    }
}

void pq_pixel_unshuffle_by_place_row(const float *const *rows, int in_stride, int width,
                                     int channels, int factor, float *out, int out_stride)
{
    for (int x = 0; x < width; x++, out += out_stride) {
        float *to = out;
        for (int dy = 0; dy < factor; dy++) {
            const float *from = rows[dy] + (ptrdiff_t)x * factor * in_stride;
            for (int dx = 0; dx < factor; dx++, from += in_stride, to += channels)
                memcpy(to, from, (size_t)channels * sizeof *to);
        }
    }
}

void pq_nearest_row(const float *in, int in_stride, int width, int channels, int factor, float *out,
                    int out_stride)
{
    for (int x = 0; x < width; x++, in += in_stride) {
        for (int dx = 0; dx < factor; dx++, out += out_stride) {
            for (int c = 0; c < channels; c++)
                out[c] = in[c];
        }
    }
}

void pq_copy_row(const float *in, int in_stride, int width, int channels, float *out,
                 int out_stride)
{
    for (int x = 0; x < width; x++, in += in_stride, out += out_stride)
        memcpy(out, in, (size_t)channels * sizeof *out);
}

void pq_add_row(const float *a, int a_stride, const float *b, int b_stride, float scale, int width,
                int channels, float *out, int out_stride)
{
    for (int x = 0; x < width; x++, a += a_stride, b += b_stride, out += out_stride) {
        for (int c = 0; c < channels; c++)
            out[c] = a[c] + scale * b[c];
    }
}

void pq_mul_row(const float *a, int a_stride, const float *b, int b_stride, int width, int channels,
                float *out, int out_stride)
{
    for (int x = 0; x < width; x++, a += a_stride, b += b_stride, out += out_stride) {
        for (int c = 0; c < channels; c++)
            out[c] = a[c] * b[c];
    }
}

void pq_mul_by_one_row(const float *a, int a_stride, const float *b, int b_stride, int width,
                       int channels, float *out, int out_stride)
{
    for (int x = 0; x < width; x++, a += a_stride, b += b_stride, out += out_stride) {
        for (int c = 0; c < channels; c++)
            out[c] = a[c] * b[0];
    }
}

void pq_clip_row(const float *in, int in_stride, float low, float high, int width, int channels,
                 float *out, int out_stride)
{
    for (int x = 0; x < width; x++, in += in_stride, out += out_stride) {
        for (int c = 0; c < channels; c++) {
            float v = in[c] < low ? low : in[c];
            out[c] = v > high ? high : v;
        }
    }
}

void pq_affine_row(const float *in, int in_stride, const float *factors, const float *terms,
                   int width, int channels, float *out, int out_stride)
{
    for (int x = 0; x < width; x++, in += in_stride, out += out_stride) {
        for (int c = 0; c < channels; c++)
            out[c] = in[c] * factors[c] + terms[c];
    }
}

void pq_act_row(const float *in, int in_stride, const float *slopes, int width, int channels,
                float *out, int out_stride)
{
    for (int x = 0; x < width; x++, in += in_stride, out += out_stride) {
        for (int c = 0; c < channels; c++)
            out[c] = in[c] < 0.0f ? in[c] * slopes[c] : in[c];
    }
}

void pq_bilinear_place(int64_t i, int64_t in, int64_t out, int64_t *first, float *t)
{
    /* (i + 1/2) in/out - 1/2, as a whole part and a remainder of 2 out. */
    const int64_t twice = (2 * i + 1) * in - out, period = 2 * out;
    *first = twice < 0 ? -1 : twice / period;
    *t = (float)(twice - *first * period) / (float)period;
}

void pq_bilinear_row(const float *const rows[2], float t, int in_stride, int in_width, int channels,
                     float *out, int out_stride, int out_width)
{
    for (int x = 0; x < out_width; x++, out += out_stride) {
        int64_t first;
        float across;
        pq_bilinear_place(x, in_width, out_width, &first, &across);
        const int64_t left = (first < 0 ? 0 : first) * in_stride;
        const int64_t right = (first + 1 < in_width ? first + 1 : in_width - 1) * in_stride;
        for (int c = 0; c < channels; c++) {
            float above = rows[0][left + c] + across * (rows[0][right + c] - rows[0][left + c]);
            float below = rows[1][left + c] + across * (rows[1][right + c] - rows[1][left + c]);
            out[c] = above + t * (below - above);
        }
    }
}

void pq_bicubic_weights(float t, float weights[4])
{
    const float a = -0.75f;
    float d0 = t + 1.0f, d1 = t, d2 = 1.0f - t;
    weights[0] = ((a * d0 - 5.0f * a) * d0 + 8.0f * a) * d0 - 4.0f * a;
    weights[1] = ((a + 2.0f) * d1 - (a + 3.0f)) * d1 * d1 + 1.0f;
    weights[2] = ((a + 2.0f) * d2 - (a + 3.0f)) * d2 * d2 + 1.0f;
    weights[3] = 1.0f - weights[0] - weights[1] - weights[2];
}

static float four_taps(const float v[4], const float w[4])
{
    return ((w[0] * v[0] + w[1] * v[1]) + w[2] * v[2]) + w[3] * v[3];
}

static int clamp(int64_t x, int width)
{
    return x < 0 ? 0 : x >= width ? width - 1 : (int)x;
}

void pq_bicubic_row(const float *const rows[4], const float wy[4], int in_stride, int in_width,
                    int channels, int num, int den, float *out, int out_stride, int out_width)
{
    for (int x = 0; x < out_width; x++, out += out_stride) {
        /* Position (x + 1/2) den/num - 1/2, as a whole part and a remainder of 2 num. */
        int64_t twice = (2 * (int64_t)x + 1) * den - num, period = 2 * (int64_t)num;
        int64_t whole = twice >= 0 ? twice / period : -((-twice + period - 1) / period);
        float wx[4];
        pq_bicubic_weights((float)(twice - whole * period) / (float)period, wx);
        ptrdiff_t at[4];
        for (int k = 0; k < 4; k++)
            at[k] = (ptrdiff_t)clamp(whole - 1 + k, in_width) * in_stride;
        for (int c = 0; c < channels; c++) {
            float across[4];
            for (int k = 0; k < 4; k++) {
                const float *row = rows[k] + c;
                across[k] =
                    four_taps((float[4]){row[at[0]], row[at[1]], row[at[2]], row[at[3]]}, wx);
            }
            out[c] = four_taps(across, wy);
        }
    }
}
