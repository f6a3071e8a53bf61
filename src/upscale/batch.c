/* SPDX-License-Identifier: MIT */
/* Batches of the public API: one stream with conversion at both ends. */
#include "arch/model.h"
#include "base/alloc.h"
#include "upscale/opened.h"
#include "upscale/samples.h"

void pq_batch_end(pique_engine *engine)
{
    struct pq_batch *b = &engine->batch;
    pq_stream_close(&b->stream);
    pq_big_free(pq_engine_allocator(engine), b->in);
    pq_big_free(pq_engine_allocator(engine), b->out);
    *b = (struct pq_batch){0};
}

static int check_batch(int frames, int width, int height, pique_error *err)
{
    if (frames < 1 || frames > 4096 || width < 1 || height < 1)
        return pq_fail(err, PIQUE_EINVAL, "a batch of %d pictures of %d x %d pixels", frames, width,
                       height);
    return 0;
}

int pique_batch_begin(pique_engine *engine, int frames, int width, int height, pique_error *err)
{
    pq_batch_end(engine);
    int rc = check_batch(frames, width, height, err);
    struct pq_batch *b = &engine->batch;
    if (!rc)
        rc = pq_stream_open(engine, frames, width, height, 0, &b->stream, err);
    if (rc)
        return rc;
    const struct pq_graph *g = pq_model_graph(engine->model);
    b->in_channels = g->ops[0].channels;
    b->out_channels = g->ops[g->output].channels;
    b->frames = frames;
    b->width = width;
    b->height = height;
    pq_stream_output_size(b->stream, &b->out_width, &b->out_height);
    size_t in = (size_t)frames * (size_t)pq_stream_band(b->stream) * (size_t)width *
                (size_t)b->in_channels * sizeof(float);
    size_t out = (size_t)frames * (size_t)pq_stream_max_out(b->stream) * (size_t)b->out_width *
                 (size_t)b->out_channels * sizeof(float);
    b->in = pq_big_alloc(pq_engine_allocator(engine), in);
    b->out = pq_big_alloc(pq_engine_allocator(engine), out);
    if (!b->in || !b->out) {
        pq_batch_end(engine);
        return pq_fail_nomem(err, (unsigned long long)in + out);
    }
    return 0;
}

void pique_batch_output_size(const pique_engine *engine, int *width, int *height)
{
    *width = engine->batch.out_width;
    *height = engine->batch.out_height;
}

int pique_batch_wants(const pique_engine *engine)
{
    const struct pq_batch *b = &engine->batch;
    if (!b->stream || b->taken < b->ready)
        return 0;
    return (int)PQ_MIN((int64_t)pq_stream_band(b->stream), b->height - b->pushed) - b->held;
}

/* The batch's buffers as rows of floats. */
static pique_rows band_rows(float *data, int width, int channels, int rows)
{
    ptrdiff_t row = (ptrdiff_t)width * channels * (ptrdiff_t)sizeof(float);
    return (pique_rows){data, row, row * rows, PIQUE_SAMPLE_F32};
}

/* What failed in the middle cannot go on: nobody knows which rows the device has taken. */
static int step(pique_engine *engine, int count, pique_error *err)
{
    struct pq_batch *b = &engine->batch;
    pique_rows in = band_rows(b->in, b->width, b->in_channels, pq_stream_band(b->stream));
    pique_rows out = band_rows(b->out, b->out_width, b->out_channels, pq_stream_max_out(b->stream));
    b->taken = b->held = 0;
    int rc = pq_stream_step(b->stream, &in, count, &out, &b->ready, err);
    if (rc)
        pq_batch_end(engine);
    else
        b->pushed += count;
    return rc;
}

/* Rows of a frame between the caller's memory and the batch's. */
struct exchange {
    const struct pq_batch *batch;
    const pique_rows *theirs;
    int frame;
};

static char *their_row(const struct exchange *x, int y)
{
    return (char *)x->theirs->data + x->frame * x->theirs->frame_stride + y * x->theirs->row_stride;
}

static void take_row(void *context, int y, int worker)
{
    (void)worker;
    const struct exchange *x = context;
    const struct pq_batch *b = x->batch;
    const size_t samples = (size_t)b->width * (size_t)b->in_channels;
    const size_t row = (size_t)x->frame * (size_t)pq_stream_band(b->stream) + (size_t)(b->held + y);
    pq_samples_to_float(x->theirs->sample, their_row(x, y), samples, b->in + row * samples);
}

static void give_row(void *context, int y, int worker)
{
    (void)worker;
    const struct exchange *x = context;
    const struct pq_batch *b = x->batch;
    const size_t samples = (size_t)b->out_width * (size_t)b->out_channels;
    const size_t row =
        (size_t)x->frame * (size_t)pq_stream_max_out(b->stream) + (size_t)(b->taken + y);
    pq_samples_from_float(x->theirs->sample, b->out + row * samples, samples, their_row(x, y));
}

static void exchange(const pique_engine *engine, const pique_rows *rows, int count, pq_pool_fn *fn)
{
    struct exchange x = {&engine->batch, rows, 0};
    for (; x.frame < engine->batch.frames; x.frame++)
        pq_pool_run(engine->pool, count, fn, &x);
}

int pique_batch_push(pique_engine *engine, const pique_rows *rows, int count, pique_error *err)
{
    struct pq_batch *b = &engine->batch;
    int wants = pique_batch_wants(engine);
    if (count < 1 || count > wants)
        return pq_fail(err, PIQUE_EINVAL, "%d rows are pushed where %d are wanted", count, wants);
    exchange(engine, rows, count, take_row);
    b->held += count;
    return count == wants ? step(engine, b->held, err) : 0;
}

int pique_batch_pull(pique_engine *engine, const pique_rows *rows, int count, pique_error *err)
{
    struct pq_batch *b = &engine->batch;
    if (!b->stream || count < 0)
        return pq_fail(err, PIQUE_EINVAL, "rows are pulled, but no batch is running");
    while (b->taken == b->ready && b->pushed == b->height && b->pulled < b->out_height) {
        int rc = step(engine, 0, err);
        if (rc)
            return rc;
    }
    int n = PQ_MIN(count, b->ready - b->taken);
    exchange(engine, rows, n, give_row);
    b->taken += n;
    b->pulled += n;
    return n;
}

int pique_batch_run(pique_engine *engine, int frames, int width, int height, const pique_rows *in,
                    const pique_rows *out, pique_error *err)
{
    pq_batch_end(engine);
    int rc = check_batch(frames, width, height, err);
    if (!rc && pq_batch_takes_whole(engine, in, out))
        return pq_batch_run_whole(engine, frames, width, height, in, out, err);
    if (!rc)
        rc = pique_batch_begin(engine, frames, width, height, err);
    if (rc)
        return rc;
    int out_width, out_height;
    pique_batch_output_size(engine, &out_width, &out_height);
    int64_t read = 0, written = 0;
    while (written < out_height) {
        int wants = pique_batch_wants(engine);
        if (wants) {
            pique_rows rows = *in;
            rows.data = (char *)in->data + read * in->row_stride;
            rc = pique_batch_push(engine, &rows, wants, err);
            if (rc)
                break;
            read += wants;
        }
        pique_rows rows = *out;
        rows.data = (char *)out->data + written * out->row_stride;
        int got = pique_batch_pull(engine, &rows, (int)(out_height - written), err);
        if (got < 0) {
            rc = got;
            break;
        }
        written += got;
    }
    pq_batch_end(engine);
    return rc;
}
