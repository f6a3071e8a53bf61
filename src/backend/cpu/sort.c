/* SPDX-License-Identifier: MIT */
/* Pixels in the order of their categories. Categories, places and counts are int32 in the rings. */
#include <string.h>

#include "backend/cpu/attention.h"
#include "base/alloc.h"

static int32_t number(const float *at)
{
    int32_t n;
    memcpy(&n, at, sizeof n);
    return n;
}

static void put(float *at, int32_t n)
{
    memcpy(at, &n, sizeof n);
}

void cpu_category(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const int channels = job->run->base.program->graph->ops[job->op->in[0]].channels;
    const float *in = cpu_input_row(job, 0, frame, y);
    for (int x = 0; x < cpu_width(job);
         x++, in += cpu_input_ring(job, 0)->stride, out += cpu_stride(job)) {
        int best = 0;
        for (int c = 1; c < channels; c++)
            best = in[c] > in[best] ? c : best;
        put(out, best);
    }
}

void cpu_row_counts(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const float *in = cpu_input_row(job, 0, frame, y);
    for (int c = 0; c < job->op->channels; c++)
        put(out + c, 0);
    for (int64_t x = 0; x < cpu_input_line(job, 0)->width; x++) {
        const int c = number(in + x * cpu_input_ring(job, 0)->stride);
        put(out + c, number(out + c) + 1);
    }
}

static int64_t count(const struct cpu_job *job, int frame, int64_t row, int category)
{
    return number(cpu_input_row(job, 1, frame, row) + category);
}

/* Where the places of a row are being filled. */
struct filling {
    float *out;
    int left, stride;
};

/* Places of the pixels of a category, all but the first `skip`. */
static void fill(const struct cpu_job *job, int frame, int category, int64_t skip,
                 struct filling *f)
{
    const struct pq_line *line = cpu_input_line(job, 0);
    const int stride = cpu_input_ring(job, 0)->stride;
    for (int64_t y = 0; y < line->height && f->left; y++) {
        int64_t here = count(job, frame, y, category);
        if (skip >= here) {
            skip -= here;
            continue;
        }
        const float *in = cpu_input_row(job, 0, frame, y);
        for (int64_t x = 0; here && f->left; x++, in += stride) {
            if (number(in) != category)
                continue;
            here--;
            if (skip-- > 0)
                continue;
            skip = 0;
            put(f->out, (int32_t)y);
            put(f->out + 1, (int32_t)x);
            f->out += f->stride;
            f->left--;
        }
    }
}

void cpu_order(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const int64_t width = cpu_width(job), height = cpu_input_line(job, 0)->height;
    struct filling f = {out, (int)width, cpu_stride(job)};
    int64_t before = 0;
    for (int c = 0; c < job->op->groups && f.left; c++) {
        int64_t all = 0;
        for (int64_t row = 0; row < height; row++)
            all += count(job, frame, row, c);
        const int64_t place = y * width + (width - f.left);
        if (place < before + all)
            fill(job, frame, c, place - before, &f);
        before += all;
    }
}

void cpu_rank(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const int64_t width = cpu_width(job), height = cpu_input_line(job, 0)->height;
    int64_t next[PQ_MAX_CHANNELS], before = 0; /* the place of the next pixel of a category */
    for (int c = 0; c < job->op->groups; c++) {
        next[c] = before;
        for (int64_t row = 0; row < height; row++) {
            const int64_t here = count(job, frame, row, c);
            before += here;
            next[c] += row < y ? here : 0;
        }
    }
    const float *in = cpu_input_row(job, 0, frame, y);
    for (int64_t x = 0; x < width;
         x++, in += cpu_input_ring(job, 0)->stride, out += cpu_stride(job)) {
        const int64_t place = next[number(in)]++;
        put(out, (int32_t)(place / width));
        put(out + 1, (int32_t)(place % width));
    }
}

void cpu_pick(const struct cpu_job *job, int frame, int64_t y, float *out)
{
    const float *place = cpu_input_row(job, 1, frame, y);
    const int stride = cpu_input_ring(job, 0)->stride;
    for (int x = 0; x < cpu_width(job);
         x++, place += cpu_input_ring(job, 1)->stride, out += cpu_stride(job))
        memcpy(out,
               cpu_input_row(job, 0, frame, number(place)) + (ptrdiff_t)number(place + 1) * stride,
               (size_t)job->op->channels * sizeof *out);
}

/* ---- attention ---- */

size_t cpu_run_scratch_floats(const struct pq_op *op)
{
    const int dim = op->channels / op->attention.heads, run = op->multiple;
    return 4 * cpu_align((size_t)run * (size_t)dim) + pq_attention_scratch(run, run, dim);
}

/* Channels from c on of the pixels [first, last), counted row by row; behind the last one of all
 * they come back. */
static void gather(const struct cpu_job *job, int k, int frame, int64_t first, int64_t last, int c,
                   int dim, float *to)
{
    const struct pq_line *line = cpu_input_line(job, k);
    const int64_t all = line->width * line->height;
    for (int64_t i = first; i < last; i++, to += dim) {
        const int64_t at = i < all ? i : 2 * all - 1 - i;
        const float *row = cpu_input_row(job, k, frame, at / line->width);
        memcpy(to, row + at % line->width * cpu_input_ring(job, k)->stride + c,
               (size_t)dim * sizeof *to);
    }
}

void cpu_run_attention_task(const struct cpu_job *job, int frame, int row, int head, float *scratch)
{
    const struct pq_op *op = job->op;
    const struct pq_line *line = &job->run->base.lines[job->i];
    const struct cpu_ring *ring = &job->run->rings[job->i];
    const int dim = op->channels / op->attention.heads, c = head * dim;
    const int64_t run = PQ_MIN(op->multiple, line->width * line->height);
    const int64_t begin = (job->y0 + row) * line->width, end = begin + line->width;
    const size_t part = cpu_align((size_t)op->multiple * (size_t)dim);
    float *q = scratch, *k = q + part, *v = k + part, *out = v + part;
    float *to = cpu_ring_row(ring, cpu_frames(job), frame, job->y0 + row) + c;
    for (int64_t first = begin / run * run; first < end; first += run) {
        const int64_t q0 = PQ_MAX(first, begin), q1 = PQ_MIN(first + run, end);
        gather(job, 0, frame, q0, q1, c, dim, q);
        gather(job, 1, frame, first, first + run, c, dim, k);
        gather(job, 2, frame, first, first + run, c, dim, v);
        job->program->wide->attention(&(struct pq_attention_args){.queries = (int)(q1 - q0),
                                                                  .keys = (int)run,
                                                                  .dim = dim,
                                                                  .q = q,
                                                                  .k = k,
                                                                  .v = v,
                                                                  .q_stride = dim,
                                                                  .k_stride = dim,
                                                                  .v_stride = dim,
                                                                  .scale = op->attention.scale,
                                                                  .out = out,
                                                                  .out_stride = dim,
                                                                  .scratch = out + part});
        cpu_stored(job, out, (size_t)(q1 - q0) * (size_t)dim);
        for (int64_t i = 0; i < q1 - q0; i++, to += ring->stride)
            memcpy(to, out + i * dim, (size_t)dim * sizeof *to);
    }
}
