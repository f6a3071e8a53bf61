/* SPDX-License-Identifier: MIT */
/* exp, erf, tanh, log(1 + x) and what is made of them. libm's bits differ between versions and
 * processors, so ours are fixed sequences of additions and products, each rounded once; a compiler
 * may vectorise them freely, for every choice is a select. NaN stays NaN.
 *
 * Polynomials are best in the sense of Chebyshev for the weight that is told with each: found in
 * double by least squares on 800 Chebyshev points with weights renewed after each of 200 solutions
 * (Lawson 1961), then rounded to float. Bounds hold for the whole function in float, measured
 * against double (tests/kernels). */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/inline.h"

/* e^x within 2 ulp for |x| <= 87; what lies beyond is taken as +-87.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2, so e^x = 2^n e^r; ln 2 is split in two parts of which the
 * first times n is exact (Cody and Waite 1980), and e^r is the polynomial of Cephes' expf. */
PQ_INLINE float pq_exp(float x)
{
    const float most = 87.0f, round = 0x1.8p23f; /* adding it leaves the whole number */
    x = x > most ? most : x;
    x = x < -most ? -most : x;
    const float whole = x * 1.44269504088896341f + round;
    const float n = whole - round;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = (p * (r * r) + r) + 1.0f;
    /* The last bits of `whole` are n, whose place is the exponent of 2^n; -126 <= n <= 126, so the
     * product is exact. Of a NaN come some bits, and p is NaN times any of them. */
    uint32_t bits;
    memcpy(&bits, &whole, sizeof bits);
    bits = (bits + 127u) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

PQ_INLINE float pq_sigmoid(float x)
{
    return 1.0f / (1.0f + pq_exp(-x));
}

PQ_INLINE float pq_abs(float x)
{
    return x < 0.0f ? -x : x;
}

/* 1 - erf(x), x >= 0, within 1e-7; 0 from 4 on.
 *
 * -log(erfc(x)) / x is smooth: a polynomial of degree 8, whose fit is weighted with x erfc(x), by
 * which an error of it shows in erfc: 2.3e-9. */
PQ_INLINE float pq_erfc_positive(float x)
{
    float a = x > 4.0f ? 4.0f : x;
    float p = -0x1.0de7eap-17f;
    p = p * a + 0x1.bcb54p-14f;
    p = p * a + -0x1.344168p-11f;
    p = p * a + 0x1.9d5694p-10f;
    p = p * a + -0x1.ed1856p-15f;
    p = p * a + -0x1.3ada8ap-6f;
    p = p * a + 0x1.a510c8p-4f;
    p = p * a + 0x1.45f28cp-1f;
    p = p * a + 0x1.20dd78p+0f;
    float e = pq_exp(-(a * p));
    return x > 4.0f ? 0.0f : e;
}

/* Within 1.2e-7. */
PQ_INLINE float pq_erf(float x)
{
    float e = 1.0f - pq_erfc_positive(pq_abs(x));
    return x < 0.0f ? -e : e;
}

/* Within 1.2e-7: (1 - e) / (1 + e) with e = exp(-2 |x|), and for |x| < 0.6 an odd polynomial of
 * degree 11 whose first term is x; its fit is weighted with x^3, 2.7e-9. */
PQ_INLINE float pq_tanh(float x)
{
    const float z = x * x;
    float p = -0x1.830c04p-8f;
    p = p * z + 0x1.54e01ap-6f;
    p = p * z + -0x1.b89edap-5f;
    p = p * z + 0x1.1109dcp-3f;
    p = p * z + -0x1.55553ep-2f;
    const float small = x + (x * z) * p;
    const float size = pq_abs(x), e = pq_exp(-2.0f * size);
    const float far = (1.0f - e) / (1.0f + e);
    const float large = x < 0.0f ? -far : far;
    return size < 0.6f ? small : large;
}

/* log(1 + x), 0 <= x <= 1, within 1.2e-7: x - x^2 P(x), degree 7, weighted with x^2, 7.2e-9. */
PQ_INLINE float pq_log1p_unit(float x)
{
    float p = -0x1.1c756ep-8f;
    p = p * x + 0x1.a5d39ep-6f;
    p = p * x + -0x1.25d062p-4f;
    p = p * x + 0x1.0bb796p-3f;
    p = p * x + -0x1.81185p-3f;
    p = p * x + 0x1.fb0822p-3f;
    p = p * x + -0x1.55107p-2f;
    p = p * x + 0x1.fffd12p-2f;
    return x - (x * x) * p;
}

/* log(1 + e^x) within 2e-7 max(1, |x|). x itself from 17 on, because there what is added is less
 * than half a unit in its last place. */
PQ_INLINE float pq_softplus(float x)
{
    return (x < 0.0f ? 0.0f : x) + pq_log1p_unit(pq_exp(-pq_abs(x)));
}

/* x/2 (1 + erf(x / sqrt 2)) within 4e-7 max(1, |x|); -0 below -5.7. */
PQ_INLINE float pq_gelu(float x)
{
    const float e = pq_erfc_positive(pq_abs(x) * 0.70710678118654752f);
    const float half = 0.5f * (x < -6.0f ? -6.0f : x); /* or 0 times infinity */
    return half * (x < 0.0f ? e : 2.0f - e);
}

/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) within 4e-7 max(1, |x|); -0 below -10. */
PQ_INLINE float pq_gelu_tanh(float x)
{
    const float t = pq_tanh((x + 0.044715f * (x * (x * x))) * 0.79788456080286536f);
    const float half = 0.5f * (x < -10.0f ? -10.0f : x);
    return half * (1.0f + t);
}

/* x tanh(log(1 + e^x)) within 4e-7 max(1, |x|).
 *
 * With e = e^x and n = e (e + 2), tanh(log(1 + e)) = n / (n + 2). From x = 20 on that is 1. */
PQ_INLINE float pq_mish(float x)
{
    const float e = pq_exp(x > 20.0f ? 20.0f : x), n = e * (e + 2.0f);
    return (x < -87.0f ? -87.0f : x) * (n / (n + 2.0f));
}
