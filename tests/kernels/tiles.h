/* SPDX-License-Identifier: MIT */
/* For tests of Winograd's convolutions: tiles of a trial against the direct sum in double. */
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/trial/conv.h"

enum { TILE = PQ_WINOGRAD_TILE, READ = PQ_WINOGRAD_READ, POINTS = READ * READ };

/* The sizes of the factors of the three transforms (winograd.h): B', G, A'. */
#define ROOT 1.4142135623730951
static const double in_sizes[READ][READ] = {
    {1, 0, 2.5, 0, 1, 0},           {0, ROOT, 2, ROOT / 2, 1, 0},   {0, ROOT, 2, ROOT / 2, 1, 0},
    {0, ROOT / 2, 0.5, ROOT, 1, 0}, {0, ROOT / 2, 0.5, ROOT, 1, 0}, {0, 1, 0, 2.5, 0, 1}};
static const double weight_sizes[READ][3] = {{1, 0, 0},
                                             {2.0 / 3, ROOT / 3, 1.0 / 3},
                                             {2.0 / 3, ROOT / 3, 1.0 / 3},
                                             {1.0 / 6, ROOT / 6, 1.0 / 3},
                                             {1.0 / 6, ROOT / 6, 1.0 / 3},
                                             {0, 0, 1}};
static const double out_sizes[TILE][READ] = {{1, 1, 1, 1, 1, 0},
                                             {0, ROOT / 2, ROOT / 2, ROOT, ROOT, 0},
                                             {0, 0.5, 0.5, 2, 2, 0},
                                             {0, ROOT / 4, ROOT / 4, 2 * ROOT, 2 * ROOT, 1}};

/* The value at a place of a tile's input; zero beyond the columns that are read. */
static inline double value_at(const struct pq_trial_winograd *t, int tile, int part, int c, int y,
                              int x)
{
    const int row = tile / t->across * TILE + y, column = tile % t->across * TILE + x;
    if (column > t->args.width + 1)
        return 0;
    return t->data[part][row][(column + 1) * t->parts[part].stride + c];
}

/* Add to sums, one a point, the sizes of the products of one channel at a tile: |G||g||G'| times
 * |B'||d||B|. g: 9 weights. */
static inline void add_sizes(const struct pq_trial_winograd *t, int tile, int part, int c,
                             const float *g, double sums[READ][READ])
{
    for (int i = 0; i < READ; i++) {
        for (int k = 0; k < READ; k++) {
            double u = 0, v = 0;
            for (int y = 0; y < 3; y++) {
                for (int x = 0; x < 3; x++)
                    u += weight_sizes[i][y] * fabs((double)g[y * 3 + x]) * weight_sizes[k][x];
            }
            for (int y = 0; y < READ; y++) {
                for (int x = 0; x < READ; x++)
                    v += in_sizes[i][y] * fabs(value_at(t, tile, part, c, y, x)) * in_sizes[k][x];
            }
            sums[i][k] += u * v;
        }
    }
}

/* The nine weights from a channel to lane o. */
static inline const float *filter_at(const struct pq_trial_winograd *t, int o, int channel)
{
    return t->plain + ((size_t)o * (size_t)t->in_channels + (size_t)channel) * 9;
}

/* Pixel (x, y) of a tile for one lane, in double; *size: what its roundings are in proportion to.
 */
static inline double exact(const struct pq_trial_winograd *t, int tile, int x, int y, int o,
                           double sums[READ][READ], double *size)
{
    double sum = t->args.bias[o];
    *size = fabs(sum);
    for (int i = 0, c0 = 0; i < t->args.part_count; c0 += t->parts[i++].channels) {
        for (int c = 0; c < t->parts[i].channels; c++) {
            const float *g = filter_at(t, o, c0 + c);
            for (int k = 0; k < 9; k++)
                sum += g[k] * value_at(t, tile, i, c, y + k / 3, x + k % 3);
        }
    }
    for (int i = 0; i < READ; i++) {
        for (int k = 0; k < READ; k++)
            *size += out_sizes[y][i] * sums[i][k] * out_sizes[x][k];
    }
    if (t->args.slopes && sum < 0) {
        sum *= t->args.slopes[o];
        *size *= fmax(1, fabs(t->args.slopes[o]));
    }
    if (t->added) {
        const int row = tile / t->across * TILE + y, column = tile % t->across * TILE + x;
        const double residual = t->residual[row][column * t->args.residual_stride + o];
        sum = residual + t->args.scale * sum;
        *size += fabs(residual); /* scale is at most 1 */
    }
    return sum;
}

/* One lane of a tile, each pixel within gamma times the result of all transforms with the sizes of
 * their factors, and what the transform of the output makes of `steps`, one a point; NULL: nothing.
 * The largest share of that, which is told with `shape` where it is over 1. */
static inline double check_tile(const struct pq_trial_winograd *t, int tile, int o, double gamma,
                                double steps[READ][READ], const char *shape)
{
    double sums[READ][READ] = {{0}}, size, worst = 0;
    for (int i = 0, c0 = 0; i < t->args.part_count; c0 += t->parts[i++].channels) {
        for (int c = 0; c < t->parts[i].channels; c++)
            add_sizes(t, tile, i, c, filter_at(t, o, c0 + c), sums);
    }
    for (int y = 0; y < TILE; y++) {
        const int row = tile / t->across * TILE + y, x0 = tile % t->across * TILE;
        if (row < t->first_row || row > t->last_row)
            continue;
        for (int x = 0; x < TILE && x0 + x < t->args.width; x++) {
            const double want = exact(t, tile, x, y, o, sums, &size);
            const double got = t->out[row][(x0 + x) * t->args.out_stride + o];
            const double slope = t->args.slopes ? fmax(1, fabs(t->args.slopes[o])) : 1;
            double bound = gamma * size;
            if (t->args.half_out) /* half a step of it, and of the least half */
                bound += fabs(want) * 0x1p-11 + 0x1p-25;
            for (int k = 0; steps && k < POINTS; k++)
                bound += slope * out_sizes[y][k / READ] * steps[k / READ][k % READ] *
                         out_sizes[x][k % READ];
            worst = fmax(worst, fabs(got - want) / bound);
            if (!(fabs(got - want) <= bound * 1.001))
                fail_msg("%s, tile %d: pixel (%d, %d), channel %d: %a, not %a", shape, tile, x0 + x,
                         row, o, got, want);
        }
    }
    return worst;
}
