/* SPDX-License-Identifier: MIT */
/* The reference of Winograd's convolution against the direct sum in double, within what its
 * roundings can amount to. That variants have its bits: trial_test.c. */
#include "tiles.h"

#include "base/cpu.h"
#include "kernels/trial/trial.h"

/* Every path from an input to a result has at most 3 roundings a transform of the input, in two
 * directions, constants included; 1 of the weight; K of the sum; 4 a transform of the output; and 4
 * of bias, activation, scale and what is added to. Each is in proportion to the sizes of what goes
 * in, so that |error| <= gamma_n times the result of all transforms with the sizes of their factors
 * (Higham 2002, 3.1), n = K + 19. */
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
            worst = fmax(worst, check_tile(t, tile, o, gamma, NULL, trial.shape));
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
