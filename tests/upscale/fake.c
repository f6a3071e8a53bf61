/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "upscale/picture_framed.h"

/* ---- pictures ---- */

struct image image_new(int width, int height, int planes)
{
    struct image image = {width, height, planes, NULL};
    image.data = calloc((size_t)width * (size_t)height * (size_t)planes, sizeof(float));
    assert_non_null(image.data);
    return image;
}

void image_free(struct image *image)
{
    free(image->data);
    image->data = NULL;
}

float *image_at(const struct image *image, int x, int y)
{
    return image->data + ((size_t)y * (size_t)image->width + (size_t)x) * (size_t)image->planes;
}

static float random01(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 16777215.0f;
}

struct image image_random(int width, int height, int planes, unsigned seed)
{
    struct image image = image_new(width, height, planes);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            float *p = image_at(&image, x, y);
            for (int c = 0; c < planes; c++)
                p[c] = random01(&seed);
            if (planes == 4) {
                const unsigned patch = ((unsigned)x / 7 * 5 + (unsigned)y / 6 * 3 + seed % 2) % 4;
                p[3] = patch == 0 ? 0 : patch == 3 ? p[3] : 1;
            }
        }
    }
    return image;
}

int image_stages_open;

struct image_stage {
    struct pq_stage stage;
    const struct image *image;
    int y;
};

static int image_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    (void)err;
    struct image_stage *s = (struct image_stage *)stage;
    assert_true(rows > 0);
    assert_true(s->y + rows <= stage->height);
    const size_t row = (size_t)stage->width * (size_t)stage->planes;
    memcpy(data, s->image->data + (size_t)s->y * row, (size_t)rows * row * sizeof *data);
    s->y += rows;
    return 0;
}

static void image_close(struct pq_stage *stage)
{
    image_stages_open--;
    free(stage);
}

struct pq_stage *image_stage(const struct image *image)
{
    struct image_stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->stage = (struct pq_stage){.width = image->width,
                                 .height = image->height,
                                 .planes = image->planes,
                                 .read = image_read,
                                 .close = image_close};
    s->image = image;
    image_stages_open++;
    return &s->stage;
}

int read_all(struct pq_stage *stage, int rows_at_a_time, float *data, pique_error *err)
{
    const int step = rows_at_a_time ? rows_at_a_time : stage->height;
    const size_t row = (size_t)stage->width * (size_t)stage->planes;
    for (int y = 0; y < stage->height; y += step) {
        const int n = PQ_MIN(step, stage->height - y);
        int rc = stage->read(stage, n, data + (size_t)y * row, err);
        if (rc)
            return rc;
    }
    return 0;
}

struct image drain(struct pq_stage *stage, int rows_at_a_time)
{
    struct image image = image_new(stage->width, stage->height, stage->planes);
    pique_error err;
    assert_int_equal(read_all(stage, rows_at_a_time, image.data, &err), 0);
    stage->close(stage);
    return image;
}

/* ---- sources and sinks ---- */

static int source_read(struct pq_row_source *base, int rows, void *data, ptrdiff_t stride,
                       pique_error *err)
{
    struct fake_source *s = (struct fake_source *)base;
    assert_true(s->open && rows > 0 && s->y + rows <= base->format.height);
    if (++s->reads == s->fail_read)
        return pq_fail(err, PIQUE_EFORMAT, "fake: the picture ends here");
    const size_t bytes = pq_picture_row_bytes(&base->format);
    for (int i = 0; i < rows; i++, s->y++)
        memcpy((char *)data + i * stride, (const char *)s->samples + (size_t)s->y * bytes, bytes);
    return 0;
}

static int source_rewind(struct pq_row_source *base, pique_error *err)
{
    struct fake_source *s = (struct fake_source *)base;
    assert_true(s->open);
    if (++s->rewinds == s->fail_rewind)
        return pq_fail(err, PIQUE_EIO, "fake: cannot go back");
    s->y = 0;
    return 0;
}

static void source_close(struct pq_row_source *base)
{
    struct fake_source *s = (struct fake_source *)base;
    assert_true(s->open);
    s->open = false;
}

void fake_source_init(struct fake_source *s, const struct pq_picture_format *format,
                      const void *samples)
{
    *s = (struct fake_source){.samples = samples, .open = true};
    s->base = (struct pq_row_source){
        .format = *format, .read = source_read, .rewind = source_rewind, .close = source_close};
    snprintf(s->base.info.format, sizeof s->base.info.format, "png");
}

static int sink_write(struct pq_row_sink *base, int rows, const void *data, ptrdiff_t stride,
                      pique_error *err)
{
    struct fake_sink *s = (struct fake_sink *)base;
    assert_true(s->open && !s->finished && s->y + rows <= s->format.height);
    if (++s->writes == s->fail_write)
        return pq_fail(err, PIQUE_ENOSPC, "fake: the disk is full");
    const size_t bytes = pq_picture_row_bytes(&s->format);
    for (int i = 0; i < rows; i++, s->y++)
        memcpy(s->samples + (size_t)s->y * bytes, (const char *)data + i * stride, bytes);
    return 0;
}

static int sink_finish(struct pq_row_sink *base, uint64_t *bytes, pique_error *err)
{
    struct fake_sink *s = (struct fake_sink *)base;
    assert_true(s->open && s->y == s->format.height);
    if (s->fail_finish)
        return pq_fail(err, PIQUE_EIO, "fake: it cannot be renamed");
    s->finished = true;
    *bytes = 4711;
    return 0;
}

static void sink_close(struct pq_row_sink *base)
{
    struct fake_sink *s = (struct fake_sink *)base;
    assert_true(s->open);
    s->open = false;
}

void fake_sink_init(struct fake_sink *s, const struct pq_picture_format *format)
{
    *s = (struct fake_sink){.format = *format, .open = true};
    s->base = (struct pq_row_sink){.write = sink_write, .finish = sink_finish, .close = sink_close};
    s->samples = calloc((size_t)format->height, pq_picture_row_bytes(format));
    assert_non_null(s->samples);
}

/* ---- the engine ---- */

/* Keeps the whole input. */
struct pq_stream {
    pique_engine *engine;
    enum fake_network network;
    int frames, width, height;
    float *input;
    int have, given; /* input rows in, output rows out */
};

int pq_stream_open(pique_engine *engine, int frames, int width, int height, uint64_t memory_bytes,
                   struct pq_stream **out, pique_error *err)
{
    assert_true(memory_bytes > 0);
    const size_t n = (size_t)frames * (size_t)width * (size_t)height * (size_t)engine->channels;
    struct pq_stream *s = pq_calloc(1, sizeof *s);
    float *input = pq_malloc(n * sizeof *input);
    *out = NULL;
    if (!s || !input) {
        pq_free(s);
        pq_free(input);
        return pq_fail_nomem(err, n);
    }
    *s = (struct pq_stream){engine, engine->network, frames, width, height, input, 0, 0};
    if (engine->bad_after > 0)
        engine->bad_after--;
    else if (engine->bad_streams > 0 && engine->bad_streams--)
        s->network = FAKE_NAN;
    engine->streams_opened++;
    engine->streams_open++;
    engine->frames = frames;
    *out = s;
    return 0;
}

void pq_stream_close(struct pq_stream **stream)
{
    if (!*stream)
        return;
    (*stream)->engine->streams_open--;
    pq_free((*stream)->input);
    pq_free(*stream);
    *stream = NULL;
}

int pq_stream_band(const struct pq_stream *stream)
{
    return stream->engine->band;
}

int pq_stream_max_out(const struct pq_stream *stream)
{
    return stream->engine->band * stream->engine->scale + 1;
}

void pq_stream_output_size(const struct pq_stream *stream, int *width, int *height)
{
    *width = stream->width * stream->engine->scale;
    *height = stream->height * stream->engine->scale;
}

static float input_at(const struct pq_stream *s, int f, int x, int y, int c)
{
    x = x < 0 ? 0 : PQ_MIN(x, s->width - 1);
    y = y < 0 ? 0 : PQ_MIN(y, s->height - 1);
    const size_t pixel = ((size_t)f * (size_t)s->height + (size_t)y) * (size_t)s->width + (size_t)x;
    return s->input[pixel * (size_t)s->engine->channels + (size_t)c];
}

static float value(const struct pq_stream *s, int f, int x, int y, int c)
{
    const int sx = x / s->engine->scale, sy = y / s->engine->scale;
    if (s->network == FAKE_CONSTANT)
        return 0.5f;
    if (s->network == FAKE_NAN && x == 3 && y == s->height / 2)
        return NAN;
    if (s->network == FAKE_LOUD)
        return 3 * input_at(s, f, sx, sy, c) - 1;
    if (s->network == FAKE_RIGHT)
        return 3 * input_at(s, f, sx + 1, sy, c) - 1;
    if (s->network != FAKE_BLUR)
        return input_at(s, f, sx, sy, c);
    float sum = 0;
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++)
            sum += input_at(s, f, sx + dx, sy + dy, c);
    return sum / 9;
}

static void take_input(struct pq_stream *s, const pique_rows *in, int count)
{
    const size_t row = (size_t)s->width * (size_t)s->engine->channels;
    for (int f = 0; f < s->frames; f++)
        for (int y = 0; y < count; y++)
            memcpy(s->input + ((size_t)f * (size_t)s->height + (size_t)(s->have + y)) * row,
                   (const char *)in->data + f * in->frame_stride + y * in->row_stride,
                   row * sizeof(float));
    s->have += count;
}

int pq_stream_step(struct pq_stream *s, const pique_rows *in, int count, const pique_rows *out,
                   int *got, pique_error *err)
{
    pique_engine *e = s->engine;
    assert_true(count >= 0 && count <= e->band && s->have + count <= s->height);
    assert_true(count == PQ_MIN(e->band, s->height - s->have));
    *got = 0;
    if (++e->steps == e->fail_step)
        return pq_fail(err, PIQUE_EDEVICE, "fake: the device is gone");
    take_input(s, in, count);
    const int lag = e->lag + (s->network == FAKE_BLUR);
    int ready = s->have == s->height ? s->height : PQ_MAX(s->have - lag, 0);
    if (e->stuck)
        ready = 0;
    const int n = PQ_MIN(ready * e->scale - s->given, pq_stream_max_out(s));
    for (int f = 0; f < s->frames; f++)
        for (int y = 0; y < n; y++) {
            float *row = (float *)((char *)out->data + f * out->frame_stride + y * out->row_stride);
            for (int x = 0; x < s->width * e->scale; x++)
                for (int c = 0; c < e->channels; c++)
                    *row++ = value(s, f, x, s->given + y, c);
        }
    s->given += n;
    *got = n;
    return 0;
}

/* The fake has no statistics. */
int pq_stream_open_given(pique_engine *engine, int frames, int width, int height,
                         uint64_t memory_bytes, const struct pq_given *given,
                         struct pq_stream **out, pique_error *err)
{
    (void)given;
    return pq_stream_open(engine, frames, width, height, memory_bytes, out, err);
}

int pq_stream_statistics(const struct pq_stream *stream, struct pq_given **out, pique_error *err)
{
    (void)stream, (void)err;
    *out = NULL;
    return 0;
}

void pq_stream_free_given(struct pq_given **given)
{
    *given = NULL;
}

bool pq_stream_is_whole(const struct pq_stream *stream)
{
    (void)stream;
    return false;
}

int64_t pq_stream_rows(const struct pq_stream *stream)
{
    return stream->have + stream->given;
}

double pq_stream_share(const struct pq_stream *stream)
{
    return (double)(stream->have + stream->given) /
           (double)(stream->height * (1 + stream->engine->scale));
}

int pq_stream_bytes(const pique_engine *engine, int frames, int width, int height,
                    uint64_t memory_bytes, uint64_t *least, uint64_t *wanted, pique_error *err)
{
    (void)height, (void)err;
    *least = (uint64_t)frames * (uint64_t)width * (uint64_t)engine->channels * 4 * 3;
    *wanted = PQ_MAX(*least, PQ_MIN(*least * 16, memory_bytes));
    return 0;
}

const pique_model *pq_engine_model(const pique_engine *engine)
{
    return (const pique_model *)engine; /* only pique_model_get_info() below looks at it */
}

int pique_model_get_info(const pique_model *model, pique_model_info *info, pique_error *err)
{
    (void)err;
    const pique_engine *engine = (const pique_engine *)model;
    info->scale_num = engine->scale;
    info->scale_den = 1;
    info->in_channels = info->out_channels = engine->channels;
    info->path = "fake.model";
    return 0;
}

struct pq_pool *pq_engine_pool(pique_engine *engine)
{
    return engine->pool;
}

const pique_allocator *pq_engine_allocator(const pique_engine *engine)
{
    return engine->allocator;
}

uint64_t pq_engine_memory_budget(const pique_engine *engine)
{
    return engine->budget;
}

int pq_engine_check_cancel(const pique_engine *engine, pique_error *err)
{
    pique_engine *e = (pique_engine *)engine;
    if (e->cancel_after && --e->cancel_after == 0) {
        e->cancel_after = 1; /* once set it stays */
        return pq_fail(err, PIQUE_ECANCELED, "fake: canceled");
    }
    return 0;
}

void pq_engine_note(pique_engine *engine, enum pique_event_kind kind, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(engine->last_note, sizeof engine->last_note, fmt, args);
    va_end(args);
    engine->notes += kind == PIQUE_EVENT_NOTE;
    engine->retries += kind == PIQUE_EVENT_RETRY;
}

/* One device, which is all there is. */
int pq_engine_stations(const pique_engine *engine)
{
    (void)engine;
    return 1;
}

pique_engine *pq_engine_at(pique_engine *engine, int device)
{
    assert_int_equal(device, 0);
    return engine;
}

bool pq_engine_is_fallback(const pique_engine *engine)
{
    (void)engine;
    return false;
}

const char *pq_engine_device_name(const pique_engine *engine)
{
    (void)engine;
    return "fake";
}

int pq_engine_failures(const pique_engine *engine)
{
    return engine->fail_step && engine->steps >= engine->fail_step;
}

void pq_engine_lose(pique_engine *engine)
{
    (void)engine;
    fail_msg("the only device was given up");
}

bool pq_engine_is_lost(const pique_engine *engine)
{
    (void)engine;
    return false;
}

const char *pique_engine_numeric_key(const pique_engine *engine)
{
    (void)engine;
    return "fake/fp32/1";
}

void pq_engine_tell(pique_engine *engine, enum pique_event_kind kind, const char *fmt, ...)
{
    (void)engine, (void)kind;
    fail_msg("told of devices: %s", fmt);
}

void pq_engine_progress(pique_engine *engine, uint64_t done, uint64_t total)
{
    assert_true(done >= engine->progress_done || engine->retries);
    engine->progress_done = done;
    engine->progress_total = total;
}

/* It takes rows of floats. */
int pq_picture_framed(struct pq_picture_job *const *jobs, int count, struct pq_tally *tally,
                      bool *done, pique_error *err)
{
    (void)jobs, (void)count, (void)tally, (void)err;
    *done = false;
    return 0;
}
