/* SPDX-License-Identifier: MIT */
/* The reference of Winograd's convolution, and the transform of its weights. */
#include "kernels/winograd.h"

#include <math.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "kernels/winograd_steps.h"

enum {
    LANES = PQ_CONV_LANES,
    TILE = PQ_WINOGRAD_TILE,
    READ = PQ_WINOGRAD_READ,
    POINTS = PQ_WINOGRAD_POINTS
};

/* Weights beyond 1 MiB (64 channels to 64 are 576 KiB, 192 to 64 1728) come from further away than
 * the second cache, so more tiles share them. Measured where that cache has 2 MiB: with 48 tiles
 * instead of 12, 64 to 64 is 10 % slower and 128 to 128 30 % faster.
 *
 * Processors of AVX2 alone mostly have 512 KiB of it or less, where 48 tiles leave no room for
 * anything: on an AMD EPYC (Zen 3) 64 to 64 takes 3 % longer with 12 tiles than with 24, 192 to 64
 * 6 % with 12 and 10 % with 48; 64 to 32 takes the same with 12.
 *
 * This goes by what the processor has, not by the level in use: it is the same for as long as the
 * program runs, as scratch memory has to be. */
int pq_winograd_tiles(int out_channels, int in_channels)
{
    const size_t bytes = pq_winograd_packed_size(out_channels, in_channels) * sizeof(float);
    if (pq_cpu_best() == PQ_CPU_AVX2)
        return bytes <= 1 << 19 ? PQ_WINOGRAD_TILES / 4 : PQ_WINOGRAD_TILES / 2;
    return bytes <= 1 << 20 ? PQ_WINOGRAD_TILES / 4 : PQ_WINOGRAD_TILES;
}

/* The input of all tiles at the 36 points, each with a line to spare so that points do not fall
 * into the same sets of the first cache; then the sums of a group of lanes, with one for each point
 * or each tile (wide/winograd_sums.h). */
size_t pq_winograd_scratch_of(int tiles, int in_channels)
{
    const size_t lanes = ((size_t)in_channels + LANES - 1) / LANES * LANES;
    return POINTS * ((size_t)tiles * (lanes + PQ_CONV_GROUP * LANES) + 2 * LANES) +
           (size_t)tiles * LANES;
}

size_t pq_winograd_scratch(int out_channels, int in_channels)
{
    return pq_winograd_scratch_of(pq_winograd_tiles(out_channels, in_channels), in_channels);
}

/* ---- weights ---- */

size_t pq_winograd_packed_size(int out_channels, int in_channels)
{
    return pq_conv_packed_size(out_channels, in_channels, POINTS);
}

void pq_winograd_pack(const float *weights, int out_channels, int in_channels, float *packed)
{
    const int blocks = (out_channels + LANES - 1) / LANES;
    for (int first = 0; first < blocks; first += PQ_CONV_GROUP) {
        const int lanes = PQ_MIN(blocks - first, PQ_CONV_GROUP) * LANES;
        const size_t point = (size_t)in_channels * (size_t)lanes;
        for (int c = 0; c < in_channels; c++, packed += lanes) {
            for (int lane = 0; lane < lanes; lane++) {
                const int o = first * LANES + lane;
                double u[POINTS] = {0};
                if (o < out_channels)
                    pq_winograd_filter(weights + ((size_t)o * (size_t)in_channels + (size_t)c) * 9,
                                       u);
                for (int k = 0; k < POINTS; k++)
                    packed[(size_t)k * point + (size_t)lane] = (float)u[k];
            }
        }
        packed += point * (POINTS - 1);
    }
}

/* ---- the reference ---- */

/* A'm, of six values that are `from` apart, into four that are `to` apart. */
static void output_values(const float *m, int from, float *y, int to)
{
    const float a = m[from] + m[2 * from], b = m[from] - m[2 * from];
    const float c = m[3 * from] + m[4 * from], d = m[3 * from] - m[4 * from];
    y[0] = (m[0] + a) + c;
    y[to] = fmaf(PQ_WINOGRAD_ROOT, d, PQ_WINOGRAD_HALF_ROOT * b);
    y[2 * to] = fmaf(2.0f, c, 0.5f * a);
    y[3 * to] =
        fmaf(2.0f * PQ_WINOGRAD_ROOT, d, fmaf(0.5f * PQ_WINOGRAD_HALF_ROOT, b, m[5 * from]));
}

/* One lane of tile t. v: [channel][36]; w: its weight of the first channel at the first point;
 * step, point: floats from one channel's to the next, and from one point's. */
static void lane_of(const struct pq_winograd_args *a, int t, int lane, const float *v,
                    const float *w, int step, size_t point)
{
    const int channels = pq_winograd_channels(a);
    float m[POINTS], half[TILE * READ], y[TILE * TILE];
    for (int k = 0; k < POINTS; k++) {
        m[k] = 0.0f;
        for (int c = 0; c < channels; c++)
            m[k] = fmaf(v[c * POINTS + k], w[(size_t)k * point + (size_t)c * (size_t)step], m[k]);
    }
    for (int i = 0; i < READ; i++)
        output_values(m + i, READ, half + i, READ);
    for (int row = 0; row < TILE; row++)
        output_values(half + (ptrdiff_t)row * READ, 1, y + (ptrdiff_t)row * TILE, 1);
    for (int i = 0; i < TILE * TILE; i++)
        y[i] += a->bias[lane];
    pq_winograd_output(a, t, lane, y);
}

void pq_winograd_c(const struct pq_winograd_args *a)
{
    const int channels = pq_winograd_channels(a);
    for (int t = a->tile0; t < a->tile1; t++) {
        float *v = a->scratch;
        for (int i = 0; i < a->part_count; i++) {
            for (int c = 0; c < a->parts[i].channels; c++, v += POINTS)
                pq_winograd_input(a, &a->parts[i], t, c, v);
        }
        const float *w = a->weights;
        for (int first = 0; first < a->blocks; first += PQ_CONV_GROUP) {
            const int step = PQ_MIN(a->blocks - first, PQ_CONV_GROUP) * LANES;
            const size_t point = (size_t)channels * (size_t)step;
            for (int lane = 0; lane < step; lane++)
                lane_of(a, t, first * LANES + lane, a->scratch, w + lane, step, point);
            w += POINTS * point;
        }
    }
}
