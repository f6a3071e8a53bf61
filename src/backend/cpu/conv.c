/* SPDX-License-Identifier: MIT */
/* A convolution is computed directly, a stretch of pixels at a time, or as Winograd's, some tiles
 * at a time, which may lie in several rows. */
#include "backend/cpu/conv.h"

#include "base/alloc.h"
#include "base/whole.h"
#include "kernels/winograd16.h"

enum { FEWEST_CHANNELS = 8 }; /* see below */

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

bool cpu_is_words(const struct cpu_mode *mode, const struct pq_op *op)
{
    return mode->tier == PIQUE_PRECISION_INT16 && cpu_is_winograd(mode, op);
}

size_t cpu_conv_scratch(const struct cpu_mode *mode, const struct pq_op *op)
{
    const int out = op->channels;
    if (!cpu_is_winograd(mode, op))
        return 0;
    return cpu_is_words(mode, op) ? pq_winograd16_scratch(out, (int)op->weight.shape[1])
                                  : pq_winograd_scratch(out, (int)op->weight.shape[1]);
}

/* `count` rows of input k from row y on, `step` apart. */
static struct pq_conv_part part_of(const struct cpu_job *job, int k, int frame, int64_t y,
                                   int count, int step, const float **rows)
{
    for (int i = 0; i < count; i++)
        rows[i] = cpu_input_row(job, k, frame, y + (int64_t)i * step);
    return (struct pq_conv_part){
        .rows = rows,
        .stride = cpu_input_ring(job, k)->stride,
        .channels = job->run->base.program->graph->ops[job->op->in[k]].channels,
    };
}

/* Row y of the result. The task that has its first pixel prepares it. */
static float *result_row(const struct cpu_job *job, int frame, int64_t y, bool first)
{
    return first ? cpu_new_row(job->run, job->i, frame, y)
                 : cpu_ring_row(&job->run->rings[job->i], cpu_frames(job), frame, y);
}

static void direct(const struct cpu_job *job, int frame, int64_t y, int part)
{
    const struct pq_op *op = job->op;
    const int width = cpu_width(job), stride = cpu_stride(job), last = op->inputs - 1;
    const float *rows[PQ_MAX_INPUTS][PQ_MAX_KERNEL];
    struct pq_conv_part parts[PQ_MAX_INPUTS];
    for (int k = 0; k < op->inputs - op->residual; k++)
        parts[k] = part_of(job, k, frame, y * op->ver.stride - op->ver.before, op->ver.kernel,
                           op->ver.dilation, rows[k]);
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
        .out = result_row(job, frame, y, part == 0),
        .out_stride = stride,
        .x0 = part * CPU_STRETCH,
        .x1 = part * CPU_STRETCH + PQ_MIN(CPU_STRETCH, width - part * CPU_STRETCH),
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

enum { TILE = PQ_WINOGRAD_TILE };

static void winograd(const struct cpu_job *job, int frame, int64_t part, float *scratch)
{
    enum { MOST_ROWS = PQ_WINOGRAD_TILES * TILE }; /* where tiles lie below one another */
    const struct pq_op *op = job->op;
    const int stride = cpu_stride(job), across = pq_winograd_across(cpu_width(job));
    const int last = op->inputs - 1;
    const int64_t t0 = part * job->tiles, t1 = PQ_MIN(t0 + job->tiles, cpu_tiles(job));
    const int64_t row0 = t0 / across;
    const int count = (int)((t1 - 1) / across - row0 + 1) * TILE;
    const int64_t y = cpu_first_edge(job) + row0 * TILE;
    const float *rows[PQ_MAX_INPUTS][MOST_ROWS + PQ_WINOGRAD_READ - TILE], *residual[MOST_ROWS];
    float *out[MOST_ROWS];
    struct pq_conv_part parts[PQ_MAX_INPUTS];
    for (int k = 0; k < op->inputs - op->residual; k++)
        parts[k] =
            part_of(job, k, frame, y - op->ver.before, count + PQ_WINOGRAD_READ - TILE, 1, rows[k]);
    for (int i = 0; i < count; i++) {
        const bool there = y + i >= job->y0 && y + i < job->y1;
        const bool first = (row0 + i / TILE) * across >= t0;
        out[i] = there ? result_row(job, frame, y + i, first) : NULL;
        residual[i] = there && op->residual ? cpu_input_row(job, last, frame, y + i) : NULL;
    }
    const struct pq_winograd_args args = {
        .parts = parts,
        .part_count = op->inputs - op->residual,
        .left = op->hor.before,
        .width = cpu_width(job),
        .blocks = stride / PQ_CONV_LANES,
        .weights = job->step->weights,
        .words = job->step->words,
        .factors = job->step->factors,
        .bias = job->step->bias,
        .slopes = job->step->slopes,
        .residual = op->residual ? residual : NULL,
        .residual_stride = op->residual ? cpu_input_ring(job, last)->stride : 0,
        .scale = op->scale,
        .out = out,
        .out_stride = stride,
        .tile0 = (int)(t0 - row0 * across),
        .tile1 = (int)(t1 - row0 * across),
        .scratch = scratch,
    };
    if (args.words)
        job->program->winograd16(&args);
    else
        job->program->wide->winograd(&args);
}

void cpu_conv_plan(struct cpu_job *job)
{
    const int width = cpu_width(job);
    if (!job->step->tiled) {
        job->parts = width / CPU_STRETCH + (width % CPU_STRETCH != 0);
        return;
    }
    /* As many as a call may have, or fewer where some threads would have none. */
    const int out = job->op->channels, in = (int)job->op->weight.shape[1];
    const int most = job->step->words ? pq_winograd16_tiles(out, in) : pq_winograd_tiles(out, in);
    const int64_t all = cpu_tiles(job), threads = pq_pool_threads(job->program->pool);
    job->rows = 1;
    job->tiles = PQ_MIN(most, pq_ceil_div(all, threads));
    job->parts = pq_ceil_div(all, job->tiles);
}

void cpu_conv_task(const struct cpu_job *job, int frame, int row, int64_t part, float *scratch)
{
    if (job->step->tiled)
        winograd(job, frame, part, scratch);
    else
        direct(job, frame, job->y0 + row, (int)part);
}
