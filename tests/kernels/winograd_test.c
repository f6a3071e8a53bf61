/* SPDX-License-Identifier: MIT */
/* Winograd's convolution: every level against the reference, bit for bit; the reference against the
 * direct sum in double; and that nothing is read or written but what is promised. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "kernels/wide.h"
#include "tiles.h"

static void every_level_gives_the_bits_of_the_reference(void **state)
{
    (void)state;
    for (int level = PQ_CPU_AVX2; level < PQ_CPU_LEVELS; level++) {
        if (level > (int)pq_cpu_best()) {
            print_message("skipped: this processor has no %s\n",
                          pq_cpu_level_name((enum pq_cpu_level)level));
            continue;
        }
        for (uint64_t seed = 1; seed <= 150; seed++) {
            struct rng r = {seed};
            struct tiles_case t;
            make_case(&r, &t);
            float *want = run(&t, pq_winograd_c), *have = run(&t, pq_wide(level)->winograd);
            for (size_t i = 0; i < all_floats(&t); i++) {
                if (memcmp(&want[i], &have[i], sizeof *want) != 0)
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

/* Every path from an input to a result has at most 3 roundings a transform of the input, in two
 * directions, constants included; 1 of the weight; K of the sum; 4 a transform of the output; and 4
 * of bias, activation, scale and what is added to. Each is in proportion to the sizes of what goes
 * in, so that |error| <= gamma_n times the result of all transforms with the sizes of their factors
 * (Higham 2002, 3.1), n = K + 19. */
static void the_reference_is_within_the_rounding_bound_of_the_direct_sum(void **state)
{
    (void)state;
    double worst = 0;
    for (uint64_t seed = 1000; seed < 1060; seed++) {
        struct rng r = {seed};
        struct tiles_case t;
        make_case(&r, &t);
        float *have = run(&t, pq_winograd_c);
        const double n = (t.in_channels + 19) * 0x1p-24, gamma = n / (1 - n);
        for (int k = 0; k < 40; k++) {
            const int tile = t.tile0 + rng_below(&r, t.tile1 - t.tile0);
            const int o = rng_below(&r, t.out_channels);
            double sums[READ][READ] = {{0}}, size;
            for (int i = 0, c0 = 0; i < t.part_count; c0 += t.parts[i++].channels) {
                for (int c = 0; c < t.parts[i].channels; c++)
                    add_sizes(&t, tile, i, c,
                              t.plain + ((size_t)o * (size_t)t.in_channels + (size_t)(c0 + c)) * 9,
                              sums);
            }
            for (int y = 0; y < TILE; y++) {
                const int row = tile / t.across * TILE + y, x0 = tile % t.across * TILE;
                if (row < t.first_row || row > t.last_row)
                    continue;
                for (int x = 0; x < TILE && x0 + x < t.width; x++) {
                    const double want = exact(&t, tile, x, y, o, sums, &size);
                    const double got = have[(size_t)row * row_floats(&t) + GUARD +
                                            (size_t)((x0 + x) * t.out_stride + o)];
                    worst = fmax(worst, fabs(got - want) / (gamma * size));
                    if (!(fabs(got - want) <= gamma * size * 1.001))
                        fail_msg("%s: pixel (%d, %d), channel %d: %a, not %a", named(&t, seed),
                                 x0 + x, row, o, got, want);
                }
            }
        }
        free(have);
        free_case(&t);
    }
    print_message("at most %.3f of the bound\n", worst);
    assert_true(worst > 1e-4); /* the bound says something */
}

static void nothing_else_is_written(void **state)
{
    (void)state;
    for (int level = 0; level <= (int)pq_cpu_best(); level++)
        check_written(pq_wide(level)->winograd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_bits_of_the_reference),
        cmocka_unit_test(the_reference_is_within_the_rounding_bound_of_the_direct_sum),
        cmocka_unit_test(nothing_else_is_written),
    };
    return cmocka_run_group_tests_name("winograd", tests, NULL, NULL);
}
