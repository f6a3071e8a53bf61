/* SPDX-License-Identifier: MIT */
/* Every variant of every kernel against the scalar reference, bit for bit, and nothing written but
 * what they promise: the trials of kernels/trial, more of them than the program does. And that
 * those see what is wrong. What the references are worth: conv_test.c, winograd_test.c and
 * wide_value_test.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

#include "../sanitized.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "kernels/trial/conv.h"
#include "kernels/trial/trial.h"
#include "kernels/wide.h"

enum { HASHED = 40 };

static void every_level_gives_the_bits_of_the_reference_and_writes_nothing_else(void **state)
{
    (void)state;
    const int cases = 480 / test_some(3, 6, 6);
    assert_ptr_equal(pq_wide(PQ_CPU_SCALAR), &pq_wide_c);
    assert_ptr_equal(pq_conv_row(PQ_CPU_SCALAR), pq_conv_row_c);
    for (int level = PQ_CPU_SCALAR; level < PQ_CPU_LEVELS; level++) {
        if (!pq_cpu_has((enum pq_cpu_level)level)) {
            print_message("skipped: this processor has no %s\n",
                          pq_cpu_level_name((enum pq_cpu_level)level));
            continue;
        }
        for (size_t i = 0; i < pq_trial_kernel_count; i++) {
            pique_error err;
            if (pq_trial_check(&pq_trial_kernels[i], level, 1, cases, &err) != 0)
                fail_msg("%s", err.message);
        }
    }
}

/* Of the reference's results, in the order of the table; another one means that a bit has changed,
 * or that the trials have. */
static const struct {
    const char *name;
    uint64_t hash;
} hashes[] = {
    {"convolution", 0xf61864f33c8f9bc1},
    {"winograd", 0x91a0edca8c302614},
    {"winograd-int16", 0x872ee95bd61dae97},
    {"depthwise", 0x3a304c6c6b274e89},
    {"product", 0x0942a9734de2c809},
    {"attention", 0x328b59a0c546a46e},
    {"channel-attention", 0xd9c6c951d64b1340},
    {"mix", 0xc4029479cd61b34b},
    {"row-gram", 0xe41c5a693e31cd8d},
    {"row-sums", 0xc3c906560f1f2b92},
    {"layer-norm", 0xfb0fd9a6a453f644},
    {"rms-norm", 0xb48a490c219bb02e},
    {"max-pool", 0xf37b59bbe42cc005},
    {"mean-pool", 0xa11693f92c257579},
    {"sigmoid", 0x946814d1014d1c4d},
    {"silu", 0xf63bb75e807e9afc},
    {"gelu", 0x1d2ec4a17c10a37d},
    {"gelu-tanh", 0xa4a944089fce189f},
    {"mish", 0x211778e3eb1e0df0},
    {"tanh", 0xb098b7ae9fb49038},
    {"softplus", 0x2e4df30187430e89},
    {"round-fp16", 0xec4e8ccbf9b44f51},
    {"round-bf16", 0xf7797bf8ef00ea2b},
    {"halves", 0xec4e8ccbf9b44f51},
    {"floats", 0xec4e8ccbf9b44f51},
    {"samples8", 0x7e356fd6777786e1},
    {"samples16", 0x4494b4793fdb1f2b},
    {"look", 0x57b561d7f45cfc2f},
};

/* What is no number may have other bits on another machine. */
static uint64_t hash_of(const struct pq_trial_kernel *kernel)
{
    uint64_t hash = 0;
    for (uint64_t seed = 1; seed <= HASHED; seed++) {
        struct pq_trial t;
        assert_int_equal(pq_trial_make(&t, kernel, PQ_CPU_SCALAR, seed, false, NULL), 0);
        pq_trial_run(&t);
        for (size_t i = 0; i < t.out_floats; i++)
            t.out[i] = isnan(t.out[i]) ? 0.0f : t.out[i];
        for (size_t i = 0; i < t.sum_count; i++)
            t.sums[i] = isnan(t.sums[i]) ? 0.0 : t.sums[i];
        hash = XXH3_64bits_withSeed(t.out, t.out_floats * sizeof *t.out, hash);
        if (t.sum_count)
            hash = XXH3_64bits_withSeed(t.sums, t.sum_count * sizeof *t.sums, hash);
        pq_trial_free(&t);
    }
    return hash;
}

static void the_reference_gives_the_bits_of_every_machine(void **state)
{
    (void)state;
    int wrong = 0;
    assert_int_equal(PQ_COUNT(hashes), pq_trial_kernel_count);
    for (size_t i = 0; i < pq_trial_kernel_count; i++) {
        const uint64_t hash = hash_of(&pq_trial_kernels[i]);
        assert_string_equal(pq_trial_kernels[i].name, hashes[i].name);
        if (hash == hashes[i].hash)
            continue;
        print_error("%s: 0x%016llx\n", pq_trial_kernels[i].name, (unsigned long long)hash);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* A table row a kernel: none is forgotten, but for the one that computes nothing. */
static void every_kernel_of_the_table_is_tried(void **state)
{
    (void)state;
    const size_t wide = sizeof(struct pq_wide) / sizeof(void *);
    assert_int_equal(pq_trial_kernel_count, wide - 1 /* peak */ + 1 /* pq_conv_row() */);
    for (size_t i = 0; i < pq_trial_kernel_count; i++)
        assert_ptr_equal(pq_trial_find(pq_trial_kernels[i].name), &pq_trial_kernels[i]);
    assert_null(pq_trial_find("something else"));
}

static void a_timed_shape_is_whole_and_its_rate_is_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < pq_trial_kernel_count; i++) {
        pique_error err;
        double rate;
        char shape[96];
        assert_int_equal(
            pq_trial_time(&pq_trial_kernels[i], (int)pq_cpu_best(), 0, &rate, shape, &err), 0);
        assert_true(rate > 1e6 && rate < 1e15);
        assert_true(shape[0]);
    }
}

/* ---- what is wrong is seen ---- */

static void (*spoil)(const struct pq_trial *t);

/* The right kernel, and then something on top of it at the level under trial. */
static void run_spoilt(const struct pq_trial *t)
{
    pq_trial_find(t->kernel->name)->run(t);
    if (t->level != PQ_CPU_SCALAR)
        spoil(t);
}

static void flip_a_bit(const struct pq_trial *t)
{
    unsigned char *byte = (unsigned char *)&t->out[PQ_TRIAL_GUARD + 1];
    *byte ^= 1;
}

static void write_before(const struct pq_trial *t)
{
    t->out[0] = 1;
}

static void write_behind(const struct pq_trial *t)
{
    t->out[t->out_floats - 1] = 1;
}

static void write_before_scratch(const struct pq_trial *t)
{
    t->scratch[-1] = 1;
}

static void write_behind_scratch(const struct pq_trial *t)
{
    t->scratch[t->scratch_floats] = 1;
}

static void change_a_sum(const struct pq_trial *t)
{
    t->sums[PQ_TRIAL_GUARD] += 1;
}

static void write_behind_sums(const struct pq_trial *t)
{
    t->sums[t->sum_count - 1] = 1;
}

static void see(const char *name, void (*what)(const struct pq_trial *t), const char *said)
{
    struct pq_trial_kernel kernel = *pq_trial_find(name);
    pique_error err = {0};
    kernel.run = run_spoilt;
    spoil = what;
    const int rc = pq_trial_check(&kernel, (int)pq_cpu_best(), 1, 20, &err);
    if (rc != PIQUE_EINTERNAL || !strstr(err.message, said) || !strstr(err.message, name))
        fail_msg("%s, '%s': %d, %s", name, said, rc, err.message);
}

static void what_differs_or_is_written_outside_is_told(void **state)
{
    (void)state;
    if (pq_cpu_best() == PQ_CPU_SCALAR) {
        print_message("skipped: this processor has no second level\n");
        skip();
    }
    see("winograd", flip_a_bit, "float 1 of the result is");
    see("product", flip_a_bit, "float 1 of the result is");
    see("convolution", write_before, "float -64 of the result is");
    see("layer-norm", write_behind, "of the result is");
    see("winograd", write_before_scratch, "writes outside of its scratch memory");
    see("attention", write_behind_scratch, "writes outside of its scratch memory");
    see("row-sums", change_a_sum, "sum 0 of the result is");
    see("row-gram", write_behind_sums, "of the result is");
}

static void write_outside_at_all_levels(const struct pq_trial *t)
{
    pq_trial_find(t->kernel->name)->run(t);
    t->out[t->out_floats - 1] = 1;
}

/* What the reference writes, too, is no difference. */
static void a_write_outside_is_told_where_the_reference_does_the_same(void **state)
{
    (void)state;
    struct pq_trial_kernel kernel = *pq_trial_find("winograd");
    pique_error err = {0};
    kernel.run = write_outside_at_all_levels;
    assert_int_equal(pq_trial_check(&kernel, PQ_CPU_SCALAR, 1, 1, &err), PIQUE_EINTERNAL);
    assert_non_null(strstr(err.message, "writes outside of its result"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_bits_of_the_reference_and_writes_nothing_else),
        cmocka_unit_test(the_reference_gives_the_bits_of_every_machine),
        cmocka_unit_test(every_kernel_of_the_table_is_tried),
        cmocka_unit_test(a_timed_shape_is_whole_and_its_rate_is_one),
        cmocka_unit_test(what_differs_or_is_written_outside_is_told),
        cmocka_unit_test(a_write_outside_is_told_where_the_reference_does_the_same),
    };
    return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}
