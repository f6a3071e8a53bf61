/* SPDX-License-Identifier: MIT */
/* Every level of the wide kernels against the baseline, bit for bit, and nothing written but what
 * they promise; and the baseline of this machine against that of every other. What it is worth:
 * wide_value_test.c. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

#include "../random.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "kernels/wide.h"

enum { GUARD = 32, BUFFERS = 24, SEEDS = 400 };

/* One call: its random numbers, all memory that it uses, and what it has written. */
struct call {
    const struct pq_wide *wide;
    struct rng rng;
    bool extreme, zeros; /* of both signs, and nothing else */
    void *buffers[BUFFERS];
    int buffer_count;
    float *out; /* GUARD floats, then the result, then GUARD floats */
    size_t out_floats;
    double *sums; /* likewise, or NULL */
    size_t sum_count;
};

static void *bytes(struct call *c, size_t n)
{
    void *p = malloc(n ? n : 1);
    assert_non_null(p);
    assert_true(c->buffer_count < BUFFERS);
    return c->buffers[c->buffer_count++] = p;
}

static int below(struct call *c, int n)
{
    return rng_below(&c->rng, n);
}

static float any_value(struct call *c)
{
    static const float odd[] = {0.0f,     -0.0f,   INFINITY, -INFINITY, NAN,    FLT_MAX,
                                -FLT_MAX, FLT_MIN, 1e-42f,   -1e-42f,   -88.0f, 1e5f};
    if (c->extreme && below(c, 50) == 0)
        return odd[below(c, PQ_COUNT(odd))];
    if (c->zeros)
        return below(c, 2) ? 0.0f : -0.0f;
    float v = rng_float(&c->rng);
    return below(c, 4) ? v : 20.0f * v;
}

/* Memory of just this size, so that a sanitizer sees what is read beyond. */
static float *values(struct call *c, size_t n)
{
    float *p = bytes(c, n * sizeof *p);
    for (size_t i = 0; i < n; i++)
        p[i] = any_value(c);
    return p;
}

/* `width` pixels, the last one only as long as its channels. */
static float *pixels(struct call *c, int width, int stride, int channels)
{
    return values(c, width ? (size_t)(width - 1) * (size_t)stride + (size_t)channels : 0);
}

static float *result(struct call *c, size_t n)
{
    c->out_floats = n + 2 * GUARD;
    c->out = bytes(c, c->out_floats * sizeof *c->out);
    memset(c->out, 0xa5, c->out_floats * sizeof *c->out);
    return c->out + GUARD;
}

static double *result_sums(struct call *c, size_t n)
{
    c->sum_count = n + 2 * GUARD;
    c->sums = bytes(c, c->sum_count * sizeof *c->sums);
    memset(c->sums, 0xa5, c->sum_count * sizeof *c->sums);
    return c->sums + GUARD;
}

static bool untouched(const void *p, size_t n)
{
    const unsigned char *b = p;
    while (n > 0 && b[n - 1] == 0xa5)
        n--;
    return n == 0;
}

/* Nothing but the channels of pixels x0 .. x1-1 was written; pixel 0 stands GUARD floats in. */
static void check_gaps(const struct call *c, int x0, int x1, int stride, int channels)
{
    size_t at = 0;
    for (int x = x0; x < x1; x++) {
        size_t pixel = GUARD + (size_t)x * (size_t)stride;
        assert_true(untouched(c->out + at, (pixel - at) * sizeof(float)));
        at = pixel + (size_t)channels;
    }
    assert_true(untouched(c->out + at, (c->out_floats - at) * sizeof(float)));
}

static int some_channels(struct call *c)
{
    static const int channels[] = {1, 2, 3, 5, 8, 15, 16, 17, 24, 30, 31, 32, 33, 48, 60, 64, 67};
    return channels[below(c, PQ_COUNT(channels))];
}

static int some_stride(struct call *c, int channels)
{
    return channels + (below(c, 2) ? 0 : below(c, 20));
}

static void call_curve(struct call *c)
{
    pq_curve_fn *const curves[] = {c->wide->sigmoid,   c->wide->silu, c->wide->gelu,
                                   c->wide->gelu_tanh, c->wide->mish, c->wide->tanh,
                                   c->wide->softplus};
    pq_curve_fn *curve = curves[below(c, PQ_COUNT(curves))];
    int width = below(c, 12), channels = some_channels(c), stride = some_stride(c, channels);
    int in_stride = some_stride(c, channels);
    float *in = pixels(c, width, in_stride, channels);
    float *out = result(c, (size_t)width * (size_t)stride);
    if (below(c, 2)) {
        curve(in, in_stride, width, channels, out, stride);
    } else { /* in place */
        for (int x = 0; x < width; x++)
            memcpy(out + x * stride, in + x * in_stride, (size_t)channels * sizeof *out);
        curve(out, stride, width, channels, out, stride);
    }
    check_gaps(c, 0, width, stride, channels);
}

static void call_depthwise(struct call *c)
{
    const float *rows[7];
    struct pq_depthwise_args a = {.rows = rows,
                                  .kernel_h = 1 + below(c, 7),
                                  .kernel_w = 1 + below(c, 7),
                                  .step = 1 + below(c, 2),
                                  .dilation = 1 + below(c, 3),
                                  .channels = some_channels(c)};
    int width = 1 + below(c, 30), reach = (a.kernel_w - 1) * a.dilation;
    a.left = below(c, reach + 1);
    a.in_stride = some_stride(c, a.channels);
    a.out_stride = some_stride(c, a.channels);
    a.x0 = below(c, width);
    a.x1 = a.x0 + below(c, width - a.x0 + 1);
    for (int k = 0; k < a.kernel_h; k++) {
        int row = (width - 1) * a.step + reach + 1;
        rows[k] = pixels(c, row, a.in_stride, a.channels) + a.left * a.in_stride;
    }
    a.weights = values(c, (size_t)(a.kernel_h * a.kernel_w * a.channels));
    a.bias = values(c, (size_t)a.channels);
    a.out = result(c, (size_t)width * (size_t)a.out_stride);
    c->wide->depthwise(&a);
    check_gaps(c, a.x0, a.x1, a.out_stride, a.channels);
}

static void call_pool(struct call *c)
{
    const float *rows[5];
    struct pq_pool_args a = {.rows = rows,
                             .in_width = 1 + below(c, 20),
                             .kernel_h = 1 + below(c, 5),
                             .kernel_w = 1 + below(c, 5),
                             .step = 1 + below(c, 3),
                             .channels = some_channels(c)};
    a.left = below(c, a.kernel_w);
    a.in_stride = some_stride(c, a.channels);
    a.out_stride = some_stride(c, a.channels);
    a.out_width = 1 + a.in_width / a.step;
    for (int k = 0; k < a.kernel_h; k++)
        rows[k] = below(c, 4) ? pixels(c, a.in_width, a.in_stride, a.channels) : NULL;
    a.out = result(c, (size_t)a.out_width * (size_t)a.out_stride);
    if (below(c, 2))
        c->wide->max_pool(&a);
    else
        c->wide->mean_pool(&a);
    check_gaps(c, 0, a.out_width, a.out_stride, a.channels);
}

static void call_norm(struct call *c)
{
    int width = below(c, 12), channels = some_channels(c), stride = some_stride(c, channels);
    int in_stride = some_stride(c, channels);
    float *in = pixels(c, width, in_stride, channels);
    float *gamma = values(c, (size_t)channels), *beta = values(c, (size_t)channels);
    float *out = result(c, (size_t)width * (size_t)stride);
    bool rms = below(c, 2);
    if (below(c, 2)) { /* in place */
        for (int x = 0; x < width; x++)
            memcpy(out + x * stride, in + x * in_stride, (size_t)channels * sizeof *out);
        in = out;
        in_stride = stride;
    }
    if (rms)
        c->wide->rms_norm(in, in_stride, width, channels, gamma, beta, 1e-5f, out, stride);
    else
        c->wide->layer_norm(in, in_stride, width, channels, gamma, beta, 1e-5f, out, stride);
    check_gaps(c, 0, width, stride, channels);
}

static void call_sums(struct call *c)
{
    int width = below(c, 40), channels = some_channels(c), stride = some_stride(c, channels);
    float *in = pixels(c, width, stride, channels);
    double *sums = result_sums(c, (size_t)channels * 2);
    bool squares = below(c, 2);
    c->wide->row_sums(in, stride, width, channels, sums, squares ? sums + channels : NULL);
    assert_true(untouched(c->sums, GUARD * sizeof *sums));
    size_t rest = GUARD + (squares ? 0 : (size_t)channels);
    assert_true(untouched(c->sums + c->sum_count - rest, rest * sizeof *sums));
}

static void call_gram(struct call *c)
{
    int width = below(c, 40), heads = 1 + below(c, 3), dim = some_channels(c);
    int channels = heads * dim, q_stride = some_stride(c, channels);
    int k_stride = some_stride(c, channels);
    float *q = pixels(c, width, q_stride, channels), *k = pixels(c, width, k_stride, channels);
    double *gram = result_sums(c, (size_t)channels * (size_t)(dim + 2));
    double *qq = gram + channels * dim;
    c->wide->row_gram(q, q_stride, k, k_stride, width, heads, dim, gram, qq, qq + channels);
    assert_true(untouched(c->sums, GUARD * sizeof *gram));
    assert_true(untouched(qq + 2 * channels, GUARD * sizeof *gram));
}

static void call_mix(struct call *c)
{
    int width = below(c, 20), heads = 1 + below(c, 3), dim = some_channels(c);
    int channels = heads * dim, in_stride = some_stride(c, channels);
    int stride = some_stride(c, channels);
    float *in = pixels(c, width, in_stride, channels);
    float *matrix = values(c, (size_t)channels * (size_t)dim);
    float *out = result(c, (size_t)width * (size_t)stride);
    c->wide->mix(in, in_stride, width, heads, dim, matrix, out, stride);
    check_gaps(c, 0, width, stride, channels);
}

static void call_product(struct call *c)
{
    int rows = below(c, 20), steps = 1 + below(c, 20), columns = some_channels(c);
    int a_row = some_stride(c, steps), b_step = some_stride(c, columns);
    int out_row = some_stride(c, columns);
    const bool turned = below(c, 2); /* a's steps are rows in memory */
    if (turned)
        a_row = some_stride(c, rows ? rows : 1);
    struct pq_product p = {.rows = rows,
                           .steps = steps,
                           .columns = columns,
                           .a = pixels(c, turned ? steps : rows, a_row, turned ? rows : steps),
                           .a_row = turned ? 1 : a_row,
                           .a_step = turned ? a_row : 1,
                           .b = pixels(c, steps, b_step, columns),
                           .b_step = b_step,
                           .out_row = out_row};
    p.out = result(c, (size_t)rows * (size_t)out_row);
    c->wide->product(&p);
    check_gaps(c, 0, rows, out_row, columns);
}

/* Scratch memory between guards. */
static float *scratch(struct call *c, size_t n)
{
    float *p = bytes(c, (n + 2 * GUARD) * sizeof *p);
    memset(p, 0xa5, (n + 2 * GUARD) * sizeof *p);
    return p + GUARD;
}

static void check_scratch(const float *p, size_t n)
{
    assert_true(untouched(p - GUARD, GUARD * sizeof *p));
    assert_true(untouched(p + n, GUARD * sizeof *p));
}

static void call_attention(struct call *c)
{
    static const int tokens[] = {1, 2, 7, 9, 15, 16, 17, 31, 33, 49, 64, 70};
    struct pq_attention_args a = {.queries = tokens[below(c, PQ_COUNT(tokens))],
                                  .keys = tokens[below(c, PQ_COUNT(tokens))],
                                  .dim = some_channels(c),
                                  .scale = rng_float(&c->rng)};
    a.q_stride = some_stride(c, a.dim);
    a.k_stride = some_stride(c, a.dim);
    a.v_stride = some_stride(c, a.dim);
    a.out_stride = some_stride(c, a.dim);
    a.q = pixels(c, a.queries, a.q_stride, a.dim);
    a.k = pixels(c, a.keys, a.k_stride, a.dim);
    a.v = pixels(c, a.keys, a.v_stride, a.dim);
    a.bias = below(c, 2) ? values(c, (size_t)a.queries * (size_t)a.keys) : NULL;
    size_t size = pq_attention_scratch(a.queries, a.keys, a.dim);
    a.scratch = scratch(c, size);
    a.out = result(c, (size_t)a.queries * (size_t)a.out_stride);
    c->wide->attention(&a);
    check_scratch(a.scratch, size);
    check_gaps(c, 0, a.queries, a.out_stride, a.dim);
}

static void call_channel_attention(struct call *c)
{
    struct pq_channel_attention_args a = {
        .tokens = 1 + below(c, 70), .dim = some_channels(c), .temperature = rng_float(&c->rng)};
    a.q_stride = some_stride(c, a.dim);
    a.k_stride = some_stride(c, a.dim);
    a.v_stride = some_stride(c, a.dim);
    a.out_stride = some_stride(c, a.dim);
    a.q = pixels(c, a.tokens, a.q_stride, a.dim);
    a.k = pixels(c, a.tokens, a.k_stride, a.dim);
    a.v = pixels(c, a.tokens, a.v_stride, a.dim);
    size_t size = pq_channel_attention_scratch(a.dim);
    a.scratch = scratch(c, size);
    a.out = result(c, (size_t)a.tokens * (size_t)a.out_stride);
    c->wide->channel_attention(&a);
    check_scratch(a.scratch, size);
    check_gaps(c, 0, a.tokens, a.out_stride, a.dim);
}

/* Equal bits, except that one NaN is as good as another. */
static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void make_call(struct call *c, void (*fn)(struct call *c), int level, uint64_t seed)
{
    *c = (struct call){
        .wide = pq_wide(level), .rng = {seed}, .extreme = seed % 3 == 0, .zeros = seed % 10 == 1};
    fn(c);
}

static void end_call(struct call *c)
{
    for (int i = 0; i < c->buffer_count; i++)
        free(c->buffers[i]);
}

static void compare(const char *name, void (*fn)(struct call *c), int level, uint64_t seed)
{
    struct call want, have;
    make_call(&want, fn, PQ_CPU_SCALAR, seed);
    make_call(&have, fn, level, seed);
    const char *level_name = pq_cpu_level_name((enum pq_cpu_level)level);
    for (size_t i = 0; i < want.out_floats; i++) {
        if (!same(want.out[i], have.out[i]))
            fail_msg("%s, %s, seed %llu: float %zu is %a, not %a", name, level_name,
                     (unsigned long long)seed, i, (double)have.out[i], (double)want.out[i]);
    }
    for (size_t i = 0; i < want.sum_count; i++) {
        if (!same_double(want.sums[i], have.sums[i]))
            fail_msg("%s, %s, seed %llu: sum %zu is %a, not %a", name, level_name,
                     (unsigned long long)seed, i, have.sums[i], want.sums[i]);
    }
    end_call(&want);
    end_call(&have);
}

/* What it says of a machine that gives other bits is what it must be if that was intended. */
static const struct {
    const char *name;
    void (*fn)(struct call *c);
    uint64_t hash; /* of the results of all seeds */
} calls[] = {
    {"curve", call_curve, 0x300c5e625ed1361d},
    {"depthwise", call_depthwise, 0xecce2ca657bc51ce},
    {"pool", call_pool, 0xa4565eb6ff5e6d37},
    {"norm", call_norm, 0x4943d3f5deca9446},
    {"sums", call_sums, 0xebfc526ddde9bc0c},
    {"gram", call_gram, 0x42c6ff36992911e7},
    {"mix", call_mix, 0xa30ee123ed52f66c},
    {"product", call_product, 0x837e1d0f25521bae},
    {"attention", call_attention, 0x998b6e9aa5fe45ae},
    {"channel attention", call_channel_attention, 0x3b6f82f9a4c88c97},
};

static void the_baseline_gives_the_bits_of_every_machine(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < PQ_COUNT(calls); i++) {
        uint64_t hash = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct call c;
            make_call(&c, calls[i].fn, PQ_CPU_SCALAR, seed);
            for (size_t k = 0; k < c.out_floats; k++)
                c.out[k] = isnan(c.out[k]) ? 0.0f : c.out[k];
            for (size_t k = 0; k < c.sum_count; k++)
                c.sums[k] = isnan(c.sums[k]) ? 0.0 : c.sums[k];
            hash = XXH3_64bits_withSeed(c.out, c.out_floats * sizeof *c.out, hash);
            hash = XXH3_64bits_withSeed(c.sums, c.sum_count * sizeof *c.sums, hash);
            end_call(&c);
        }
        if (hash != calls[i].hash) {
            print_error("%s: 0x%016llx\n", calls[i].name, (unsigned long long)hash);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void every_level_gives_the_bits_of_the_baseline_and_writes_nothing_else(void **state)
{
    (void)state;
    assert_ptr_equal(pq_wide(PQ_CPU_SCALAR), &pq_wide_c);
    for (int level = PQ_CPU_SCALAR; level < PQ_CPU_LEVELS; level++) {
        if (!pq_cpu_has((enum pq_cpu_level)level)) {
            print_message("skipped: this processor has no %s\n",
                          pq_cpu_level_name((enum pq_cpu_level)level));
            continue;
        }
        for (size_t i = 0; i < PQ_COUNT(calls); i++) {
            for (uint64_t seed = 1; seed <= SEEDS; seed++)
                compare(calls[i].name, calls[i].fn, level, seed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_baseline_gives_the_bits_of_every_machine),
        cmocka_unit_test(every_level_gives_the_bits_of_the_baseline_and_writes_nothing_else),
    };
    return cmocka_run_group_tests_name("wide", tests, NULL, NULL);
}
