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
    const bool into_ring = job->takes;
    const int width = cpu_width(job), channels = job->op->channels, stride = ring->stride;
    float *inside = into_ring ? cpu_new_row(run, job->i, frame, y)
                              : cpu_ring_row(ring, cpu_frames(job), frame, y);
    float *outside = job->band->data + frame * job->band->frame_stride +
                     (y - job->band_y) * job->band->row_stride;
    if (into_ring) {
        pq_copy_row(outside, channels, width, channels, inside, stride);
        cpu_stored(job, inside, (size_t)width * (size_t)stride);
    } else {
        pq_copy_row(inside, stride, width, channels, outside, channels);
    }
}

/* The job that a task of the step belongs to: the last of those that begin with it or before. None
 * is empty. */
static const struct cpu_job *job_of(const struct cpu_run *run, int64_t task)
{
    int low = 0, high = run->job_count - 1;
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

/* One piece after the other, where somebody wants to know what each operation takes. */
static void run_measured(struct cpu_run *run)
{
    struct pq_op_time *times = run->base.program->times;
    for (const struct cpu_job *job = run->jobs; job < run->jobs + run->job_count; job++) {
        const double start = pq_seconds();
        run_tasks(run, job->at, job->tasks);
        if (job->band)
            continue;
        times[job->i].seconds += pq_seconds() - start;
        times[job->i].pixels +=
            (uint64_t)cpu_frames(job) * (uint64_t)(job->y1 - job->y0) * (uint64_t)cpu_width(job);
    }
}

/* Rows that come in, or that go out. */
static void plan_copy(struct cpu_job *job, struct cpu_run *run, const struct cpu_piece *piece,
                      const struct pq_band *band, int64_t band_y)
{
    const struct cpu_program *program = (const struct cpu_program *)run->base.program;
    const struct pq_graph *g = program->base.graph;
    const int i = piece->i == g->count ? g->output : piece->i;
    *job = (struct cpu_job){.run = run,
                            .program = program,
                            .op = &g->ops[i],
                            .round = program->round,
                            .band = band,
                            .band_y = band_y,
                            .takes = piece->i == 0,
                            .i = i,
                            .y0 = piece->y0,
                            .y1 = piece->y1,
                            .rows = (int)(piece->y1 - piece->y0),
                            .parts = 1,
                            .tasks = run->base.geometry.frames * (piece->y1 - piece->y0)};
}

/* Where the bands that a step takes and gives come from and go to, and their first rows. */
struct ends {
    const struct pq_band *in, *out;
    int64_t in_y, out_y;
};

/* A piece as a job, of which the first task is number `at`. */
static void plan_job(struct cpu_run *run, const struct cpu_piece *piece, const struct ends *ends,
                     int64_t at)
{
    struct cpu_job *job = &run->jobs[run->job_count++];
    const int64_t idle = cpu_slots_take(run->slots, piece);
    const bool out = piece->i == run->base.program->graph->count;
    if (out)
        plan_copy(job, run, piece, ends->out, ends->out_y);
    else if (piece->i == 0)
        plan_copy(job, run, piece, ends->in, ends->in_y);
    else
        cpu_job_plan(job, run, piece->i, piece->y0, piece->y1);
    job->idle = idle;
    job->at = at;
    if (!out) {
        job->before = run->latest[job->i];
        run->latest[job->i] = job;
    }
    cpu_slots_release(run->slots, run->base.done, piece, at + job->tasks);
}

/* All pieces, one behind the other; how many tasks they are. */
static int64_t plan(struct cpu_run *run, const struct ends *ends, int count)
{
    const struct pq_run *base = &run->base;
    struct cpu_pieces pieces = {
        .g = base->program->graph,
        .lines = base->lines,
        .band = base->geometry.band,
        .rows = run->piece_rows,
        .done = base->done,
        .end = run->end,
        .out = ends->out_y,
    };
    struct cpu_piece piece;
    int64_t tasks = 0;
    cpu_slots_step(run->slots, base->done);
    for (int i = 0; i < base->program->graph->count; i++)
        run->latest[i] = NULL;
    run->job_count = 0;
    cpu_pieces_begin(&pieces, count);
    while (cpu_pieces_next(&pieces, &piece)) {
        plan_job(run, &piece, ends, tasks);
        tasks += run->jobs[run->job_count - 1].tasks;
    }
    return tasks;
}

int cpu_step(struct pq_run *base, const struct pq_band *in, int count, const struct pq_band *out,
             int *got, pique_error *err)
{
    (void)err;
    struct cpu_run *run = (struct cpu_run *)base;
    const int output = base->program->graph->output;
    const struct ends ends = {in, out, base->done[0], base->done[output]};
    const int64_t tasks = plan(run, &ends, count);
    if (base->program->times)
        run_measured(run);
    else
        run_tasks(run, 0, tasks);
    *got = (int)(base->done[output] - ends.out_y);
    return 0;
}
