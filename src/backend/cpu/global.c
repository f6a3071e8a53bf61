/* SPDX-License-Identifier: MIT */
/* Statistics over the whole picture: sums of a row, and what is made of the column of them. Sums
 * are doubles, of a row from the left, of the picture from the top, so that no thread and no band
 * changes them. */
#include <math.h>
#include <string.h>

#include "backend/cpu/job.h"
#include "base/alloc.h"
#include "kernels/curve.h"

void cpu_row_gram(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    const int channels = job->run->base.program->graph->ops[op->in[0]].channels;
    const int dim = channels / op->groups;
    double *gram = (double *)(void *)out, *qq = gram + (ptrdiff_t)channels * dim;
    job->program->wide->row_gram(cpu_input_row(job, 0, frame, y), cpu_input_ring(job, 0)->stride,
                                 cpu_input_row(job, 1, frame, y), cpu_input_ring(job, 1)->stride,
                                 (int)cpu_input_line(job, 0)->width, op->groups, dim, gram, qq,
                                 qq + channels);
}

void cpu_given(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    (void)y;
    const size_t channels = (size_t)job->op->channels;
    const float *values = job->run->base.given->values[job->op->first];
    memcpy(out, values + (size_t)frame * channels, channels * sizeof *out);
}

/* The i-th number of a column, summed from the top. */
static double total(const struct cpu_job *job, int frame, int i)
{
    double sum = 0;
    for (int64_t y = 0; y < cpu_input_line(job, 0)->height; y++)
        sum += ((const double *)(const void *)cpu_input_row(job, 0, frame, y))[i];
    return sum;
}

static double pixels(const struct cpu_job *job)
{
    const struct pq_line *like = &job->run->base.lines[job->op->like];
    return (double)like->width * (double)like->height;
}

void cpu_mean(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    (void)y;
    for (int c = 0; c < job->op->channels; c++)
        out[c] = (float)(total(job, frame, c) / pixels(job));
}

/* Factors, then terms: x factor + term = (x - mean) / sqrt(var + eps) * weight + bias. */
void cpu_group_norm(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    (void)y;
    const struct pq_op *op = job->op;
    const int channels = op->channels / 2, size = channels / op->groups;
    const double count = pixels(job) * size;
    for (int first = 0; first < channels; first += size) {
        double sum = 0, squares = 0;
        for (int c = first; c < first + size; c++) {
            sum += total(job, frame, c);
            squares += total(job, frame, channels + c);
        }
        const double mean = sum / count, var = PQ_MAX(squares / count - mean * mean, 0);
        const double scale = 1 / sqrt(var + (double)op->eps);
        for (int c = first; c < first + size; c++) {
            const double factor = scale * (double)job->step->weights[c];
            out[c] = (float)factor;
            out[channels + c] = (float)((double)job->step->bias[c] - mean * factor);
        }
    }
}

/* Softmax over j of row i, written as column i: mix wants [j][i]. */
static void softmax(const float *row, int dim, float *out)
{
    float most = row[0], sum = 0;
    for (int j = 1; j < dim; j++)
        most = row[j] > most ? row[j] : most;
    for (int j = 0; j < dim; j++) {
        out[j * dim] = pq_exp(row[j] - most);
        sum += out[j * dim];
    }
    for (int j = 0; j < dim; j++)
        out[j * dim] /= sum;
}

void cpu_gram_softmax(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    (void)y;
    const struct pq_op *op = job->op;
    /* channels = heads dim dim */
    const int heads = op->groups, area = op->channels / heads, dim = (int)lround(sqrt(area));
    const double least = 1e-12; /* of a norm */
    for (int h = 0; h < heads; h++) {
        for (int i = 0; i < dim; i++) {
            const int at = heads * area + h * dim;
            const double qq = PQ_MAX(sqrt(total(job, frame, at + i)), least);
            float *row = out + (ptrdiff_t)h * area + i, scores[PQ_MAX_CHANNELS];
            for (int j = 0; j < dim; j++) {
                const double kk = PQ_MAX(sqrt(total(job, frame, at + heads * dim + j)), least);
                scores[j] = (float)(total(job, frame, (h * dim + i) * dim + j) / (qq * kk) *
                                    (double)job->step->weights[h]);
            }
            softmax(scores, dim, row);
        }
    }
}

void cpu_mix(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const struct pq_op *op = job->op;
    job->program->wide->mix(cpu_input_row(job, 0, frame, y), cpu_input_ring(job, 0)->stride,
                            cpu_width(job), op->groups, op->channels / op->groups,
                            cpu_input_row(job, 1, frame, 0), out, cpu_stride(job));
}
