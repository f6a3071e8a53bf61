/* SPDX-License-Identifier: MIT */
/* Which device does a piece, and what becomes of one that fails. Threads are crew_run.c's. */
#include "upscale/crew.h"

#include <string.h>

#include "base/alloc.h"
#include "upscale/crew_inner.h"

int pq_crew_open(const struct pq_crew_setup *setup, struct pq_crew **out, pique_error *err)
{
    struct pq_crew *c = pq_calloc(1, sizeof *c);
    *out = c;
    if (!c)
        return pq_fail_nomem(err, sizeof *c);
    c->engine = setup->engines->list[0];
    c->one_size = setup->one_size;
    c->count = pq_engine_stations(c->engine);
    c->fallback = -1;
    for (int i = 0; i < c->count; i++) {
        struct pq_station *s = &c->stations[i];
        pq_station_take(setup->engines, i, s);
        if (s->fallback)
            c->fallback = i;
        if (c->count > 1 && pq_station_is_lost(s)) /* by an earlier job */
            c->out |= 1u << i;
    }
    pthread_mutex_init(&c->lock, NULL);
    return 0;
}

void pq_crew_close(struct pq_crew **crew)
{
    if (*crew)
        pthread_mutex_destroy(&(*crew)->lock);
    pq_free(*crew);
    *crew = NULL;
}

int pq_crew_count(const struct pq_crew *crew)
{
    return crew->count;
}

bool pq_crew_is_alone(const struct pq_crew *crew)
{
    return crew->count - (crew->fallback >= 0) <= 1;
}

const struct pq_station *pq_crew_station(const struct pq_crew *crew, int device)
{
    return &crew->stations[device];
}

/* ---- who is left ---- */

/* Those of one key that work, a bit each. */
unsigned pq_crew_alive(const struct pq_crew *c)
{
    const unsigned all = (1u << c->count) - 1;
    const unsigned fallback = c->fallback < 0 ? 0 : 1u << c->fallback;
    return all & ~fallback & ~c->out;
}

int pq_crew_working(struct pq_crew *c)
{
    int n = 0;
    pthread_mutex_lock(&c->lock);
    for (unsigned alive = pq_crew_alive(c); alive; alive &= alive - 1)
        n++;
    pthread_mutex_unlock(&c->lock);
    return PQ_MAX(n, 1);
}

int pq_crew_choose(const struct pq_crew *c, unsigned tried)
{
    const unsigned able = pq_crew_alive(c) & ~tried;
    const unsigned fallback = c->fallback < 0 ? 0 : 1u << c->fallback & ~c->out & ~tried;
    for (int i = 0; able && i < c->count; i++) {
        if (able >> i & 1)
            return i;
    }
    return fallback ? c->fallback : -1;
}

int pq_crew_first(struct pq_crew *c)
{
    pthread_mutex_lock(&c->lock);
    const int first = pq_crew_choose(c, 0);
    pthread_mutex_unlock(&c->lock);
    return PQ_MAX(first, 0);
}

bool pq_crew_has_other(struct pq_crew *c, int device)
{
    pthread_mutex_lock(&c->lock);
    const unsigned others = pq_crew_alive(c) & ~(1u << device);
    pthread_mutex_unlock(&c->lock);
    return others && device != c->fallback;
}

int pq_crew_moved(struct pq_crew *c)
{
    pthread_mutex_lock(&c->lock);
    const int moved = c->moved;
    pthread_mutex_unlock(&c->lock);
    return moved;
}

/* ---- a failure ---- */

enum failing { LOST, NO_ROOM, REFUSED };

static enum failing kind_of(const struct pq_crew *c, int device, int rc, int failures)
{
    if (rc == PIQUE_ENOMEM)
        return NO_ROOM;
    return pq_engines_failures(&c->stations[device].engines) > failures ? LOST : REFUSED;
}

static void tell_failure(const struct pq_crew *c, enum failing how, int device, const char *why)
{
    const char *name = c->stations[device].name;
    if (how == LOST)
        pq_engine_tell(c->engine, PIQUE_EVENT_RETRY,
                       "%s failed (%s) and is left out from here on; another device goes on", name,
                       why);
    else if (how == NO_ROOM)
        pq_engine_tell(c->engine, PIQUE_EVENT_RETRY,
                       "%s has no memory for this (%s); another device takes it", name, why);
    else
        pq_engine_tell(c->engine, PIQUE_EVENT_RETRY,
                       "a result of %s was refused (%s); another device computes it", name, why);
}

static void tell_fallback(const struct pq_crew *c)
{
    const struct pq_station *s = &c->stations[c->fallback];
    if (s->other_key)
        pq_engine_tell(c->engine, PIQUE_EVENT_NOTE,
                       "no device is left that computes as %s; what is missing is computed on %s "
                       "as %s, and the report lists it",
                       c->stations[0].key, s->name, s->key);
    else
        pq_engine_tell(c->engine, PIQUE_EVENT_NOTE, "%s goes on, which computes alike", s->name);
}

void pq_crew_tell(struct pq_crew *c)
{
    pthread_mutex_lock(&c->lock);
    const bool falls = c->fallback >= 0 && pq_crew_choose(c, 0) == c->fallback && !c->told_fallback;
    c->told_fallback |= falls;
    pthread_mutex_unlock(&c->lock);
    if (falls)
        tell_fallback(c);
}

/* A device that is the only one is asked again for the next piece: there is nothing to lose. */
static void note_failure(struct pq_crew *c, struct pq_crew_job *job, int device, enum failing how)
{
    pthread_mutex_lock(&c->lock);
    job->tried |= 1u << device;
    if (c->count > 1 && how == LOST)
        pq_station_lose(&c->stations[device]);
    if (c->count > 1 && (how == LOST || (how == NO_ROOM && c->one_size))) {
        c->out |= 1u << device;
        c->why = job->why;
    }
    const int next = pq_crew_choose(c, job->tried);
    const bool falls = next >= 0 && next == c->fallback && !c->told_fallback;
    c->moved += next >= 0;
    c->told_fallback |= falls;
    pthread_mutex_unlock(&c->lock);
    if (next >= 0) /* else its error says it */
        tell_failure(c, how, device, job->why.message);
    if (falls)
        tell_fallback(c);
}

bool pq_crew_leave_out(struct pq_crew *c, int device, const pique_error *why)
{
    struct pq_crew_job none = {.why = *why};
    if (c->count == 1)
        return false;
    note_failure(c, &none, device, NO_ROOM);
    pthread_mutex_lock(&c->lock);
    c->moved = 0; /* no piece was there yet */
    const bool left = pq_crew_choose(c, 0) >= 0;
    pthread_mutex_unlock(&c->lock);
    return left;
}

int pq_crew_attempt(struct pq_crew *c, pq_crew_run_fn *run, void *user, struct pq_crew_job *job,
                    int device, pique_error *err)
{
    pique_error why = {0};
    const int failures = pq_engines_failures(&c->stations[device].engines);
    const int rc = run(user, job->piece, device, &why);
    if (rc == PIQUE_EDEVICE || rc == PIQUE_ENOMEM) {
        job->why = why;
        note_failure(c, job, device, kind_of(c, device, rc, failures));
    }
    if (rc && err)
        *err = why;
    return rc;
}

int pq_crew_refuse(struct pq_crew *c, const struct pq_crew_job *job, pique_error *err)
{
    pthread_mutex_lock(&c->lock);
    const pique_error why = job->why.code ? job->why : c->why;
    pthread_mutex_unlock(&c->lock);
    if (why.code)
        return pq_fail(err, why.code, "%s", why.message);
    return pq_fail(err, PIQUE_EDEVICE, "no device is left: %s failed before, in this process",
                   c->stations[0].name);
}

int pq_crew_do(struct pq_crew *c, pq_crew_run_fn *run, void *user, void *piece, pique_error *err)
{
    struct pq_crew_job job = {.piece = piece};
    for (;;) {
        pthread_mutex_lock(&c->lock);
        const int device = pq_crew_choose(c, job.tried);
        pthread_mutex_unlock(&c->lock);
        if (device < 0)
            return pq_crew_refuse(c, &job, err);
        const int rc = pq_crew_attempt(c, run, user, &job, device, err);
        if (rc != PIQUE_EDEVICE && rc != PIQUE_ENOMEM)
            return rc;
    }
}
