/* SPDX-License-Identifier: MIT */
/* What a task waits for. The tasks of a step begin in order: those of an operation after those of
 * its inputs. So it is enough to know how many of the step's tasks have to be done, from the first
 * on: up to the one that makes the last pixel that this one reads. A row of tiles usually waits for
 * nothing but the tiles above its own last one and the one to the right, which were begun a row of
 * tiles ago.
 *
 * And what lay in the slots that it writes to must have been read (slots.h), which it has been long
 * before. */
#include "backend/cpu/attention.h"
#include "backend/cpu/conv.h"
#include "base/alloc.h"

enum { TILE = PQ_WINOGRAD_TILE };

/* How many of a frame's tasks of a job make all rows above y, which is one of its own or beyond, of
 * the last of them only what lies to the left of column x. */
static int64_t tasks_above(const struct cpu_job *job, int64_t y, int64_t x)
{
    const int64_t row = PQ_MIN(y, job->y1) - 1;
    if (job->deed == CPU_COMPUTES && cpu_is_attention(job->op))
        return job->rows * job->parts;
    if (job->tiles) {
        const int64_t across = pq_winograd_across(cpu_width(job));
        const int64_t tile = (row - cpu_first_edge(job)) / TILE * across + (x - 1) / TILE;
        return tile / job->tiles + 1;
    }
    if (job->parts > 1)
        return (row - job->y0) * job->parts + (x - 1) / CPU_STRETCH + 1;
    return row - job->y0 + 1;
}

/* The last piece of operation i before that of the job; NULL where this step has none. */
static const struct cpu_job *piece_before(const struct cpu_job *job, int i)
{
    const struct cpu_job *in = job->run->latest[i];
    while (in && in->at >= job->at)
        in = in->before;
    return in;
}

/* How many tasks of the step make all rows of operation i above y, to the left of column x; 0 where
 * this step makes none of them. */
static int64_t tasks_before(const struct cpu_job *job, int i, int frame, int64_t y, int64_t x)
{
    const struct cpu_job *in = piece_before(job, i);
    while (in && y <= in->y0)
        in = in->before;
    if (!in)
        return 0;
    return in->at + frame * (in->rows * in->parts) + tasks_above(in, y, x);
}

/* Column of input k behind the last one that the result reads to the left of column x. */
static int64_t columns_of(const struct cpu_job *job, int k, int64_t x)
{
    const struct pq_op *op = job->op;
    const int64_t width = cpu_input_line(job, k)->width;
    if (op->kind != PQ_OP_CONV2D)
        return width;
    if (!op->residual || k < op->inputs - 1)
        x = (x - 1) * op->hor.stride - op->hor.before +
            (int64_t)(op->hor.kernel - 1) * op->hor.dilation + 1;
    return PQ_MIN(PQ_MAX(x, 1), width);
}

/* What row y - 1 needs, to the left of column x; behind a row of tiles, all of its rows. */
static int64_t row_needs(const struct cpu_job *job, int frame, int64_t y, int64_t x)
{
    const struct pq_run *run = &job->run->base;
    int64_t needs = 0;
    for (int k = 0; k < job->op->inputs; k++) {
        const struct pq_flow flow = pq_plan_flow(run->program->graph, run->lines, job->i, k);
        int64_t in0, in1;
        pq_rows_needed(&flow, y - 1, y, &in0, &in1);
        needs = PQ_MAX(needs, tasks_before(job, job->op->in[k], frame, in1, columns_of(job, k, x)));
    }
    return needs;
}

static int64_t tiles_need(const struct cpu_job *job, int frame, int64_t part)
{
    const int64_t across = pq_winograd_across(cpu_width(job)), first = part * job->tiles;
    const int64_t last = PQ_MIN(first + job->tiles, cpu_tiles(job)) - 1;
    const int64_t y = cpu_first_edge(job) + (last / across + 1) * TILE;
    int64_t needs = row_needs(job, frame, y, (last % across + 1) * TILE);
    if (first / across < last / across)
        needs = PQ_MAX(needs, row_needs(job, frame, y - TILE, cpu_width(job)));
    return needs;
}

static int64_t inputs_need(const struct cpu_job *job, int64_t task)
{
    const int64_t part = task % job->parts, row = task / job->parts % job->rows;
    const int frame = (int)(task / job->parts / job->rows);
    const int64_t y = job->y0 + row + 1, width = cpu_width(job);
    if (job->deed == CPU_TAKES) /* what comes from outside is there */
        return 0;
    if (job->deed == CPU_GIVES)
        return tasks_before(job, job->i, frame, y, width);
    if (job->tiles)
        return tiles_need(job, frame, part);
    if (!cpu_is_attention(job->op))
        return row_needs(job, frame, y, PQ_MIN((part + 1) * CPU_STRETCH, width));
    int64_t needs = 0;
    for (int k = 0; k < job->op->inputs; k++) {
        const struct cpu_job *in = piece_before(job, job->op->in[k]);
        if (in)
            needs = PQ_MAX(needs, in->at + in->tasks);
    }
    return needs;
}

int64_t cpu_job_needs(const struct cpu_job *job, int64_t task)
{
    return PQ_MAX(inputs_need(job, task), job->idle);
}
