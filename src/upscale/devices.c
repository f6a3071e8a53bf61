/* SPDX-License-Identifier: MIT */
#include "upscale/devices.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "upscale/opened.h"

struct names {
    int count;
    char list[PQ_DEVICES][PQ_DEVICE_NAME];
};

/* ---- which ---- */

/* "cuda" is the first of its kind. */
static bool same_device(const char *a, const char *b)
{
    const size_t n = PQ_MIN(strcspn(a, ":"), strcspn(b, ":"));
    const char *x = a[n] ? a + n : ":0", *y = b[n] ? b + n : ":0";
    return strncmp(a, b, n) == 0 && strcmp(x, y) == 0;
}

static int add_name(struct names *names, const char *name, size_t length, pique_error *err)
{
    if (!length)
        return pq_fail(err, PIQUE_EINVAL, "--device: a name is missing in the list of devices");
    if (length >= PQ_DEVICE_NAME)
        return pq_fail(err, PIQUE_EDEVICE, "there is no device '%.*s'; 'pique devices' lists them",
                       (int)length, name);
    /* One place is left for a fallback. */
    if (names->count == PQ_DEVICES - 1)
        return pq_fail(err, PIQUE_EINVAL, "--device: at most %d devices can share one job",
                       PQ_DEVICES - 1);
    char *to = names->list[names->count];
    snprintf(to, PQ_DEVICE_NAME, "%.*s", (int)length, name);
    for (int i = 0; i < names->count; i++) {
        if (same_device(names->list[i], to))
            return pq_fail(err, PIQUE_EINVAL, "--device: %s is named twice", to);
    }
    names->count++;
    return 0;
}

/* "cuda:all": what can be used of its kind. */
static int add_all(struct names *names, const char *kind, size_t length, pique_error *err)
{
    pique_device_info info = {.size = sizeof info};
    const int before = names->count;
    int rc = 0;
    for (size_t i = 0; !rc && pique_device_get(i, &info, NULL) == 0; i++) {
        if (info.usable && strncmp(info.id, kind, length) == 0 && info.id[length] == ':')
            rc = add_name(names, info.id, strlen(info.id), err);
    }
    return rc || names->count > before
               ? rc
               : pq_fail(err, PIQUE_EDEVICE,
                         "there is no device '%.*s' that can be used; 'pique devices' lists them",
                         (int)length, kind);
}

static int read_names(const char *text, struct names *names, pique_error *err)
{
    static const char all[] = ":all";
    const size_t tail = sizeof all - 1;
    int rc = 0;
    for (const char *at = text, *end; !rc && at; at = *end ? end + 1 : NULL) {
        end = at + strcspn(at, ",");
        const size_t length = (size_t)(end - at);
        if (length > tail && strncmp(end - tail, all, tail) == 0)
            rc = add_all(names, at, length - tail, err);
        else
            rc = add_name(names, at, length, err);
    }
    return rc;
}

/* ---- opening ---- */

/* Lines of all engines come to the listener of the first, one at a time. */
static void forward_line(void *first, enum pique_log_level level, const char *line)
{
    pq_log(&((pique_engine *)first)->log, level, "%s", line);
}

static int open_other(pique_engine *first, const pique_engine_options *o, const char *name,
                      pique_error *err)
{
    pique_engine_options other = *o;
    other.device = name;
    other.log = o->log ? forward_line : NULL;
    other.log_user = first;
    if (o->threads_of)
        other.threads_of = o->threads_of->others[first->other_count];
    pique_engine **out = &first->others[first->other_count];
    int rc = pq_engine_open_on(first->model, &other, first, out, err);
    first->other_count += !rc;
    return rc;
}

static int check_key(const pique_engine *first, pique_error *err)
{
    const pique_engine *last = first->others[first->other_count - 1];
    const char *a = pique_engine_numeric_key(first), *b = pique_engine_numeric_key(last);
    if (strcmp(a, b) == 0)
        return 0;
    return pq_fail(err, PIQUE_EINVAL,
                   "--device: %s computes as %s, and %s as %s; devices that share a job compute "
                   "alike (--precision can help), and --fallback names one that need not",
                   first->device_id, a, last->device_id, b);
}

/* A tier that the fallback has not is no reason to refuse it: it need not compute alike. */
static int open_fallback(pique_engine *first, const pique_engine_options *o, pique_error *err)
{
    pique_engine_options other = *o;
    const struct pq_backend *backend = pq_backend_find(o->fallback);
    if (backend && !(backend->tiers(o->fallback) >> o->precision & 1))
        other.precision = PIQUE_PRECISION_AUTO;
    int rc = open_other(first, &other, o->fallback, err);
    first->has_fallback = !rc;
    return rc;
}

static int check_fallback(const struct names *names, const char *fallback, pique_error *err)
{
    if (fallback && !names->count && same_device(pq_backends[0]->name, fallback))
        return pq_fail(err, PIQUE_EINVAL, "--fallback: %s computes already", fallback);
    if (fallback && strchr(fallback, ','))
        return pq_fail(err, PIQUE_EINVAL, "--fallback %s: one device is expected", fallback);
    if (fallback && strlen(fallback) >= PQ_DEVICE_NAME)
        return pq_fail(err, PIQUE_EDEVICE, "there is no device '%s'; 'pique devices' lists them",
                       fallback);
    for (int i = 0; fallback && i < names->count; i++) {
        if (same_device(names->list[i], fallback))
            return pq_fail(err, PIQUE_EINVAL, "--fallback: %s computes already", fallback);
    }
    return 0;
}

/* Engines on the threads of another one have as many devices as that. */
static int check_others(const pique_engine_options *o, int count, pique_error *err)
{
    const pique_engine *of = o->threads_of;
    if (!of || (of->other_count == count - 1 + (o->fallback != NULL) &&
                of->has_fallback == (o->fallback != NULL)))
        return 0;
    return pq_fail(err, PIQUE_EINVAL, "an engine on the threads of another has the same devices");
}

/* Devices that work at the same time share the processor's threads, which move their pixels. */
static void share_threads(pique_engine_options *o, int count)
{
    const int threads = o->threads ? o->threads : pq_cores();
    if (count > 1)
        o->threads = (threads + count - 1) / count;
}

int pq_devices_open(const pique_model *model, const pique_engine_options *o, pique_engine **out,
                    pique_error *err)
{
    struct names names = {0};
    pique_engine_options each = *o;
    pique_engine *first;
    *out = NULL;
    int rc = o->device ? read_names(o->device, &names, err) : 0;
    if (!rc)
        rc = check_fallback(&names, o->fallback, err);
    if (!rc)
        rc = check_others(o, PQ_MAX(names.count, 1), err);
    if (rc)
        return rc;
    share_threads(&each, names.count);
    each.device = o->device ? names.list[0] : NULL;
    rc = pq_engine_open_on(model, &each, NULL, &first, err);
    if (rc)
        return rc;
    for (int i = 1; !rc && i < names.count; i++) {
        rc = open_other(first, &each, names.list[i], err);
        if (!rc)
            rc = check_key(first, err);
    }
    if (!rc && o->fallback)
        rc = open_fallback(first, o, err);
    if (rc)
        pique_engine_close(&first);
    *out = first;
    return rc;
}

/* ---- what there is ---- */

int pique_engine_devices(const pique_engine *engine)
{
    return 1 + engine->other_count - engine->has_fallback;
}

int pq_engine_stations(const pique_engine *engine)
{
    return 1 + engine->other_count;
}

pique_engine *pq_engine_at(pique_engine *engine, int device)
{
    return device ? engine->others[device - 1] : engine;
}

bool pq_engine_is_fallback(const pique_engine *engine)
{
    const pique_engine *first = engine->first;
    return first && first->has_fallback && first->others[first->other_count - 1] == engine;
}

const char *pq_engine_device_name(const pique_engine *engine)
{
    return engine->device_id ? engine->device_id : engine->program->backend->name;
}

bool pq_engine_one_of_several(const pique_engine *engine)
{
    return engine->program && (engine->first || engine->other_count);
}

int pq_engine_failures(const pique_engine *engine)
{
    return atomic_load(&engine->failures);
}

void pq_engine_lose(pique_engine *engine)
{
    atomic_store(&engine->lost, true);
}

bool pq_engine_is_lost(const pique_engine *engine)
{
    return atomic_load(&engine->lost);
}
