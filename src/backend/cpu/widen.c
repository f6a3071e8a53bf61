/* SPDX-License-Identifier: MIT */
/* Operations one pixel after another whose rows may be halves: some pixels at a time become floats,
 * and halves again, in memory that stays in the first cache. */
#include <string.h>

#include "backend/cpu/job.h"
#include "base/alloc.h"
#include "kernels/pixel.h"

enum { SOME = 1024 /* floats, where a pixel has no more */ };

/* A row of an input, and where some of its pixels become floats. */
struct row {
    const float *floats;    /* the first pixel that is read, or */
    const uint16_t *halves; /* the same */
    int stride;             /* 0: that one stands for all */
    float *buffer;
};

/* Row y of input k from column x on. */
static struct row row_of(const struct cpu_job *job, int k, int frame, int64_t y, int x,
                         float *buffer)
{
    const struct cpu_ring *ring = cpu_input_ring(job, k);
    const ptrdiff_t at = (ptrdiff_t)x * ring->stride;
    struct row row = {.stride = ring->stride, .buffer = buffer};
    if (ring->halves)
        row.halves = cpu_input_halves(job, k, frame, y) + at;
    else
        row.floats = cpu_input_row(job, k, frame, y) + at;
    return row;
}

/* Its pixels [x, x + count). */
static const float *pixels_of(const struct cpu_job *job, const struct row *row, int x, int count)
{
    const ptrdiff_t at = (ptrdiff_t)x * row->stride;
    if (!row->halves)
        return row->floats + at;
    job->program->wide->floats(row->halves + at, (size_t)count * (size_t)row->stride, row->buffer);
    return row->buffer;
}

/* How many pixels at a time: all, where nothing is converted. */
static int most_pixels(const struct row *row, bool halves, int stride, int width)
{
    return halves || row->halves ? PQ_MAX(SOME / PQ_MAX(stride, row->stride), 1) : width;
}

/* ---- one or two inputs ---- */

/* The rows that a row of the result is made of. */
struct inputs {
    struct row a, b;
};

static struct inputs inputs_of(const struct cpu_job *job, int frame, int64_t y, float *a, float *b)
{
    const struct pq_op *op = job->op;
    struct inputs in = {.a = row_of(job, 0, frame, y + op->ver.before, op->hor.before, a)};
    if (op->kind == PQ_OP_CROP)
        return in;
    const bool one = op->global_inputs >> 1 & 1;
    in.b = row_of(job, 1, frame, one ? 0 : y, 0, b);
    if (one)
        in.b.stride = 0;
    return in;
}

/* Pixels [x, x + count). */
static void compute(const struct cpu_job *job, const struct inputs *in, int x, int count,
                    float *out)
{
    const struct pq_op *op = job->op;
    const int a_stride = in->a.stride, stride = cpu_stride(job);
    const float *a = pixels_of(job, &in->a, x, count);
    if (op->kind == PQ_OP_CROP) {
        pq_copy_row(a, a_stride, count, op->channels, out, stride);
        return;
    }
    const float *b = pixels_of(job, &in->b, x, count);
    if (op->kind == PQ_OP_ADD)
        pq_add_row(a, a_stride, b, in->b.stride, op->scale, count, op->channels, out, stride);
    else if (job->run->base.program->graph->ops[op->in[1]].channels < op->channels)
        pq_mul_by_one_row(a, a_stride, b, in->b.stride, count, op->channels, out, stride);
    else
        pq_mul_row(a, a_stride, b, in->b.stride, count, op->channels, out, stride);
}

void cpu_pointwise(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    float buffers[2][PQ_MAX_CHANNELS];
    const struct inputs in = inputs_of(job, frame, y, buffers[0], buffers[1]);
    const int width = cpu_width(job), stride = cpu_stride(job);
    const int most =
        PQ_MIN(most_pixels(&in.a, false, stride, width), most_pixels(&in.b, false, stride, width));
    for (int x = 0; x < width; x += most)
        compute(job, &in, x, PQ_MIN(most, width - x), out + (ptrdiff_t)x * stride);
}

void cpu_pointwise_in_halves(const struct cpu_job *job, int frame, int64_t y)
{
    float buffers[3][PQ_MAX_CHANNELS];
    const struct inputs in = inputs_of(job, frame, y, buffers[0], buffers[1]);
    const int width = cpu_width(job), stride = cpu_stride(job);
    uint16_t *out = cpu_ring_halves(&job->run->rings[job->i], cpu_frames(job), frame, y);
    const int most =
        PQ_MIN(most_pixels(&in.a, true, stride, width), most_pixels(&in.b, true, stride, width));
    if (stride > job->op->channels)
        memset(buffers[2], 0, sizeof buffers[2]);
    for (int x = 0; x < width; x += most) {
        const int count = PQ_MIN(most, width - x);
        compute(job, &in, x, count, buffers[2]);
        job->program->wide->halves(buffers[2], (size_t)count * (size_t)stride,
                                   out + (ptrdiff_t)x * stride);
    }
}

/* ---- sums of a row ---- */

void cpu_row_sums(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    float buffer[PQ_MAX_CHANNELS];
    const struct pq_op *op = job->op;
    const struct row in = row_of(job, 0, frame, y, 0, buffer);
    const int channels = op->channels / (op->squares ? 4 : 2);
    const int width = (int)cpu_input_line(job, 0)->width;
    const int most = most_pixels(&in, false, 1, width);
    double *sums = (double *)(void *)out;
    memset(sums, 0, (size_t)(op->squares ? 2 * channels : channels) * sizeof *sums);
    for (int x = 0; x < width; x += most) {
        const int count = PQ_MIN(most, width - x);
        job->program->wide->row_sums(pixels_of(job, &in, x, count), in.stride, count, channels,
                                     sums, op->squares ? sums + channels : NULL);
    }
}
