/* SPDX-License-Identifier: MIT */
/* The most multiply-adds that a core can do at a level: sums that wait for nothing but themselves,
 * enough of them (12 registers) to cover the latency of two units, and no memory. */
#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"

#if defined(__AVX512F__)
enum { SUMS = 12 }; /* one register each */
#else
enum { SUMS = 6 }; /* two */
#endif

double PQ_WIDE(peak)(long rounds)
{
    /* Sums tend to 2 and stay ordinary numbers. Nobody but the processor may know that. */
    volatile float half = 0.5f, one = 1.0f;
    volatile float sink;
    const struct lanes factor = lanes_set(half), term = lanes_set(one);
    struct lanes sum[SUMS];
    UNROLLED_FOR (i, SUMS)
        sum[i] = lanes_set(half + (float)i * one);
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
