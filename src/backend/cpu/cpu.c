/* SPDX-License-Identifier: MIT */
#include "backend/cpu/cpu.h"

#include <stdio.h>
#include <string.h>

#include "backend/cpu/ends.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "base/lang.h"

static const char *how(const struct pq_program *base, int op)
{
    const struct cpu_program *program = (const struct cpu_program *)base;
    if (base->graph->ops[op].kind != PQ_OP_CONV2D)
        return "";
    return program->steps[op].tiled ? "winograd" : "direct";
}

static unsigned tiers(const char *id)
{
    unsigned all = 0;
    for (int tier = PIQUE_PRECISION_FP32; tier <= PIQUE_PRECISION_INT16; tier++) {
        if (cpu_mode_of(id, (enum pique_precision)tier))
            all |= 1u << tier;
    }
    return all;
}

static int statistic(const struct pq_run *base, int op, int frame, float *out, pique_error *err)
{
    (void)err;
    const struct cpu_run *run = (const struct cpu_run *)base;
    memcpy(out, cpu_ring_row(&run->rings[op], base->geometry.frames, frame, 0),
           (size_t)base->program->graph->ops[op].channels * sizeof *out);
    return 0;
}

static bool supports(const struct pq_op *op, const char **reason)
{
    if (op->kind >= PQ_OP_KINDS) {
        *reason = PQ_SAID("it is unknown to this backend");
        return false;
    }
    return true;
}

/* One key for all instruction sets: they give the same bits. The number counts changes of the
 * algorithm table, that is, of any bit of any result. */
static const char *numeric_key(const struct pq_program *program)
{
    return ((const struct cpu_program *)program)->mode->key;
}

static uint64_t free_memory(const char *id)
{
    (void)id;
    uint64_t total, available;
    pq_memory(&total, &available);
    return available / 2; /* the rest is for pictures, films and other programs */
}

static bool describe(size_t i, pique_device_info *info)
{
    static _Thread_local char name[192];
    static const char *const level_names[] = {PQ_SAID("no vector kernels"), "AVX2", "AVX-512",
                                              "AVX-512 VNNI", "NEON"};
    if (i > 0)
        return false;
    char brand[128];
    pq_cpu_brand(brand, sizeof brand);
    int cores = pq_cores();
    snprintf(name, sizeof name, "%s, %d thread%s, %s", brand, cores, cores == 1 ? "" : "s",
             pq_tr(level_names[pq_cpu_level()]));
    *info = (pique_device_info){
        .size = info->size,
        .id = "cpu",
        .name = name,
        .threads = cores,
        .usable = true,
        .reason = "",
    };
    pq_memory(&info->memory_total, &info->memory_free);
    return true;
}

const struct pq_backend pq_backend_cpu = {
    .name = "cpu",
    .highest_band = CPU_HIGHEST_BAND,
    .lowest_band = CPU_LOWEST_BAND,
    .tiers = tiers,
    .supports = supports,
    .compile = cpu_compile,
    .release = cpu_release,
    .numeric_key = numeric_key,
    .memory = cpu_memory,
    .begin = cpu_begin,
    .end = cpu_end,
    .step = cpu_step,
    .advance = cpu_advance,
    .sample = cpu_sample,
    .seen = cpu_seen,
    .statistic = statistic,
    .how = how,
    .free_memory = free_memory,
    .describe = describe,
};
