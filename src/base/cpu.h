/* SPDX-License-Identifier: MIT */
/* What the machine has, and what we let the kernels use of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Levels: scalar everywhere, those of x86-64, of which each includes the ones before it, and that
 * of ARM. All give the same bits. */
enum pq_cpu_level {
    PQ_CPU_SCALAR,
    PQ_CPU_AVX2,   /* AVX2, FMA and F16C */
    PQ_CPU_AVX512, /* AVX-512 F, BW, DQ and VL */
    PQ_CPU_VNNI,   /* and products of 16-bit words that are summed */
    PQ_CPU_NEON,   /* of AArch64, which always has it */
    PQ_CPU_LEVELS
};

/* "scalar", "avx2", "avx512", "avx512-vnni", "neon". */
const char *pq_cpu_level_name(enum pq_cpu_level level);
/* The highest level of this processor. Thread-safety: safe. */
enum pq_cpu_level pq_cpu_best(void);
/* Does this processor have it? Thread-safety: safe. */
bool pq_cpu_has(enum pq_cpu_level level);
/* The level in use: the best, or a lower one that was forced. Thread-safety: safe. */
enum pq_cpu_level pq_cpu_level(void);
/* Use no more than this level from now on. False where the processor has it not. Engines that are
 * open keep theirs. */
bool pq_cpu_force(enum pq_cpu_level level);
/* Bytes of memory of the whole machine, and how many of them a program could have now without
 * swapping; 0 where the system does not tell. */
void pq_memory(uint64_t *total, uint64_t *available);
/* The most bytes of this process that ever lay in memory at once, of whatever it is made of; 0
 * where the system does not tell. */
uint64_t pq_memory_most(void);
/* Count that anew from now on; where the system cannot, it goes on from the start. */
void pq_memory_forget_most(void);
/* The processor's own name, at most size-1 bytes; "unknown processor" where it tells none. */
void pq_cpu_brand(char *name, int size);
