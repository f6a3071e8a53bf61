/* SPDX-License-Identifier: MIT */
/* A step: the rows that come in, those of every operation that they allow, and the finished ones,
 * as one loop of tasks. Threads take them in order and meet only at its end; where one is ahead of
 * what its task reads, it waits for that alone (needs.c). */
#include "backend/cpu/ends.h"
#include "base/alloc.h"
#include "base/clock.h"

enum { MOST_TASKS = 1 << 30 }; /* that are shared out at a time */

/* The scratch memory of a thread that lies behind that for operations: a row on its way. */
static float *row_scratch(const struct cpu_run *run, int worker)
{
    return run->scratch + (size_t)(worker + 1) * run->scratch_floats - run->end_floats;
}

/* A row that comes in, or goes out. */
static void move_row(const struct cpu_job *job, int frame, int64_t y, int worker)
{
    const struct cpu_ring *ring = &job->run->rings[job->i];
    float *scratch = row_scratch(job->run, worker);
    if (job->deed == CPU_TAKES) {
        cpu_take_row(job, frame, y, scratch);
    } else if (job->deed == CPU_GIVES) {
        cpu_give_row(job, frame, y, cpu_ring_row(ring, cpu_frames(job), frame, y), ring->stride,
                     scratch);
    } else {
        cpu_compute_row(job, frame, y, scratch);
        cpu_give_row(job, frame, y, scratch, ring->stride, scratch);
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
    const int64_t at = run->first + index;
    const struct cpu_job *job = job_of(run, at);
    const int64_t in_job = at - job->at, needs = cpu_job_needs(job, in_job) - run->first;
    if (needs > 0)
        pq_pool_wait(job->program->pool, (int)needs);
    if (job->end)
        move_row(job, (int)(in_job / job->rows), job->y0 + in_job % job->rows, worker);
    else
        cpu_job_task(job, in_job, run->scratch + (size_t)worker * run->scratch_floats);
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
        if (job->deed != CPU_COMPUTES)
            continue;
        times[job->i].seconds += pq_seconds() - start;
        times[job->i].pixels +=
            (uint64_t)cpu_frames(job) * (uint64_t)(job->y1 - job->y0) * (uint64_t)cpu_width(job);
    }
}

/* Rows that come in, or that go out. */
static void plan_move(struct cpu_job *job, struct cpu_run *run, const struct cpu_piece *piece,
                      const struct cpu_end *end)
{
    const struct cpu_program *program = (const struct cpu_program *)run->base.program;
    const struct pq_graph *g = program->base.graph;
    const int i = piece->i == g->count ? g->output : piece->i;
    *job = (struct cpu_job){.run = run,
                            .program = program,
                            .op = &g->ops[i],
                            .round = program->round,
                            .deed = piece->i == 0 ? CPU_TAKES : CPU_GIVES,
                            .end = end,
                            .i = i,
                            .y0 = piece->y0,
                            .y1 = piece->y1,
                            .rows = (int)(piece->y1 - piece->y0),
                            .parts = 1,
                            .tasks = run->base.geometry.frames * (piece->y1 - piece->y0)};
}

/* Where the rows that a step takes and gives come from and go to. */
struct ends {
    struct cpu_end in, out;
};

/* A piece as a job, of which the first task is number `at`. Where the result goes out as it is
 * computed, there is nothing to do for the piece in which it would. */
static void plan_job(struct cpu_run *run, const struct cpu_piece *piece, const struct ends *ends,
                     int64_t at)
{
    const struct cpu_program *program = (const struct cpu_program *)run->base.program;
    struct cpu_job *job = &run->jobs[run->job_count++];
    const int64_t idle = cpu_slots_take(run->slots, piece);
    const bool out = piece->i == program->base.graph->count;
    if (out)
        plan_move(job, run, piece, &ends->out);
    else if (piece->i == 0)
        plan_move(job, run, piece, &ends->in);
    else
        cpu_job_plan(job, run, piece->i, piece->y0, piece->y1);
    if (program->straight && out)
        job->tasks = 0;
    if (program->straight && piece->i == program->base.graph->output)
        job->end = &ends->out;
    job->idle = idle;
    job->at = at;
    if (!out) {
        job->before = run->latest[job->i];
        run->latest[job->i] = job;
    }
    cpu_slots_release(run->slots, run->base.done, piece, at + job->tasks);
}

/* All pieces, one behind the other; how many tasks they are. */
static int64_t plan(struct cpu_run *run, const struct ends *ends, int count, int64_t out)
{
    const struct pq_run *base = &run->base;
    struct cpu_pieces pieces = {
        .g = base->program->graph,
        .lines = base->lines,
        .band = base->geometry.band,
        .rows = run->piece_rows,
        .done = base->done,
        .end = run->end,
        .out = out,
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

/* How many rows of the result come out where `count` go in. */
static int step(struct cpu_run *run, struct ends *ends, int count)
{
    const struct pq_run *base = &run->base;
    const int output = base->program->graph->output;
    const int64_t before = base->done[output];
    ends->in.first = base->done[0];
    ends->out.first = before;
    const int64_t tasks = plan(run, ends, count, before);
    if (base->program->times)
        run_measured(run);
    else
        run_tasks(run, 0, tasks);
    return (int)(base->done[output] - before);
}

int cpu_step(struct pq_run *base, const struct pq_band *in, int count, const struct pq_band *out,
             int *got, pique_error *err)
{
    (void)err;
    *got = step((struct cpu_run *)base, &(struct ends){{.band = in}, {.band = out}}, count);
    return 0;
}

int cpu_advance(struct pq_run *base, const struct pq_picture *in, const struct pq_picture *out,
                int *got, pique_error *err)
{
    (void)err;
    const int count = (int)PQ_MIN(pq_run_missing(base), base->geometry.band);
    *got = step((struct cpu_run *)base, &(struct ends){{.pictures = in}, {.pictures = out}}, count);
    return 0;
}
