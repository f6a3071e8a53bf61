/* SPDX-License-Identifier: MIT */
#include "kernels/pixel.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/taps.h"

/* Most networks end with three channels, four times as large: the compiler knows such a loop's
 * counts and makes one of words that lie together. */
#define WITH_USUAL_COUNTS(call)                                                                    \
    if (channels == 3 && factor == 4 && out_stride == 3)                                           \
        call(3, 4, 3);                                                                             \
    else if (channels == 3 && factor == 2 && out_stride == 3)                                      \
        call(3, 2, 3);                                                                             \
    else                                                                                           \
        call(channels, factor, out_stride)

static inline __attribute__((always_inline)) void shuffle(const float *in, int in_stride, int width,
                                                          const int channels, const int factor,
                                                          int dy, float *out, const int out_stride)
{
    for (int x = 0; x < width; x++, in += in_stride) {
        for (int dx = 0; dx < factor; dx++, out += out_stride) {
            for (int c = 0; c < channels; c++)
                out[c] = in[(c * factor + dy) * factor + dx];
        }
    }
}

void pq_pixel_shuffle_row(const float *in, int in_stride, int width, int channels, int factor,
                          int dy, float *out, int out_stride)
{
#define SHUFFLE(channels, factor, out_stride)                                                      \
    shuffle(in, in_stride, width, channels, factor, dy, out, out_stride)
    WITH_USUAL_COUNTS(SHUFFLE);
#undef SHUFFLE
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

static inline __attribute__((always_inline)) void nearest(const float *in, int in_stride, int width,
                                                          const int channels, const int factor,
                                                          float *out, const int out_stride)
{
    for (int x = 0; x < width; x++, in += in_stride) {
        for (int dx = 0; dx < factor; dx++, out += out_stride) {
            for (int c = 0; c < channels; c++)
                out[c] = in[c];
        }
    }
}

void pq_nearest_row(const float *in, int in_stride, int width, int channels, int factor, float *out,
                    int out_stride)
{
#define NEAREST(channels, factor, out_stride)                                                      \
    nearest(in, in_stride, width, channels, factor, out, out_stride)
    WITH_USUAL_COUNTS(NEAREST);
#undef NEAREST
}

void pq_copy_row(const float *in, int in_stride, int width, int channels, float *out,
                 int out_stride)
{
    if (in_stride == channels && out_stride == channels) {
        memcpy(out, in, (size_t)width * (size_t)channels * sizeof *out);
        return;
    }
    for (int x = 0; x < width; x++, in += in_stride, out += out_stride)
        memcpy(out, in, (size_t)channels * sizeof *out);
}

void pq_add_row(const float *a, int a_stride, const float *b, int b_stride, float scale, int width,
                int channels, float *out, int out_stride)
{
    if (a_stride == channels && b_stride == channels && out_stride == channels) {
        const ptrdiff_t values = (ptrdiff_t)width * channels;
        for (ptrdiff_t i = 0; i < values; i++)
            out[i] = a[i] + scale * b[i];
        return;
    }
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

void pq_bilinear_row(const float *const rows[2], float t, int in_stride, int in_width, int channels,
                     float *out, int out_stride, int out_width)
{
    for (int x = 0; x < out_width; x++, out += out_stride) {
        float across;
        const int64_t first = pq_bilinear_place(x, in_width, out_width, &across);
        const int64_t left = pq_clamp_place(first, in_width) * in_stride;
        const int64_t right = pq_clamp_place(first + 1, in_width) * in_stride;
        for (int c = 0; c < channels; c++) {
            float above = rows[0][left + c] + across * (rows[0][right + c] - rows[0][left + c]);
            float below = rows[1][left + c] + across * (rows[1][right + c] - rows[1][left + c]);
            out[c] = above + t * (below - above);
        }
    }
}

void pq_bicubic_row(const float *const rows[4], const float wy[4], int in_stride, int in_width,
                    int channels, int num, int den, float *out, int out_stride, int out_width)
{
    for (int x = 0; x < out_width; x++, out += out_stride) {
        float wx[4];
        const int64_t first = pq_bicubic_place(x, num, den, wx);
        ptrdiff_t at[4];
        for (int k = 0; k < 4; k++)
            at[k] = (ptrdiff_t)pq_clamp_place(first + k, in_width) * in_stride;
        for (int c = 0; c < channels; c++) {
            float across[4];
            for (int k = 0; k < 4; k++) {
                const float *row = rows[k] + c;
                across[k] =
                    pq_four_taps((float[4]){row[at[0]], row[at[1]], row[at[2]], row[at[3]]}, wx);
            }
            out[c] = pq_four_taps(across, wy);
        }
    }
}
