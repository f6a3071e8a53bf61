/* SPDX-License-Identifier: MIT */
/* A step: the rows that come in, those of every operation that they allow, and the finished ones,
 * as one loop of tasks. Threads take them in order and meet only at its end; where one is ahead of
 * what its task reads, it waits for that alone (needs.c). */
#include "backend/cpu/job.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "kernels/pixel.h"

enum { MOST_TASKS = 1 << 30 }; /* that are shared out at a time */

/* A row between a ring and the caller's memory. */
static void copy_row(const struct cpu_job *job, int frame, int64_t y)
{
    struct cpu_run *run = job->run;
    const struct cpu_ring *ring = &run->rings[job->i];
    const bool into_ring = job == run->jobs;
    const int width = cpu_width(job), channels = job->op->channels, stride = ring->stride;
    float *inside = into_ring ? cpu_new_row(run, job->i, frame, y)
                              : cpu_ring_row(ring, cpu_frames(job), frame, y);
    float *outside =
        job->band->data + frame * job->band->frame_stride + (y - job->y0) * job->band->row_stride;
    if (into_ring) {
        pq_copy_row(outside, channels, width, channels, inside, stride);
        cpu_stored(job, inside, (size_t)width * (size_t)stride);
    } else {
        pq_copy_row(inside, stride, width, channels, outside, channels);
    }
}

/* The job that a task of the step belongs to: the last of those that begin with it or before. */
static const struct cpu_job *job_of(const struct cpu_run *run, int64_t task)
{
    int low = 0, high = run->base.program->graph->count;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (run->jobs[middle].at <= task)
            low = middle;
        else
            high = middle - 1;
    }
    return &run->jobs[low];
}

static void task(void *context, int index, int worker)
{
    const struct cpu_run *run = context;
    const struct cpu_program *program = (const struct cpu_program *)run->base.program;
    const int64_t at = run->first + index;
    const struct cpu_job *job = job_of(run, at);
    const int64_t in_job = at - job->at, needs = cpu_job_needs(job, in_job) - run->first;
    if (needs > 0)
        pq_pool_wait(program->pool, (int)needs);
    if (job->band)
        copy_row(job, (int)(in_job / job->rows), job->y0 + in_job % job->rows);
    else
        cpu_job_task(job, in_job,
                     run->scratch + (size_t)worker * cpu_align(program->scratch_floats));
}

static void run_tasks(struct cpu_run *run, int64_t first, int64_t count)
{
    const struct cpu_program *program = (const struct cpu_program *)run->base.program;
    const int64_t end = first + count;
    for (run->first = first; run->first < end; run->first += MOST_TASKS)
        pq_pool_run(program->pool, (int)PQ_MIN(end - run->first, MOST_TASKS), task, run);
}

/* One operation after the other, where somebody wants to know what each takes. */
static void run_measured(struct cpu_run *run)
{
    struct pq_op_time *times = run->base.program->times;
    for (int i = 0; i <= run->base.program->graph->count; i++) {
        const struct cpu_job *job = &run->jobs[i];
        const double start = pq_seconds();
        run_tasks(run, job->at, job->tasks);
        if (job->band)
            continue;
        times[i].seconds += pq_seconds() - start;
        times[i].pixels +=
            (uint64_t)cpu_frames(job) * (uint64_t)(job->y1 - job->y0) * (uint64_t)cpu_width(job);
    }
}

/* Rows that come in, or that go out. */
static void plan_copy(struct cpu_job *job, struct cpu_run *run, int i, int64_t y0, int64_t y1,
                      const struct pq_band *band)
{
    const struct cpu_program *program = (const struct cpu_program *)run->base.program;
    *job = (struct cpu_job){.run = run,
                            .program = program,
                            .op = &program->base.graph->ops[i],
                            .round = program->round,
                            .band = band,
                            .i = i,
                            .y0 = y0,
                            .y1 = y1,
                            .rows = (int)(y1 - y0),
                            .parts = 1,
                            .tasks = run->base.geometry.frames * (y1 - y0)};
}

int cpu_step(struct pq_run *base, const struct pq_band *in, int count, const struct pq_band *out,
             int *got, pique_error *err)
{
    (void)err;
    struct cpu_run *run = (struct cpu_run *)base;
    const struct pq_graph *g = base->program->graph;
    struct pq_progress progress = {base->done};
    const int64_t first = base->done[g->output];
    plan_copy(&run->jobs[0], run, 0, base->done[0], base->done[0] + count, in);
    base->done[0] += count;
    for (int i = 1; i < g->count; i++) {
        int64_t y0, y1;
        pq_plan_step(g, base->lines, base->geometry.band, &progress, i, &y0, &y1);
        cpu_job_plan(&run->jobs[i], run, i, y0, y1);
        base->done[i] = y1;
    }
    plan_copy(&run->jobs[g->count], run, g->output, first, base->done[g->output], out);
    int64_t tasks = 0;
    for (int i = 0; i <= g->count; i++) {
        run->jobs[i].at = tasks;
        tasks += run->jobs[i].tasks;
    }
    if (base->program->times)
        run_measured(run);
    else
        run_tasks(run, 0, tasks);
    *got = (int)(base->done[g->output] - first);
    return 0;
}
