/* SPDX-License-Identifier: MIT */
/* A dictionary of tokens: what it yields for a pixel, and how the picture changes it. */
#include <math.h>
#include <string.h>

#include "backend/cpu/job.h"
#include "base/alloc.h"
#include "kernels/curve.h"

void cpu_constant(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    (void)frame;
    (void)y;
    memcpy(out, job->step->weights, (size_t)job->op->channels * sizeof *out);
}

void cpu_tokens_linear(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const int tokens = op->groups, channels = op->channels / tokens;
    const int in_channels = (int)op->weight.shape[1];
    job->program->wide->product(&(struct pq_product){.rows = tokens,
                                                     .steps = in_channels,
                                                     .columns = channels,
                                                     .a = cpu_input_row(job, 0, frame, y),
                                                     .a_row = in_channels,
                                                     .a_step = 1,
                                                     .b = job->step->weights,
                                                     .b_step = channels,
                                                     .out = out,
                                                     .out_row = channels});
    for (int i = 0; i < op->channels; i++)
        out[i] += job->step->bias[i % channels];
}

void cpu_tokens_unit(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const int tokens = op->groups, channels = op->channels / tokens;
    const float *in = cpu_input_row(job, 0, frame, y);
    for (int t = 0; t < tokens; t++, in += channels) {
        double squares = 0;
        for (int c = 0; c < channels; c++)
            squares += (double)in[c] * (double)in[c];
        const double factor = (double)job->step->weights[t] / PQ_MAX(sqrt(squares), 1e-12);
        for (int c = 0; c < channels; c++)
            out[c * tokens + t] = (float)((double)in[c] * factor);
    }
}

/* in[0]'s pixels times in[1], a matrix [channels of in[0]][channels]. */
static void multiply(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    job->program->wide->product(&(struct pq_product){.rows = cpu_width(job),
                                                     .steps = op->groups,
                                                     .columns = op->channels,
                                                     .a = cpu_input_row(job, 0, frame, y),
                                                     .a_row = cpu_input_ring(job, 0)->stride,
                                                     .a_step = 1,
                                                     .b = cpu_input_row(job, 1, frame, 0),
                                                     .b_step = op->channels,
                                                     .out = out,
                                                     .out_row = cpu_stride(job)});
}

void cpu_blend(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    multiply(job, frame, y, out);
}

void cpu_look_up(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const int tokens = job->op->channels;
    multiply(job, frame, y, out);
    for (int x = 0; x < cpu_width(job); x++, out += cpu_stride(job)) {
        float most = out[0], sum = 0;
        for (int t = 1; t < tokens; t++)
            most = out[t] > most ? out[t] : most;
        for (int t = 0; t < tokens; t++) {
            out[t] = pq_exp(out[t] - most);
            sum += out[t];
        }
        for (int t = 0; t < tokens; t++)
            out[t] /= sum;
    }
}

/* ---- the mean of pixels under a softmax over all of them ---- */

static float largest(const float *in, int stride, int width)
{
    float most = in[0];
    for (int x = 1; x < width; x++)
        most = in[(ptrdiff_t)x * stride] > most ? in[(ptrdiff_t)x * stride] : most;
    return most;
}

void cpu_row_exp(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const float *in = cpu_input_row(job, 0, frame, y);
    const int stride = cpu_input_ring(job, 0)->stride, width = cpu_width(job);
    for (int c = 0; c < job->op->channels; c++) {
        const float most = largest(in + c, stride, width);
        for (int x = 0; x < width; x++)
            out[(ptrdiff_t)x * cpu_stride(job) + c] = pq_exp(in[(ptrdiff_t)x * stride + c] - most);
    }
}

/* [tokens] largest scores, [tokens] sums of weights, [tokens][channels] sums of weight x pixel */
void cpu_row_shares(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const int tokens = job->op->groups, channels = job->op->channels / tokens - 2;
    const int width = (int)cpu_input_line(job, 0)->width;
    const float *scores = cpu_input_row(job, 0, frame, y), *w = cpu_input_row(job, 1, frame, y);
    const int stride = cpu_input_ring(job, 1)->stride;
    for (int t = 0; t < tokens; t++) {
        double sum = 0;
        for (int x = 0; x < width; x++)
            sum += (double)w[(ptrdiff_t)x * stride + t];
        out[t] = largest(scores + t, cpu_input_ring(job, 0)->stride, width);
        out[tokens + t] = (float)sum;
    }
    job->program->wide->product(&(struct pq_product){.rows = tokens,
                                                     .steps = width,
                                                     .columns = channels,
                                                     .a = w,
                                                     .a_row = 1,
                                                     .a_step = stride,
                                                     .b = cpu_input_row(job, 2, frame, y),
                                                     .b_step = cpu_input_ring(job, 2)->stride,
                                                     .out = out + 2 * tokens,
                                                     .out_row = channels});
}

void cpu_tokens_update(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    (void)y;
    const int tokens = job->op->groups, channels = job->op->channels / tokens;
    const int64_t height = cpu_input_line(job, 0)->height;
    const float *old = cpu_input_row(job, 1, frame, 0);
    for (int t = 0; t < tokens; t++, old += channels, out += channels) {
        float most = -INFINITY;
        for (int64_t row = 0; row < height; row++) {
            const float of_row = cpu_input_row(job, 0, frame, row)[t];
            most = of_row > most ? of_row : most;
        }
        double sum = 0, mean[PQ_MAX_CHANNELS] = {0};
        for (int64_t row = 0; row < height; row++) {
            const float *from = cpu_input_row(job, 0, frame, row);
            const double weight = (double)pq_exp(from[t] - most);
            sum += weight * (double)from[tokens + t];
            from += 2 * tokens + (ptrdiff_t)t * channels;
            for (int c = 0; c < channels; c++)
                mean[c] += weight * (double)from[c];
        }
        const double keep = (double)pq_sigmoid(job->step->weights[t]);
        for (int c = 0; c < channels; c++)
            out[c] = (float)(keep * (double)old[c] + (1 - keep) * (mean[c] / sum));
    }
}
