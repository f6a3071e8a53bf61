/* SPDX-License-Identifier: MIT */
/* Moves and resampling against their definitions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "kernels/curve.h"
#include "kernels/pixel.h"
#include "kernels/taps.h"

static float *random_row(struct rng *r, int n)
{
    float *p = malloc((size_t)n * sizeof *p);
    assert_non_null(p);
    for (int i = 0; i < n; i++)
        p[i] = rng_float(r);
    return p;
}

static void pixel_shuffle_spreads_channels_as_torch_does(void **state)
{
    (void)state;
    struct rng r = {1};
    for (int way = 0; way < 8; way++) {
        enum { WIDTH = 7, CHANNELS = 3 };
        const int factor = 1 + way / 2, out_stride = way % 2 ? 5 : CHANNELS;
        int in_stride = CHANNELS * factor * factor + 2;
        float *in = random_row(&r, WIDTH * in_stride);
        for (int dy = 0; dy < factor; dy++) {
            float *out = random_row(&r, WIDTH * factor * out_stride);
            pq_pixel_shuffle_row(in, in_stride, WIDTH, CHANNELS, factor, dy, out, out_stride);
            for (int x = 0; x < WIDTH * factor; x++) {
                for (int c = 0; c < CHANNELS; c++) {
                    int from = c * factor * factor + dy * factor + x % factor;
                    assert_true(out[x * out_stride + c] == in[x / factor * in_stride + from]);
                }
            }
            free(out);
        }
        free(in);
    }
}

static void shuffles_by_place_keep_the_channels_of_a_place_together(void **state)
{
    (void)state;
    struct rng r = {11};
    for (int factor = 1; factor <= 4; factor++) {
        enum { WIDTH = 5, CHANNELS = 3, STRIDE = 4 };
        const int folded = CHANNELS * factor * factor + 2;
        const float *rows[4];
        for (int dy = 0; dy < factor; dy++)
            rows[dy] = random_row(&r, WIDTH * factor * STRIDE);
        float *out = random_row(&r, WIDTH * folded), *back = random_row(&r, WIDTH * 4 * STRIDE);
        pq_pixel_unshuffle_by_place_row(rows, STRIDE, WIDTH, CHANNELS, factor, out, folded);
        for (int dy = 0; dy < factor; dy++) {
            pq_pixel_shuffle_by_place_row(out, folded, WIDTH, CHANNELS, factor, dy, back, STRIDE);
            for (int x = 0; x < WIDTH * factor; x++) {
                for (int c = 0; c < CHANNELS; c++) {
                    const int place = dy * factor + x % factor;
                    const float want = rows[dy][x * STRIDE + c];
                    assert_true(out[x / factor * folded + place * CHANNELS + c] == want);
                    assert_true(back[x * STRIDE + c] == want);
                }
            }
        }
        for (int dy = 0; dy < factor; dy++)
            free((void *)rows[dy]);
        free(out);
        free(back);
    }
}

static void nearest_repeats_pixels(void **state)
{
    (void)state;
    struct rng r = {2};
    for (int way = 0; way < 8; way++) {
        const int factor = 1 + way / 2, out_stride = 3 + way % 2;
        float *in = random_row(&r, 5 * 4), *out = random_row(&r, 5 * factor * out_stride);
        pq_nearest_row(in, 4, 5, 3, factor, out, out_stride);
        for (int x = 0; x < 5 * factor; x++) {
            for (int c = 0; c < 3; c++)
                assert_true(out[x * out_stride + c] == in[x / factor * 4 + c]);
        }
        free(in);
        free(out);
    }
}

static void add_and_activation_do_what_they_say(void **state)
{
    (void)state;
    struct rng r = {3};
    float *a = random_row(&r, 9 * 5), *b = random_row(&r, 9 * 4), *out = random_row(&r, 9 * 3);
    pq_add_row(a, 5, b, 4, 0.2f, 9, 3, out, 3);
    for (int i = 0; i < 27; i++) {
        float scaled = 0.2f * b[i / 3 * 4 + i % 3];
        assert_true(out[i] == a[i / 3 * 5 + i % 3] + scaled);
    }
    pq_copy_row(a, 5, 9, 2, out + 1, 3);
    for (int i = 0; i < 18; i++)
        assert_true(out[i / 2 * 3 + 1 + i % 2] == a[i / 2 * 5 + i % 2]);
    pq_copy_row(a, 5, 5, 5, out, 5);
    assert_memory_equal(out, a, 25 * sizeof *a);
    const float slopes[3] = {0.1f, 0.0f, -2.0f};
    pq_act_row(a, 5, slopes, 9, 3, out, 3);
    for (int i = 0; i < 27; i++) {
        float v = a[i / 3 * 5 + i % 3];
        assert_true(out[i] == (v < 0 ? v * slopes[i % 3] : v));
    }
    free(a);
    free(b);
    free(out);
}

/* Every 2^-9 over the whole range, and at its ends. */
static void exp_is_within_two_ulp(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = -86 * 512; i <= 86 * 512; i++) {
        float x = (float)i / 512 + 0.0001234f;
        double want = exp((double)x), ulp = want * 0x1p-23;
        double off = fabs(pq_exp(x) - want) / ulp;
        worst = off > worst ? off : worst;
    }
    print_message("exp: %.3f ulp\n", worst);
    assert_true(worst < 2);
    assert_true(pq_exp(0) == 1.0f);
    assert_true(isnan(pq_exp(NAN)) && isnan(pq_sigmoid(NAN)));
    assert_true(pq_exp(1000) == pq_exp(87) && pq_exp(-INFINITY) > 0);
    assert_true(pq_sigmoid(200) == 1.0f && pq_sigmoid(-200) >= 0 && pq_sigmoid(-200) < 1e-37f);
    assert_true(pq_sigmoid(0) == 0.5f);
}

/* The kernel of Keys 1981 with a = -0.75, in double. */
static double keys(double d)
{
    const double a = -0.75;
    d = fabs(d);
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

static void bicubic_is_the_kernel_of_keys_at_pixel_centres(void **state)
{
    (void)state;
    static const int ratios[][2] = {{1, 2}, {3, 4}, {2, 1}, {3, 2}, {1, 1}, {5, 3}};
    struct rng r = {4};
    for (size_t k = 0; k < PQ_COUNT(ratios); k++) {
        enum { WIDTH = 24, CHANNELS = 3 };
        int num = ratios[k][0], den = ratios[k][1], width = WIDTH * num / den;
        float *rows[4];
        for (int i = 0; i < 4; i++)
            rows[i] = random_row(&r, WIDTH * CHANNELS);
        float wy[4], *out = random_row(&r, width * CHANNELS);
        pq_bicubic_weights(0.3f, wy);
        pq_bicubic_row((const float *const *)rows, wy, CHANNELS, WIDTH, CHANNELS, num, den, out,
                       CHANNELS, width);
        for (int x = 0; x < width; x++) {
            double at = (x + 0.5) * den / num - 0.5;
            for (int c = 0; c < CHANNELS; c++) {
                double sum = 0;
                for (int i = (int)floor(at) - 1; i <= (int)floor(at) + 2; i++) {
                    int in = i < 0 ? 0 : i >= WIDTH ? WIDTH - 1 : i;
                    for (int y = 0; y < 4; y++)
                        sum += keys(at - i) * keys(0.3 + 1 - y) * rows[y][in * CHANNELS + c];
                }
                assert_float_equal(out[x * CHANNELS + c], sum, 2e-6);
            }
        }
        for (int i = 0; i < 4; i++)
            free(rows[i]);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixel_shuffle_spreads_channels_as_torch_does),
        cmocka_unit_test(shuffles_by_place_keep_the_channels_of_a_place_together),
        cmocka_unit_test(nearest_repeats_pixels),
        cmocka_unit_test(add_and_activation_do_what_they_say),
        cmocka_unit_test(exp_is_within_two_ulp),
        cmocka_unit_test(bicubic_is_the_kernel_of_keys_at_pixel_centres),
    };
    return cmocka_run_group_tests_name("pixel", tests, NULL, NULL);
}
