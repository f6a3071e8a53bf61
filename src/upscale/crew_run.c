/* SPDX-License-Identifier: MIT */
/* A thread a device. Each takes a piece, does it and comes back; whoever has done a piece delivers
 * those that are next in order, unless somebody is at it. A piece that is done early waits until
 * its turn comes, and so that these do not grow without end, no new one is formed while too many of
 * the older ones are out.
 *
 *     formed      5 6 7                         AHEAD pieces a device at most
 *     computing   5   7
 *     waits         6                           for 5
 */
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "upscale/crew_inner.h"

enum { AHEAD = 2 }; /* a device may be so many times as fast as another before it waits for it */

struct course {
    struct pq_crew *crew;
    const struct pq_crew_work *work;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    int64_t formed, delivered;    /* pieces */
    int64_t under_way;            /* formed, and not done */
    int64_t window;               /* formed and not delivered, at most */
    struct pq_crew_job *returned; /* by a device that could not, in order */
    struct pq_crew_job *done;     /* and not delivered, in order */
    bool forming, delivering, ended;
    bool fallback_busy;
    pique_error failure;
};

struct worker {
    struct course *course;
    int device;
};

static void insert(struct pq_crew_job **list, struct pq_crew_job *job)
{
    while (*list && (*list)->number < job->number)
        list = &(*list)->next;
    job->next = *list;
    *list = job;
}

/* The lock is held. */
static void fail(struct course *c, const pique_error *why)
{
    if (c->failure.code)
        return;
    c->failure = *why;
    pthread_cond_broadcast(&c->changed);
    if (c->work->stop)
        c->work->stop(c->work->user, why);
}

/* ---- taking ---- */

/* Which device this worker does a piece on: its own, else the fallback. -2: not this worker, or not
 * now; -1: nobody can. The lock is held. */
static int place_for(const struct course *c, const struct worker *w, unsigned tried)
{
    struct pq_crew *crew = c->crew;
    pthread_mutex_lock(&crew->lock);
    const unsigned able = pq_crew_alive(crew) & ~tried;
    const int any = pq_crew_choose(crew, tried);
    pthread_mutex_unlock(&crew->lock);
    if (able)
        return able >> w->device & 1 ? w->device : -2;
    return any >= 0 && c->fallback_busy ? -2 : any;
}

/* What was returned comes first: others wait for it. */
static struct pq_crew_job *take_returned(struct course *c, const struct worker *w, int *device)
{
    for (struct pq_crew_job **at = &c->returned; *at; at = &(*at)->next) {
        struct pq_crew_job *job = *at;
        *device = place_for(c, w, job->tried);
        if (*device == -2)
            continue;
        *at = job->next;
        return job;
    }
    return NULL;
}

/* The lock is let go meanwhile. NULL: there is none, or it failed. */
static struct pq_crew_job *form(struct course *c)
{
    const struct pq_crew_work *work = c->work;
    pique_error why = {0};
    void *piece = NULL;
    c->forming = true;
    pthread_mutex_unlock(&c->lock);
    int rc = work->form(work->user, &piece, &why);
    struct pq_crew_job *job = !rc && piece ? pq_calloc(1, sizeof *job) : NULL;
    if (!rc && piece && !job) {
        rc = pq_fail_nomem(&why, sizeof *job);
        work->drop(work->user, piece);
    }
    pthread_mutex_lock(&c->lock);
    c->forming = false;
    pthread_cond_broadcast(&c->changed);
    c->ended |= !job;
    if (rc)
        fail(c, &why);
    if (!job)
        return NULL;
    job->piece = piece;
    job->number = c->formed++;
    c->under_way++;
    return job;
}

/* The next piece for this worker, and the device to do it on; NULL: there is nothing more to do.
 * The lock is held. */
static struct pq_crew_job *take(struct course *c, const struct worker *w, int *device)
{
    while (!c->failure.code) {
        struct pq_crew_job *job = take_returned(c, w, device);
        if (job)
            return job;
        if (c->ended && c->under_way == 0)
            return NULL;
        const bool room = !c->ended && !c->forming && c->formed - c->delivered < c->window;
        if (!room || place_for(c, w, 0) == -2) {
            pthread_cond_wait(&c->changed, &c->lock);
            continue;
        }
        job = form(c);
        if (!job)
            continue;
        *device = place_for(c, w, 0); /* devices may have been lost meanwhile */
        if (*device != -2)
            return job;
        insert(&c->returned, job);
        pthread_cond_broadcast(&c->changed);
    }
    return NULL;
}

/* ---- handing on ---- */

/* The lock is held, and let go meanwhile. */
static void deliver(struct course *c)
{
    const struct pq_crew_work *work = c->work;
    if (c->delivering)
        return;
    c->delivering = true;
    while (!c->failure.code && c->done && c->done->number == c->delivered) {
        struct pq_crew_job *job = c->done;
        pique_error why = {0};
        c->done = job->next;
        pthread_mutex_unlock(&c->lock);
        const int rc = work->deliver(work->user, job->piece, &why);
        pq_free(job);
        pthread_mutex_lock(&c->lock);
        c->delivered++;
        pthread_cond_broadcast(&c->changed);
        if (rc)
            fail(c, &why);
    }
    c->delivering = false;
}

/* What a piece came to. The lock is held. */
static void settle(struct course *c, struct pq_crew_job *job, int rc, const pique_error *why)
{
    pthread_cond_broadcast(&c->changed);
    if (rc == PIQUE_EDEVICE || rc == PIQUE_ENOMEM) {
        insert(&c->returned, job);
        return;
    }
    c->under_way--;
    insert(&c->done, job); /* also where it failed: it is dropped with what is left there */
    if (rc)
        fail(c, why);
    else
        deliver(c);
}

static int give_up(struct course *c, struct pq_crew_job *job, pique_error *why)
{
    const struct pq_crew_work *work = c->work;
    pique_error reason;
    int rc = pq_crew_refuse(c->crew, job, &reason);
    if (work->give_up)
        return work->give_up(work->user, job->piece, &reason, why);
    *why = reason;
    /* Another code than those after which it would be returned. */
    return rc;
}

static void *work_on(void *context)
{
    const struct worker *w = context;
    struct course *c = w->course;
    struct pq_crew_job *job;
    int device;
    pthread_mutex_lock(&c->lock);
    while ((job = take(c, w, &device))) {
        const bool fallback = device >= 0 && device == c->crew->fallback;
        pique_error why = {0};
        c->fallback_busy |= fallback;
        pthread_mutex_unlock(&c->lock);
        const int rc =
            device < 0 ? give_up(c, job, &why)
                       : pq_crew_attempt(c->crew, c->work->run, c->work->user, job, device, &why);
        pthread_mutex_lock(&c->lock);
        c->fallback_busy &= !fallback;
        if (device < 0 && rc) {
            c->under_way--;
            insert(&c->done, job);
            fail(c, &why);
        } else {
            settle(c, job, rc, &why);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- all of it ---- */

static void drop_all(struct course *c, struct pq_crew_job *list)
{
    for (struct pq_crew_job *next; list; list = next) {
        next = list->next;
        c->work->drop(c->work->user, list->piece);
        pq_free(list);
    }
}

/* One device, with or without a fallback: on this thread, one piece after the other. */
static int run_alone(struct pq_crew *crew, const struct pq_crew_work *work, pique_error *err)
{
    for (;;) {
        void *piece = NULL;
        pique_error why = {0};
        int rc = work->form(work->user, &piece, err);
        if (rc || !piece)
            return rc;
        rc = pq_crew_do(crew, work->run, work->user, piece, &why);
        if ((rc == PIQUE_EDEVICE || rc == PIQUE_ENOMEM) && work->give_up)
            rc = work->give_up(work->user, piece, &why, err);
        else if (rc && err)
            *err = why;
        if (rc) {
            work->drop(work->user, piece);
            return rc;
        }
        if ((rc = work->deliver(work->user, piece, err)))
            return rc;
    }
}

static int run_together(struct pq_crew *crew, const struct pq_crew_work *work, pique_error *err)
{
    const int count = crew->fallback < 0 ? crew->count : crew->count - 1;
    struct course c = {.crew = crew, .work = work, .window = (int64_t)AHEAD * count};
    struct worker workers[PQ_DEVICES];
    pthread_t threads[PQ_DEVICES];
    int started = 1;
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.changed, NULL);
    for (int i = 0; i < count; i++)
        workers[i] = (struct worker){&c, i};
    while (started < count &&
           pthread_create(&threads[started], NULL, work_on, &workers[started]) == 0)
        started++;
    if (started < count) {
        pique_error why;
        pq_fail(&why, PIQUE_ENOMEM, "no thread could be started");
        pthread_mutex_lock(&c.lock);
        fail(&c, &why);
        pthread_mutex_unlock(&c.lock);
    }
    work_on(&workers[0]);
    for (int i = 1; i < started; i++)
        pthread_join(threads[i], NULL);
    drop_all(&c, c.returned);
    drop_all(&c, c.done);
    pthread_cond_destroy(&c.changed);
    pthread_mutex_destroy(&c.lock);
    return c.failure.code ? pq_fail(err, c.failure.code, "%s", c.failure.message) : 0;
}

int pq_crew_run(struct pq_crew *crew, const struct pq_crew_work *work, pique_error *err)
{
    return pq_crew_is_alone(crew) ? run_alone(crew, work, err) : run_together(crew, work, err);
}
