/* SPDX-License-Identifier: MIT */
/* The pixels of a window are gathered, for one head, into rows of tokens; the kernel knows nothing
 * of windows. */
#include "backend/cpu/attention.h"

#include <string.h>

#include "base/alloc.h"
#include "graph/place.h"

/* One axis of a window: tokens t = 0 .. count-1 are the pixels first + t step, and stand at place
 * place + t of the full window. */
struct span {
    int64_t first, step;
    int count, place;
};

struct window {
    struct span qy, qx, ky, kx;
};

/* What a thread's scratch holds, in this order. */
struct tokens {
    float *q, *k, *v, *out, *bias, *rest;
};

static size_t split_scratch(const struct pq_op *op, float *scratch, struct tokens *t)
{
    const struct pq_attention *a = &op->attention;
    const size_t dim = (size_t)(op->channels / a->heads);
    const size_t queries = (size_t)(a->height * a->width);
    const size_t keys = (size_t)(a->key_height * a->key_width);
    const size_t sizes[] = {queries * dim, keys * dim, keys * dim, queries * dim,
                            a->index ? queries * keys : 0};
    float **to[] = {&t->q, &t->k, &t->v, &t->out, &t->bias};
    size_t at = 0;
    for (int i = 0; i < 5; i++) {
        *to[i] = scratch ? scratch + at : NULL;
        at += cpu_align(sizes[i]);
    }
    t->rest = scratch ? scratch + at : NULL;
    return at + (op->kind == PQ_OP_ATTENTION
                     ? pq_attention_scratch((int)queries, (int)keys, (int)dim)
                     : pq_channel_attention_scratch((int)dim));
}

size_t cpu_scratch_floats(const struct pq_op *op)
{
    struct tokens unused;
    if (op->kind == PQ_OP_RUN_ATTENTION)
        return cpu_run_scratch_floats(op);
    return cpu_is_attention(op) ? split_scratch(op, NULL, &unused) : 0;
}

/* Windows along an axis that hold the pixels first .. last. */
static int window_count(int64_t first, int64_t last, int size, int shift)
{
    return (int)(pq_floor_div(last - shift, size) - pq_floor_div(first - shift, size)) + 1;
}

void cpu_attention_plan(struct cpu_job *job)
{
    const struct pq_attention *a = &job->op->attention;
    const struct pq_line *line = &job->run->base.lines[job->i];
    if (job->op->kind == PQ_OP_RUN_ATTENTION) {
        job->parts = a->heads;
        return;
    }
    if (a->grid) {
        job->rows = (int)(line->height / a->height);
        job->parts = line->width / a->width * a->heads;
        return;
    }
    job->rows = window_count(job->y0, job->y1 - 1, a->height, a->shift_y);
    job->parts = (int64_t)window_count(0, line->width - 1, a->width, a->shift_x) * a->heads;
}

/* The n-th window along an axis of `extent` pixels, and the keys around it. */
static void find_spans(const struct pq_attention *a, bool hor, int n, int64_t extent,
                       struct span *q, struct span *k)
{
    const int size = hor ? a->width : a->height, shift = hor ? a->shift_x : a->shift_y;
    const int key_size = pq_attention_key_size(a, hor);
    if (a->grid) {
        *q = *k = (struct span){.first = n, .step = extent / size, .count = size};
        return;
    }
    const int64_t start = shift + (int64_t)n * size;
    const int64_t key_start = pq_attention_key_shift(a, hor) + (int64_t)n * key_size;
    const int reach = ((hor ? a->key_width : a->key_height) - key_size) / 2;
    int64_t padded = a->multiple ? (extent + a->multiple - 1) / a->multiple * a->multiple : extent;
    int64_t q0 = PQ_MAX(start, 0), q1 = PQ_MIN(start + size, extent);
    int64_t k0 = key_start - reach, k1 = key_start + key_size + reach;
    if (!reach) {
        k0 = PQ_MAX(k0, 0);
        k1 = PQ_MIN(k1, padded / PQ_MAX(a->fold, 1));
    }
    *q = (struct span){q0, 1, (int)(q1 - q0), (int)(q0 - start)};
    *k = (struct span){k0, 1, (int)(k1 - k0), (int)(k0 - (key_start - reach))};
}

/* Channels c .. c + dim - 1 of the pixels of a window; zeros outside of the picture. */
static void gather(const struct cpu_job *job, int k, int frame, const struct span *sy,
                   const struct span *sx, int c, int dim, float *to)
{
    const struct pq_line *line = cpu_input_line(job, k);
    const int stride = cpu_input_ring(job, k)->stride;
    for (int ty = 0; ty < sy->count; ty++) {
        const int64_t y = sy->first + ty * sy->step;
        const bool inside = y >= 0 && y < line->height;
        const float *row = inside ? cpu_input_row(job, k, frame, y) + c : NULL;
        for (int tx = 0; tx < sx->count; tx++, to += dim) {
            const int64_t x = sx->first + tx * sx->step;
            if (row && x >= 0 && x < line->width)
                memcpy(to, row + x * stride, (size_t)dim * sizeof *to);
            else
                memset(to, 0, (size_t)dim * sizeof *to);
        }
    }
}

static void gather_bias(const struct cpu_job *job, const struct window *w, int head, float *bias)
{
    const struct pq_attention *a = &job->op->attention;
    const float *table = job->step->weights + (ptrdiff_t)head * job->op->weight.shape[0];
    const int keys = a->key_height * a->key_width;
    for (int qy = 0; qy < w->qy.count; qy++) {
        for (int qx = 0; qx < w->qx.count; qx++) {
            const int32_t *index =
                a->index + (ptrdiff_t)((w->qy.place + qy) * a->width + w->qx.place + qx) * keys +
                w->kx.place;
            for (int ky = 0; ky < w->ky.count; ky++) {
                const int32_t *at = index + (w->ky.place + ky) * a->key_width;
                for (int kx = 0; kx < w->kx.count; kx++)
                    *bias++ = table[at[kx]];
            }
        }
    }
}

static void scatter(const struct cpu_job *job, int frame, const struct window *w, int c, int dim,
                    const float *from)
{
    const struct cpu_ring *ring = &job->run->rings[job->i];
    for (int ty = 0; ty < w->qy.count; ty++) {
        float *row = cpu_ring_row(ring, cpu_frames(job), frame, w->qy.first + ty * w->qy.step) + c;
        for (int tx = 0; tx < w->qx.count; tx++, from += dim)
            memcpy(row + (w->qx.first + tx * w->qx.step) * ring->stride, from,
                   (size_t)dim * sizeof *row);
    }
}

static void attend(const struct cpu_job *job, const struct window *w, int head, int dim,
                   const struct tokens *t)
{
    const struct pq_op *op = job->op;
    const int queries = w->qy.count * w->qx.count, keys = w->ky.count * w->kx.count;
    if (op->kind == PQ_OP_CHANNEL_ATTENTION) {
        job->program->wide->channel_attention(
            &(struct pq_channel_attention_args){.tokens = queries,
                                                .dim = dim,
                                                .q = t->q,
                                                .k = t->k,
                                                .v = t->v,
                                                .q_stride = dim,
                                                .k_stride = dim,
                                                .v_stride = dim,
                                                .temperature = job->step->weights[head],
                                                .out = t->out,
                                                .out_stride = dim,
                                                .scratch = t->rest});
        return;
    }
    if (op->attention.index)
        gather_bias(job, w, head, t->bias);
    job->program->wide->attention(
        &(struct pq_attention_args){.queries = queries,
                                    .keys = keys,
                                    .dim = dim,
                                    .q = t->q,
                                    .k = t->k,
                                    .v = t->v,
                                    .q_stride = dim,
                                    .k_stride = dim,
                                    .v_stride = dim,
                                    .scale = op->attention.scale,
                                    .bias = op->attention.index ? t->bias : NULL,
                                    .out = t->out,
                                    .out_stride = dim,
                                    .scratch = t->rest});
}

void cpu_attention_task(const struct cpu_job *job, int frame, int row, int64_t part, float *scratch)
{
    const struct pq_attention *a = &job->op->attention;
    const struct pq_line *line = &job->run->base.lines[job->i];
    if (job->op->kind == PQ_OP_RUN_ATTENTION) {
        cpu_run_attention_task(job, frame, row, (int)part, scratch);
        return;
    }
    const int dim = job->op->channels / a->heads, head = (int)(part % a->heads);
    int ny = row, nx = (int)(part / a->heads);
    if (!a->grid) {
        ny += (int)pq_floor_div(job->y0 - a->shift_y, a->height);
        nx += (int)pq_floor_div(-(int64_t)a->shift_x, a->width);
    }
    struct window w;
    struct tokens t;
    find_spans(a, false, ny, line->height, &w.qy, &w.ky);
    find_spans(a, true, nx, line->width, &w.qx, &w.kx);
    split_scratch(job->op, scratch, &t);
    gather(job, 0, frame, &w.qy, &w.qx, head * dim, dim, t.q);
    gather(job, 1, frame, &w.ky, &w.kx, head * dim, dim, t.k);
    gather(job, 2, frame, &w.ky, &w.kx, head * dim, dim, t.v);
    attend(job, &w, head, dim, &t);
    cpu_stored(job, t.out, (size_t)w.qy.count * (size_t)w.qx.count * (size_t)dim);
    scatter(job, frame, &w, head * dim, dim, t.out);
}
