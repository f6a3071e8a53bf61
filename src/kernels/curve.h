/* SPDX-License-Identifier: MIT */
/* exp and what is made of it. libm's bits differ between versions and processors, so ours is a
 * fixed sequence of additions and products, each rounded once; a compiler may vectorise it freely.
 */
#pragma once

#include <stdint.h>
#include <string.h>

/* e^x within 2 ulp for |x| <= 87; what lies beyond is taken as +-87. NaN stays NaN.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2, so e^x = 2^n e^r; ln 2 is split in two parts of which the
 * first times n is exact (Cody and Waite 1980), and e^r is the polynomial of Cephes' expf. */
static inline float pq_exp(float x)
{
    const float most = 87.0f, round = 0x1.8p23f; /* adding it leaves the whole number */
    x = x > most ? most : x;
    x = x < -most ? -most : x;
    const float n = (x * 1.44269504088896341f + round) - round;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = (p * (r * r) + r) + 1.0f;
    int32_t bits;
    memcpy(&bits, &p, sizeof bits);
    /* NaN: n has no whole number, and p is NaN whatever is done to its exponent bits here. */
    bits += (int32_t)((uint32_t)(n == n ? (int32_t)n : 0) << 23);
    memcpy(&p, &bits, sizeof p);
    return p;
}

static inline float pq_sigmoid(float x)
{
    return 1.0f / (1.0f + pq_exp(-x));
}
