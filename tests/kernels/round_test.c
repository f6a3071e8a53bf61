/* SPDX-License-Identifier: MIT */
/* Rounding to 16-bit floats, at every level, against what the readers of model files convert with,
 * and against the definition in double. */
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "kernels/wide.h"
#include "tensor/bf16.h"
#include "tensor/f16.h"
#include "tensor/tensor.h"

enum { BATCH = 37 }; /* no multiple of a register */

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float f16(float x)
{
    return pq_f16_to_f32(pq_f64_to_f16((double)x));
}

/* Of the two bf16 around x the nearer one, of two equally near the even one. */
static float bf16(float x)
{
    if (isnan(x) || isinf(x))
        return x;
    uint16_t low = (uint16_t)(bits_of(x) >> 16);
    double below = (double)pq_bf16_to_f32(low);
    /* What would stand above the largest one is 2^128. */
    double above = (low & 0x7fff) == 0x7f7f ? copysign(0x1p128, (double)x)
                                            : (double)pq_bf16_to_f32((uint16_t)(low + 1));
    double to_low = fabs((double)x - below), to_high = fabs(above - (double)x);
    bool up = to_high < to_low || (to_high == to_low && low % 2);
    return up ? pq_bf16_to_f32((uint16_t)(low + 1)) : pq_bf16_to_f32(low);
}

/* Both types of a batch at every level. */
static void check(const float *values)
{
    for (int level = 0; level < PQ_CPU_LEVELS; level++) {
        if (!pq_cpu_has((enum pq_cpu_level)level))
            continue;
        const struct pq_wide *wide = pq_wide(level);
        float half[BATCH], brain[BATCH];
        memcpy(half, values, sizeof half);
        memcpy(brain, values, sizeof brain);
        wide->round_f16(half, BATCH - 1);
        wide->round_bf16(brain, BATCH - 1);
        for (int i = 0; i < BATCH - 1; i++) {
            float want[] = {f16(values[i]), bf16(values[i])}, have[] = {half[i], brain[i]};
            for (int k = 0; k < 2; k++) {
                if (isnan(want[k]) ? !isnan(have[k]) : bits_of(have[k]) != bits_of(want[k]))
                    fail_msg("%s: %a becomes %a in place of %a",
                             pq_cpu_level_name((enum pq_cpu_level)level), (double)values[i],
                             (double)have[k], (double)want[k]);
            }
        }
        uint16_t halves[BATCH] = {[BATCH - 1] = 0x7e5a};
        wide->halves(values, BATCH - 1, halves);
        for (int i = 0; i < BATCH - 1; i++) {
            const float have = pq_f16_to_f32(halves[i]), want = f16(values[i]);
            assert_true(isnan(want) ? isnan(have) : bits_of(have) == bits_of(want));
        }
        assert_int_equal(halves[BATCH - 1], 0x7e5a);
        assert_memory_equal(&half[BATCH - 1], &values[BATCH - 1], sizeof *half);
        assert_memory_equal(&brain[BATCH - 1], &values[BATCH - 1], sizeof *brain);
    }
}

struct batch {
    float values[BATCH];
    int count;
};

static void add(struct batch *b, float x)
{
    b->values[b->count++] = x;
    if (b->count == BATCH - 1) {
        check(b->values);
        b->count = 0;
    }
}

static void middles_and_what_lies_beside_them_go_to_the_nearest(void **state)
{
    (void)state;
    struct batch b = {.values = {[BATCH - 1] = 0.1f}};
    for (uint32_t h = 0; h <= 0xffff; h++) {
        float one = pq_f16_to_f32((uint16_t)h), next = pq_f16_to_f32((uint16_t)(h ^ 1));
        float middle = (one + next) / 2;
        add(&b, one);
        add(&b, middle);
        add(&b, nextafterf(middle, 0));
        add(&b, nextafterf(middle, 2 * middle));
        /* the same of bf16 */
        add(&b, float_of(h << 16 | 0x7fff));
        add(&b, float_of(h << 16 | 0x8000));
        add(&b, float_of(h << 16 | 0x8001));
    }
}

static void any_bits_at_all_are_rounded(void **state)
{
    (void)state;
    struct rng r = {17};
    struct batch b = {.values = {[BATCH - 1] = 0.1f}};
    for (int i = 0; i < 400000; i++)
        add(&b,
            float_of((uint32_t)rng_below(&r, 1 << 16) << 16 | (uint32_t)rng_below(&r, 1 << 16)));
}

static void the_rounding_mode_of_the_caller_does_not_matter(void **state)
{
    (void)state;
    const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    const float values[] = {1.00048828125f, 1.0004883f, 3e-5f, 1e-7f, 65519, 65520, 0.1f, -0.1f};
    for (int level = 0; level < PQ_CPU_LEVELS; level++) {
        if (!pq_cpu_has((enum pq_cpu_level)level))
            continue;
        float want[2][PQ_COUNT(values)], have[2][PQ_COUNT(values)];
        for (size_t m = 0; m <= PQ_COUNT(modes); m++) {
            float(*to)[PQ_COUNT(values)] = m ? have : want;
            for (int k = 0; k < 2; k++)
                memcpy(to[k], values, sizeof values);
            fesetround(m ? modes[m - 1] : FE_TONEAREST);
            pq_wide(level)->round_f16(to[0], PQ_COUNT(values));
            pq_wide(level)->round_bf16(to[1], PQ_COUNT(values));
            fesetround(FE_TONEAREST);
            if (m)
                assert_memory_equal(have, want, sizeof want);
        }
        assert_true(want[0][4] == 65504 && isinf(want[0][5]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(middles_and_what_lies_beside_them_go_to_the_nearest),
        cmocka_unit_test(any_bits_at_all_are_rounded),
        cmocka_unit_test(the_rounding_mode_of_the_caller_does_not_matter),
    };
    return cmocka_run_group_tests_name("round", tests, NULL, NULL);
}
