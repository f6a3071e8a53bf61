/* SPDX-License-Identifier: MIT */
/* The reference of Winograd's convolution against the direct sum in double, within what its
 * roundings can amount to. That variants have its bits: trial_test.c. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "kernels/trial/conv.h"
#include "kernels/trial/trial.h"

enum { TILE = PQ_WINOGRAD_TILE, READ = PQ_WINOGRAD_READ };

/* The sizes of the factors of the three transforms (winograd.h): B', G, A'. */
#define R 1.4142135623730951
static const double in_sizes[READ][READ] = {{1, 0, 2.5, 0, 1, 0},     {0, R, 2, R / 2, 1, 0},
                                            {0, R, 2, R / 2, 1, 0},   {0, R / 2, 0.5, R, 1, 0},
                                            {0, R / 2, 0.5, R, 1, 0}, {0, 1, 0, 2.5, 0, 1}};
static const double weight_sizes[READ][3] = {{1, 0, 0},
                                             {2.0 / 3, R / 3, 1.0 / 3},
                                             {2.0 / 3, R / 3, 1.0 / 3},
                                             {1.0 / 6, R / 6, 1.0 / 3},
                                             {1.0 / 6, R / 6, 1.0 / 3},
                                             {0, 0, 1}};
static const double out_sizes[TILE][READ] = {{1, 1, 1, 1, 1, 0},
                                             {0, R / 2, R / 2, R, R, 0},
                                             {0, 0.5, 0.5, 2, 2, 0},
                                             {0, R / 4, R / 4, 2 * R, 2 * R, 1}};

/* The value at a place of a tile's input; zero beyond the columns that are read. */
static double value_at(const struct pq_trial_winograd *t, int tile, int part, int c, int y, int x)
{
    const int row = tile / t->across * TILE + y, column = tile % t->across * TILE + x;
    if (column > t->args.width + 1)
        return 0;
    return t->parts[part].rows[row][(column - t->args.left) * t->parts[part].stride + c];
}

/* Add to sums, one a point, the sizes of the products of one channel at a tile: |G||g||G'| times
 * |B'||d||B|. g: 9 weights. */
static void add_sizes(const struct pq_trial_winograd *t, int tile, int part, int c, const float *g,
                      double sums[READ][READ])
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

/* Pixel (x, y) of a tile for one lane, in double; *size: what its roundings are in proportion to.
 */
static double exact(const struct pq_trial_winograd *t, int tile, int x, int y, int o,
                    double sums[READ][READ], double *size)
{
    double sum = t->args.bias[o];
    *size = fabs(sum);
    for (int i = 0, c0 = 0; i < t->args.part_count; c0 += t->parts[i++].channels) {
        for (int c = 0; c < t->parts[i].channels; c++) {
            const float *g = t->plain + ((size_t)o * (size_t)t->in_channels + (size_t)(c0 + c)) * 9;
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
    if (t->args.residual) {
        const int row = tile / t->across * TILE + y, column = tile % t->across * TILE + x;
        const double residual = t->args.residual[row][column * t->args.residual_stride + o];
        sum = residual + t->args.scale * sum;
        *size += fabs(residual); /* scale is at most 1 */
    }
    return sum;
}

/* Every path from an input to a result has at most 3 roundings a transform of the input, in two
 * directions, constants included; 1 of the weight; K of the sum; 4 a transform of the output; and 4
 * of bias, activation, scale and what is added to. Each is in proportion to the sizes of what goes
 * in, so that |error| <= gamma_n times the result of all transforms with the sizes of their factors
 * (Higham 2002, 3.1), n = K + 19. */
static double check_tile(const struct pq_trial_winograd *t, int tile, int o, double gamma,
                         const char *shape)
{
    double sums[READ][READ] = {{0}}, size, worst = 0;
    for (int i = 0, c0 = 0; i < t->args.part_count; c0 += t->parts[i++].channels) {
        for (int c = 0; c < t->parts[i].channels; c++)
            add_sizes(t, tile, i, c,
                      t->plain + ((size_t)o * (size_t)t->in_channels + (size_t)(c0 + c)) * 9, sums);
    }
    for (int y = 0; y < TILE; y++) {
        const int row = tile / t->across * TILE + y, x0 = tile % t->across * TILE;
        if (row < t->first_row || row > t->last_row)
            continue;
        for (int x = 0; x < TILE && x0 + x < t->args.width; x++) {
            const double want = exact(t, tile, x, y, o, sums, &size);
            const double got = t->out[row][(x0 + x) * t->args.out_stride + o];
            worst = fmax(worst, fabs(got - want) / (gamma * size));
            if (!(fabs(got - want) <= gamma * size * 1.001))
                fail_msg("%s, tile %d: pixel (%d, %d), channel %d: %a, not %a", shape, tile, x0 + x,
                         row, o, got, want);
        }
    }
    return worst;
}

static void the_reference_is_within_the_rounding_bound_of_the_direct_sum(void **state)
{
    (void)state;
    double worst = 0;
    for (uint64_t seed = 1000; seed < 1090; seed++) {
        struct pq_trial trial;
        if (seed % 3 == 0) /* infinities, which spread */
            continue;
        assert_int_equal(
            pq_trial_make(&trial, pq_trial_find("winograd"), PQ_CPU_SCALAR, seed, false, NULL), 0);
        pq_trial_run(&trial);
        const struct pq_trial_winograd *t = trial.args;
        const double n = (t->in_channels + 19) * 0x1p-24, gamma = n / (1 - n);
        for (int k = 0; k < 40; k++) {
            const int tile = t->args.tile0 + rng_below(&trial.rng, t->args.tile1 - t->args.tile0);
            const int o = rng_below(&trial.rng, t->out_channels);
            worst = fmax(worst, check_tile(t, tile, o, gamma, trial.shape));
        }
        pq_trial_free(&trial);
    }
    print_message("at most %.3f of the bound\n", worst);
    assert_true(worst > 1e-4); /* the bound says something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_is_within_the_rounding_bound_of_the_direct_sum),
    };
    return cmocka_run_group_tests_name("winograd", tests, NULL, NULL);
}
