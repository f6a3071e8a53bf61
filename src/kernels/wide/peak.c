/* SPDX-License-Identifier: MIT */
/* The most multiply-adds that a core can do at a level: sums that wait for nothing but themselves,
 * enough registers of them to cover the latency of all units (two, at NEON up to four, of four
 * cycles or five), and no memory. */
#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"

#if defined(__AVX512F__)
enum { SUMS = 12 }; /* one register each */
#else
enum { SUMS = 6 }; /* two, at NEON four */
#endif

double PQ_WIDE(peak)(long rounds)
{
    /* Sums tend to 2 and stay ordinary numbers. Nobody but the processor may know that, nor that
     * any two lanes are alike: of two equal registers the compiler makes one. */
    volatile float half = 0.5f, one = 1.0f;
    volatile float sink;
    const struct lanes factor = lanes_set(half), term = lanes_set(one);
    float first[SUMS * LANES];
    for (int i = 0; i < SUMS * LANES; i++)
        first[i] = half + (float)i * one;
    struct lanes sum[SUMS];
    UNROLLED_FOR (i, SUMS)
        sum[i] = lanes_load(first + i * LANES);
    for (long r = 0; r < rounds; r++) {
        UNROLLED_FOR (i, SUMS)
            sum[i] = lanes_fma(sum[i], factor, term);
    }
    struct lanes all = sum[0];
    UNROLLED_FOR (i, SUMS)
        all = lanes_add(all, sum[i]);
    sink = lanes_sum(all);
    (void)sink;
    return 2.0 * SUMS * LANES * (double)rounds;
}
