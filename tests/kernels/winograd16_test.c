/* SPDX-License-Identifier: MIT */
/* Winograd's convolution in 16-bit words: every level against the reference, bit for bit; the
 * reference against the direct sum in double; that no sum leaves 32 bits; and what is not finite.
 */
#include "tiles.h"

#include <fenv.h>

#include "base/cpu.h"
#include "base/whole.h"
#include "kernels/winograd_steps.h"

static bool has_level(int level)
{
    if (pq_cpu_has((enum pq_cpu_level)level))
        return true;
    print_message("skipped: this processor has no %s\n",
                  pq_cpu_level_name((enum pq_cpu_level)level));
    return false;
}

/* Values of all sizes, among them zero, what cannot be told from it, and what nearly overflows. */
static void make_extreme(struct rng *r, struct tiles_case *t)
{
    static const float sizes[] = {0.0f, 0x1p-149f, 0x1p-126f, 0x1p-64f, 0x1p-63f,
                                  1.0f, 32767.5f,  65535.0f,  0x1p60f,  0x1.fffep119f};
    const int kind = rng_below(r, 3);
    const float all = sizes[rng_below(r, PQ_COUNT(sizes))];
    for (int i = 0; i < t->part_count; i++) {
        const int pixels = t->width + 2, channels = t->parts[i].channels;
        for (int k = 0; k < t->tile_rows * TILE + READ - TILE; k++) {
            float *row = t->data[i][k] + t->parts[i].stride;
            for (int x = 0; x < pixels * channels; x++) {
                float *v = &row[x / channels * t->parts[i].stride + x % channels];
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

static void compare_levels(uint64_t first, uint64_t last, bool extreme)
{
    for (int level = PQ_CPU_SCALAR + 1; level < PQ_CPU_LEVELS; level++) {
        if (!has_level(level))
            continue;
        for (uint64_t seed = first; seed <= last; seed++) {
            struct rng r = {seed};
            struct tiles_case t;
            make_case(&r, &t);
            if (extreme)
                make_extreme(&r, &t);
            float *want = run(&t, pq_winograd16_c), *have = run(&t, pq_winograd16(level));
            for (size_t i = 0; i < all_floats(&t); i++) {
                if (memcmp(&want[i], &have[i], sizeof *want) != 0 &&
                    !(isnan(want[i]) && isnan(have[i])))
                    fail_msg("%s, %s: float %zu is %a, not %a",
                             pq_cpu_level_name((enum pq_cpu_level)level), named(&t, seed), i,
                             (double)have[i], (double)want[i]);
            }
            free(want);
            free(have);
            free_case(&t);
        }
    }
}

static void every_level_gives_the_bits_of_the_reference(void **state)
{
    (void)state;
    compare_levels(1, 150, false);
}

static void so_it_does_at_all_sizes_of_values(void **state)
{
    (void)state;
    compare_levels(5000, 5060, true);
}

/* The word of a pair at a point, for a lane. */
static int word_at(const struct tiles_case *t, int o, int k, int pair, int second)
{
    const int first = o / (PQ_CONV_GROUP * PQ_CONV_LANES) * PQ_CONV_GROUP;
    const int lanes = PQ_MIN(t->blocks - first, PQ_CONV_GROUP) * PQ_CONV_LANES;
    const int pairs = pq_winograd16_pairs(t->in_channels);
    const int16_t *group = t->words + (ptrdiff_t)first * PQ_CONV_LANES * 2 * pairs * POINTS;
    return group[((k * pairs + pair) * lanes + o - first * PQ_CONV_LANES) * 2 + second];
}

/* Each channel is in one pair, and its word is the weight at that point over the factor, rounded;
 * no group's sum of 32767 times the sizes of words reaches 2^31; and factors are no larger than
 * that asks for. */
static void no_sum_can_leave_32_bits(void **state)
{
    (void)state;
    for (uint64_t seed = 3000; seed < 3060; seed++) {
        struct rng r = {seed};
        struct tiles_case t;
        make_case(&r, &t);
        const int kind = rng_below(&r, 4), all = t.out_channels * t.in_channels * 9;
        for (int i = 0; kind && i < all; i++) { /* all alike; few large ones; one sign */
            if (kind == 1)
                t.plain[i] = 1;
            else if (kind == 2)
                t.plain[i] = rng_below(&r, 40) ? 0 : t.plain[i] * 1e6f;
            else
                t.plain[i] = fabsf(t.plain[i]);
        }
        pack_words(&t);
        const int group = pq_winograd16_sum(t.in_channels);
        for (int o = 0; o < t.out_channels; o++) {
            int64_t most = 0;
            int largest = 0;
            for (int k = 0; k < POINTS; k++) {
                int64_t sum = 0;
                int seen = 0;
                for (int i = 0; i < 2 * pq_winograd16_pairs(t.in_channels); i++) {
                    const int c = pq_winograd16_channel(t.in_channels, i / 2, i % 2);
                    const int word = word_at(&t, o, k, i / 2, i % 2);
                    sum = (i % (2 * group) ? sum : 0) + abs(word);
                    largest = PQ_MAX(largest, abs(word));
                    most = PQ_MAX(most, sum);
                    if (c >= t.in_channels) {
                        assert_int_equal(word, 0);
                        continue;
                    }
                    double u[POINTS];
                    pq_winograd_filter(
                        t.plain + ((size_t)o * (size_t)t.in_channels + (size_t)c) * 9, u);
                    for (int side = 0; side < 2; side++) {
                        const int at = side ? k / READ : k % READ;
                        u[k] *= at == 3 || at == 4 ? 2 : 1;
                    }
                    assert_true(fabs(u[k] / (double)t.factors[o] - word) <= 0.5001);
                    seen++;
                }
                assert_int_equal(seen, t.in_channels);
            }
            assert_true(most * 32767 <= INT32_MAX && largest <= 32767);
            if (t.factors[o] > 1e-30f)
                assert_true(most >= 65535 - 2 * group || largest >= 32766);
        }
        free_case(&t);
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
        struct rng r = {77};
        struct tiles_case t;
        do {
            make_case(&r, &t);
            if (t.in_channels < 64 || t.residual || t.slopes) {
                free_case(&t);
                t.in_channels = 0;
            }
        } while (t.in_channels == 0);
        const int out = t.out_channels, in = t.in_channels;
        memset(t.plain, 0, (size_t)(out * in * 9) * sizeof *t.plain);
        for (int i = 0; i < out * in; i++)
            t.plain[i * 9] = i / in % 2 ? 1 : -1;
        pack_words(&t);
        for (int i = 0; i < t.part_count; i++) {
            for (int k = 0; k < t.tile_rows * TILE + READ - TILE; k++) {
                const int pixels = t.width + 2;
                float *row = t.data[i][k] + t.parts[i].stride;
                for (int x = 0; x < pixels * t.parts[i].channels; x++)
                    row[x / t.parts[i].channels * t.parts[i].stride + x % t.parts[i].channels] =
                        32767.0f / 32768;
            }
        }
        float *have = run(&t, pq_winograd16(level));
        for (int tile = t.tile0; tile < t.tile1; tile++) {
            const int row = tile / t.across * TILE, x = tile % t.across * TILE;
            for (int o = 0; o < out && row >= t.first_row && row <= t.last_row; o++) {
                const double got =
                    have[(size_t)row * row_floats(&t) + GUARD + (size_t)(x * t.out_stride + o)];
                const double want = (double)t.bias[o] + (o % 2 ? 1 : -1) * in * 32767.0 / 32768;
                if (x + 2 <= t.width && fabs(got - want) > 1e-2 * in)
                    fail_msg("level %d, lane %d: %g, not %g", level, o, got, want);
            }
        }
        free(have);
        free_case(&t);
    }
}

/* NaN, infinity and what the transforms make infinite is NaN in all pixels that read it, and in no
 * tile that does not; no such float ever becomes a whole number (the sanitizers look). */
static void what_is_not_finite_stays_in_its_tiles(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 0x1.fffffep127f};
    for (int level = 0; level < PQ_CPU_LEVELS; level++) {
        if (!has_level(level))
            continue;
        for (uint64_t seed = 4000; seed < 4040; seed++) {
            struct rng r = {seed};
            struct tiles_case t;
            make_case(&r, &t);
            const int part = rng_below(&r, t.part_count);
            const int line = rng_below(&r, t.tile_rows * TILE + READ - TILE);
            const int column = rng_below(&r, t.width + 2);
            t.data[part][line][(column + 1) * t.parts[part].stride +
                               rng_below(&r, t.parts[part].channels)] = bad[seed % 4];
            float *have = run(&t, pq_winograd16(level));
            for (int tile = t.tile0; tile < t.tile1; tile++) {
                const int y0 = tile / t.across * TILE, x0 = tile % t.across * TILE;
                const bool tiles =
                    line >= y0 && line < y0 + READ && column >= x0 && column < x0 + READ;
                for (int i = 0; i < TILE * TILE; i++) {
                    const int y = y0 + i / TILE, x = x0 + i % TILE;
                    if (y < t.first_row || y > t.last_row || x >= t.width)
                        continue;
                    const bool reads = line >= y && line < y + 3 && column >= x && column < x + 3;
                    for (int o = 0; o < t.out_channels; o++) {
                        const float got = have[(size_t)y * row_floats(&t) + GUARD +
                                               (size_t)(x * t.out_stride + o)];
                        if (isnan(got) ? !tiles : reads)
                            fail_msg("level %d, %s: (%d, %d) is %g", level, named(&t, seed), x, y,
                                     (double)got);
                    }
                }
            }
            free(have);
            free_case(&t);
        }
    }
}

/* A filter that is not finite makes its channel NaN, and no other. */
static void a_filter_that_is_not_finite_is_told(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -0x1.fffffep127f};
    for (uint64_t seed = 4100; seed < 4112; seed++) {
        struct rng r = {seed};
        struct tiles_case t;
        make_case(&r, &t);
        const int o = rng_below(&r, t.out_channels);
        t.plain[o * t.in_channels * 9 + rng_below(&r, t.in_channels) * 9 + 4] = bad[seed % 3];
        pack_words(&t);
        for (int i = 0; i < t.blocks * PQ_CONV_LANES; i++)
            assert_true(i == o && seed % 3 < 2 ? isnan(t.factors[i])
                                               : i == o || isfinite(t.factors[i]));
        free_case(&t);
    }
}

/* Add to sums, one a point, what rounding to words makes of the products of one channel, at most:
 * half a step of each factor times the other. largest: of the tile's |v|, one a point. */
static void add_steps(const struct tiles_case *t, int tile, int part, int c, const float *g,
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

/* Rounding to words adds half a step of each factor of each product, a step of the input being at
 * most 2^-14 of the largest at its point, that of a weight the factor; what that comes to goes
 * through the transform of the output. Beside it stand the roundings of the floats, of which a path
 * has at most 22 and one a group, whose sum has none, but becomes a float and is added. */
static void the_reference_is_within_the_rounding_bound_of_the_direct_sum(void **state)
{
    (void)state;
    double worst = 0;
    for (uint64_t seed = 1000; seed < 1060; seed++) {
        struct rng r = {seed};
        struct tiles_case t;
        make_case(&r, &t);
        float *have = run(&t, pq_winograd16_c);
        const int group = pq_winograd16_sum(t.in_channels);
        const double n =
            (double)(22 + pq_ceil_div(pq_winograd16_pairs(t.in_channels), group)) * 0x1p-24;
        const double gamma = n / (1 - n);
        for (int k = 0; k < 40; k++) {
            const int tile = t.tile0 + rng_below(&r, t.tile1 - t.tile0);
            const int o = rng_below(&r, t.out_channels);
            double sizes[READ][READ] = {{0}}, steps[READ][READ] = {{0}}, most[READ][READ] = {{0}};
            for (int pass = 0; pass < 2; pass++) {
                for (int i = 0, c0 = 0; i < t.part_count; c0 += t.parts[i++].channels) {
                    for (int c = 0; c < t.parts[i].channels; c++) {
                        const float *g =
                            t.plain + ((size_t)o * (size_t)t.in_channels + (size_t)(c0 + c)) * 9;
                        add_steps(&t, tile, i, c, g, t.factors[o], most, pass ? steps : NULL);
                        if (pass)
                            add_sizes(&t, tile, i, c, g, sizes);
                    }
                }
            }
            for (int i = 0; i < TILE * TILE; i++) {
                const int y = i / TILE, x = i % TILE;
                const int row = tile / t.across * TILE + y, column = tile % t.across * TILE + x;
                if (row < t.first_row || row > t.last_row || column >= t.width)
                    continue;
                double size, bound = 0;
                const double want = exact(&t, tile, x, y, o, sizes, &size);
                for (int j = 0; j < POINTS; j++)
                    bound +=
                        out_sizes[y][j / READ] * steps[j / READ][j % READ] * out_sizes[x][j % READ];
                bound += gamma * size; /* scale and slopes are at most 1 */
                const double got = have[(size_t)row * row_floats(&t) + GUARD +
                                        (size_t)(column * t.out_stride + o)];
                worst = fmax(worst, fabs(got - want) / bound);
                if (!(fabs(got - want) <= bound * 1.001))
                    fail_msg("%s: pixel (%d, %d), channel %d: %a, not %a", named(&t, seed), column,
                             row, o, got, want);
            }
        }
        free(have);
        free_case(&t);
    }
    print_message("at most %.3f of the bound\n", worst);
    assert_true(worst > 1e-2); /* the bound says something */
}

static void nothing_else_is_written(void **state)
{
    (void)state;
    for (int level = 0; level <= (int)pq_cpu_best(); level++)
        check_written(pq_winograd16(level));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_bits_of_the_reference),
        cmocka_unit_test(so_it_does_at_all_sizes_of_values),
        cmocka_unit_test(the_reference_is_within_the_rounding_bound_of_the_direct_sum),
        cmocka_unit_test(no_sum_can_leave_32_bits),
        cmocka_unit_test(the_largest_sum_is_right),
        cmocka_unit_test(what_is_not_finite_stays_in_its_tiles),
        cmocka_unit_test(nothing_else_is_written),
        cmocka_unit_test(a_filter_that_is_not_finite_is_told),
    };
    return cmocka_run_group_tests_name("winograd16", tests, NULL, NULL);
}
