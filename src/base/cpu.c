/* SPDX-License-Identifier: MIT */
#include "base/cpu.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/lang.h"

static atomic_int forced = -1;

const char *pq_cpu_level_name(enum pq_cpu_level level)
{
    static const char *const names[] = {"scalar", "avx2", "avx512", "avx512-vnni", "neon"};
    return names[level];
}

enum pq_cpu_level pq_cpu_best(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !__builtin_cpu_supports("f16c"))
        return PQ_CPU_SCALAR;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return PQ_CPU_AVX2;
    return __builtin_cpu_supports("avx512vnni") ? PQ_CPU_VNNI : PQ_CPU_AVX512;
#elif defined(__aarch64__)
    return PQ_CPU_NEON;
#else
    return PQ_CPU_SCALAR;
#endif
}

bool pq_cpu_has(enum pq_cpu_level level)
{
    const enum pq_cpu_level best = pq_cpu_best();
    return level == PQ_CPU_SCALAR || level == best || (best != PQ_CPU_NEON && level < best);
}

enum pq_cpu_level pq_cpu_level(void)
{
    int level = atomic_load_explicit(&forced, memory_order_relaxed);
    return level < 0 ? pq_cpu_best() : (enum pq_cpu_level)level;
}

bool pq_cpu_force(enum pq_cpu_level level)
{
    if (!pq_cpu_has(level))
        return false;
    atomic_store_explicit(&forced, (int)level, memory_order_relaxed);
    return true;
}

void pq_cpu_brand(char *name, int size)
{
    snprintf(name, (size_t)size, "%s", pq_tr("unknown processor"));
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f)
        return;
    char line[256];
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "model name", 10) != 0)
            continue;
        const char *value = strchr(line, ':');
        if (!value)
            continue;
        value += 1 + strspn(value + 1, " \t");
        snprintf(name, (size_t)size, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    fclose(f);
}

void pq_memory(uint64_t *total, uint64_t *available)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    *total = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    *available = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f)
        return;
    char line[128];
    unsigned long long kib;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            *available = (uint64_t)kib * 1024;
    }
    fclose(f);
}

uint64_t pq_memory_most(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[128];
    unsigned long long kib = 0;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmHWM: %llu kB", &kib) == 1)
            break;
    }
    if (f)
        fclose(f);
    return (uint64_t)kib * 1024;
}

void pq_memory_forget_most(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "we");
    if (!f)
        return;
    fputs("5\n", f); /* proc(5) */
    fclose(f);
}
