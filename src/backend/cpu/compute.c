/* SPDX-License-Identifier: MIT */
/* One operation's rows, shared out to the threads.
 *
 * A task is a stretch of pixels of one row of one frame. Tasks write disjoint memory and read only
 * what earlier operations have finished, so it does not matter which thread runs which. */
#include "backend/cpu/run.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "kernels/pixel.h"
#include "kernels/wide.h"

enum { STRETCH = 96 }; /* pixels of a convolution's task; a multiple of every kernel's block */

struct job {
    struct cpu_run *run;
    const struct pq_op *op;
    const struct cpu_step *step;
    int op_index;
    int64_t y0;
    int rows;      /* of each frame */
    int stretches; /* of each row */
};

static const struct cpu_ring *input_ring(const struct job *job, int k)
{
    return &job->run->rings[job->op->in[k]];
}

/* Row y of input k; a row of zeros where it lies outside of the picture. */
static const float *input_row(const struct job *job, int k, int frame, int64_t y)
{
    const struct cpu_ring *ring = input_ring(job, k);
    if (y < 0 || y >= job->run->base.lines[job->op->in[k]].height)
        return job->run->zeros + (ptrdiff_t)ring->pad * ring->stride;
    return cpu_ring_row(ring, job->run->base.geometry.frames, frame, y);
}

static void conv_task(const struct job *job, int frame, int64_t y, int stretch)
{
    const struct pq_op *op = job->op;
    const struct cpu_ring *ring = &job->run->rings[job->op_index];
    const struct cpu_program *program = (const struct cpu_program *)job->run->base.program;
    const int frames = job->run->base.geometry.frames;
    const int width = (int)job->run->base.lines[job->op_index].width;
    const float *rows[PQ_MAX_INPUTS][PQ_MAX_KERNEL];
    struct pq_conv_part parts[PQ_MAX_INPUTS];
    int count = op->inputs - op->residual;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < op->kernel; k++)
            rows[i][k] = input_row(job, i, frame, y + k - (op->kernel - 1) / 2);
        parts[i] = (struct pq_conv_part){
            .rows = rows[i],
            .stride = input_ring(job, i)->stride,
            .channels = program->base.graph->ops[op->in[i]].channels,
        };
    }
    struct pq_conv_args args = {
        .parts = parts,
        .part_count = count,
        .kernel = op->kernel,
        .blocks = ring->stride / PQ_CONV_LANES,
        .weights = job->step->weights,
        .bias = job->step->bias,
        .slopes = job->step->slopes,
        .scale = op->scale,
        .out = cpu_ring_row(ring, frames, frame, y),
        .out_stride = ring->stride,
        .x0 = stretch * STRETCH,
        .x1 = stretch * STRETCH + PQ_MIN(STRETCH, width - stretch * STRETCH),
    };
    if (op->residual) {
        args.residual = input_row(job, count, frame, y);
        args.residual_stride = input_ring(job, count)->stride;
    }
    program->conv(&args);
}

static void concat_task(const struct job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const struct pq_graph *g = job->run->base.program->graph;
    int stride = job->run->rings[job->op_index].stride;
    for (int k = 0; k < op->inputs; k++) {
        int channels = g->ops[op->in[k]].channels;
        pq_copy_row(input_row(job, k, frame, y), input_ring(job, k)->stride,
                    (int)job->run->base.lines[op->in[k]].width, channels, out, stride);
        out += channels;
    }
}

static void bicubic_task(const struct job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const struct pq_line *in = &job->run->base.lines[op->in[0]];
    int64_t in0, in1;
    pq_op_rows_needed(op, y, y + 1, &in0, &in1);
    int64_t twice = (2 * y + 1) * op->rate_den - op->rate_num, period = 2 * (int64_t)op->rate_num;
    float wy[4];
    pq_bicubic_weights((float)(twice - (in0 + 1) * period) / (float)period, wy);
    const float *rows[4];
    for (int k = 0; k < 4; k++)
        rows[k] = input_row(job, 0, frame, PQ_MIN(PQ_MAX(in0 + k, 0), in->height - 1));
    int stride = job->run->rings[job->op_index].stride;
    pq_bicubic_row(rows, wy, input_ring(job, 0)->stride, (int)in->width, op->channels, op->rate_num,
                   op->rate_den, out, stride, (int)job->run->base.lines[job->op_index].width);
}

static void act_row(const struct job *job, const float *in, int width, float *out)
{
    int in_stride = input_ring(job, 0)->stride, stride = job->run->rings[job->op_index].stride;
    int channels = job->op->channels;
    switch (job->op->act.kind) {
    case PQ_ACT_SILU:
        pq_wide((int)pq_cpu_level())->silu(in, in_stride, width, channels, out, stride);
        break;
    case PQ_ACT_SIGMOID:
        pq_wide((int)pq_cpu_level())->sigmoid(in, in_stride, width, channels, out, stride);
        break;
    default:
        pq_act_row(in, in_stride, job->step->slopes, width, channels, out, stride);
        break;
    }
}

static void row_task(const struct job *job, int frame, int64_t y)
{
    const struct pq_op *op = job->op;
    const struct cpu_ring *ring = &job->run->rings[job->op_index];
    float *out = cpu_ring_row(ring, job->run->base.geometry.frames, frame, y);
    const float *in = input_row(job, 0, frame, y / op->factor);
    int width = (int)job->run->base.lines[op->in[0]].width;
    int in_stride = input_ring(job, 0)->stride;
    switch (op->kind) {
    case PQ_OP_ACT:
        act_row(job, in, width, out);
        break;
    case PQ_OP_MUL:
        pq_mul_row(in, in_stride, input_row(job, 1, frame, y), input_ring(job, 1)->stride, width,
                   op->channels, out, ring->stride);
        break;
    case PQ_OP_AFFINE:
        pq_affine_row(in, in_stride, job->step->weights, job->step->bias, width, op->channels, out,
                      ring->stride);
        break;
    case PQ_OP_PIXEL_SHUFFLE:
        pq_pixel_shuffle_row(in, in_stride, width, op->channels, op->factor, (int)(y % op->factor),
                             out, ring->stride);
        break;
    case PQ_OP_NEAREST:
        pq_nearest_row(in, in_stride, width, op->channels, op->factor, out, ring->stride);
        break;
    case PQ_OP_ADD:
        pq_add_row(in, in_stride, input_row(job, 1, frame, y), input_ring(job, 1)->stride,
                   op->scale, width, op->channels, out, ring->stride);
        break;
    case PQ_OP_CONCAT:
        concat_task(job, frame, y, out);
        break;
    default:
        bicubic_task(job, frame, y, out);
        break;
    }
}

static void task(void *context, int index, int worker)
{
    (void)worker;
    const struct job *job = context;
    int stretch = index % job->stretches;
    int row = index / job->stretches;
    int frame = row / job->rows;
    int64_t y = job->y0 + row % job->rows;
    if (job->op->kind == PQ_OP_CONV2D)
        conv_task(job, frame, y, stretch);
    else
        row_task(job, frame, y);
}

void cpu_compute(struct cpu_run *run, int i, int64_t y0, int64_t y1)
{
    const struct cpu_program *program = (const struct cpu_program *)run->base.program;
    const struct pq_op *op = &program->base.graph->ops[i];
    int width = (int)run->base.lines[i].width;
    struct job job = {
        .run = run,
        .op = op,
        .step = &program->steps[i],
        .op_index = i,
        .y0 = y0,
        .rows = (int)(y1 - y0),
        .stretches = op->kind == PQ_OP_CONV2D ? width / STRETCH + (width % STRETCH != 0) : 1,
    };
    /* A task of a convolution writes 6 KiB at least, so that 2^31 of them fit into no memory. */
    pq_pool_run(program->pool, run->base.geometry.frames * job.rows * job.stretches, task, &job);
}
