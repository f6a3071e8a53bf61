/* SPDX-License-Identifier: MIT */
/* A pool of threads that share one loop at a time.
 *
 * pq_pool_run() hands out the indices 0 .. count-1, in this order, to the workers and to the
 * calling thread, and returns when all are done. Which thread takes which index is open, so a task
 * must not depend on it; but it may wait for tasks that were begun before it. Every thread that
 * runs tasks rounds to nearest and keeps denormals, whatever the program around us has set (promise
 * 1); the caller's own mode is restored before return. */
#pragma once

#include "base/error.h"

/* Thread-safety: one pq_pool_run() at a time. */
struct pq_pool;

/* threads counts the caller: 1 starts none. */
int pq_pool_create(int threads, struct pq_pool **out, pique_error *err);
void pq_pool_destroy(struct pq_pool **pool);
int pq_pool_threads(const struct pq_pool *pool);

/* worker is 0 .. threads-1, for scratch memory. */
typedef void pq_pool_fn(void *context, int index, int worker);
void pq_pool_run(struct pq_pool *pool, int count, pq_pool_fn *fn, void *context);
/* pq_pool_run(), or a plain loop where there is no pool. */
static inline void pq_share_out(struct pq_pool *pool, int count, pq_pool_fn *fn, void *context)
{
    if (pool) {
        pq_pool_run(pool, count, fn, context);
        return;
    }
    for (int i = 0; i < count; i++)
        fn(context, i, 0);
}
/* Called by a task: return when all those of indices below `below` are done, and what they wrote
 * can be seen. below: at most its own index. */
void pq_pool_wait(struct pq_pool *pool, int below);

/* Cores that this process may use (affinity mask and cgroup quota), at least 1. */
int pq_cores(void);
