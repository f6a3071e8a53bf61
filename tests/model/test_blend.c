/* SPDX-License-Identifier: MIT */
/* What lies between two state dicts: each weight, and the first tensor that tells them apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory_map.h"
#include "model/blend.h"

static const float one[] = {1, -2.5f, 0.1f, 3e38f}, two[] = {0.5f, 4, 0.7f, 3e38f};
static const uint16_t halves[] = {0x3c00, 0xc000}, other_halves[] = {0x4000, 0x3800};
static const double doubles[] = {0.3, 1e-40};
static const int64_t whole[] = {5, -6}, other_whole[] = {5, 6};
static const int32_t small[] = {5, -6};

static void add(struct pq_statedict *sd, const char *name, enum pq_dtype dtype, int64_t count,
                const void *data)
{
    struct pq_tensor t = {.dtype = dtype, .dims = 1, .shape = {count}, .data = data};
    pique_error err;
    assert_int_equal(pq_statedict_add(sd, name, &t, &err), 0);
}

static struct pq_statedict empty(const char *path)
{
    return (struct pq_statedict){.map.path = pq_strdup(path)};
}

static void each_weight_lies_between_its_two(void **state)
{
    (void)state;
    static const double weights[] = {0, 0.25, 0.3, 0.5, 1};
    struct pq_statedict a = empty("a.pth"), b = empty("b.pth");
    pique_error err;
    add(&a, "x", PQ_F32, 4, one);
    add(&a, "n", PQ_I64, 2, whole);
    add(&a, "h", PQ_F16, 2, halves);
    add(&a, "d", PQ_F64, 2, doubles);
    add(&b, "d", PQ_F32, 2, two); /* another order and another type are fine */
    add(&b, "h", PQ_F16, 2, other_halves);
    add(&b, "x", PQ_F32, 4, two);
    add(&b, "n", PQ_I64, 2, whole);
    for (size_t i = 0; i < PQ_COUNT(weights); i++) {
        struct pq_statedict out = empty("a+b");
        float f[4], u = (float)weights[i], v = (float)(1 - weights[i]);
        assert_int_equal(pq_statedict_blend(&a, &b, weights[i], &out, &err), 0);
        assert_int_equal(out.count, 4);
        for (size_t k = 0; k < 4; k++)
            assert_string_equal(out.tensors[k].name, a.tensors[k].name);
        pq_tensor_to_f32(&out.tensors[0].tensor, 0, 4, f);
        for (int k = 0; k < 4; k++) {
            volatile float x = u * one[k], y = v * two[k]; /* each product rounded by itself */
            assert_true(f[k] == x + y);
        }
        assert_int_equal(out.tensors[1].tensor.dtype, PQ_I64);
        assert_memory_equal(out.tensors[1].tensor.data, whole, sizeof whole);
        assert_ptr_not_equal(out.tensors[1].tensor.data, whole);
        assert_int_equal(out.tensors[2].tensor.dtype, PQ_F32);
        pq_tensor_to_f32(&out.tensors[2].tensor, 0, 2, f);
        assert_true(f[0] == u * 1 + v * 2 && f[1] == u * -2 + v * 0.5f);
        pq_statedict_free(&out);
    }
    pq_statedict_free(&a);
    pq_statedict_free(&b);
}

static void the_first_tensor_that_differs_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum pq_dtype dtype;
        int64_t count;
        const void *data;
        const char *says;
    } cases[] = {
        {"n", PQ_I64, 2, other_whole, "b.pth: tensor 'n' holds whole numbers, and others than in"},
        {"n", PQ_I32, 2, small, "tensor 'n' holds whole numbers"},
        {"n", PQ_F32, 2, one, "tensor 'n' holds whole numbers"},
        {"n", PQ_I64, 1, whole, "b.pth: tensor 'n' has shape [1], and [2] in a.pth"},
        {"m", PQ_I64, 2, whole, "b.pth: has no tensor 'n', which a.pth has"},
    };
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct pq_statedict a = empty("a.pth"), b = empty("b.pth"), out = empty("a+b");
        pique_error err = {0};
        add(&a, "x", PQ_F32, 4, one);
        add(&a, "n", PQ_I64, 2, whole);
        add(&b, "x", PQ_F32, 4, two);
        add(&b, cases[i].name, cases[i].dtype, cases[i].count, cases[i].data);
        assert_int_equal(pq_statedict_blend(&a, &b, 0.5, &out, &err), PIQUE_EFORMAT);
        if (!strstr(err.message, cases[i].says))
            fail_msg("case %zu: '%s'", i, err.message);
        pq_statedict_free(&a);
        pq_statedict_free(&b);
        pq_statedict_free(&out);
    }
}

static void what_only_the_second_has_is_named(void **state)
{
    (void)state;
    struct pq_statedict a = empty("a.pth"), b = empty("b.pth"), out = empty("a+b");
    pique_error err = {0};
    add(&a, "x", PQ_F32, 4, one);
    add(&b, "x", PQ_F32, 4, two);
    add(&b, "extra", PQ_F32, 4, two);
    assert_int_equal(pq_statedict_blend(&a, &b, 0.5, &out, &err), PIQUE_EFORMAT);
    assert_string_equal(err.message, "a.pth: has no tensor 'extra', which b.pth has");
    pq_statedict_free(&a);
    pq_statedict_free(&b);
    pq_statedict_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_weight_lies_between_its_two),
        cmocka_unit_test(the_first_tensor_that_differs_is_named),
        cmocka_unit_test(what_only_the_second_has_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
