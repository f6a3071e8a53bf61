/* SPDX-License-Identifier: MIT */
/* A convolution is computed directly, a stretch of pixels at a time, or as Winograd's, a stretch of
 * a row of tiles at a time. */
#include "backend/cpu/conv.h"

#include "base/alloc.h"
#include "base/whole.h"

enum {
    STRETCH = 96,       /* pixels of a task; a multiple of every kernel's block */
    FEWEST_CHANNELS = 8 /* see below */
};

/* Table 2. Of the input's channels there have to be enough to pay for the transforms. One core with
 * AVX-512, rows of 640 pixels, direct time / Winograd's: 4 channels to 64 1.0, 8 to 64 1.5, 8 to 8
 * 1.6, 16 to 16 2.1, 64 to 64 2.8; at AVX2 1.5, 2.1, 1.6, 2.0, 3.0. The result's do not matter:
 * with fewer than 16, lanes are idle either way (64 to 3: 2.4). */
bool cpu_is_winograd(const struct cpu_mode *mode, const struct pq_op *op)
{
    const struct pq_window *axes[] = {&op->ver, &op->hor};
    for (int i = 0; i < 2; i++) {
        if (axes[i]->kernel != 3 || axes[i]->stride != 1 || axes[i]->dilation != 1)
            return false;
    }
    return mode->winograd && op->kind == PQ_OP_CONV2D && !op->global && !op->column &&
           op->weight.shape[1] >= FEWEST_CHANNELS;
}

size_t cpu_conv_scratch(const struct cpu_mode *mode, const struct pq_op *op)
{
    return cpu_is_winograd(mode, op) ? pq_winograd_scratch(op->channels, (int)op->weight.shape[1])
                                     : 0;
}

/* The parts of the input, with `count` rows from row y on, `step` apart. */
static void set_parts(const struct cpu_job *job, int frame, int64_t y, int count, int step,
                      const float *rows[][PQ_MAX_KERNEL], struct pq_conv_part *parts)
{
    const struct pq_op *op = job->op;
    for (int i = 0; i < op->inputs - op->residual; i++) {
        for (int k = 0; k < count; k++)
            rows[i][k] = cpu_input_row(job, i, frame, y + (int64_t)k * step);
        parts[i] = (struct pq_conv_part){
            .rows = rows[i],
            .stride = cpu_input_ring(job, i)->stride,
            .channels = job->run->base.program->graph->ops[op->in[i]].channels,
        };
    }
}

/* Row y of the result. The first task of a row prepares it. */
static float *result_row(const struct cpu_job *job, int frame, int64_t y, int part)
{
    return part ? cpu_ring_row(&job->run->rings[job->i], cpu_frames(job), frame, y)
                : cpu_new_row(job->run, job->i, frame, y);
}

static void direct(const struct cpu_job *job, int frame, int64_t y, int part)
{
    const struct pq_op *op = job->op;
    const int width = cpu_width(job), stride = cpu_stride(job), last = op->inputs - 1;
    const float *rows[PQ_MAX_INPUTS][PQ_MAX_KERNEL];
    struct pq_conv_part parts[PQ_MAX_INPUTS];
    set_parts(job, frame, y * op->ver.stride - op->ver.before, op->ver.kernel, op->ver.dilation,
              rows, parts);
    struct pq_conv_args args = {
        .parts = parts,
        .part_count = op->inputs - op->residual,
        .kernel_h = op->ver.kernel,
        .kernel_w = op->hor.kernel,
        .step = op->hor.stride,
        .dilation = op->hor.dilation,
        .left = op->hor.before,
        .blocks = stride / PQ_CONV_LANES,
        .weights = job->step->weights,
        .bias = job->step->bias,
        .slopes = job->step->slopes,
        .scale = op->scale,
        .out = result_row(job, frame, y, part),
        .out_stride = stride,
        .x0 = part * STRETCH,
        .x1 = part * STRETCH + PQ_MIN(STRETCH, width - part * STRETCH),
    };
    if (op->residual) {
        args.residual = cpu_input_row(job, last, frame, y);
        args.residual_stride = cpu_input_ring(job, last)->stride;
    }
    job->program->conv(&args);
    cpu_stored(job, args.out + (ptrdiff_t)args.x0 * stride,
               (size_t)(args.x1 - args.x0) * (size_t)stride);
}

/* ---- tiles ---- */

/* The row that the first tiles of a job begin with; it may lie above the picture. */
static int64_t first_edge(const struct cpu_job *job)
{
    const struct pq_grid grid = job->run->base.lines[job->i].grid;
    return grid.phase + pq_floor_div(job->y0 - grid.phase, grid.tile) * grid.tile;
}

static int tiles_of_task(const struct cpu_job *job)
{
    return pq_winograd_tiles(job->op->channels, (int)job->op->weight.shape[1]);
}

static void winograd(const struct cpu_job *job, int frame, int row, int part, float *scratch)
{
    enum { TILE = PQ_WINOGRAD_TILE };
    const struct pq_op *op = job->op;
    const int stride = cpu_stride(job), width = cpu_width(job), last = op->inputs - 1;
    const int tiles = tiles_of_task(job), all = (width + TILE - 1) / TILE;
    const int64_t y = first_edge(job) + (int64_t)row * TILE;
    const float *rows[PQ_MAX_INPUTS][PQ_MAX_KERNEL];
    struct pq_conv_part parts[PQ_MAX_INPUTS];
    set_parts(job, frame, y - op->ver.before, PQ_WINOGRAD_READ, 1, rows, parts);
    float *out[TILE] = {NULL};
    const float *residual[TILE] = {NULL};
    for (int i = 0; i < TILE; i++) {
        if (y + i < job->y0 || y + i >= job->y1)
            continue;
        out[i] = result_row(job, frame, y + i, part);
        if (op->residual)
            residual[i] = cpu_input_row(job, last, frame, y + i);
    }
    job->program->wide->winograd(&(struct pq_winograd_args){
        .parts = parts,
        .part_count = op->inputs - op->residual,
        .left = op->hor.before,
        .width = width,
        .blocks = stride / PQ_CONV_LANES,
        .weights = job->step->weights,
        .bias = job->step->bias,
        .slopes = job->step->slopes,
        .residual = op->residual ? residual : NULL,
        .residual_stride = op->residual ? cpu_input_ring(job, last)->stride : 0,
        .scale = op->scale,
        .out = out,
        .out_stride = stride,
        .tile0 = part * tiles,
        .tile1 = part * tiles + PQ_MIN(tiles, all - part * tiles),
        .scratch = scratch,
    });
}

void cpu_conv_plan(struct cpu_job *job)
{
    const int width = cpu_width(job);
    int stretch = STRETCH;
    if (job->step->tiled) {
        job->rows = (int)pq_ceil_div(job->y1 - first_edge(job), PQ_WINOGRAD_TILE);
        stretch = tiles_of_task(job) * PQ_WINOGRAD_TILE;
    }
    job->parts = width / stretch + (width % stretch != 0);
}

void cpu_conv_task(const struct cpu_job *job, int frame, int row, int part, float *scratch)
{
    if (job->step->tiled)
        winograd(job, frame, row, part, scratch);
    else
        direct(job, frame, job->y0 + row, part);
}
