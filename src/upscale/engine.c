/* SPDX-License-Identifier: MIT */
/* The engine: a model compiled for a device, its threads, its listeners and its budget. Streams run
 * on it; the public batch functions are one stream with conversion at both ends. */
#include "upscale/engine.h"

#include <fenv.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "arch/model.h"
#include "backend/backend.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "upscale/samples.h"
#include "upscale/tier.h"

/* Line buffers up to this size are cheap on any machine; bands are as high as fits in it. Higher
 * ones only save a little synchronisation. */
enum { COMFORTABLE_BYTES = 96 << 20, HIGHEST_BAND = 32, LOWEST_COMFORTABLE_BAND = 4 };

struct pique_cancel {
    atomic_bool set;
};

/* A batch of the public API. */
struct batch {
    struct pq_stream *stream;
    int in_channels, out_channels;
    int width, height; /* of the input */
    int out_width, out_height;
    int frames;
    int64_t pushed, pulled; /* rows */
    float *in, *out;        /* a band of every frame */
    int held;               /* rows in `in` that wait until their band is whole */
    int ready, taken;       /* rows in out, and how many of them were pulled */
};

struct pique_engine {
    const pique_model *model;
    struct pq_program *program;
    struct pq_graph *given_graph; /* the same network with statistics given; NULL until asked for */
    struct pq_program *given_program;
    struct pq_device_options device; /* what programs are compiled for */
    char *device_id;
    bool no_scratch;
    struct pq_pool *pool;
    bool borrowed_pool; /* of another engine */
    struct pq_log log;
    pique_event_fn event;
    void *event_user;
    const pique_cancel *cancel;
    pique_allocator allocator; /* size 0: the C library's */
    int band_rows;
    uint64_t memory_bytes;
    struct batch batch;
};

struct pq_stream {
    pique_engine *engine;
    struct pq_run *run;
};

/* ---- cancel ---- */

pique_cancel *pique_cancel_new(void)
{
    return pq_calloc(1, sizeof(pique_cancel));
}

void pique_cancel_set(pique_cancel *cancel)
{
    atomic_store(&cancel->set, true);
}

bool pique_cancel_is_set(const pique_cancel *cancel)
{
    return cancel && atomic_load(&cancel->set);
}

void pique_cancel_free(pique_cancel **cancel)
{
    pq_free(*cancel);
    *cancel = NULL;
}

int pq_engine_check_cancel(const pique_engine *engine, pique_error *err)
{
    return pique_cancel_is_set(engine->cancel) ? pq_fail(err, PIQUE_ECANCELED, "stopped on request")
                                               : 0;
}

/* ---- open and close ---- */

static uint64_t default_budget(void)
{
    pique_device_info info = {.size = sizeof info};
    uint64_t half = pique_device_get(0, &info, NULL) == 0 ? info.memory_free / 2 : 0;
    return PQ_MAX(half, (uint64_t)COMFORTABLE_BYTES);
}

/* Copy what the caller's struct has; later fields than it knows stay zero. */
static int take_options(const pique_engine_options *options, pique_engine_options *o,
                        pique_error *err)
{
    *o = (pique_engine_options){.size = sizeof *o};
    if (!options)
        return 0;
    if (options->size < sizeof(size_t) || options->size > sizeof *o)
        return pq_fail(err, PIQUE_EINVAL, "the engine options have size %zu; %zu is expected",
                       options->size, sizeof *o);
    memcpy(o, options, options->size);
    if (o->threads < 0 || o->threads > 1024)
        return pq_fail(err, PIQUE_EINVAL, "%d threads: 1 to 1024 are possible, 0 is automatic",
                       o->threads);
    if (o->precision < PIQUE_PRECISION_AUTO || o->precision > PIQUE_PRECISION_BF16)
        return pq_fail(err, PIQUE_EINVAL, "there is no precision tier %d", (int)o->precision);
    if (o->band_rows < 0)
        return pq_fail(err, PIQUE_EINVAL,
                       "a band of %d rows: 1 or more are possible, 0 is "
                       "automatic",
                       o->band_rows);
    if (o->allocator && (!o->allocator->alloc || !o->allocator->free))
        return pq_fail(err, PIQUE_EINVAL, "the allocator lacks a function");
    return 0;
}

static int choose_tier(pique_engine *engine, const pique_engine_options *o,
                       enum pique_precision *tier, pique_error *err)
{
    const struct pq_backend *backend = pq_backend_find(o->device);
    const char *why = NULL;
    if (!backend)
        return 0; /* compiling says so */
    int rc = pq_tier_choose(backend, o->device, o->precision, pq_model_tiers(engine->model), tier,
                            &why, err);
    if (!rc && why) {
        pq_log(&engine->log, PIQUE_LOG_WARN, "%s is not safe for this network: %s",
               pq_tier_name(*tier), why);
        pq_engine_note(engine, PIQUE_EVENT_NOTE, "%s is not safe for this network: %s",
                       pq_tier_name(*tier), why);
    }
    return rc;
}

int pique_engine_open(const pique_model *model, const pique_engine_options *options,
                      pique_engine **out, pique_error *err)
{
    *out = NULL;
    pique_engine_options o;
    int rc = take_options(options, &o, err);
    if (rc)
        return rc;
    pique_engine *engine = pq_calloc(1, sizeof *engine);
    if (!engine)
        return pq_fail_nomem(err, sizeof *engine);
    engine->model = model;
    engine->event = o.event;
    engine->event_user = o.event_user;
    engine->cancel = o.cancel;
    engine->band_rows = o.band_rows;
    engine->no_scratch = o.no_scratch_file;
    engine->memory_bytes = o.memory_bytes ? o.memory_bytes : default_budget();
    if (o.allocator)
        engine->allocator = *o.allocator;
    pq_log_init(&engine->log, o.log, o.log_user);
    if (o.threads_of) {
        engine->pool = o.threads_of->pool;
        engine->borrowed_pool = true;
    } else {
        rc = pq_pool_create(o.threads ? o.threads : pq_cores(), &engine->pool, err);
    }
    enum pique_precision tier = o.precision;
    if (!rc)
        rc = choose_tier(engine, &o, &tier, err);
    if (!rc && o.device && !(engine->device_id = pq_strdup(o.device)))
        rc = pq_fail_nomem(err, strlen(o.device) + 1);
    if (!rc) {
        engine->device = (struct pq_device_options){
            .id = engine->device_id,
            .precision = tier,
            .pool = engine->pool,
            .log = &engine->log,
            .allocator = pq_engine_allocator(engine),
        };
        rc = pq_program_compile(pq_model_graph(model), &engine->device, &engine->program, err);
    }
    if (rc) {
        pique_engine_close(&engine);
        return rc;
    }
    pq_log(&engine->log, PIQUE_LOG_DEBUG, "engine: %s, %s, %d threads, budget %llu bytes",
           pq_program_numeric_key(engine->program), pq_cpu_level_name(pq_cpu_level()),
           pq_pool_threads(engine->pool), (unsigned long long)engine->memory_bytes);
    *out = engine;
    return 0;
}

static void batch_end(pique_engine *engine)
{
    struct batch *b = &engine->batch;
    pq_stream_close(&b->stream);
    pq_big_free(pq_engine_allocator(engine), b->in);
    pq_big_free(pq_engine_allocator(engine), b->out);
    *b = (struct batch){0};
}

void pique_engine_close(pique_engine **enginep)
{
    pique_engine *engine = *enginep;
    if (!engine)
        return;
    batch_end(engine);
    pq_program_release(&engine->given_program);
    pq_graph_free(&engine->given_graph);
    pq_program_release(&engine->program);
    if (!engine->borrowed_pool)
        pq_pool_destroy(&engine->pool);
    pq_log_destroy(&engine->log);
    pq_free(engine->device_id);
    pq_free(engine);
    *enginep = NULL;
}

const char *pique_engine_numeric_key(const pique_engine *engine)
{
    return pq_program_numeric_key(engine->program);
}

const pique_model *pq_engine_model(const pique_engine *engine)
{
    return engine->model;
}

struct pq_pool *pq_engine_pool(pique_engine *engine)
{
    return engine->pool;
}

const pique_allocator *pq_engine_allocator(const pique_engine *engine)
{
    return engine->allocator.alloc ? &engine->allocator : NULL;
}

uint64_t pq_engine_memory_budget(const pique_engine *engine)
{
    return engine->memory_bytes;
}

/* ---- events ---- */

void pq_engine_note(pique_engine *engine, enum pique_event_kind kind, const char *fmt, ...)
{
    if (!engine->event)
        return;
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    pique_event event = {.size = sizeof event, .kind = kind, .text = text};
    engine->event(engine->event_user, &event);
}

void pq_engine_progress(pique_engine *engine, uint64_t done, uint64_t total)
{
    if (!engine->event)
        return;
    pique_event event = {
        .size = sizeof event, .kind = PIQUE_EVENT_PROGRESS, .rows_done = done, .rows_total = total};
    engine->event(engine->event_user, &event);
}

/* ---- streams ---- */

/* The highest band of a stream of this size that stays within the budget, else one row; *bytes is
 * what it takes. The band never changes a bit of the result, so it may depend on memory. */
static int choose_band(const pique_engine *engine, const struct pq_program *program,
                       struct pq_geometry *geometry, uint64_t budget, size_t *bytes,
                       pique_error *err)
{
    int wanted = PQ_MIN(engine->band_rows ? engine->band_rows : HIGHEST_BAND, geometry->height);
    for (geometry->band = PQ_MAX(wanted, 1);; geometry->band = (geometry->band + 1) / 2) {
        int rc = pq_program_memory(program, geometry, bytes, err);
        if (rc)
            return rc;
        bool comfortable = engine->band_rows || *bytes <= COMFORTABLE_BYTES ||
                           geometry->band <= LOWEST_COMFORTABLE_BAND;
        if (geometry->band == 1 || (*bytes <= budget && comfortable))
            return 0;
    }
}

int pq_stream_bytes(const pique_engine *engine, int frames, int width, int height,
                    uint64_t memory_bytes, uint64_t *least, uint64_t *wanted, pique_error *err)
{
    const uint64_t budget = memory_bytes ? memory_bytes : engine->memory_bytes;
    struct pq_geometry geometry = {frames, width, height, 1};
    size_t bytes;
    int rc = pq_program_memory(engine->program, &geometry, &bytes, err);
    *least = rc ? 0 : bytes;
    if (pq_graph_is_whole(engine->program->graph))
        *least = PQ_MIN(*least, budget / 4); /* whole maps may lie on a disk */
    if (!rc)
        rc = choose_band(engine, engine->program, &geometry, budget, &bytes, err);
    *wanted = rc ? 0 : bytes;
    return rc;
}

/* Where the budget does not hold a stream: in a scratch file, or not at all. */
static int leave_memory(pique_engine *engine, const struct pq_program *program,
                        const struct pq_geometry *geometry, size_t bytes, uint64_t budget,
                        pique_error *err)
{
    const unsigned long long need = (unsigned long long)(bytes >> 20) + 1;
    const unsigned long long have = (unsigned long long)(budget >> 20);
    if (!pq_graph_is_whole(program->graph))
        return pq_fail(err, PIQUE_ENOMEM,
                       "%d x %d pixels need %llu MiB of line buffers, the budget is %llu MiB; "
                       "--memory raises it",
                       geometry->width, geometry->height, need, have);
    if (engine->no_scratch)
        return pq_fail(err, PIQUE_ENOSPC,
                       "the maps of this network take %llu MiB, more than the %llu MiB that memory "
                       "may hold, and a scratch file is not wanted",
                       need, have);
    pq_engine_note(engine, PIQUE_EVENT_NOTE,
                   "the maps of this network take %llu MiB, more than the %llu MiB that memory may "
                   "hold; they go through a scratch file",
                   need, have);
    return 0;
}

static int open_stream(pique_engine *engine, struct pq_program *program, int frames, int width,
                       int height, uint64_t memory_bytes, struct pq_stream **out, pique_error *err)
{
    *out = NULL;
    const uint64_t budget = memory_bytes ? memory_bytes : engine->memory_bytes;
    struct pq_geometry geometry = {frames, width, height, 1};
    size_t bytes;
    int rc = choose_band(engine, program, &geometry, budget, &bytes, err);
    if (!rc && bytes > budget)
        rc = leave_memory(engine, program, &geometry, bytes, budget, err);
    if (rc)
        return rc;
    if (engine->band_rows && geometry.band < PQ_MIN(engine->band_rows, height))
        pq_engine_note(engine, PIQUE_EVENT_NOTE,
                       "a band of %d rows is lowered to %d to stay within the memory budget",
                       engine->band_rows, geometry.band);
    struct pq_stream *stream = pq_calloc(1, sizeof *stream);
    if (!stream)
        return pq_fail_nomem(err, sizeof *stream);
    stream->engine = engine;
    rc = pq_run_begin(program, &geometry, bytes > budget, &stream->run, err);
    if (rc) {
        pq_free(stream);
        return rc;
    }
    pq_log(&engine->log, PIQUE_LOG_DEBUG, "stream: %d x %d x %d in bands of %d rows, %zu bytes",
           frames, width, height, geometry.band, bytes);
    *out = stream;
    return 0;
}

int pq_stream_open(pique_engine *engine, int frames, int width, int height, uint64_t memory_bytes,
                   struct pq_stream **out, pique_error *err)
{
    return open_stream(engine, engine->program, frames, width, height, memory_bytes, out, err);
}

/* ---- statistics from elsewhere ---- */

/* The network with its statistics given, compiled when it is first asked for. */
static int given_program(pique_engine *engine, struct pq_program **out, pique_error *err)
{
    *out = engine->given_program;
    if (*out)
        return 0;
    int rc = pq_graph_given(engine->program->graph, &engine->given_graph, err);
    if (!rc && pq_graph_is_whole(engine->given_graph))
        rc = pq_fail(err, PIQUE_EUNSUPPORTED,
                     "this network depends on the whole picture in more than its statistics");
    if (!rc)
        rc = pq_program_compile(engine->given_graph, &engine->device, &engine->given_program, err);
    if (rc)
        pq_graph_free(&engine->given_graph);
    *out = engine->given_program;
    return rc;
}

int pq_stream_open_given(pique_engine *engine, int frames, int width, int height,
                         uint64_t memory_bytes, const struct pq_given *given,
                         struct pq_stream **out, pique_error *err)
{
    struct pq_program *program;
    *out = NULL;
    int rc = given_program(engine, &program, err);
    if (!rc)
        rc = open_stream(engine, program, frames, width, height, memory_bytes, out, err);
    if (!rc)
        pq_run_give((*out)->run, given);
    return rc;
}

int pq_stream_statistics(const struct pq_stream *stream, struct pq_given **out, pique_error *err)
{
    return pq_run_statistics(stream->run, out, err);
}

void pq_stream_free_given(struct pq_given **given)
{
    pq_given_free(given);
}

bool pq_stream_is_whole(const struct pq_stream *stream)
{
    return pq_graph_is_whole(stream->run->program->graph);
}

double pq_stream_share(const struct pq_stream *stream)
{
    return pq_run_share(stream->run);
}

void pq_stream_close(struct pq_stream **stream)
{
    if (!*stream)
        return;
    pq_run_end(&(*stream)->run);
    pq_free(*stream);
    *stream = NULL;
}

int pq_stream_band(const struct pq_stream *stream)
{
    return stream->run->geometry.band;
}

int pq_stream_max_out(const struct pq_stream *stream)
{
    return pq_run_max_out(stream->run);
}

void pq_stream_output_size(const struct pq_stream *stream, int *width, int *height)
{
    const struct pq_line *line = &stream->run->lines[stream->run->program->graph->output];
    *width = (int)line->width;
    *height = (int)line->height;
}

int pq_stream_step(struct pq_stream *stream, const pique_rows *in, int count, const pique_rows *out,
                   int *got, pique_error *err)
{
    *got = 0;
    int rc = pq_engine_check_cancel(stream->engine, err);
    if (rc)
        return rc;
    ptrdiff_t size = (ptrdiff_t)sizeof(float);
    struct pq_band from = {0};
    if (count)
        from = (struct pq_band){in->data, in->row_stride / size, in->frame_stride / size};
    struct pq_band to = {out->data, out->row_stride / size, out->frame_stride / size};
    return pq_run_step(stream->run, &from, count, &to, got, err);
}

/* ---- batches of the public API ---- */

static int check_batch(int frames, int width, int height, pique_error *err)
{
    if (frames < 1 || frames > 4096 || width < 1 || height < 1)
        return pq_fail(err, PIQUE_EINVAL, "a batch of %d pictures of %d x %d pixels", frames, width,
                       height);
    return 0;
}

int pique_batch_begin(pique_engine *engine, int frames, int width, int height, pique_error *err)
{
    batch_end(engine);
    int rc = check_batch(frames, width, height, err);
    struct batch *b = &engine->batch;
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
        batch_end(engine);
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
    const struct batch *b = &engine->batch;
    if (!b->stream || b->taken < b->ready)
        return 0;
    return (int)PQ_MIN((int64_t)pq_stream_band(b->stream), b->height - b->pushed) - b->held;
}

/* The same bits whatever rounding the program around us has set. */
static void use_our_rounding(fenv_t *theirs)
{
    fegetenv(theirs);
    fesetenv(FE_DFL_ENV);
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
    struct batch *b = &engine->batch;
    pique_rows in = band_rows(b->in, b->width, b->in_channels, pq_stream_band(b->stream));
    pique_rows out = band_rows(b->out, b->out_width, b->out_channels, pq_stream_max_out(b->stream));
    b->taken = b->held = 0;
    int rc = pq_stream_step(b->stream, &in, count, &out, &b->ready, err);
    if (rc)
        batch_end(engine);
    else
        b->pushed += count;
    return rc;
}

/* The caller's rows into the batch, behind those that wait. */
static void take_rows(struct batch *b, const pique_rows *rows, int count)
{
    size_t samples = (size_t)b->width * (size_t)b->in_channels;
    int band = pq_stream_band(b->stream);
    for (int f = 0; f < b->frames; f++) {
        for (int y = 0; y < count; y++) {
            const char *from =
                (const char *)rows->data + f * rows->frame_stride + y * rows->row_stride;
            pq_samples_to_float(rows->sample, from, samples,
                                b->in +
                                    ((size_t)f * (size_t)band + (size_t)(b->held + y)) * samples);
        }
    }
    b->held += count;
}

int pique_batch_push(pique_engine *engine, const pique_rows *rows, int count, pique_error *err)
{
    struct batch *b = &engine->batch;
    int wants = pique_batch_wants(engine);
    if (count < 1 || count > wants)
        return pq_fail(err, PIQUE_EINVAL, "%d rows are pushed where %d are wanted", count, wants);
    fenv_t theirs;
    use_our_rounding(&theirs);
    take_rows(b, rows, count);
    fesetenv(&theirs);
    return count == wants ? step(engine, b->held, err) : 0;
}

/* The next n rows that are ready into the caller's memory. */
static void give_rows(const struct batch *b, const pique_rows *rows, int n)
{
    size_t samples = (size_t)b->out_width * (size_t)b->out_channels;
    int most = pq_stream_max_out(b->stream);
    for (int f = 0; f < b->frames; f++) {
        for (int y = 0; y < n; y++) {
            char *to = (char *)rows->data + f * rows->frame_stride + y * rows->row_stride;
            size_t row = (size_t)f * (size_t)most + (size_t)(b->taken + y);
            pq_samples_from_float(rows->sample, b->out + row * samples, samples, to);
        }
    }
}

int pique_batch_pull(pique_engine *engine, const pique_rows *rows, int count, pique_error *err)
{
    struct batch *b = &engine->batch;
    if (!b->stream || count < 0)
        return pq_fail(err, PIQUE_EINVAL, "rows are pulled, but no batch is running");
    while (b->taken == b->ready && b->pushed == b->height && b->pulled < b->out_height) {
        int rc = step(engine, 0, err);
        if (rc)
            return rc;
    }
    int n = PQ_MIN(count, b->ready - b->taken);
    fenv_t theirs;
    use_our_rounding(&theirs);
    give_rows(b, rows, n);
    fesetenv(&theirs);
    b->taken += n;
    b->pulled += n;
    return n;
}

int pique_batch_run(pique_engine *engine, int frames, int width, int height, const pique_rows *in,
                    const pique_rows *out, pique_error *err)
{
    int rc = pique_batch_begin(engine, frames, width, height, err);
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
    batch_end(engine);
    return rc;
}

/* ---- devices ---- */

int pique_device_get(size_t i, pique_device_info *info, pique_error *err)
{
    if (info->size < sizeof *info)
        return pq_fail(err, PIQUE_EINVAL, "the device info has size %zu; %zu is expected",
                       info->size, sizeof *info);
    for (const struct pq_backend *const *b = pq_backends; *b; b++) {
        for (size_t k = 0; (*b)->describe(k, info); k++) {
            if (i-- == 0)
                return 0;
        }
    }
    return pq_fail(err, PIQUE_EINVAL, "there are no more devices");
}

int pique_set_cpu_level(const char *level, pique_error *err)
{
    if (!level) {
        pq_cpu_force(pq_cpu_best());
        return 0;
    }
    for (int l = 0; l < PQ_CPU_LEVELS; l++) {
        if (strcmp(level, pq_cpu_level_name((enum pq_cpu_level)l)) != 0)
            continue;
        if (pq_cpu_force((enum pq_cpu_level)l))
            return 0;
        return pq_fail(err, PIQUE_EUNSUPPORTED, "this processor has no %s", level);
    }
    return pq_fail(err, PIQUE_EINVAL, "'%s' is none of scalar, avx2, avx512", level);
}

const char *pique_version(void)
{
    return PIQUE_VERSION;
}
