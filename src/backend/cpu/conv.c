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

/* ---- memory ---- */

enum { MOST_WIDENED = 1 << 16 /* floats, of all inputs of a stretch: half of a second cache */ };

/* Floats of a stretch of the result, and of the rows of input k that it reads. */
static size_t stretch_floats(const struct pq_op *op)
{
    return cpu_align((size_t)CPU_STRETCH * (size_t)cpu_lanes_of(op->channels));
}

static size_t read_floats(const struct pq_graph *g, int i, int k)
{
    const struct pq_op *op = &g->ops[i];
    const size_t pixels =
        (size_t)((CPU_STRETCH - 1) * op->hor.stride + (op->hor.kernel - 1) * op->hor.dilation + 1);
    return pixels * (size_t)op->ver.kernel * (size_t)cpu_lanes_of(g->ops[op->in[k]].channels);
}

bool cpu_widens(const struct pq_graph *g, int i)
{
    size_t floats = 0;
    for (int k = 0; k < g->ops[i].inputs - g->ops[i].residual; k++)
        floats += read_floats(g, i, k);
    return !g->ops[i].global && !g->ops[i].column && floats <= MOST_WIDENED;
}

/* Halves that it reads are made floats first, and its result before it becomes halves is floats. */
static size_t direct_scratch(const struct cpu_program *program, int i)
{
    const struct pq_op *op = &program->base.graph->ops[i];
    size_t floats = program->steps[i].halves ? stretch_floats(op) : 0;
    for (int k = 0; k < op->inputs - op->residual; k++) {
        if (program->steps[op->in[k]].halves)
            floats += read_floats(program->base.graph, i, k);
    }
    return floats;
}

size_t cpu_conv_scratch(const struct cpu_program *program, int i)
{
    const struct pq_op *op = &program->base.graph->ops[i];
    const int out = op->channels;
    if (op->kind != PQ_OP_CONV2D)
        return 0;
    if (!cpu_is_winograd(program->mode, op))
        return direct_scratch(program, i);
    return cpu_is_words(program->mode, op) ? pq_winograd16_scratch(out, (int)op->weight.shape[1])
                                           : pq_winograd_scratch(out, (int)op->weight.shape[1]);
}

/* ---- rows ---- */

enum { TILE = PQ_WINOGRAD_TILE, MOST_ROWS = PQ_WINOGRAD_TILES * TILE /* below one another */ };

/* Those of an input that a task reads, whose ring says what they are made of. */
union input_rows {
    const float *floats[MOST_ROWS + PQ_WINOGRAD_READ - TILE];
    const uint16_t *halves[MOST_ROWS + PQ_WINOGRAD_READ - TILE];
};

/* `count` rows of input k from row y on, `step` apart, without their first `skipped` pixels. */
static struct pq_conv_part part_of(const struct cpu_job *job, int k, int frame, int64_t y,
                                   int count, int step, int skipped, union input_rows *rows)
{
    const struct cpu_ring *ring = cpu_input_ring(job, k);
    const ptrdiff_t first = (ptrdiff_t)skipped * ring->stride;
    struct pq_conv_part part = {
        .stride = ring->stride,
        .channels = job->run->base.program->graph->ops[job->op->in[k]].channels,
    };
    for (int i = 0; i < count; i++, y += step) {
        if (ring->halves)
            rows->halves[i] = cpu_input_halves(job, k, frame, y) + first;
        else
            rows->floats[i] = cpu_input_row(job, k, frame, y) + first;
    }
    if (ring->halves)
        part.halves = rows->halves;
    else
        part.rows = rows->floats;
    return part;
}

/* ---- direct ---- */

/* Rows of halves that `width` pixels of the result read, as floats in `scratch`; where it goes on.
 */
static float *widen(const struct cpu_job *job, int width, struct pq_conv_part *part,
                    union input_rows *rows, float *scratch)
{
    const struct pq_op *op = job->op;
    const int pixels = (width - 1) * op->hor.stride + (op->hor.kernel - 1) * op->hor.dilation + 1;
    const size_t floats = (size_t)pixels * (size_t)part->stride;
    const ptrdiff_t left = (ptrdiff_t)op->hor.before * part->stride;
    if (!part->halves)
        return scratch;
    for (int i = 0; i < op->ver.kernel; i++, scratch += floats) {
        job->program->wide->floats(rows->halves[i] - left, floats, scratch);
        rows->floats[i] = scratch + left;
    }
    part->halves = NULL;
    part->rows = rows->floats;
    return scratch;
}

static void direct(const struct cpu_job *job, int frame, int64_t y, int part, float *scratch)
{
    const struct pq_op *op = job->op;
    const struct cpu_ring *ring = &job->run->rings[job->i];
    const int stride = cpu_stride(job), last = op->inputs - 1, x0 = part * CPU_STRETCH;
    const int width = PQ_MIN(CPU_STRETCH, cpu_width(job) - x0);
    const ptrdiff_t first = (ptrdiff_t)x0 * stride;
    const size_t values = (size_t)width * (size_t)stride;
    union input_rows rows[PQ_MAX_INPUTS];
    struct pq_conv_part parts[PQ_MAX_INPUTS];
    float *result = scratch;
    if (ring->halves)
        scratch += stretch_floats(op);
    for (int k = 0; k < op->inputs - op->residual; k++) {
        parts[k] = part_of(job, k, frame, y * op->ver.stride - op->ver.before, op->ver.kernel,
                           op->ver.dilation, x0 * op->hor.stride, &rows[k]);
        scratch = widen(job, width, &parts[k], &rows[k], scratch);
    }
    if (part == 0)
        cpu_new_row(job->run, job->i, frame, y);
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
        .out = ring->halves ? result : cpu_ring_row(ring, cpu_frames(job), frame, y) + first,
        .out_stride = stride,
        .x1 = width,
    };
    if (op->residual) {
        args.residual_stride = cpu_input_ring(job, last)->stride;
        args.residual = cpu_input_row(job, last, frame, y) + (ptrdiff_t)x0 * args.residual_stride;
    }
    job->program->conv(&args);
    if (ring->halves)
        job->program->wide->halves(args.out, values,
                                   cpu_ring_halves(ring, cpu_frames(job), frame, y) + first);
    else
        cpu_stored(job, args.out, values);
}

/* ---- tiles ---- */

/* Rows that tiles write and add to. */
struct output_rows {
    float *out[MOST_ROWS];
    uint16_t *half_out[MOST_ROWS];
    const float *residual[MOST_ROWS];
    const uint16_t *half_residual[MOST_ROWS];
};

/* Row y of the result and of what it is added to, as number i; the task that has its first pixel
 * prepares it. */
static void add_output_row(const struct cpu_job *job, int frame, int64_t y, bool first,
                           struct output_rows *rows, int i)
{
    const struct cpu_ring *ring = &job->run->rings[job->i];
    const int last = job->op->inputs - 1;
    if (first)
        cpu_new_row(job->run, job->i, frame, y);
    if (ring->halves)
        rows->half_out[i] = cpu_ring_halves(ring, cpu_frames(job), frame, y);
    else
        rows->out[i] = cpu_ring_row(ring, cpu_frames(job), frame, y);
    if (!job->op->residual)
        return;
    if (cpu_input_ring(job, last)->halves)
        rows->half_residual[i] = cpu_input_halves(job, last, frame, y);
    else
        rows->residual[i] = cpu_input_row(job, last, frame, y);
}

static void winograd(const struct cpu_job *job, int frame, int64_t part, float *scratch)
{
    const struct pq_op *op = job->op;
    const int stride = cpu_stride(job), across = pq_winograd_across(cpu_width(job));
    const struct cpu_ring *added = op->residual ? cpu_input_ring(job, op->inputs - 1) : NULL;
    const bool halves = job->run->rings[job->i].halves;
    const int64_t t0 = part * job->tiles, t1 = PQ_MIN(t0 + job->tiles, cpu_tiles(job));
    const int64_t row0 = t0 / across;
    const int count = (int)((t1 - 1) / across - row0 + 1) * TILE;
    const int64_t y = cpu_first_edge(job) + row0 * TILE;
    union input_rows in[PQ_MAX_INPUTS];
    struct output_rows rows;
    struct pq_conv_part parts[PQ_MAX_INPUTS];
    for (int k = 0; k < op->inputs - op->residual; k++)
        parts[k] = part_of(job, k, frame, y - op->ver.before, count + PQ_WINOGRAD_READ - TILE, 1, 0,
                           &in[k]);
    for (int i = 0; i < count; i++) {
        rows.out[i] = NULL;
        rows.half_out[i] = NULL;
        if (y + i >= job->y0 && y + i < job->y1)
            add_output_row(job, frame, y + i, (row0 + i / TILE) * across >= t0, &rows, i);
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
        .residual = added && !added->halves ? rows.residual : NULL,
        .half_residual = added && added->halves ? rows.half_residual : NULL,
        .residual_stride = added ? added->stride : 0,
        .scale = op->scale,
        .out = halves ? NULL : rows.out,
        .half_out = halves ? rows.half_out : NULL,
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
        direct(job, frame, job->y0 + row, (int)part, scratch);
}
