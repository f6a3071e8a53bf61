/* SPDX-License-Identifier: MIT */
/* One operation's rows. */
#include "backend/cpu/attention.h"
#include "backend/cpu/conv.h"
#include "base/alloc.h"
#include "kernels/pixel.h"

static void depthwise(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const float *rows[PQ_MAX_KERNEL];
    for (int k = 0; k < op->ver.kernel; k++)
        rows[k] = cpu_input_row(job, 0, frame,
                                y * op->ver.stride - op->ver.before + k * op->ver.dilation);
    job->program->wide->depthwise(
        &(struct pq_depthwise_args){.rows = rows,
                                    .in_stride = cpu_input_ring(job, 0)->stride,
                                    .kernel_h = op->ver.kernel,
                                    .kernel_w = op->hor.kernel,
                                    .step = op->hor.stride,
                                    .dilation = op->hor.dilation,
                                    .left = op->hor.before,
                                    .channels = op->channels,
                                    .weights = job->step->weights,
                                    .bias = job->step->bias,
                                    .out = out,
                                    .out_stride = cpu_stride(job),
                                    .x0 = 0,
                                    .x1 = cpu_width(job)});
}

static void affine(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const float *factors = job->step->weights, *terms = job->step->bias;
    if (op->inputs == 2) {
        factors = cpu_input_row(job, 1, frame, 0);
        terms = factors + op->channels;
    }
    pq_affine_row(cpu_input_row(job, 0, frame, y), cpu_input_ring(job, 0)->stride, factors, terms,
                  cpu_width(job), op->channels, out, cpu_stride(job));
}

static void act(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const struct pq_wide *wide = job->program->wide;
    pq_curve_fn *const curves[PQ_ACT_KINDS] = {
        [PQ_ACT_SILU] = wide->silu,         [PQ_ACT_SIGMOID] = wide->sigmoid,
        [PQ_ACT_GELU] = wide->gelu,         [PQ_ACT_GELU_TANH] = wide->gelu_tanh,
        [PQ_ACT_MISH] = wide->mish,         [PQ_ACT_TANH] = wide->tanh,
        [PQ_ACT_SOFTPLUS] = wide->softplus,
    };
    const float *in = cpu_input_row(job, 0, frame, y);
    int in_stride = cpu_input_ring(job, 0)->stride, stride = cpu_stride(job);
    if (op->act.kind == PQ_ACT_LEAKY)
        pq_act_row(in, in_stride, job->step->slopes, cpu_width(job), op->channels, out, stride);
    else if (op->act.kind == PQ_ACT_CLIP)
        pq_clip_row(in, in_stride, op->act.low, op->act.high, cpu_width(job), op->channels, out,
                    stride);
    else
        curves[op->act.kind](in, in_stride, cpu_width(job), op->channels, out, stride);
}

static void norm(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const float *in = cpu_input_row(job, 0, frame, y);
    int in_stride = cpu_input_ring(job, 0)->stride, stride = cpu_stride(job);
    if (op->kind == PQ_OP_LAYER_NORM)
        job->program->wide->layer_norm(in, in_stride, cpu_width(job), op->channels,
                                       job->step->weights, job->step->bias, op->eps, out, stride);
    else
        job->program->wide->rms_norm(in, in_stride, cpu_width(job), op->channels,
                                     job->step->weights, job->step->bias, op->eps, out, stride);
}

static void concat(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const struct pq_graph *g = job->run->base.program->graph;
    for (int k = 0; k < op->inputs; k++) {
        int channels = g->ops[op->in[k]].channels;
        pq_copy_row(cpu_input_row(job, k, frame, y), cpu_input_ring(job, k)->stride, cpu_width(job),
                    channels, out, cpu_stride(job));
        out += channels;
    }
}

static void slice(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    pq_copy_row(cpu_input_row(job, 0, frame, y) + job->op->first, cpu_input_ring(job, 0)->stride,
                cpu_width(job), job->op->channels, out, cpu_stride(job));
}

static void pixel_shuffle(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const int factor = job->op->factor;
    const float *in = cpu_input_row(job, 0, frame, y / factor);
    (job->op->by_place ? pq_pixel_shuffle_by_place_row : pq_pixel_shuffle_row)(
        in, cpu_input_ring(job, 0)->stride, (int)cpu_input_line(job, 0)->width, job->op->channels,
        factor, (int)(y % factor), out, cpu_stride(job));
}

static void pixel_unshuffle(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const int factor = job->op->factor;
    const float *rows[PQ_MAX_FACTOR];
    for (int dy = 0; dy < factor; dy++)
        rows[dy] = cpu_input_row(job, 0, frame, y * factor + dy);
    (job->op->by_place ? pq_pixel_unshuffle_by_place_row : pq_pixel_unshuffle_row)(
        rows, cpu_input_ring(job, 0)->stride, cpu_width(job), job->op->channels / (factor * factor),
        factor, out, cpu_stride(job));
}

static void nearest(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const int factor = job->op->factor;
    pq_nearest_row(cpu_input_row(job, 0, frame, y / factor), cpu_input_ring(job, 0)->stride,
                   (int)cpu_input_line(job, 0)->width, job->op->channels, factor, out,
                   cpu_stride(job));
}

/* What computes a row of each kind; convolutions and attention are no matter of rows. */
static cpu_row_fn *const row_fns[PQ_OP_KINDS] = {
    [PQ_OP_DEPTHWISE] = depthwise,
    [PQ_OP_ACT] = act,
    [PQ_OP_PIXEL_SHUFFLE] = pixel_shuffle,
    [PQ_OP_PIXEL_UNSHUFFLE] = pixel_unshuffle,
    [PQ_OP_NEAREST] = nearest,
    [PQ_OP_ADD] = cpu_pointwise,
    [PQ_OP_MUL] = cpu_pointwise,
    [PQ_OP_AFFINE] = affine,
    [PQ_OP_CONCAT] = concat,
    [PQ_OP_SLICE] = slice,
    [PQ_OP_BICUBIC] = cpu_bicubic,
    [PQ_OP_BILINEAR] = cpu_bilinear,
    [PQ_OP_PAD] = cpu_pad,
    [PQ_OP_CROP] = cpu_pointwise,
    [PQ_OP_MAX_POOL] = cpu_pool,
    [PQ_OP_MEAN_POOL] = cpu_pool,
    [PQ_OP_LAYER_NORM] = norm,
    [PQ_OP_RMS_NORM] = norm,
    [PQ_OP_ROW_SUMS] = cpu_row_sums,
    [PQ_OP_MEAN] = cpu_mean,
    [PQ_OP_GROUP_NORM] = cpu_group_norm,
    [PQ_OP_ROW_GRAM] = cpu_row_gram,
    [PQ_OP_GRAM_SOFTMAX] = cpu_gram_softmax,
    [PQ_OP_MIX] = cpu_mix,
    [PQ_OP_DYSAMPLE] = cpu_dysample,
    [PQ_OP_GIVEN] = cpu_given,
    [PQ_OP_CONSTANT] = cpu_constant,
    [PQ_OP_TOKENS_LINEAR] = cpu_tokens_linear,
    [PQ_OP_TOKENS_UNIT] = cpu_tokens_unit,
    [PQ_OP_LOOK_UP] = cpu_look_up,
    [PQ_OP_BLEND] = cpu_blend,
    [PQ_OP_ROW_EXP] = cpu_row_exp,
    [PQ_OP_ROW_SHARES] = cpu_row_shares,
    [PQ_OP_TOKENS_UPDATE] = cpu_tokens_update,
    [PQ_OP_CATEGORY] = cpu_category,
    [PQ_OP_ROW_COUNTS] = cpu_row_counts,
    [PQ_OP_ORDER] = cpu_order,
    [PQ_OP_RANK] = cpu_rank,
    [PQ_OP_PICK] = cpu_pick,
};

bool cpu_is_by_rows(const struct pq_op *op)
{
    return row_fns[op->kind] != NULL;
}

void cpu_compute_row(const struct cpu_job *job, int frame, int64_t y, float *row)
{
    row_fns[job->op->kind](job, frame, y, row);
    cpu_stored(job, row, (size_t)cpu_width(job) * (size_t)cpu_stride(job));
}

static void compute_row(const struct cpu_job *job, int frame, int64_t y)
{
    float *row = cpu_new_row(job->run, job->i, frame, y);
    if (job->step->halves)
        cpu_pointwise_in_halves(job, frame, y);
    else
        cpu_compute_row(job, frame, y, row);
}

void cpu_job_task(const struct cpu_job *job, int64_t task, float *scratch)
{
    const int64_t part = task % job->parts;
    const int row = (int)(task / job->parts % job->rows);
    const int frame = (int)(task / job->parts / job->rows);
    if (job->op->kind == PQ_OP_CONV2D)
        cpu_conv_task(job, frame, row, part, scratch);
    else if (cpu_is_attention(job->op))
        cpu_attention_task(job, frame, row, part, scratch);
    else
        compute_row(job, frame, job->y0 + row);
}

/* Statistics stay as they are, and categories and places are whole numbers. */
static bool is_rounded(const struct pq_op *op)
{
    return !op->column && !op->global && op->kind != PQ_OP_CATEGORY && op->kind != PQ_OP_ORDER &&
           op->kind != PQ_OP_RANK;
}

void cpu_job_plan(struct cpu_job *job, struct cpu_run *run, int i, int64_t y0, int64_t y1)
{
    const struct cpu_program *program = (const struct cpu_program *)run->base.program;
    const struct pq_op *op = &program->base.graph->ops[i];
    *job = (struct cpu_job){
        .run = run,
        .program = program,
        .op = op,
        .step = &program->steps[i],
        .round = is_rounded(op) ? program->round : NULL,
        .i = i,
        .y0 = y0,
        .y1 = y1,
        .rows = (int)(y1 - y0),
        .parts = 1,
    };
    if (y1 > y0 && op->kind == PQ_OP_CONV2D)
        cpu_conv_plan(job);
    if (y1 > y0 && cpu_is_attention(op)) {
        cpu_attention_plan(job);
        for (int frame = 0; frame < run->base.geometry.frames; frame++) {
            for (int64_t y = y0; y < y1; y++)
                cpu_new_row(run, i, frame, y);
        }
    }
    job->tasks = (int64_t)run->base.geometry.frames * job->rows * job->parts;
}
