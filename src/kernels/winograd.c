/* SPDX-License-Identifier: MIT */
/* The reference of Winograd's convolution, and the transform of its weights. */
#include "kernels/winograd.h"

#include <math.h>

#include "base/alloc.h"

enum {
    LANES = PQ_CONV_LANES,
    TILE = PQ_WINOGRAD_TILE,
    READ = PQ_WINOGRAD_READ,
    POINTS = READ * READ
};

/* Weights beyond 1 MiB (64 channels to 64 are 576 KiB, 192 to 64 1728) come from further away than
 * the second cache, so more tiles share them. Measured where that cache has 2 MiB: with 48 tiles
 * instead of 12, 64 to 64 is 10 % slower and 128 to 128 30 % faster. */
int pq_winograd_tiles(int out_channels, int in_channels)
{
    const size_t bytes = pq_winograd_packed_size(out_channels, in_channels) * sizeof(float);
    return bytes <= 1 << 20 ? PQ_WINOGRAD_TILES / 4 : PQ_WINOGRAD_TILES;
}

/* The input of all tiles at the 36 points, each with a line to spare so that points do not fall
 * into the same sets of the first cache; then the sums of a group of lanes likewise. */
size_t pq_winograd_scratch(int out_channels, int in_channels)
{
    const size_t lanes = ((size_t)in_channels + LANES - 1) / LANES * LANES;
    const size_t tiles = (size_t)pq_winograd_tiles(out_channels, in_channels);
    return POINTS * (tiles * (lanes + PQ_CONV_GROUP * LANES) + 2 * LANES);
}

/* ---- weights ---- */

size_t pq_winograd_packed_size(int out_channels, int in_channels)
{
    return pq_conv_packed_size(out_channels, in_channels, POINTS);
}

/* G g, for columns of g that are `from` apart and of the result that are `to` apart. */
static void filter_points(const double *g, int from, double *u, int to)
{
    const double root = 1.4142135623730950488, one = g[from] * (root / 3);
    const double a = -(2 * g[0] + g[2 * from]) / 3, b = (g[0] + 2 * g[2 * from]) / 6;
    u[0] = g[0];
    u[to] = a - one;
    u[2 * to] = a + one;
    u[3 * to] = b + one / 2;
    u[4 * to] = b - one / 2;
    u[5 * to] = g[2 * from];
}

/* One filter at all points: G g G'. */
static void transform_filter(const float g[9], double u[POINTS])
{
    double wide[9], half[READ * 3];
    for (int i = 0; i < 9; i++)
        wide[i] = (double)g[i];
    for (int column = 0; column < 3; column++)
        filter_points(wide + column, 3, half + column, 3);
    for (int row = 0; row < READ; row++)
        filter_points(half + row * 3, 1, u + (ptrdiff_t)row * READ, 1);
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
                    transform_filter(weights + ((size_t)o * (size_t)in_channels + (size_t)c) * 9,
                                     u);
                for (int k = 0; k < POINTS; k++)
                    packed[(size_t)k * point + (size_t)lane] = (float)u[k];
            }
        }
        packed += point * (POINTS - 1);
    }
}

/* ---- the reference ---- */

static const float ROOT = 0x1.6a09e6p+0f, HALF_ROOT = 0x1.6a09e6p-1f;

/* B'd, of six values that are `from` apart, into six that are `to` apart. */
static void input_points(const float *d, int from, float *v, int to)
{
    const float d1 = d[from], d2 = d[2 * from], d3 = d[3 * from], d4 = d[4 * from];
    const float a = fmaf(-2.0f, d2, d4), b = fmaf(-2.0f, d1, d3);
    const float e = fmaf(-0.5f, d2, d4), f = fmaf(-0.5f, d1, d3);
    v[0] = fmaf(-2.5f, d2, d[0] + d4);
    v[to] = fmaf(HALF_ROOT, b, a);
    v[2 * to] = fmaf(-HALF_ROOT, b, a);
    v[3 * to] = fmaf(ROOT, f, e);
    v[4 * to] = fmaf(-ROOT, f, e);
    v[5 * to] = fmaf(-2.5f, d3, d1 + d[5 * from]);
}

/* A'm, of six values that are `from` apart, into four that are `to` apart. */
static void output_values(const float *m, int from, float *y, int to)
{
    const float a = m[from] + m[2 * from], b = m[from] - m[2 * from];
    const float c = m[3 * from] + m[4 * from], d = m[3 * from] - m[4 * from];
    y[0] = (m[0] + a) + c;
    y[to] = fmaf(ROOT, d, HALF_ROOT * b);
    y[2 * to] = fmaf(2.0f, c, 0.5f * a);
    y[3 * to] = fmaf(2.0f * ROOT, d, fmaf(0.5f * HALF_ROOT, b, m[5 * from]));
}

/* Channel c of a part at all points of tile t. */
static void input_of(const struct pq_winograd_args *a, const struct pq_conv_part *part, int t,
                     int c, float *v)
{
    float d[POINTS], half[POINTS];
    const int across = pq_winograd_across(a->width), first = t % across * TILE;
    const int columns = PQ_MIN(READ, a->width - first + 2);
    const float *const *rows = part->rows + (ptrdiff_t)(t / across) * TILE;
    for (int row = 0; row < READ; row++) {
        for (int i = 0; i < READ; i++) {
            const ptrdiff_t at = (ptrdiff_t)(first + i - a->left) * part->stride + c;
            d[row * READ + i] = i < columns ? rows[row][at] : 0.0f;
        }
    }
    for (int i = 0; i < READ; i++)
        input_points(d + i, READ, half + i, READ);
    for (int row = 0; row < READ; row++)
        input_points(half + (ptrdiff_t)row * READ, 1, v + (ptrdiff_t)row * READ, 1);
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
    const int across = pq_winograd_across(a->width), first = t % across * TILE;
    for (int i = 0; i < TILE * TILE; i++) {
        const int row = t / across * TILE + i / TILE;
        const ptrdiff_t x = first + i % TILE;
        float value = y[i] + a->bias[lane];
        if (!a->out[row] || x >= a->width)
            continue;
        if (a->slopes)
            value = value < 0.0f ? value * a->slopes[lane] : value;
        if (a->residual)
            value = a->residual[row][x * a->residual_stride + lane] + a->scale * value;
        a->out[row][x * a->out_stride + lane] = value;
    }
}

void pq_winograd_c(const struct pq_winograd_args *a)
{
    const int channels = pq_winograd_channels(a);
    for (int t = a->tile0; t < a->tile1; t++) {
        float *v = a->scratch;
        for (int i = 0; i < a->part_count; i++) {
            for (int c = 0; c < a->parts[i].channels; c++, v += POINTS)
                input_of(a, &a->parts[i], t, c, v);
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
