/* SPDX-License-Identifier: MIT */
/* Winograd's convolution in 16-bit words: the reference against the direct sum in double, and every
 * level against the reference at all sizes of values (otherwise: trial_test.c); that no sum leaves
 * 32 bits; and what is not finite. */
#include "tiles.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "base/whole.h"
#include "kernels/trial/trial.h"
#include "kernels/winograd16.h"
#include "kernels/winograd_steps.h"

static bool has_level(int level)
{
    if (pq_cpu_has((enum pq_cpu_level)level))
        return true;
    print_message("skipped: this processor has no %s\n",
                  pq_cpu_level_name((enum pq_cpu_level)level));
    return false;
}

/* A trial of ordinary values that may be changed before it runs; pq_trial_free() it. */
static struct pq_trial_winograd *make(struct pq_trial *trial, int level, uint64_t seed)
{
    assert_int_equal(
        pq_trial_make(trial, pq_trial_find("winograd-int16"), level, seed, false, NULL), 0);
    return trial->args;
}

/* The next seed of which a trial is of ordinary values. */
static uint64_t ordinary(uint64_t seed)
{
    while (seed % 3 == 0 || seed % 10 == 1)
        seed++;
    return seed;
}

/* Channel c of pixel x of a row of a part, x counted from the first one that is read. */
static float *value_of(struct pq_trial_winograd *t, int part, int row, int x, int c)
{
    return &t->data[part][row][(x + 1) * t->parts[part].stride + c];
}

static int tile_rows(const struct pq_trial_winograd *t)
{
    return (t->args.tile1 - 1) / t->across + 1;
}

/* Values of all sizes, among them zero, what cannot be told from it, and what nearly overflows. */
static void make_extreme(struct rng *r, struct pq_trial_winograd *t)
{
    static const float sizes[] = {0.0f, 0x1p-149f, 0x1p-126f, 0x1p-64f, 0x1p-63f,
                                  1.0f, 32767.5f,  65535.0f,  0x1p60f,  0x1.fffep119f};
    const int kind = rng_below(r, 3);
    const float all = sizes[rng_below(r, PQ_COUNT(sizes))];
    for (int i = 0; i < t->args.part_count; i++) {
        const int channels = t->parts[i].channels, values = (t->args.width + 2) * channels;
        for (int k = 0; k < tile_rows(t) * TILE + READ - TILE; k++) {
            for (int at = 0; at < values; at++) {
                float *v = value_of(t, i, k, at / channels, at % channels);
                if (kind == 0) /* one size, all of it */
                    *v = rng_below(r, 2) ? all : -all;
                else if (kind == 1)
                    *v *= all;
                else
                    *v *= sizes[rng_below(r, PQ_COUNT(sizes))];
            }
        }
    }
}

static void levels_agree_at_all_sizes_of_values(void **state)
{
    (void)state;
    for (int level = PQ_CPU_SCALAR + 1; level < PQ_CPU_LEVELS; level++) {
        if (!has_level(level))
            continue;
        for (uint64_t seed = ordinary(5000); seed <= 5090; seed = ordinary(seed + 1)) {
            struct pq_trial trials[2];
            for (int i = 0; i < 2; i++) {
                struct rng r = {seed};
                make_extreme(&r, make(&trials[i], i ? level : PQ_CPU_SCALAR, seed));
                pq_trial_run(&trials[i]);
            }
            const float *want = trials[0].out, *have = trials[1].out;
            for (size_t i = 0; i < trials[0].out_floats; i++) {
                if (memcmp(&want[i], &have[i], sizeof *want) != 0 &&
                    !(isnan(want[i]) && isnan(have[i])))
                    fail_msg("%s, seed %llu, %s: float %zu is %a, not %a",
                             pq_cpu_level_name((enum pq_cpu_level)level), (unsigned long long)seed,
                             trials[0].shape, i, (double)have[i], (double)want[i]);
            }
            pq_trial_free(&trials[0]);
            pq_trial_free(&trials[1]);
        }
    }
}

/* All pixels of the tiles, in rows that are there; that nothing else is, trial_test.c sees. */
static void all_pixels_are_written(void **state)
{
    (void)state;
    for (uint64_t seed = ordinary(2000); seed < 2045; seed = ordinary(seed + 1)) {
        struct pq_trial trial;
        make(&trial, PQ_CPU_SCALAR, seed);
        memset(trial.out, 0xff, trial.out_floats * sizeof *trial.out); /* NaN */
        pq_trial_run(&trial);
        for (size_t i = 0; i < trial.out_floats; i++) {
            if (trial.kernel->writes(&trial, i) == (isnan(trial.out[i]) != 0))
                fail_msg("seed %llu, %s: float %zu is %a", (unsigned long long)seed, trial.shape, i,
                         (double)trial.out[i]);
        }
        pq_trial_free(&trial);
    }
}

/* The word of a pair at a point, for a lane. */
static int word_at(const struct pq_trial_winograd *t, int o, int k, int pair, int second)
{
    const int first = o / (PQ_CONV_GROUP * PQ_CONV_LANES) * PQ_CONV_GROUP;
    const int lanes = PQ_MIN(t->args.blocks - first, PQ_CONV_GROUP) * PQ_CONV_LANES;
    const int pairs = pq_winograd16_pairs(t->in_channels);
    const int16_t *group = t->words + (ptrdiff_t)first * PQ_CONV_LANES * 2 * pairs * POINTS;
    return group[(k * pairs + pair) * lanes * 2 + pq_winograd16_place(o - first * PQ_CONV_LANES) +
                 second * PQ_WINOGRAD16_RUN];
}

/* Each channel is in one pair, and its word is the weight at that point over the factor, rounded;
 * no group's sum of 32767 times the sizes of words reaches 2^31; and factors are no larger than
 * that asks for. */
static void no_sum_can_leave_32_bits(void **state)
{
    (void)state;
    for (uint64_t seed = 3000; seed < 3060; seed++) {
        struct pq_trial trial;
        struct pq_trial_winograd *t = make(&trial, PQ_CPU_SCALAR, ordinary(seed));
        struct rng r = {seed};
        const int kind = rng_below(&r, 4), all = t->out_channels * t->in_channels * 9;
        for (int i = 0; kind && i < all; i++) { /* all alike; few large ones; one sign */
            if (kind == 1)
                t->plain[i] = 1;
            else if (kind == 2)
                t->plain[i] = rng_below(&r, 40) ? 0 : t->plain[i] * 1e6f;
            else
                t->plain[i] = fabsf(t->plain[i]);
        }
        pq_trial_winograd_pack(t);
        const int group = pq_winograd16_sum(t->in_channels);
        for (int o = 0; o < t->out_channels; o++) {
            int64_t most = 0;
            int largest = 0;
            for (int k = 0; k < POINTS; k++) {
                int64_t sum = 0;
                int seen = 0;
                for (int i = 0; i < 2 * pq_winograd16_pairs(t->in_channels); i++) {
                    const int c = pq_winograd16_channel(t->in_channels, i / 2, i % 2);
                    const int word = word_at(t, o, k, i / 2, i % 2);
                    sum = (i % (2 * group) ? sum : 0) + abs(word);
                    largest = PQ_MAX(largest, abs(word));
                    most = PQ_MAX(most, sum);
                    if (c >= t->in_channels) {
                        assert_int_equal(word, 0);
                        continue;
                    }
                    double u[POINTS];
                    pq_winograd_filter(filter_at(t, o, c), u);
                    for (int side = 0; side < 2; side++) {
                        const int at = side ? k / READ : k % READ;
                        u[k] *= at == 3 || at == 4 ? 2 : 1;
                    }
                    assert_true(fabs(u[k] / (double)t->factors[o] - word) <= 0.5001);
                    seen++;
                }
                assert_int_equal(seen, t->in_channels);
            }
            assert_true(most * 32767 <= INT32_MAX && largest <= 32767);
            if (t->factors[o] > 1e-30f)
                assert_true(most >= 65535 - 2 * group || largest >= 32766);
        }
        pq_trial_free(&trial);
    }
}

/* What the bound allows is what happens: an input whose words are all 32767, with weights of one
 * sign, comes near to 2^31. Beyond it, the result would have the other sign. */
static void the_largest_sum_is_right(void **state)
{
    (void)state;
    for (int level = 0; level < PQ_CPU_LEVELS; level++) {
        if (!has_level(level))
            continue;
        struct pq_trial trial;
        uint64_t seed = ordinary(77);
        struct pq_trial_winograd *t = make(&trial, level, seed);
        while (t->in_channels < 64 || t->added || t->args.slopes) {
            pq_trial_free(&trial);
            t = make(&trial, level, seed = ordinary(seed + 1));
        }
        const int out = t->out_channels, in = t->in_channels;
        memset(t->plain, 0, (size_t)(out * in * 9) * sizeof *t->plain);
        for (int i = 0; i < out * in; i++)
            t->plain[i * 9] = i / in % 2 ? 1 : -1;
        pq_trial_winograd_pack(t);
        for (int i = 0; i < t->args.part_count; i++) {
            const int channels = t->parts[i].channels, values = (t->args.width + 2) * channels;
            for (int k = 0; k < tile_rows(t) * TILE + READ - TILE; k++) {
                for (int at = 0; at < values; at++)
                    *value_of(t, i, k, at / channels, at % channels) = 32767.0f / 32768;
            }
        }
        pq_trial_run(&trial);
        for (int tile = t->args.tile0; tile < t->args.tile1; tile++) {
            const int row = tile / t->across * TILE, x = tile % t->across * TILE;
            for (int o = 0; o < out && row >= t->first_row && row <= t->last_row; o++) {
                const double got = t->out[row][x * t->args.out_stride + o];
                const double want = t->args.bias[o] + (o % 2 ? 1 : -1) * in * 32767.0 / 32768;
                if (x + 2 <= t->args.width && fabs(got - want) > 1e-2 * in)
                    fail_msg("level %d, lane %d: %g, not %g", level, o, got, want);
            }
        }
        pq_trial_free(&trial);
    }
}

/* NaN, infinity and what the transforms make infinite is NaN in all pixels that read it, and in no
 * tile that does not; no such float ever becomes a whole number (the sanitizers look). */
static void check_not_finite(const struct pq_trial *trial, int line, int column)
{
    const struct pq_trial_winograd *t = trial->args;
    for (int tile = t->args.tile0; tile < t->args.tile1; tile++) {
        const int y0 = tile / t->across * TILE, x0 = tile % t->across * TILE;
        const bool tiles = line >= y0 && line < y0 + READ && column >= x0 && column < x0 + READ;
        for (int i = 0; i < TILE * TILE; i++) {
            const int y = y0 + i / TILE, x = x0 + i % TILE;
            if (y < t->first_row || y > t->last_row || x >= t->args.width)
                continue;
            const bool reads = line >= y && line < y + 3 && column >= x && column < x + 3;
            for (int o = 0; o < t->out_channels; o++) {
                const float got = t->out[y][x * t->args.out_stride + o];
                if (isnan(got) ? !tiles : reads)
                    fail_msg("level %d, %s: (%d, %d) is %g", trial->level, trial->shape, x, y,
                             (double)got);
            }
        }
    }
}

static void what_is_not_finite_stays_in_its_tiles(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 0x1.fffffep127f};
    for (int level = 0; level < PQ_CPU_LEVELS; level++) {
        if (!has_level(level))
            continue;
        int tried = 0;
        for (uint64_t seed = ordinary(4000); tried < 40; seed = ordinary(seed + 1), tried++) {
            struct pq_trial trial;
            struct rng r = {seed};
            struct pq_trial_winograd *t = make(&trial, level, seed);
            const int part = rng_below(&r, t->args.part_count);
            const int line = rng_below(&r, tile_rows(t) * TILE + READ - TILE);
            const int column = rng_below(&r, t->args.width + 2);
            *value_of(t, part, line, column, rng_below(&r, t->parts[part].channels)) =
                bad[tried % 4];
            pq_trial_run(&trial);
            check_not_finite(&trial, line, column);
            pq_trial_free(&trial);
        }
    }
}

/* A filter that is not finite makes its channel NaN, and no other. */
static void a_filter_that_is_not_finite_is_told(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -0x1.fffffep127f};
    int tried = 0;
    for (uint64_t seed = ordinary(4100); tried < 12; seed = ordinary(seed + 1), tried++) {
        struct pq_trial trial;
        struct rng r = {seed};
        struct pq_trial_winograd *t = make(&trial, PQ_CPU_SCALAR, seed);
        const int o = rng_below(&r, t->out_channels), c = rng_below(&r, t->in_channels);
        t->plain[(o * t->in_channels + c) * 9 + 4] = bad[tried % 3];
        pq_trial_winograd_pack(t);
        for (int i = 0; i < t->args.blocks * PQ_CONV_LANES; i++)
            assert_true(i == o && tried % 3 < 2 ? isnan(t->factors[i])
                                                : i == o || isfinite(t->factors[i]));
        pq_trial_free(&trial);
    }
}

/* Add to sums, one a point, what rounding to words makes of the products of one channel, at most:
 * half a step of each factor times the other. largest: of the tile's |v|, one a point. */
static void add_steps(const struct pq_trial_winograd *t, int tile, int part, int c, const float *g,
                      double factor, double largest[READ][READ], double sums[READ][READ])
{
    double v[READ][READ], half[READ][READ], u[POINTS];
    static const double in[READ][READ] = {{1, 0, -2.5, 0, 1, 0},
                                          {0, -ROOT, -2, ROOT / 2, 1, 0},
                                          {0, ROOT, -2, -ROOT / 2, 1, 0},
                                          {0, -ROOT / 2, -0.5, ROOT, 1, 0},
                                          {0, ROOT / 2, -0.5, -ROOT, 1, 0},
                                          {0, 1, 0, -2.5, 0, 1}};
    pq_winograd_filter(g, u);
    for (int i = 0; i < READ; i++) {
        for (int x = 0; x < READ; x++) {
            half[i][x] = 0;
            for (int y = 0; y < READ; y++)
                half[i][x] += in[i][y] * value_at(t, tile, part, c, y, x);
        }
        for (int k = 0; k < READ; k++) {
            v[i][k] = 0;
            for (int x = 0; x < READ; x++)
                v[i][k] += in[k][x] * half[i][x];
            if (sums) {
                const double doubled = (i == 3 || i == 4 ? 2 : 1) * (k == 3 || k == 4 ? 2 : 1);
                const double step = largest[i][k] * 0x1p-14, size = factor / doubled;
                sums[i][k] += (fabs(u[i * READ + k]) + size / 2) * step / 2 +
                              (fabs(v[i][k]) + step / 2) * size / 2;
            } else {
                largest[i][k] = fmax(largest[i][k], fabs(v[i][k]));
            }
        }
    }
}

/* Of all channels of lane o. */
static void steps_of(const struct pq_trial_winograd *t, int tile, int o, double steps[READ][READ])
{
    double most[READ][READ] = {{0}};
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0, c0 = 0; i < t->args.part_count; c0 += t->parts[i++].channels) {
            for (int c = 0; c < t->parts[i].channels; c++)
                add_steps(t, tile, i, c, filter_at(t, o, c0 + c), (double)t->factors[o], most,
                          pass ? steps : NULL);
        }
    }
}

/* Rounding to words adds half a step of each factor of each product, a step of the input being at
 * most 2^-14 of the largest at its point, that of a weight the factor; what that comes to goes
 * through the transform of the output. Beside it stand the roundings of the floats, of which a path
 * has at most 22 and one a group, whose sum has none, but becomes a float and is added. */
static void the_reference_is_within_the_rounding_bound_of_the_direct_sum(void **state)
{
    (void)state;
    double worst = 0;
    int tried = 0;
    for (uint64_t seed = ordinary(1000); tried < 60; seed = ordinary(seed + 1), tried++) {
        struct pq_trial trial;
        struct rng r = {seed};
        struct pq_trial_winograd *t = make(&trial, PQ_CPU_SCALAR, seed);
        pq_trial_run(&trial);
        const int group = pq_winograd16_sum(t->in_channels);
        const double n =
            (double)(22 + pq_ceil_div(pq_winograd16_pairs(t->in_channels), group)) * 0x1p-24;
        for (int k = 0; k < 40; k++) {
            const int tile = t->args.tile0 + rng_below(&r, t->args.tile1 - t->args.tile0);
            const int o = rng_below(&r, t->out_channels);
            double steps[READ][READ] = {{0}};
            steps_of(t, tile, o, steps);
            worst = fmax(worst, check_tile(t, tile, o, n / (1 - n), steps, trial.shape));
        }
        pq_trial_free(&trial);
    }
    print_message("at most %.3f of the bound\n", worst);
    assert_true(worst > 1e-2); /* the bound says something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_agree_at_all_sizes_of_values),
        cmocka_unit_test(all_pixels_are_written),
        cmocka_unit_test(the_reference_is_within_the_rounding_bound_of_the_direct_sum),
        cmocka_unit_test(no_sum_can_leave_32_bits),
        cmocka_unit_test(the_largest_sum_is_right),
        cmocka_unit_test(what_is_not_finite_stays_in_its_tiles),
        cmocka_unit_test(a_filter_that_is_not_finite_is_told),
    };
    return cmocka_run_group_tests_name("winograd16", tests, NULL, NULL);
}
