/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include <fenv.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/alloc.h"

enum { CACHE_LINE = 64 };

struct worker {
    struct pq_pool *pool;
    pthread_t thread;
    int index;
    /* Of the tasks below this one, it has none unfinished: the index of its task; 0 while it takes
     * its first one; INT_MAX outside of a loop. As tasks are taken in order, all below k are
     * done when k has been taken and each worker is at k or beyond. */
    atomic_int at;
    atomic_int wanted; /* the lowest that a sleeper waits for; INT_MAX: nobody does */
    pthread_cond_t there;
    char apart[CACHE_LINE]; /* from the next one's, which others look at while it is written */
};

struct pq_pool {
    int threads;
    int started; /* workers that must be joined */
    struct worker *workers;

    pthread_mutex_t lock; /* guards the five below, and `there` of each worker */
    pthread_cond_t work, idle;
    unsigned long loop; /* number of the current loop; workers wait for it to change */
    int busy;           /* workers that have not finished the current loop */
    bool stop;

    /* The current loop; written under the lock before `loop` changes, read by workers after. */
    pq_pool_fn *fn;
    void *context;
    int count;
    atomic_int next;
};

/* A worker is done with all that it took before task i. It stores that and looks who wants it;
 * wait_long() says what it wants and looks how far the worker is: one of the two sees the other. A
 * store and a load of this order would do, and do on processors; an emulator of ARM on x86-64 lets
 * the load go first (qemu 7.2), but not before an exchange. */
static void move_on(struct pq_pool *pool, struct worker *self, int i)
{
    atomic_exchange(&self->at, i);
    const int wanted = atomic_load(&self->wanted);
    if (wanted == INT_MAX || i < wanted)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&self->wanted, INT_MAX); /* those who want more say so again */
    pthread_cond_broadcast(&self->there);
    pthread_mutex_unlock(&pool->lock);
}

static void take_tasks(struct pq_pool *pool, int worker)
{
    struct worker *self = &pool->workers[worker];
    /* Whoever takes a later task than the one to come sees this, or that one. */
    atomic_store(&self->at, 0);
    for (;;) {
        const int i = atomic_fetch_add(&pool->next, 1);
        move_on(pool, self, i < pool->count ? i : INT_MAX);
        if (i >= pool->count)
            return;
        pool->fn(pool->context, i, worker);
    }
}

static bool is_beyond(const struct worker *w, int below)
{
    return atomic_load(&w->at) >= below;
}

static void wait_long(struct pq_pool *pool, struct worker *w, int below)
{
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        if (below < atomic_load(&w->wanted))
            atomic_exchange(&w->wanted, below);
        if (is_beyond(w, below))
            break;
        pthread_cond_wait(&w->there, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* The core's other thread may go on meanwhile. */
static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void pq_pool_wait(struct pq_pool *pool, int below)
{
    enum { LOOKS = 500 }; /* some ten microseconds: less than to sleep and to wake */
    for (int i = 0; i < pool->threads; i++) {
        struct worker *w = &pool->workers[i];
        int looks = 0;
        while (!is_beyond(w, below) && looks++ < LOOKS)
            relax();
        if (!is_beyond(w, below))
            wait_long(pool, w, below);
    }
}

static void *work(void *argument)
{
    struct worker *self = argument;
    struct pq_pool *pool = self->pool;
    fesetenv(FE_DFL_ENV);
    unsigned long seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->loop == seen && !pool->stop)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->stop)
            break;
        seen = pool->loop;
        pthread_mutex_unlock(&pool->lock);
        take_tasks(pool, self->index);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int pq_pool_create(int threads, struct pq_pool **out, pique_error *err)
{
    *out = NULL;
    if (threads < 1 || threads > 1024)
        return pq_fail(err, PIQUE_EINVAL, "%d threads: 1 to 1024 are possible", threads);
    struct pq_pool *pool = pq_calloc(1, sizeof *pool);
    struct worker *workers = pq_calloc((size_t)threads, sizeof *workers);
    if (!pool || !workers) {
        pq_free(pool);
        pq_free(workers);
        return pq_fail_nomem(err, sizeof *pool + (size_t)threads * sizeof *workers);
    }
    pool->threads = threads;
    pool->workers = workers;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->idle, NULL);
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){.pool = pool, .index = i, .at = INT_MAX, .wanted = INT_MAX};
        pthread_cond_init(&workers[i].there, NULL);
    }
    for (int i = 1; i < threads; i++) {
        int rc = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
        if (rc) {
            pq_pool_destroy(&pool);
            return pq_fail(err, PIQUE_ENOMEM, "thread %d of %d cannot be started (error %d)", i,
                           threads, rc);
        }
        pool->started++;
    }
    *out = pool;
    return 0;
}

void pq_pool_destroy(struct pq_pool **poolp)
{
    struct pq_pool *pool = *poolp;
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i <= pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    for (int i = 0; i < pool->threads; i++)
        pthread_cond_destroy(&pool->workers[i].there);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    pq_free(pool->workers);
    pq_free(pool);
    *poolp = NULL;
}

int pq_pool_threads(const struct pq_pool *pool)
{
    return pool->threads;
}

void pq_pool_run(struct pq_pool *pool, int count, pq_pool_fn *fn, void *context)
{
    fenv_t mode;
    fegetenv(&mode);
    fesetenv(FE_DFL_ENV);
    bool shared = count > 1 && pool->started > 0;
    pthread_mutex_lock(&pool->lock);
    pool->fn = fn;
    pool->context = context;
    pool->count = count;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    if (shared) {
        pool->busy = pool->started;
        pool->loop++;
        pthread_cond_broadcast(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    take_tasks(pool, 0);
    if (shared) {
        pthread_mutex_lock(&pool->lock);
        while (pool->busy)
            pthread_cond_wait(&pool->idle, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
    }
    fesetenv(&mode);
}

/* The cgroup v2 quota in cores, rounded up, or 0 where there is none. */
static int quota_cores(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!f)
        return 0;
    long quota, period;
    int n = fscanf(f, "%ld %ld", &quota, &period);
    fclose(f);
    return n == 2 && quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

int pq_cores(void)
{
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int quota = quota_cores();
    if (quota && quota < cores)
        cores = quota;
    return cores < 1 ? 1 : cores;
}
