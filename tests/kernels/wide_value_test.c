/* SPDX-License-Identifier: MIT */
/* The baseline of the wide kernels against their definitions in double, with the bounds that
 * docs/numerics.md tells. u is half a unit in the last place of 1. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "kernels/curve.h"
#include "kernels/wide.h"

#define U 0x1p-24

enum { CHANNELS = 70, TOKENS = 70, SEEDS = 60 };

static double gamma_of(double terms)
{
    return terms * U / (1 - terms * U);
}

static void fill(struct rng *r, float *p, size_t n, float size)
{
    for (size_t i = 0; i < n; i++)
        p[i] = size * rng_float(r);
}

static void near(const char *what, uint64_t seed, double have, double want, double bound)
{
    if (!(fabs(have - want) <= bound))
        fail_msg("%s, seed %llu: %.9g, not %.9g; off by %.3g, allowed %.3g", what,
                 (unsigned long long)seed, have, want, fabs(have - want), bound);
}

static double d_softplus(double x)
{
    return x > 20 ? x : log1p(exp(x));
}

static double d_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double d_silu(double x)
{
    return x * d_sigmoid(x);
}

static double d_gelu(double x)
{
    return x * 0.5 * erfc(-x * sqrt(0.5));
}

static double d_gelu_tanh(double x)
{
    return x / 2 * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

static double d_mish(double x)
{
    return x * tanh(log1p(exp(x)));
}

struct curve {
    const char *name;
    float (*fn)(float x);
    pq_curve_fn *row;
    double (*definition)(double x);
    double bound; /* times max(1, |x|) where the curve grows */
    bool grows;
    float low, high; /* at -infinity and infinity */
};

static float silu(float x)
{
    return x * pq_sigmoid(x);
}

static void curves_are_within_their_bounds(void **state)
{
    (void)state;
    const struct curve curves[] = {
        {"erf", pq_erf, NULL, erf, 2e-7, false, -1, 1},
        {"tanh", pq_tanh, pq_wide_c.tanh, tanh, 2e-7, false, -1, 1},
        {"sigmoid", pq_sigmoid, pq_wide_c.sigmoid, d_sigmoid, 2e-7, false, 0, 1},
        {"silu", silu, pq_wide_c.silu, d_silu, 2e-7, true, -INFINITY, INFINITY},
        {"gelu", pq_gelu, pq_wide_c.gelu, d_gelu, 2e-7, true, 0, INFINITY},
        {"gelu_tanh", pq_gelu_tanh, pq_wide_c.gelu_tanh, d_gelu_tanh, 4e-7, true, 0, INFINITY},
        {"mish", pq_mish, pq_wide_c.mish, d_mish, 4e-7, true, 0, INFINITY},
        {"softplus", pq_softplus, pq_wide_c.softplus, d_softplus, 2e-7, true, 0, INFINITY},
    };
    for (size_t i = 0; i < PQ_COUNT(curves); i++) {
        const struct curve *c = &curves[i];
        double worst = 0;
        for (int k = -(1 << 19); k <= 1 << 19; k++) {
            /* Up to 27, closer together near zero. */
            float t = (float)k * 0x1p-19f, x = t * (0.5f + 26.5f * t * t), y = c->fn(x);
            if (c->row) {
                float row = NAN;
                c->row(&x, 1, 1, 1, &row, 1);
                assert_memory_equal(&row, &y, sizeof y);
            }
            double off = fabs(y - c->definition((double)x));
            if (c->grows)
                off /= fmax(1, fabs((double)x));
            worst = fmax(worst, off);
        }
        print_message("%s: %.2e\n", c->name, worst);
        assert_true(worst <= c->bound);
        assert_true(isnan(c->fn(NAN)) && isnan(c->fn(-NAN)));
        float low = c->fn(-INFINITY), high = c->fn(INFINITY);
        assert_true(low == c->low || fabsf(low - c->low) < 1e-35f);
        assert_true(high == c->high);
        assert_true(fabs(c->fn(0) - c->definition(0)) <= c->bound);
    }
}

/* An absolute bound says little there. */
static void tanh_is_relatively_right_near_zero(void **state)
{
    (void)state;
    for (float x = 1e-20f; x < 0.6f; x *= 1.01f) {
        near("tanh", 0, pq_tanh(x), tanh((double)x), 2e-7 * x);
        assert_true(pq_tanh(-x) == -pq_tanh(x));
    }
}

static void depthwise_is_within_gamma_of_the_exact_sum(void **state)
{
    (void)state;
    static float rows_data[5][CHANNELS * 40], weights[25 * CHANNELS], bias[CHANNELS];
    static float out[CHANNELS * 20];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        const float *rows[5];
        fill(&r, &rows_data[0][0], PQ_COUNT(rows_data) * PQ_COUNT(rows_data[0]), 2);
        fill(&r, weights, PQ_COUNT(weights), 1);
        fill(&r, bias, PQ_COUNT(bias), 1);
        struct pq_depthwise_args a = {.rows = rows,
                                      .in_stride = CHANNELS,
                                      .kernel_h = 1 + rng_below(&r, 5),
                                      .kernel_w = 1 + rng_below(&r, 5),
                                      .step = 1 + rng_below(&r, 2),
                                      .dilation = 1 + rng_below(&r, 2),
                                      .left = 8,
                                      .channels = 1 + rng_below(&r, CHANNELS),
                                      .weights = weights,
                                      .bias = bias,
                                      .out = out,
                                      .out_stride = CHANNELS,
                                      .x1 = 11};
        for (int k = 0; k < a.kernel_h; k++)
            rows[k] = rows_data[k] + a.left * CHANNELS;
        pq_wide_c.depthwise(&a);
        for (int i = 0; i < a.x1 * a.channels; i++) {
            int x = i / a.channels, c = i % a.channels;
            double sum = bias[c], size = fabs(sum);
            for (int tap = 0; tap < a.kernel_h * a.kernel_w; tap++) {
                int at = x * a.step + tap % a.kernel_w * a.dilation - a.left;
                double v = (double)rows[tap / a.kernel_w][at * CHANNELS + c] *
                           weights[tap * a.channels + c];
                sum += v;
                size += fabs(v);
            }
            near("depthwise", seed, out[x * CHANNELS + c], sum,
                 gamma_of(a.kernel_h * a.kernel_w) * size);
        }
    }
}

static void pools_count_what_lies_inside(void **state)
{
    (void)state;
    static float data[4][CHANNELS * 12], most[CHANNELS * 16], mean[CHANNELS * 16];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        fill(&r, &data[0][0], PQ_COUNT(data) * PQ_COUNT(data[0]), 2);
        const float *rows[4];
        struct pq_pool_args a = {.rows = rows,
                                 .in_stride = CHANNELS,
                                 .in_width = 12,
                                 .kernel_h = 1 + rng_below(&r, 4),
                                 .kernel_w = 1 + rng_below(&r, 4),
                                 .step = 1 + rng_below(&r, 3),
                                 .channels = 1 + rng_below(&r, CHANNELS),
                                 .out = most,
                                 .out_stride = CHANNELS};
        a.left = rng_below(&r, a.kernel_w);
        a.out_width = 12 / a.step;
        for (int k = 0; k < a.kernel_h; k++)
            rows[k] = rng_below(&r, 3) ? data[k] : NULL;
        pq_wide_c.max_pool(&a);
        a.out = mean;
        pq_wide_c.mean_pool(&a);
        const int taps = a.kernel_h * a.kernel_w;
        for (int i = 0; i < a.out_width * a.channels; i++) {
            int x = i / a.channels, c = i % a.channels;
            double largest = -INFINITY, sum = 0, size = 0;
            for (int tap = 0; tap < taps; tap++) {
                int at = x * a.step + tap % a.kernel_w - a.left;
                const float *row = rows[tap / a.kernel_w];
                if (row && at >= 0 && at < a.in_width) {
                    double v = row[at * CHANNELS + c];
                    largest = fmax(largest, v);
                    sum += v;
                    size += fabs(v);
                }
            }
            assert_true(most[x * CHANNELS + c] == (float)largest);
            near("mean", seed, mean[x * CHANNELS + c], sum / taps, gamma_of(taps) * size / taps);
        }
    }
}

static void the_largest_of_a_window_with_a_nan_is_nan(void **state)
{
    (void)state;
    for (int at = 0; at < 4; at++) {
        float in[4] = {1, 2, 3, 4}, out = 0;
        in[at] = NAN;
        const float *row = in;
        pq_wide_c.max_pool(&(struct pq_pool_args){.rows = &row,
                                                  .in_stride = 1,
                                                  .in_width = 4,
                                                  .kernel_h = 1,
                                                  .kernel_w = 4,
                                                  .step = 4,
                                                  .channels = 1,
                                                  .out = &out,
                                                  .out_stride = 1,
                                                  .out_width = 1});
        assert_true(isnan(out));
    }
}

/* With n channels a sum over them has at most n/16 + 4 roundings in a row. To first order in u: the
 * mean is off by that times u mean |x|; a difference d by that and u |d|; the deviation s by half
 * the roundings and what differences are off by. */
static void norms_are_within_their_bounds(void **state)
{
    (void)state;
    static float in[CHANNELS], gain[CHANNELS], beta[CHANNELS], out[CHANNELS], rms[CHANNELS];
    for (uint64_t seed = 1; seed <= 20 * SEEDS; seed++) {
        struct rng r = {seed};
        const int n = 2 + rng_below(&r, CHANNELS - 1);
        const float offset = 3 * rng_float(&r), eps = 1e-5f;
        fill(&r, in, (size_t)n, 2);
        fill(&r, gain, (size_t)n, 1);
        fill(&r, beta, (size_t)n, 1);
        double mean = 0, size = 0, square = 0, squares = 0, most = 0;
        for (int c = 0; c < n; c++) {
            in[c] += offset;
            mean += in[c] / (double)n;
            size += fabs((double)in[c]) / n;
            squares += (double)in[c] * in[c] / n;
        }
        for (int c = 0; c < n; c++) {
            square += (in[c] - mean) * (in[c] - mean) / n;
            most = fmax(most, fabs(in[c] - mean));
        }
        const double s = sqrt(square + eps), steps = n / 16 + 6;
        const double mean_off = steps * U * size;
        pq_wide_c.layer_norm(in, n, 1, n, gain, beta, eps, out, n);
        pq_wide_c.rms_norm(in, n, 1, n, gain, beta, eps, rms, n);
        for (int c = 0; c < n; c++) {
            double d = in[c] - mean, want = d / s * gain[c] + beta[c];
            double relative = (steps / 2 + 4) * U + (mean_off + U * most) / s;
            double off = (mean_off + U * fabs(d)) / s + fabs(d) / s * relative;
            near("layer norm", seed, out[c], want,
                 1.01 * (off * fabs((double)gain[c]) + U * fabs(want)));
            want = in[c] / sqrt(squares + eps) * gain[c];
            near("rms norm", seed, rms[c], want + beta[c],
                 1.01 * ((steps / 2 + 5) * U * fabs(want) + U * fabs(want + beta[c])));
        }
    }
}

static void sums_of_a_row_are_those_of_the_definition(void **state)
{
    (void)state;
    enum { WIDTH = 37, HEADS = 2, DIM = 19, ALL = HEADS * DIM };
    static float q[WIDTH * ALL], k[WIDTH * ALL], out[WIDTH * ALL], matrix[ALL * DIM];
    static double gram[ALL * DIM], qq[ALL], kk[ALL], sums[ALL], squares[ALL];
    struct rng r = {7};
    fill(&r, q, PQ_COUNT(q), 3);
    fill(&r, k, PQ_COUNT(k), 3);
    fill(&r, matrix, PQ_COUNT(matrix), 1);
    pq_wide_c.row_sums(q, ALL, WIDTH, ALL, sums, squares);
    pq_wide_c.row_gram(q, ALL, k, ALL, WIDTH, HEADS, DIM, gram, qq, kk);
    pq_wide_c.mix(q, ALL, WIDTH, HEADS, DIM, matrix, out, ALL);
    for (int i = 0; i < ALL; i++) {
        double sum = 0, square = 0, k_square = 0;
        for (int x = 0; x < WIDTH; x++) {
            sum += q[x * ALL + i];
            square += (double)q[x * ALL + i] * q[x * ALL + i];
            k_square += (double)k[x * ALL + i] * k[x * ALL + i];
        }
        assert_true(sums[i] == sum && squares[i] == square && qq[i] == square);
        assert_true(kk[i] == k_square);
        const int first = i / DIM * DIM;
        for (int j = 0; j < DIM; j++) {
            double product = 0;
            for (int x = 0; x < WIDTH; x++)
                product += (double)q[x * ALL + i] * k[x * ALL + first + j];
            assert_true(gram[i * DIM + j] == product);
        }
        for (int x = 0; x < WIDTH; x++) {
            double want = 0, size = 0;
            for (int j = 0; j < DIM; j++) {
                double v = (double)matrix[(first + j) * DIM + i % DIM] * q[x * ALL + first + j];
                want += v;
                size += fabs(v);
            }
            near("mix", 7, out[x * ALL + i], want, gamma_of(DIM) * size);
        }
    }
}

/* A softmax whose scores are off by e has weights off by a factor of exp(2 e) at most; on top of it
 * come the roundings of exp, of the sums and of the division. */
static double softmax_bound(double e, double sum_steps, double products)
{
    return expm1(2 * e) + (6 + sum_steps) * U + gamma_of(products);
}

static void attention_is_within_its_bound(void **state)
{
    (void)state;
    static float q[TOKENS * CHANNELS], k[TOKENS * CHANNELS], v[TOKENS * CHANNELS];
    static float bias[TOKENS * TOKENS], out[TOKENS * CHANNELS];
    static float scratch[200 * (CHANNELS + 16)];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        struct pq_attention_args a = {.queries = 1 + rng_below(&r, TOKENS),
                                      .keys = 1 + rng_below(&r, TOKENS),
                                      .dim = 1 + rng_below(&r, CHANNELS),
                                      .q = q,
                                      .k = k,
                                      .v = v,
                                      .q_stride = CHANNELS,
                                      .k_stride = CHANNELS,
                                      .v_stride = CHANNELS,
                                      .scale = rng_float(&r),
                                      .bias = seed % 2 ? bias : NULL,
                                      .out = out,
                                      .out_stride = CHANNELS,
                                      .scratch = scratch};
        assert_true(pq_attention_scratch(a.queries, a.keys, a.dim) <= PQ_COUNT(scratch));
        fill(&r, q, PQ_COUNT(q), 2);
        fill(&r, k, PQ_COUNT(k), 2);
        fill(&r, v, PQ_COUNT(v), 2);
        fill(&r, bias, PQ_COUNT(bias), 3);
        pq_wide_c.attention(&a);
        for (int i = 0; i < a.queries; i++) {
            double s[TOKENS], most = -INFINITY, sum = 0, e = 0;
            for (int j = 0; j < a.keys; j++) {
                double size = 0;
                s[j] = 0;
                for (int c = 0; c < a.dim; c++) {
                    double p = (double)a.scale * q[i * CHANNELS + c] * k[j * CHANNELS + c];
                    s[j] += p;
                    size += fabs(p);
                }
                if (a.bias)
                    s[j] += bias[i * a.keys + j];
                most = fmax(most, s[j]);
                e = fmax(e, gamma_of(a.dim + 1) * size + U * fabs(s[j]));
            }
            double least = most;
            for (int j = 0; j < a.keys; j++) {
                sum += exp(s[j] - most);
                least = fmin(least, s[j]);
            }
            e += U * (most - least);
            for (int c = 0; c < a.dim; c++) {
                double want = 0, size = 0;
                for (int j = 0; j < a.keys; j++) {
                    double p = exp(s[j] - most) / sum * v[j * CHANNELS + c];
                    want += p;
                    size += fabs(p);
                }
                near("attention", seed, out[i * CHANNELS + c], want,
                     softmax_bound(e, a.keys / 16 + 5, a.keys) * size);
            }
        }
    }
}

/* Row i of the matrix of channel attention into s; how far off its scores may be. */
static double channel_scores(const struct pq_channel_attention_args *a, int i, double *s)
{
    double e = 0;
    for (int j = 0; j < a->dim; j++) {
        double product = 0, size = 0, qq = 0, kk = 0;
        for (int t = 0; t < a->tokens; t++) {
            double q = a->q[t * CHANNELS + i], k = a->k[t * CHANNELS + j];
            product += q * k;
            size += fabs(q * k);
            qq += q * q;
            kk += k * k;
        }
        double factor = a->temperature / fmax(sqrt(qq), 1e-12) / fmax(sqrt(kk), 1e-12);
        s[j] = product * factor;
        /* The product; two norms, each half of its sum's roundings and a root; three products. */
        e = fmax(e, (gamma_of(a->tokens) * size + (a->tokens + 6) * U * size) * fabs(factor));
    }
    return e;
}

static void channel_attention_is_within_its_bound(void **state)
{
    (void)state;
    static float q[TOKENS * CHANNELS], k[TOKENS * CHANNELS], v[TOKENS * CHANNELS];
    static float out[TOKENS * CHANNELS], scratch[CHANNELS * (CHANNELS + 4)];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        struct pq_channel_attention_args a = {.tokens = 1 + rng_below(&r, TOKENS),
                                              .dim = 1 + rng_below(&r, CHANNELS),
                                              .q = q,
                                              .k = k,
                                              .v = v,
                                              .q_stride = CHANNELS,
                                              .k_stride = CHANNELS,
                                              .v_stride = CHANNELS,
                                              .temperature = 4 * rng_float(&r),
                                              .out = out,
                                              .out_stride = CHANNELS,
                                              .scratch = scratch};
        assert_true(pq_channel_attention_scratch(a.dim) <= PQ_COUNT(scratch));
        fill(&r, q, PQ_COUNT(q), 2);
        fill(&r, k, PQ_COUNT(k), 2);
        fill(&r, v, PQ_COUNT(v), 2);
        if (seed % 4 == 0) { /* a channel without any size */
            for (int t = 0; t < TOKENS; t++)
                q[t * CHANNELS] = k[t * CHANNELS] = 0;
        }
        pq_wide_c.channel_attention(&a);
        for (int i = 0; i < a.dim; i++) {
            double s[CHANNELS], most = -INFINITY, sum = 0, e = channel_scores(&a, i, s);
            for (int j = 0; j < a.dim; j++)
                most = fmax(most, s[j]);
            e += 2 * U * fabs((double)a.temperature); /* of the difference */
            for (int j = 0; j < a.dim; j++)
                sum += exp(s[j] - most);
            for (int t = 0; t < a.tokens; t++) {
                double want = 0, size = 0;
                for (int j = 0; j < a.dim; j++) {
                    double p = exp(s[j] - most) / sum * v[t * CHANNELS + j];
                    want += p;
                    size += fabs(p);
                }
                near("channel attention", seed, out[t * CHANNELS + i], want,
                     softmax_bound(e, a.dim, a.dim) * size);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_are_within_their_bounds),
        cmocka_unit_test(tanh_is_relatively_right_near_zero),
        cmocka_unit_test(depthwise_is_within_gamma_of_the_exact_sum),
        cmocka_unit_test(pools_count_what_lies_inside),
        cmocka_unit_test(the_largest_of_a_window_with_a_nan_is_nan),
        cmocka_unit_test(norms_are_within_their_bounds),
        cmocka_unit_test(sums_of_a_row_are_those_of_the_definition),
        cmocka_unit_test(attention_is_within_its_bound),
        cmocka_unit_test(channel_attention_is_within_its_bound),
    };
    return cmocka_run_group_tests_name("wide_value", tests, NULL, NULL);
}
