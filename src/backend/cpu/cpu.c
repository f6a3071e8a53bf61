/* SPDX-License-Identifier: MIT */
#include "backend/cpu/cpu.h"

#include <stdio.h>
#include <string.h>

#include "backend/cpu/run.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/lang.h"
#include "kernels/pixel.h"

/* Copy rows of all frames between a ring and the caller's memory. */
static void copy_rows(struct cpu_run *run, int i, int64_t y0, int64_t y1,
                      const struct pq_band *band, bool into_ring)
{
    const struct cpu_program *program = (const struct cpu_program *)run->base.program;
    const struct cpu_ring *ring = &run->rings[i];
    size_t width = (size_t)run->base.lines[i].width;
    size_t channels = (size_t)run->base.program->graph->ops[i].channels;
    size_t stride = (size_t)ring->stride;
    for (int f = 0; f < run->base.geometry.frames; f++) {
        for (int64_t y = y0; y < y1; y++) {
            float *inside = into_ring ? cpu_new_row(run, i, f, y)
                                      : cpu_ring_row(ring, run->base.geometry.frames, f, y);
            float *outside = band->data + f * band->frame_stride + (y - y0) * band->row_stride;
            const float *from = into_ring ? outside : inside;
            float *to = into_ring ? inside : outside;
            if (stride == channels)
                memcpy(to, from, width * channels * sizeof *to);
            else
                pq_copy_row(from, (int)(into_ring ? channels : stride), (int)width, (int)channels,
                            to, (int)(into_ring ? stride : channels));
            if (into_ring && program->round)
                program->round(to, width * stride);
        }
    }
}

/* Rows of an operation, with a look at the clock where somebody wants to know. */
static void compute(struct cpu_run *run, int i, int64_t y0, int64_t y1)
{
    struct pq_op_time *times = run->base.program->times;
    const double start = times ? pq_seconds() : 0;
    cpu_compute(run, i, y0, y1);
    if (!times)
        return;
    times[i].seconds += pq_seconds() - start;
    times[i].pixels += (uint64_t)run->base.geometry.frames * (uint64_t)(y1 - y0) *
                       (uint64_t)run->base.lines[i].width;
}

static const char *how(const struct pq_program *base, int op)
{
    const struct cpu_program *program = (const struct cpu_program *)base;
    if (base->graph->ops[op].kind != PQ_OP_CONV2D)
        return "";
    return program->steps[op].tiled ? "winograd" : "direct";
}

static int step(struct pq_run *base, const struct pq_band *in, int count, const struct pq_band *out,
                int *got, pique_error *err)
{
    (void)err;
    struct cpu_run *run = (struct cpu_run *)base;
    const struct pq_graph *g = base->program->graph;
    struct pq_progress progress = {base->done};
    copy_rows(run, 0, base->done[0], base->done[0] + count, in, true);
    base->done[0] += count;
    int64_t first = base->done[g->output];
    for (int i = 1; i < g->count; i++) {
        int64_t y0, y1;
        pq_plan_step(g, base->lines, base->geometry.band, &progress, i, &y0, &y1);
        if (y1 > y0)
            compute(run, i, y0, y1);
        base->done[i] = y1;
    }
    if (g->output == 0)
        first = base->done[0] - count;
    copy_rows(run, g->output, first, base->done[g->output], out, false);
    *got = (int)(base->done[g->output] - first);
    return 0;
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
    .comfortable_bytes = CPU_COMFORTABLE_BYTES,
    .tiers = tiers,
    .supports = supports,
    .compile = cpu_compile,
    .release = cpu_release,
    .numeric_key = numeric_key,
    .memory = cpu_memory,
    .begin = cpu_begin,
    .end = cpu_end,
    .step = step,
    .statistic = statistic,
    .how = how,
    .free_memory = free_memory,
    .describe = describe,
};
