/* SPDX-License-Identifier: MIT */
/* The choice of a precision tier, over devices that are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "upscale/tier.h"

enum { FP32 = 1u << PIQUE_PRECISION_FP32, FP16 = 1u << PIQUE_PRECISION_FP16 };
enum { BF16 = 1u << PIQUE_PRECISION_BF16 };

static unsigned fake_tiers(const char *id)
{
    static const struct {
        const char *id;
        unsigned tiers;
    } devices[] = {{"gpu", FP32 | FP16 | BF16},
                   {"gpu:old", FP32 | FP16},
                   {"gpu:brain", FP32 | BF16},
                   {"gpu:plain", FP32},
                   {"gpu:half", FP16}};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        if (strcmp(devices[i].id, id) == 0)
            return devices[i].tiers;
    }
    return 0;
}

static const struct pq_backend gpu = {.name = "gpu", .tiers = fake_tiers};

static const struct pq_tiers all = {NULL, NULL, NULL}, no_fp16 = {"it overflows", NULL, NULL},
                             none = {"it overflows", "it is too coarse", "it is too flat"};

/* The tier, or a negative status. */
static int chosen(const char *device, enum pique_precision wanted, const struct pq_tiers *safe,
                  const char **why, pique_error *err)
{
    enum pique_precision tier;
    int rc = pq_tier_choose(&gpu, device, wanted, safe, &tier, why, err);
    return rc ? rc : (int)tier;
}

static void auto_takes_the_fastest_that_is_safe_and_there(void **state)
{
    (void)state;
    static const struct {
        const char *device;
        const struct pq_tiers *safe;
        enum pique_precision tier;
    } cases[] = {
        {NULL, &all, PIQUE_PRECISION_FP16},
        {NULL, &no_fp16, PIQUE_PRECISION_BF16},
        {NULL, &none, PIQUE_PRECISION_FP32},
        {"gpu:old", &all, PIQUE_PRECISION_FP16},
        {"gpu:old", &no_fp16, PIQUE_PRECISION_FP32},
        {"gpu:brain", &all, PIQUE_PRECISION_BF16},
        {"gpu:brain", &no_fp16, PIQUE_PRECISION_BF16},
        {"gpu:brain", &none, PIQUE_PRECISION_FP32},
        {"gpu:plain", &all, PIQUE_PRECISION_FP32},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *why = "";
        assert_int_equal(chosen(cases[i].device, PIQUE_PRECISION_AUTO, cases[i].safe, &why, NULL),
                         cases[i].tier);
        assert_null(why);
    }
}

static void what_is_asked_for_is_taken_and_warned_of(void **state)
{
    (void)state;
    const char *why = "";
    assert_int_equal(chosen("gpu", PIQUE_PRECISION_FP32, &none, &why, NULL), PIQUE_PRECISION_FP32);
    assert_null(why);
    assert_int_equal(chosen("gpu", PIQUE_PRECISION_FP16, &all, &why, NULL), PIQUE_PRECISION_FP16);
    assert_null(why);
    assert_int_equal(chosen("gpu", PIQUE_PRECISION_BF16, &no_fp16, &why, NULL),
                     PIQUE_PRECISION_BF16);
    assert_null(why);
    assert_int_equal(chosen("gpu", PIQUE_PRECISION_FP16, &no_fp16, &why, NULL),
                     PIQUE_PRECISION_FP16);
    assert_string_equal(why, "it overflows");
}

static void a_tier_that_the_device_lacks_is_refused(void **state)
{
    (void)state;
    const char *why = NULL;
    pique_error err;
    assert_int_equal(chosen("gpu:plain", PIQUE_PRECISION_FP16, &all, &why, &err),
                     PIQUE_EUNSUPPORTED);
    assert_string_equal(err.message, "device 'gpu:plain' does not compute in fp16, but in fp32; "
                                     "--precision auto takes what there is");
    assert_int_equal(chosen("gpu:old", PIQUE_PRECISION_BF16, &all, &why, &err), PIQUE_EUNSUPPORTED);
    assert_int_equal(chosen("gpu:half", PIQUE_PRECISION_FP32, &all, &why, &err),
                     PIQUE_EUNSUPPORTED);
    assert_int_equal(chosen("gpu:none", PIQUE_PRECISION_AUTO, &all, &why, &err),
                     PIQUE_EUNSUPPORTED);
}

static void a_device_of_one_tier_computes_in_it(void **state)
{
    (void)state;
    const char *why = "";
    assert_int_equal(chosen("gpu:half", PIQUE_PRECISION_AUTO, &none, &why, NULL),
                     PIQUE_PRECISION_FP16);
    assert_null(why);
}

static void the_processor_computes_in_int16_where_that_is_safe(void **state)
{
    (void)state;
    enum pique_precision tier;
    const char *why;
    const struct pq_backend *cpu = pq_backend_find(NULL);
    assert_int_equal(pq_tier_choose(cpu, NULL, PIQUE_PRECISION_AUTO, &no_fp16, &tier, &why, NULL),
                     0);
    assert_int_equal(tier, PIQUE_PRECISION_INT16);
    assert_int_equal(pq_tier_choose(cpu, NULL, PIQUE_PRECISION_AUTO, &none, &tier, &why, NULL), 0);
    assert_int_equal(tier, PIQUE_PRECISION_FP32);
    assert_int_equal(pq_tier_choose(cpu, NULL, PIQUE_PRECISION_INT16, &none, &tier, &why, NULL), 0);
    assert_string_equal(why, "it is too flat");
    assert_int_equal(pq_tier_choose(cpu, NULL, PIQUE_PRECISION_BF16, &all, &tier, &why, NULL),
                     PIQUE_EUNSUPPORTED);
    assert_int_equal(
        pq_tier_choose(cpu, "cpu:direct", PIQUE_PRECISION_AUTO, &all, &tier, &why, NULL), 0);
    assert_int_equal(tier, PIQUE_PRECISION_FP32);
    pique_error err;
    assert_int_equal(pq_tier_choose(&gpu, NULL, PIQUE_PRECISION_INT16, &all, &tier, &why, &err),
                     PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "does not compute in int16, but in fp16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_takes_the_fastest_that_is_safe_and_there),
        cmocka_unit_test(what_is_asked_for_is_taken_and_warned_of),
        cmocka_unit_test(a_tier_that_the_device_lacks_is_refused),
        cmocka_unit_test(a_device_of_one_tier_computes_in_it),
        cmocka_unit_test(the_processor_computes_in_int16_where_that_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
