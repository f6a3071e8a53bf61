/* SPDX-License-Identifier: MIT */
/* Names of tensors: wrappers come off, what could harm a terminal is recognised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/statedict.h"

static void check(const char *const *names, const char *const *expected)
{
    struct pq_statedict sd = {0};
    const struct pq_tensor t = {.dtype = PQ_F32};
    size_t n = 0;
    for (size_t i = 0; names[i]; i++)
        assert_int_equal(pq_statedict_add(&sd, names[i], &t, NULL), 0);
    pq_statedict_canonicalise(&sd);
    for (; expected[n]; n++) {
        assert_true(n < sd.count);
        assert_string_equal(sd.tensors[n].name, expected[n]);
        assert_non_null(pq_statedict_find(&sd, expected[n]));
    }
    assert_int_equal(sd.count, n);
    pq_statedict_free(&sd);
}

#define NAMES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void wrappers_that_all_names_have_come_off(void **state)
{
    (void)state;
    check(NAMES("params_ema.body.0.weight", "params_ema.body.1.weight"),
          NAMES("body.0.weight", "body.1.weight"));
    check(NAMES("module.a", "module.b"), NAMES("a", "b"));
    check(NAMES("params.module.netG.a", "params.module.netG.b"), NAMES("a", "b"));
    check(NAMES("model.body.0.weight"), NAMES("body.0.weight"));
}

static void a_prefix_that_one_name_lacks_stays(void **state)
{
    (void)state;
    check(NAMES("module.a", "b"), NAMES("module.a", "b"));
    check(NAMES("model.0.weight", "model.1.weight"), NAMES("model.0.weight", "model.1.weight"));
    check(NAMES("params.", "params.a"), NAMES("params.", "params.a"));
}

static void averaged_weights_win_over_plain_ones(void **state)
{
    (void)state;
    check(NAMES("params.a", "params_ema.a", "params.b", "params_ema.b"), NAMES("a", "b"));
    check(NAMES("params.a", "params_ema.a", "c"), NAMES("params.a", "params_ema.a", "c"));
}

static void names_that_could_move_a_cursor_are_not_ok(void **state)
{
    (void)state;
    char text[PQ_MAX_NAME + 2];
    memset(text, 'a', sizeof text);
    text[PQ_MAX_NAME] = '\0';
    assert_true(pq_name_ok(text));
    text[PQ_MAX_NAME] = 'a';
    text[PQ_MAX_NAME + 1] = '\0';
    assert_false(pq_name_ok(text));
    assert_true(pq_name_ok("body.0.weight"));
    assert_true(pq_name_ok("h\xc3\xa9"));
    assert_false(pq_name_ok(""));
    assert_false(pq_name_ok("a\nb"));
    assert_false(pq_name_ok("\033[2J"));
    assert_false(pq_name_ok("a\x7f"));
    assert_false(pq_name_ok("a\xc2\x9b"));
    assert_false(pq_name_ok("a\x9b"));
    assert_true(pq_name_ok("stra\xc3\x9f"
                           "e"));
    assert_true(pq_name_ok("a\xc2"));
}

static void the_type_of_most_weights_is_told(void **state)
{
    (void)state;
    struct pq_statedict sd = {0};
    struct pq_tensor half = {.dtype = PQ_F16, .dims = 1, .shape = {9}}, full = {.dtype = PQ_F32};
    assert_string_equal(pq_statedict_dtype(&sd), "f32");
    for (int i = 0; i < 8; i++)
        assert_int_equal(pq_statedict_add(&sd, "a", &full, NULL), 0);
    assert_string_equal(pq_statedict_dtype(&sd), "f32");
    assert_int_equal(pq_statedict_add(&sd, "b", &half, NULL), 0);
    assert_string_equal(pq_statedict_dtype(&sd), "f16");
    pq_statedict_free(&sd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrappers_that_all_names_have_come_off),
        cmocka_unit_test(a_prefix_that_one_name_lacks_stays),
        cmocka_unit_test(averaged_weights_win_over_plain_ones),
        cmocka_unit_test(names_that_could_move_a_cursor_are_not_ok),
        cmocka_unit_test(the_type_of_most_weights_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
