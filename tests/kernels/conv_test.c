/* SPDX-License-Identifier: MIT */
/* The scalar reference of the convolution against a sum in double. That variants have its bits:
 * trial_test.c. */
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

/* Add what part i, whose first channel is c0, gives to channel o of pixel x. */
static void add_part(const struct pq_trial_conv *t, int i, int c0, int x, int o, double *sum,
                     double *size)
{
    const struct pq_conv_args *a = &t->args;
    const struct pq_conv_part *part = &t->parts[i];
    for (int ky = 0; ky < a->kernel_h; ky++) {
        for (int kx = 0; kx < a->kernel_w; kx++) {
            int column = x * a->step + kx * a->dilation - a->left;
            for (int c = 0; c < part->channels; c++) {
                int at = ((o * t->in_channels + c0 + c) * a->kernel_h + ky) * a->kernel_w + kx;
                double v = (double)part->rows[ky][column * part->stride + c] * t->plain[at];
                *sum += v;
                *size += fabs(v);
            }
        }
    }
}

/* Channel o of pixel x; *size: what its roundings are in proportion to. */
static double exact(const struct pq_trial_conv *t, int x, int o, double *size)
{
    const struct pq_conv_args *a = &t->args;
    double sum = a->bias[o];
    *size = fabs(sum);
    for (int i = 0, c = 0; i < a->part_count; c += t->parts[i++].channels)
        add_part(t, i, c, x, o, &sum, size);
    if (a->slopes && sum < 0) {
        sum *= a->slopes[o];
        *size *= fmax(1, fabs(a->slopes[o]));
    }
    if (a->residual) {
        const double residual = a->residual[x * a->residual_stride + o];
        sum = residual + a->scale * sum;
        *size += fabs(residual); /* scale is at most 1 */
    }
    return sum;
}

/* |sum - exact| <= gamma_K sum |x||w| with gamma_K = K u / (1 - K u), Higham 2002, 3.1; fma does
 * one rounding a term. */
static void the_reference_is_within_the_rounding_bound_of_the_exact_sum(void **state)
{
    (void)state;
    int checked = 0;
    for (uint64_t seed = 1000; seed < 1040; seed++) {
        struct pq_trial trial;
        assert_int_equal(
            pq_trial_make(&trial, pq_trial_find("convolution"), PQ_CPU_SCALAR, seed, false, NULL),
            0);
        pq_trial_run(&trial);
        const struct pq_trial_conv *t = trial.args;
        const double terms = (double)pq_conv_products(&t->args) + 3;
        const double gamma = terms * 0x1p-24 / (1 - terms * 0x1p-24);
        for (int x = t->args.x0; x < t->args.x1; x++) {
            for (int o = 0; o < t->out_channels; o++) {
                double size;
                const double want = exact(t, x, o, &size);
                const double got = t->args.out[x * t->args.out_stride + o];
                if (!isfinite(size) || size >= FLT_MAX)
                    continue;
                checked++;
                if (!(fabs(got - want) <= gamma * size * 1.001 + 1e-44))
                    fail_msg("seed %llu, pixel %d, channel %d: %a, not %a",
                             (unsigned long long)seed, x, o, got, want);
            }
        }
        pq_trial_free(&trial);
    }
    assert_true(checked > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_is_within_the_rounding_bound_of_the_exact_sum),
    };
    return cmocka_run_group_tests_name("conv", tests, NULL, NULL);
}
