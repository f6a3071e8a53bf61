/* SPDX-License-Identifier: MIT */
/* Every variant of the convolution against the scalar reference, bit for bit, and the reference
 * against a sum in double. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../random.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "kernels/conv.h"

enum { GUARD = 64 };

/* One row of a convolution with everything around it. */
struct row_case {
    int in_channels, out_channels, width, x0, x1;
    int kernel_h, kernel_w, step, dilation, left; /* of the sliding window */
    int before, after;                            /* readable columns around a row */
    bool activation;
    int part_count;
    struct pq_conv_part parts[PQ_CONV_PARTS];
    float *rows_data[PQ_CONV_PARTS][7];
    const float *rows[PQ_CONV_PARTS][7];
    float *residual; /* or NULL */
    float scale;
    float *plain, *packed, *bias, *slopes;
    int blocks, out_stride;
};

static float *floats(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);
    assert_non_null(p);
    return p;
}

enum values { ORDINARY, EXTREME, ZEROS /* of both signs */ };

static float any_value(struct rng *r, enum values values)
{
    if (values == ZEROS)
        return rng_below(r, 2) ? 0.0f : -0.0f;
    static const float odd[] = {0.0f,     -0.0f,   INFINITY, -INFINITY, NAN, FLT_MAX,
                                -FLT_MAX, FLT_MIN, 1e-42f,   -1e-42f,   1.0f};
    return values == EXTREME && rng_below(r, 50) == 0 ? odd[rng_below(r, PQ_COUNT(odd))]
                                                      : rng_float(r);
}

static void make_case(struct rng *r, struct row_case *t)
{
    static const int channels[] = {1,  2,  3,  4,  5,  8,  12, 16, 17,
                                   24, 27, 32, 48, 64, 65, 80, 96, 130};
    static const int kernels[] = {1, 3, 3, 3, 5, 7};
    memset(t, 0, sizeof *t);
    t->out_channels = channels[rng_below(r, PQ_COUNT(channels))];
    t->kernel_h = t->kernel_w = kernels[rng_below(r, PQ_COUNT(kernels))];
    if (rng_below(r, 3) == 0)
        t->kernel_w = kernels[rng_below(r, PQ_COUNT(kernels))] + rng_below(r, 2);
    t->step = rng_below(r, 4) ? 1 : 2 + rng_below(r, 2);
    t->dilation = rng_below(r, 4) ? 1 : 2 + rng_below(r, 2);
    t->left = (t->kernel_w - 1) * t->dilation / 2;
    t->width = 1 + rng_below(r, 60);
    t->x0 = rng_below(r, t->width);
    t->x1 = t->x0 + rng_below(r, t->width - t->x0 + 1);
    t->activation = rng_below(r, 2);
    const enum values values = rng_below(r, 3) ? rng_below(r, 8) ? ORDINARY : ZEROS : EXTREME;
    t->blocks = (t->out_channels + PQ_CONV_LANES - 1) / PQ_CONV_LANES;
    t->out_stride = (t->blocks + rng_below(r, 2)) * PQ_CONV_LANES;
    t->part_count = rng_below(r, 2) ? 1 : 1 + rng_below(r, 4);
    t->before = t->left;
    t->after = (t->width - 1) * t->step + (t->kernel_w - 1) * t->dilation - t->left;
    for (int i = 0; i < t->part_count; i++) {
        struct pq_conv_part *part = &t->parts[i];
        part->channels = channels[rng_below(r, PQ_COUNT(channels))];
        part->stride = part->channels + rng_below(r, 3) * 5;
        part->rows = t->rows[i];
        t->in_channels += part->channels;
        size_t row = (size_t)(t->before + t->after + 1) * (size_t)part->stride;
        for (int k = 0; k < t->kernel_h; k++) {
            float *data = t->rows_data[i][k] = floats(row);
            for (size_t j = 0; j < row; j++)
                data[j] = any_value(r, values);
            t->rows[i][k] = data + t->before * part->stride;
        }
    }
    if (rng_below(r, 2)) {
        size_t size = (size_t)t->width * (size_t)t->blocks * PQ_CONV_LANES;
        t->residual = floats(size);
        t->scale = rng_float(r);
        for (size_t i = 0; i < size; i++)
            t->residual[i] = any_value(r, values);
    }
    size_t n =
        (size_t)t->out_channels * (size_t)t->in_channels * (size_t)(t->kernel_h * t->kernel_w);
    t->plain = floats(n);
    for (size_t i = 0; i < n; i++)
        t->plain[i] = any_value(r, values);
    t->packed =
        floats(pq_conv_packed_size(t->out_channels, t->in_channels, t->kernel_h * t->kernel_w));
    pq_conv_pack(t->plain, t->out_channels, t->in_channels, t->kernel_h * t->kernel_w, t->packed);
    t->bias = floats((size_t)t->blocks * PQ_CONV_LANES);
    t->slopes = floats((size_t)t->blocks * PQ_CONV_LANES);
    for (int i = 0; i < t->blocks * PQ_CONV_LANES; i++) {
        t->bias[i] = i < t->out_channels ? any_value(r, values == ZEROS ? ZEROS : ORDINARY) : 0.0f;
        t->slopes[i] = i < t->out_channels ? rng_float(r) : 0.0f;
    }
}

static void free_case(struct row_case *t)
{
    for (int i = 0; i < t->part_count; i++) {
        for (int k = 0; k < t->kernel_h; k++)
            free(t->rows_data[i][k]);
    }
    free(t->residual);
    free(t->plain);
    free(t->packed);
    free(t->bias);
    free(t->slopes);
}

static size_t out_floats(const struct row_case *t)
{
    return (size_t)t->width * (size_t)t->out_stride + 2 * GUARD;
}

/* Run a variant into memory that is full of a pattern, so that every write outside shows. */
static float *run(const struct row_case *t, pq_conv_fn *fn)
{
    size_t n = out_floats(t);
    float *out = floats(n);
    memset(out, 0xa5, n * sizeof *out);
    fn(&(struct pq_conv_args){.parts = t->parts,
                              .part_count = t->part_count,
                              .residual = t->residual,
                              .residual_stride = t->blocks * PQ_CONV_LANES,
                              .scale = t->scale,
                              .kernel_h = t->kernel_h,
                              .kernel_w = t->kernel_w,
                              .step = t->step,
                              .dilation = t->dilation,
                              .left = t->left,
                              .blocks = t->blocks,
                              .weights = t->packed,
                              .bias = t->bias,
                              .slopes = t->activation ? t->slopes : NULL,
                              .out = out + GUARD,
                              .out_stride = t->out_stride,
                              .x0 = t->x0,
                              .x1 = t->x1});
    return out;
}

/* Equal bits, except that one NaN is as good as another: which of two NaN operands a processor
 * hands on is not defined by IEEE 754. */
static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void every_level_gives_the_bits_of_the_reference(void **state)
{
    (void)state;
    for (int level = PQ_CPU_SCALAR + 1; level < PQ_CPU_LEVELS; level++) {
        if (!pq_cpu_has((enum pq_cpu_level)level)) {
            print_message("skipped: this processor has no %s\n",
                          pq_cpu_level_name((enum pq_cpu_level)level));
            continue;
        }
        for (uint64_t seed = 1; seed <= 150; seed++) {
            struct rng r = {seed};
            struct row_case t;
            make_case(&r, &t);
            float *want = run(&t, pq_conv_row_c);
            float *have = run(&t, pq_conv_row(level));
            for (size_t i = 0; i < out_floats(&t); i++) {
                if (!same(want[i], have[i]))
                    fail_msg("%s, seed %llu: %d->%d channels, %dx%d, pixels %d..%d of %d: "
                             "float %zu is %a, not %a",
                             pq_cpu_level_name((enum pq_cpu_level)level), (unsigned long long)seed,
                             t.in_channels, t.out_channels, t.kernel_w, t.kernel_h, t.x0, t.x1,
                             t.width, i, (double)have[i], (double)want[i]);
            }
            free(want);
            free(have);
            free_case(&t);
        }
    }
}

/* Add what part i, whose first channel is c0, gives to channel o of pixel x. */
static void add_part(const struct row_case *t, int i, int c0, int x, int o, double *sum,
                     double *size)
{
    const struct pq_conv_part *part = &t->parts[i];
    for (int ky = 0; ky < t->kernel_h; ky++) {
        for (int kx = 0; kx < t->kernel_w; kx++) {
            int column = x * t->step + kx * t->dilation - t->left;
            for (int c = 0; c < part->channels; c++) {
                int at = ((o * t->in_channels + c0 + c) * t->kernel_h + ky) * t->kernel_w + kx;
                double v = (double)part->rows[ky][column * part->stride + c] * t->plain[at];
                *sum += v;
                *size += fabs(v);
            }
        }
    }
}

/* |sum - exact| <= gamma_K sum |x||w| with gamma_K = K u / (1 - K u), Higham 2002, 3.1; fma does
 * one rounding a term. */
static void the_reference_is_within_the_rounding_bound_of_the_exact_sum(void **state)
{
    (void)state;
    for (uint64_t seed = 1000; seed < 1040; seed++) {
        struct rng r = {seed};
        struct row_case t;
        make_case(&r, &t);
        float *have = run(&t, pq_conv_row_c);
        double terms = (double)t.in_channels * t.kernel_h * t.kernel_w + 3;
        double gamma = terms * 0x1p-24 / (1 - terms * 0x1p-24);
        for (int x = t.x0; x < t.x1; x++) {
            for (int o = 0; o < t.out_channels; o++) {
                double sum = t.bias[o], size = fabs(sum);
                int c = 0;
                for (int i = 0; i < t.part_count; c += t.parts[i++].channels)
                    add_part(&t, i, c, x, o, &sum, &size);
                if (t.activation && sum < 0)
                    sum *= t.slopes[o];
                if (t.residual) {
                    double residual = t.residual[x * t.blocks * PQ_CONV_LANES + o];
                    sum = residual + t.scale * sum;
                    size = size + fabs(residual); /* scale is at most 1 */
                }
                double got = have[GUARD + x * t.out_stride + o];
                if (isfinite(size) && size < FLT_MAX &&
                    fabs(got - sum) > gamma * size * 1.001 + 1e-44)
                    fail_msg("seed %llu, pixel %d, channel %d: %a, not %a",
                             (unsigned long long)seed, x, o, got, sum);
            }
        }
        free(have);
        free_case(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_bits_of_the_reference),
        cmocka_unit_test(the_reference_is_within_the_rounding_bound_of_the_exact_sum),
    };
    return cmocka_run_group_tests_name("conv", tests, NULL, NULL);
}
