/* SPDX-License-Identifier: MIT */
/* Rows whose pixels come from other places: resized, padded, pooled. */
#include <string.h>

#include "backend/cpu/job.h"
#include "base/alloc.h"
#include "graph/place.h"
#include "kernels/pixel.h"
#include "kernels/taps.h"

void cpu_bicubic(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const struct pq_line *in = cpu_input_line(job, 0);
    float wy[4];
    const int64_t first = pq_bicubic_place(y, op->rate_num, op->rate_den, wy);
    const float *rows[4];
    for (int k = 0; k < 4; k++)
        rows[k] = cpu_input_row(job, 0, frame, pq_clamp_place(first + k, in->height));
    pq_bicubic_row(rows, wy, cpu_input_ring(job, 0)->stride, (int)in->width, op->channels,
                   op->rate_num, op->rate_den, out, cpu_stride(job), cpu_width(job));
}

void cpu_bilinear(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_line *in = cpu_input_line(job, 0);
    float t;
    const int64_t first = pq_bilinear_place(y, in->height, job->run->base.lines[job->i].height, &t);
    const float *rows[2];
    for (int k = 0; k < 2; k++)
        rows[k] = cpu_input_row(job, 0, frame, pq_clamp_place(first + k, in->height));
    pq_bilinear_row(rows, t, cpu_input_ring(job, 0)->stride, (int)in->width, job->op->channels, out,
                    cpu_stride(job), cpu_width(job));
}

void cpu_pad(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const struct pq_line *in = cpu_input_line(job, 0);
    const int in_stride = cpu_input_ring(job, 0)->stride, stride = cpu_stride(job);
    const size_t bytes = (size_t)op->channels * sizeof *out;
    const int64_t from = pq_pad_source(op->pad_mode, y - op->ver.before, in->height);
    const float *row = from < 0 ? NULL : cpu_input_row(job, 0, frame, from);
    for (int x = 0; x < cpu_width(job); x++, out += stride) {
        int64_t column = pq_pad_source(op->pad_mode, x - op->hor.before, in->width);
        if (row && column >= 0)
            memcpy(out, row + column * in_stride, bytes);
        else
            memset(out, 0, bytes);
    }
}

void cpu_pool(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const float *rows[PQ_MAX_KERNEL];
    for (int k = 0; k < op->ver.kernel; k++) {
        int64_t from = y * op->ver.stride - op->ver.before + k;
        bool inside = from >= 0 && from < cpu_input_line(job, 0)->height;
        rows[k] = inside ? cpu_input_row(job, 0, frame, from) : NULL;
    }
    const struct pq_pool_args args = {.rows = rows,
                                      .in_stride = cpu_input_ring(job, 0)->stride,
                                      .in_width = (int)cpu_input_line(job, 0)->width,
                                      .kernel_h = op->ver.kernel,
                                      .kernel_w = op->hor.kernel,
                                      .step = op->hor.stride,
                                      .left = op->hor.before,
                                      .channels = op->channels,
                                      .out = out,
                                      .out_stride = cpu_stride(job),
                                      .out_width = cpu_width(job)};
    if (op->kind == PQ_OP_MAX_POOL)
        job->program->wide->max_pool(&args);
    else
        job->program->wide->mean_pool(&args);
}

void cpu_dysample(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const struct pq_line *in = cpu_input_line(job, 0);
    const int f = op->factor, area = op->groups * f * f, dim = op->channels / op->groups;
    const int stride = cpu_stride(job), in_stride = cpu_input_ring(job, 0)->stride;
    const int offset_stride = cpu_input_ring(job, 1)->stride, dy = (int)(y % f);
    const float *offsets = cpu_input_row(job, 1, frame, y / f);
    for (int x = 0; x < cpu_width(job); x++, out += stride) {
        const float *at = offsets + (ptrdiff_t)(x / f) * offset_stride + dy * f + x % f;
        for (int g = 0; g < op->groups; g++) {
            float tx, ty;
            int64_t x0 = pq_split_place((float)(x / f) + at[g * f * f], in->width, &tx);
            int64_t y0 = pq_split_place((float)(y / f) + at[area + g * f * f], in->height, &ty);
            const float *top = cpu_input_row(job, 0, frame, y0) + g * dim;
            const float *low =
                cpu_input_row(job, 0, frame, pq_clamp_place(y0 + 1, in->height)) + g * dim;
            int64_t left = x0 * in_stride, right = pq_clamp_place(x0 + 1, in->width) * in_stride;
            for (int c = 0; c < dim; c++) {
                float above = top[left + c] + tx * (top[right + c] - top[left + c]);
                float below = low[left + c] + tx * (low[right + c] - low[left + c]);
                out[g * dim + c] = above + ty * (below - above);
            }
        }
    }
}
