/* SPDX-License-Identifier: MIT */
#include "kernels/wide.h"

#include "base/cpu.h"

#if defined(__x86_64__)
extern const struct pq_wide pq_wide_avx2, pq_wide_avx512;
#elif defined(__aarch64__)
extern const struct pq_wide pq_wide_neon;
#endif

const struct pq_wide *pq_wide(int cpu_level)
{
#if defined(__x86_64__)
    if (cpu_level >= PQ_CPU_AVX512)
        return &pq_wide_avx512;
    if (cpu_level >= PQ_CPU_AVX2)
        return &pq_wide_avx2;
#elif defined(__aarch64__)
    if (cpu_level == PQ_CPU_NEON)
        return &pq_wide_neon;
#endif
    (void)cpu_level;
    return &pq_wide_c;
}
