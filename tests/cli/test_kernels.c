/* SPDX-License-Identifier: MIT */
/* pique kernels on kernels that are not what they should be: what it says, and what it returns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "pique/pique.h"

/* ---- two kernels and three levels, of which this machine has two ---- */

static const char *wrong_level; /* at which "second" is not what it should be */
static int failure;

const char *pique_cpu_level_get(size_t i, bool *here)
{
    static const char *const levels[] = {"scalar", "avx2", "avx512"};
    *here = i < 2;
    return i < PQ_COUNT(levels) ? levels[i] : NULL;
}

int pique_kernel_get(size_t i, pique_kernel_info *info, pique_error *err)
{
    static const char *const names[] = {"first", "second"};
    if (i >= PQ_COUNT(names))
        return pq_fail(err, PIQUE_EINVAL, "no");
    info->name = names[i];
    info->moves = i == 1;
    return 0;
}

int pique_kernel_check(size_t i, const char *level, int cases, pique_error *err)
{
    assert_true(cases >= 100);
    if (i == 1 && wrong_level && strcmp(level, wrong_level) == 0)
        return pq_fail(err, failure, "second, %s: float 3 is 1, not 2", level);
    return 0;
}

int pique_kernel_time(size_t i, const char *level, double seconds, pique_kernel_rate *rate,
                      pique_error *err)
{
    rate->rate = strcmp(level, "scalar") == 0 ? 2e9 : 7e9;
    snprintf(rate->shape, sizeof rate->shape, "3x3");
    return 0;
}

/* ---- a call ---- */

/* What it prints, and what it returns. */
static int run(const char *const *words, int count, char *out, size_t size)
{
    struct pq_options o;
    pique_error err;
    assert_int_equal(
        pq_options_parse(&o, PQ_CMD_KERNELS, count, (char *const *)(void *)words, &err), 0);
    FILE *f = tmpfile();
    const int saved = dup(STDOUT_FILENO);
    fflush(stdout);
    assert_true(f && saved >= 0 && dup2(fileno(f), STDOUT_FILENO) >= 0);
    const int status = pq_cli_kernels(&o);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(f);
    out[fread(out, 1, size - 1, f)] = '\0';
    fclose(f);
    pq_options_free(&o);
    return status;
}

static void a_difference_is_told_and_ends_with_1(void **state)
{
    (void)state;
    const char *const words[] = {"--check"};
    char out[2000];
    wrong_level = NULL;
    assert_int_equal(run(words, 1, out, sizeof out), PQ_EXIT_OK);
    assert_string_equal(out, "first               scalar reference  avx2 same\n"
                             "second              scalar reference  avx2 same\n");
    wrong_level = "avx2";
    failure = PIQUE_EINTERNAL;
    assert_int_equal(run(words, 1, out, sizeof out), 1);
    assert_string_equal(out, "first               scalar reference  avx2 same\n"
                             "second              scalar reference  avx2 DIFFERS\n"
                             "    second, avx2: float 3 is 1, not 2\n");
    const char *const first[] = {"first", "--check"};
    assert_int_equal(run(first, 2, out, sizeof out), PQ_EXIT_OK);
    const char *const json[] = {"--check", "--json"};
    assert_int_equal(run(json, 2, out, sizeof out), 1);
    assert_non_null(strstr(out, "{\"level\":\"avx2\",\"same\":false}"));
    assert_non_null(strstr(out, "\"difference\":\"second, avx2: float 3 is 1, not 2\""));
}

/* The reference itself, which may write where it should not. */
static void a_reference_that_is_wrong_is_told(void **state)
{
    (void)state;
    const char *const words[] = {"--check"};
    char out[2000];
    wrong_level = "scalar";
    failure = PIQUE_EINTERNAL;
    assert_int_equal(run(words, 1, out, sizeof out), 1);
    assert_non_null(strstr(out, "second              scalar DIFFERS  avx2 same\n"));
}

static void what_is_no_difference_is_a_failure(void **state)
{
    (void)state;
    const char *const words[] = {"--check"};
    char out[2000];
    wrong_level = "avx2";
    failure = PIQUE_ENOMEM;
    assert_int_equal(run(words, 1, out, sizeof out), PQ_EXIT_FULL);
    assert_string_equal(out, "");
}

static void rates_stand_beside_that_of_the_reference(void **state)
{
    (void)state;
    const char *const words[] = {"--bench", "--cpu", "avx2"};
    char out[2000];
    assert_int_equal(run(words, 3, out, sizeof out), PQ_EXIT_OK);
    assert_string_equal(out,
                        "first               scalar 2.0 (x1.0)  avx2 7.0 (x3.5)  GFLOP/s  3x3\n"
                        "second              scalar 2.0 (x1.0)  avx2 7.0 (x3.5)  GB/s  3x3\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_difference_is_told_and_ends_with_1),
        cmocka_unit_test(a_reference_that_is_wrong_is_told),
        cmocka_unit_test(what_is_no_difference_is_a_failure),
        cmocka_unit_test(rates_stand_beside_that_of_the_reference),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
