/* SPDX-License-Identifier: MIT */
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

#include "tensor/bf16.h"
#include "tensor/f16.h"

static const struct {
    const char *name;
    size_t size;
} types[PQ_DTYPES] = {
    [PQ_F32] = {"f32", 4}, [PQ_F16] = {"f16", 2}, [PQ_BF16] = {"bf16", 2},
    [PQ_F64] = {"f64", 8}, [PQ_I64] = {"i64", 8}, [PQ_I32] = {"i32", 4},
};

const char *pq_dtype_name(enum pq_dtype dtype)
{
    return types[dtype].name;
}

size_t pq_dtype_size(enum pq_dtype dtype)
{
    return types[dtype].size;
}

bool pq_tensor_count(const struct pq_tensor *t, size_t *count)
{
    size_t n = 1, bytes;
    for (int i = 0; i < t->dims; i++) {
        if (t->shape[i] < 0 || __builtin_mul_overflow(n, (uint64_t)t->shape[i], &n))
            return false;
    }
    *count = n;
    return !__builtin_mul_overflow(n, pq_dtype_size(t->dtype), &bytes);
}

bool pq_tensor_is(const struct pq_tensor *t, int dims, const int64_t *shape)
{
    return t->dims == dims && memcmp(t->shape, shape, (size_t)dims * sizeof *shape) == 0;
}

const char *pq_tensor_shape_text(const struct pq_tensor *t, char *text, size_t size)
{
    size_t at = 0;
    int n = snprintf(text, size, "[");
    for (int i = 0; i <= t->dims; i++) {
        if (n < 0 || (size_t)n >= size - at)
            break;
        at += (size_t)n;
        if (i == t->dims)
            n = snprintf(text + at, size - at, "]");
        else
            n = snprintf(text + at, size - at, "%s%lld", i ? ", " : "", (long long)t->shape[i]);
    }
    return text;
}

/* In whole numbers, so that the rounding mode of the caller does not matter. */
uint16_t pq_f64_to_f16(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    uint64_t mantissa = bits & 0xfffffffffffff;
    if (exponent == 1024)
        return (uint16_t)(sign | 0x7c00 | (mantissa ? 0x200 | mantissa >> 42 : 0));
    if (exponent > 15)
        return sign | 0x7c00;
    if (exponent < -25)
        return sign;
    bool normal = exponent >= -14;
    int shift = normal ? 42 : 28 - exponent;
    mantissa |= (uint64_t)1 << 52;
    uint64_t kept = mantissa >> shift, rest = mantissa & (((uint64_t)1 << shift) - 1);
    uint64_t half = (uint64_t)1 << (shift - 1);
    kept += rest > half || (rest == half && kept % 2);
    /* The leading one of a normal number adds one to the exponent, as a carry may. */
    return (uint16_t)(sign | (((uint64_t)(normal ? exponent + 14 : 0) << 10) + kept));
}

void pq_tensor_to_f32(const struct pq_tensor *t, size_t first, size_t count, float *out)
{
    size_t size = pq_dtype_size(t->dtype);
    const unsigned char *p = (const unsigned char *)t->data + first * size;
    if (t->dtype == PQ_F32) {
        memcpy(out, p, count * size);
        return;
    }
    for (size_t i = 0; i < count; i++, p += size) {
        union {
            uint16_t u16;
            double f64;
            int64_t i64;
            int32_t i32;
        } v;
        memcpy(&v, p, size);
        switch (t->dtype) {
        case PQ_F16:
            out[i] = pq_f16_to_f32(v.u16);
            break;
        case PQ_BF16:
            out[i] = pq_bf16_to_f32(v.u16);
            break;
        case PQ_F64:
            out[i] = (float)v.f64;
            break;
        case PQ_I64:
            out[i] = (float)v.i64;
            break;
        default:
            out[i] = (float)v.i32;
            break;
        }
    }
}
