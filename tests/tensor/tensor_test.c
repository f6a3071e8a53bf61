/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tensor/bf16.h"
#include "tensor/f16.h"
#include "tensor/tensor.h"

/* The definition of binary16, in double. */
static double half_value(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double v = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    if (exponent == 31)
        v = mantissa ? NAN : INFINITY;
    return h & 0x8000 ? -v : v;
}

static void all_halves_convert_exactly(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float have = pq_f16_to_f32((uint16_t)h);
        double want = half_value((uint16_t)h);
        assert_true(isnan(want) ? isnan(have) : (double)have == want);
        assert_int_equal(signbit(have) != 0, h >> 15);
        assert_int_equal(pq_f32_to_f16(have), isnan(want) ? h | 0x200 : h);
    }
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Every half, the middle between it and the next, what lies just beside them, and more. */
static void a_float_becomes_the_half_that_its_double_does(void **state)
{
    (void)state;
    static const uint32_t low[] = {0, 1, 0xfff};
    for (uint32_t i = 0; i < 3 << 20; i++) {
        const float value = float_of(i / 3 << 12 | low[i % 3]);
        if (isnan(value))
            assert_int_equal(pq_f32_to_f16(value) & 0x7e00, 0x7e00);
        else
            assert_int_equal(pq_f32_to_f16(value), pq_f64_to_f16((double)value));
    }
}

/* Every half, the middle between it and the next, and what lies just beside that middle. */
static void a_number_becomes_the_nearest_half(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        double low = half_value((uint16_t)h);
        double high = h == 0x7bff ? 65536 : half_value((uint16_t)(h + 1));
        double middle = low + (high - low) / 2;
        uint16_t even = (uint16_t)(h % 2 ? h + 1 : h);
        for (uint16_t sign = 0; sign < 2; sign++) {
            uint16_t s = (uint16_t)(sign << 15);
            double one = sign ? -1 : 1;
            assert_int_equal(pq_f64_to_f16(one * low), s | h);
            assert_int_equal(pq_f64_to_f16(one * middle), s | even);
            assert_int_equal(pq_f64_to_f16(one * nextafter(middle, 0)), s | h);
            assert_int_equal(pq_f64_to_f16(one * nextafter(middle, 1e9)), s | (h + 1));
        }
    }
    assert_int_equal(pq_f64_to_f16(65520), 0x7c00);
    assert_int_equal(pq_f64_to_f16(-1e300), 0xfc00);
    assert_int_equal(pq_f64_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(pq_f64_to_f16(0x1p-1074), 0);
    assert_int_equal(pq_f64_to_f16(-0.0), 0x8000);
    assert_int_equal(pq_f64_to_f16(NAN) & 0x7e00, 0x7e00);
}

static void bf16_is_the_upper_half_of_a_float(void **state)
{
    (void)state;
    assert_true(pq_bf16_to_f32(0x3f80) == 1.0f);
    assert_true(pq_bf16_to_f32(0xc040) == -3.0f);
    assert_true(isinf(pq_bf16_to_f32(0x7f80)));
    assert_true(isnan(pq_bf16_to_f32(0x7fc0)));
    assert_true(pq_bf16_to_f32(0x0001) == 0x1p-133f);
}

/* Every bf16 below infinity, the middle between it and the next, and what lies just beside that
 * middle; the middles are floats, and beyond the largest one comes infinity. */
static void a_float_becomes_the_nearest_bf16(void **state)
{
    (void)state;
    for (uint32_t b = 0; b < 0x7f80; b++) {
        const uint32_t middle = b << 16 | 0x8000, even = b + b % 2;
        const uint32_t floats[] = {b << 16, middle - 1, middle, middle + 1};
        const uint32_t wants[] = {b, b, even, b + 1};
        for (int i = 0; i < 4; i++) {
            for (uint32_t sign = 0; sign < 2; sign++) {
                float value;
                const uint32_t bits = floats[i] | sign << 31;
                memcpy(&value, &bits, sizeof value);
                assert_int_equal(pq_f32_to_bf16(value), wants[i] | sign << 15);
            }
        }
    }
    assert_int_equal(pq_f32_to_bf16(INFINITY), 0x7f80);
    assert_int_equal(pq_f32_to_bf16(-INFINITY), 0xff80);
    for (uint32_t low = 1; low < 0x800000; low = low * 2 + 1) { /* NaN of every payload */
        assert_true(isnan(pq_bf16_to_f32((uint16_t)(pq_bf16_round(0x7f800000 | low) >> 16))));
        assert_true(isnan(pq_bf16_to_f32((uint16_t)(pq_bf16_round(0xff800000 | low) >> 16))));
    }
}

static void conversion_reads_any_alignment(void **state)
{
    (void)state;
    unsigned char bytes[1 + 4 * 8];
    float out[4];
    const double f64[] = {1.5, -2.25, 1e-3, 3e10};
    memcpy(bytes + 1, f64, sizeof f64);
    struct pq_tensor t = {.dtype = PQ_F64, .dims = 1, .shape = {4}, .data = bytes + 1};
    pq_tensor_to_f32(&t, 1, 3, out);
    for (int i = 0; i < 3; i++)
        assert_true(out[i] == (float)f64[i + 1]);
    const int64_t i64[] = {1, -7, 1 << 20, 16777217};
    memcpy(bytes + 1, i64, sizeof i64);
    t.dtype = PQ_I64;
    pq_tensor_to_f32(&t, 0, 4, out);
    for (int i = 0; i < 4; i++)
        assert_true(out[i] == (float)i64[i]);
    const int32_t i32[] = {1, -7};
    memcpy(bytes + 1, i32, sizeof i32);
    t.dtype = PQ_I32;
    pq_tensor_to_f32(&t, 0, 2, out);
    assert_true(out[1] == -7.0f);
    const float f32[] = {0.1f, -0.2f};
    memcpy(bytes + 1, f32, sizeof f32);
    t.dtype = PQ_F32;
    pq_tensor_to_f32(&t, 1, 1, out);
    assert_true(out[0] == -0.2f);
}

static void products_that_do_not_fit_are_seen(void **state)
{
    (void)state;
    size_t n;
    struct pq_tensor t = {.dtype = PQ_F32, .dims = 2, .shape = {3, 5}};
    assert_true(pq_tensor_count(&t, &n));
    assert_int_equal(n, 15);
    t.shape[0] = INT64_MAX;
    assert_false(pq_tensor_count(&t, &n));
    t.shape[1] = 1; /* the count fits, the bytes do not */
    assert_false(pq_tensor_count(&t, &n));
    t.shape[0] = -1;
    assert_false(pq_tensor_count(&t, &n));
    t.dims = 0;
    assert_true(pq_tensor_count(&t, &n));
    assert_int_equal(n, 1);
}

static void shapes_are_written_as_people_write_them(void **state)
{
    (void)state;
    char text[32], small[8];
    struct pq_tensor t = {.dims = 4, .shape = {64, 3, 3, 3}};
    assert_string_equal(pq_tensor_shape_text(&t, text, sizeof text), "[64, 3, 3, 3]");
    pq_tensor_shape_text(&t, small, sizeof small);
    assert_true(strlen(small) < sizeof small);
    t.dims = 0;
    assert_string_equal(pq_tensor_shape_text(&t, text, sizeof text), "[]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_halves_convert_exactly),
        cmocka_unit_test(a_float_becomes_the_half_that_its_double_does),
        cmocka_unit_test(a_number_becomes_the_nearest_half),
        cmocka_unit_test(bf16_is_the_upper_half_of_a_float),
        cmocka_unit_test(a_float_becomes_the_nearest_bf16),
        cmocka_unit_test(conversion_reads_any_alignment),
        cmocka_unit_test(products_that_do_not_fit_are_seen),
        cmocka_unit_test(shapes_are_written_as_people_write_them),
    };
    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
