/* SPDX-License-Identifier: MIT */
/* What the references of Winograd's convolution share (winograd.h): a filter, and a channel of the
 * input, at all points; and how pixels are written. */
#pragma once

#include <math.h>

#include "base/alloc.h"
#include "kernels/winograd.h"
#include "tensor/f16.h"

enum { PQ_WINOGRAD_POINTS = PQ_WINOGRAD_READ * PQ_WINOGRAD_READ };

static const float PQ_WINOGRAD_ROOT = 0x1.6a09e6p+0f, PQ_WINOGRAD_HALF_ROOT = 0x1.6a09e6p-1f;

/* G g, for columns of g that are `from` apart and of the result that are `to` apart. */
static inline void pq_winograd_filter_points(const double *g, int from, double *u, int to)
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
static inline void pq_winograd_filter(const float g[9], double u[PQ_WINOGRAD_POINTS])
{
    double wide[9], half[PQ_WINOGRAD_READ * 3];
    for (int i = 0; i < 9; i++)
        wide[i] = (double)g[i];
    for (int column = 0; column < 3; column++)
        pq_winograd_filter_points(wide + column, 3, half + column, 3);
    for (int row = 0; row < PQ_WINOGRAD_READ; row++)
        pq_winograd_filter_points(half + row * 3, 1, u + (ptrdiff_t)row * PQ_WINOGRAD_READ, 1);
}

/* B'd, of six values that are `from` apart, into six that are `to` apart. */
static inline void pq_winograd_input_points(const float *d, int from, float *v, int to)
{
    const float d1 = d[from], d2 = d[2 * from], d3 = d[3 * from], d4 = d[4 * from];
    const float a = fmaf(-2.0f, d2, d4), b = fmaf(-2.0f, d1, d3);
    const float e = fmaf(-0.5f, d2, d4), f = fmaf(-0.5f, d1, d3);
    v[0] = fmaf(-2.5f, d2, d[0] + d4);
    v[to] = fmaf(PQ_WINOGRAD_HALF_ROOT, b, a);
    v[2 * to] = fmaf(-PQ_WINOGRAD_HALF_ROOT, b, a);
    v[3 * to] = fmaf(PQ_WINOGRAD_ROOT, f, e);
    v[4 * to] = fmaf(-PQ_WINOGRAD_ROOT, f, e);
    v[5 * to] = fmaf(-2.5f, d3, d1 + d[5 * from]);
}

static inline float pq_winograd_value(const struct pq_conv_part *part, int row, ptrdiff_t at)
{
    return part->halves ? pq_f16_to_f32(part->halves[row][at]) : part->rows[row][at];
}

/* Channel c of a part at all points of tile t. */
static inline void pq_winograd_input(const struct pq_winograd_args *a,
                                     const struct pq_conv_part *part, int t, int c, float *v)
{
    float d[PQ_WINOGRAD_POINTS], half[PQ_WINOGRAD_POINTS];
    const int across = pq_winograd_across(a->width), first = t % across * PQ_WINOGRAD_TILE;
    const int columns = PQ_MIN(PQ_WINOGRAD_READ, a->width - first + 2);
    const int y = t / across * PQ_WINOGRAD_TILE;
    for (int row = 0; row < PQ_WINOGRAD_READ; row++) {
        for (int i = 0; i < PQ_WINOGRAD_READ; i++) {
            const ptrdiff_t at = (ptrdiff_t)(first + i - a->left) * part->stride + c;
            d[row * PQ_WINOGRAD_READ + i] =
                i < columns ? pq_winograd_value(part, y + row, at) : 0.0f;
        }
    }
    for (int i = 0; i < PQ_WINOGRAD_READ; i++)
        pq_winograd_input_points(d + i, PQ_WINOGRAD_READ, half + i, PQ_WINOGRAD_READ);
    for (int row = 0; row < PQ_WINOGRAD_READ; row++)
        pq_winograd_input_points(half + (ptrdiff_t)row * PQ_WINOGRAD_READ, 1,
                                 v + (ptrdiff_t)row * PQ_WINOGRAD_READ, 1);
}

/* The 16 pixels of a lane of tile t, which have their bias: what is active and added to, and those
 * written that are there. */
static inline void pq_winograd_output(const struct pq_winograd_args *a, int t, int lane,
                                      const float *y)
{
    const int across = pq_winograd_across(a->width), first = t % across * PQ_WINOGRAD_TILE;
    for (int i = 0; i < PQ_WINOGRAD_TILE * PQ_WINOGRAD_TILE; i++) {
        const int row = t / across * PQ_WINOGRAD_TILE + i / PQ_WINOGRAD_TILE;
        const ptrdiff_t x = first + i % PQ_WINOGRAD_TILE;
        float value = y[i];
        if (!pq_winograd_is_there(a, row) || x >= a->width)
            continue;
        const ptrdiff_t from = x * a->residual_stride + lane, to = x * a->out_stride + lane;
        if (a->slopes)
            value = value < 0.0f ? value * a->slopes[lane] : value;
        if (a->half_residual)
            value = pq_f16_to_f32(a->half_residual[row][from]) + a->scale * value;
        else if (a->residual)
            value = a->residual[row][from] + a->scale * value;
        if (a->half_out)
            a->half_out[row][to] = pq_f32_to_f16(value);
        else
            a->out[row][to] = value;
    }
}
