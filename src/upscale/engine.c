/* SPDX-License-Identifier: MIT */
/* The engine: a model compiled for a device, its threads, its listeners and its budget. Streams run
 * on it (stream.c). */
#include "upscale/engine.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "arch/model.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "base/lang.h"
#include "upscale/framed.h"
#include "upscale/opened.h"
#include "upscale/tier.h"

struct pique_cancel {
    atomic_bool set;
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

/* Never less than line buffers take on any machine. */
static uint64_t default_budget(const struct pq_backend *backend, const char *device)
{
    return PQ_MAX(backend->free_memory(device), UINT64_C(96) << 20);
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
    if (o->precision < PIQUE_PRECISION_AUTO || o->precision > PIQUE_PRECISION_INT16)
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

/* That a tier is not safe is said once, whatever the number of devices. */
static int choose_tier(pique_engine *engine, const pique_engine_options *o,
                       enum pique_precision *tier, pique_error *err)
{
    const struct pq_backend *backend = pq_backend_find(o->device);
    const char *why = NULL;
    if (!backend)
        return 0; /* compiling says so */
    int rc = pq_tier_choose(backend, o->device, o->precision, pq_model_tiers(engine->model), tier,
                            &why, err);
    if (!rc && why && !engine->first) {
        pq_log(&engine->log, PIQUE_LOG_WARN, "%s is not safe for this network: %s",
               pq_tier_name(*tier), pq_tr(why));
        pq_engine_note(engine, PIQUE_EVENT_NOTE, "%s is not safe for this network: %s",
                       pq_tier_name(*tier), pq_tr(why));
    }
    return rc;
}

static int start_threads(pique_engine *engine, const pique_engine_options *o, pique_error *err)
{
    if (o->threads_of) {
        engine->pool = o->threads_of->pool;
        engine->spare = o->threads_of->spare;
        engine->borrowed_pool = true;
        return 0;
    }
    int rc = pq_pool_create(o->threads ? o->threads : pq_cores(), &engine->pool, err);
    return rc ? rc : pq_spare_new(&engine->spare, err);
}

static int compile(pique_engine *engine, const pique_engine_options *o, pique_error *err)
{
    enum pique_precision tier = o->precision;
    int rc = choose_tier(engine, o, &tier, err);
    if (!rc && o->device && !(engine->device_id = pq_strdup(o->device)))
        rc = pq_fail_nomem(err, strlen(o->device) + 1);
    if (rc)
        return rc;
    engine->device = (struct pq_device_options){
        .id = engine->device_id,
        .precision = tier,
        .pool = engine->pool,
        .spare = engine->spare,
        .log = &engine->log,
        .allocator = pq_engine_allocator(engine),
    };
    rc = pq_graph_sparing(pq_model_graph(engine->model), &engine->graph, err);
    if (!rc)
        rc = pq_program_compile(engine->graph, &engine->device, &engine->program, err);
    if (!rc)
        pq_model_rest(engine->model);
    return rc;
}

int pq_engine_open_on(const pique_model *model, const pique_engine_options *o, pique_engine *first,
                      pique_engine **out, pique_error *err)
{
    static atomic_uint_fast64_t opened;
    *out = NULL;
    pique_engine *engine = pq_calloc(1, sizeof *engine);
    if (!engine)
        return pq_fail_nomem(err, sizeof *engine);
    engine->serial = atomic_fetch_add(&opened, 1);
    engine->model = model;
    engine->first = first;
    engine->event = o->event;
    engine->event_user = o->event_user;
    engine->cancel = o->cancel;
    engine->band_rows = o->band_rows;
    engine->no_scratch = o->no_scratch_file;
    if (o->allocator)
        engine->allocator = *o->allocator;
    pq_log_init(&engine->log, o->log, o->log_user);
    pthread_mutex_init(&engine->event_lock, NULL);
    int rc = start_threads(engine, o, err);
    if (!rc)
        rc = compile(engine, o, err);
    if (rc) {
        pique_engine_close(&engine);
        return rc;
    }
    /* What a GPU has left beside the weights. */
    engine->memory_bytes =
        o->memory_bytes ? o->memory_bytes : default_budget(engine->program->backend, o->device);
    pq_log(&engine->log, PIQUE_LOG_DEBUG, "engine: %s, %s, %d threads, budget %llu bytes",
           pq_program_numeric_key(engine->program), pq_cpu_level_name(pq_cpu_level()),
           pq_pool_threads(engine->pool), (unsigned long long)engine->memory_bytes);
    *out = engine;
    return 0;
}

int pique_engine_open(const pique_model *model, const pique_engine_options *options,
                      pique_engine **out, pique_error *err)
{
    *out = NULL;
    pique_engine_options o;
    int rc = take_options(options, &o, err);
    return rc ? rc : pq_devices_open(model, &o, out, err);
}

void pique_engine_close(pique_engine **enginep)
{
    pique_engine *engine = *enginep;
    if (!engine)
        return;
    while (engine->other_count)
        pique_engine_close(&engine->others[--engine->other_count]);
    pq_batch_end(engine);
    pq_batch_drop_whole(engine);
    pq_framed_close(&engine->framed);
    pq_program_release(&engine->given_program);
    pq_graph_free(&engine->given_graph);
    pq_program_release(&engine->program);
    pq_graph_free(&engine->graph);
    pq_spare_clear(engine->spare);
    if (!engine->borrowed_pool) {
        pq_pool_destroy(&engine->pool);
        pq_spare_free(&engine->spare);
    }
    pq_log_destroy(&engine->log);
    pthread_mutex_destroy(&engine->event_lock);
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

/* Devices may tell at the same time, and listeners hear one thing at a time. */
static void deliver(pique_engine *engine, const pique_event *event)
{
    pique_engine *first = engine->first ? engine->first : engine;
    pthread_mutex_lock(&first->event_lock);
    engine->event(engine->event_user, event);
    pthread_mutex_unlock(&first->event_lock);
}

void pq_engine_note(pique_engine *engine, enum pique_event_kind kind, const char *fmt, ...)
{
    char text[512];
    size_t at = 0;
    if (!engine->event)
        return;
    if (pq_engine_one_of_several(engine)) /* whose name is short */
        at = (size_t)snprintf(text, sizeof text, "%s: ", pq_engine_device_name(engine));
    va_list args;
    va_start(args, fmt);
    vsnprintf(text + at, sizeof text - at, pq_tr(fmt), args);
    va_end(args);
    deliver(engine, &(pique_event){.size = sizeof(pique_event), .kind = kind, .text = text});
}

void pq_engine_tell(pique_engine *engine, enum pique_event_kind kind, const char *fmt, ...)
{
    char text[512];
    va_list args;
    if (!engine->event)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, pq_tr(fmt), args);
    va_end(args);
    deliver(engine, &(pique_event){.size = sizeof(pique_event), .kind = kind, .text = text});
}

void pq_engine_progress(pique_engine *engine, uint64_t done, uint64_t total)
{
    if (!engine->event)
        return;
    deliver(engine, &(pique_event){.size = sizeof(pique_event),
                                   .kind = PIQUE_EVENT_PROGRESS,
                                   .rows_done = done,
                                   .rows_total = total});
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
    return pq_fail(err, PIQUE_EINVAL, "'%s' is none of scalar, avx2, avx512, avx512-vnni, neon",
                   level);
}

const char *pique_version(void)
{
    return PIQUE_VERSION;
}
