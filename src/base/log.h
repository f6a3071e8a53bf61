/* SPDX-License-Identifier: MIT */
/* One line at a time to whoever listens. Per-row and per-frame lines only at TRACE. */
#pragma once

#include <pthread.h>

#include "pique/engine.h"

/* Thread-safety: safe; the lock keeps two lines from being delivered at once. */
struct pq_log {
    pique_log_fn fn; /* NULL: nobody listens */
    void *user;
    pthread_mutex_t lock; /* guards the call of fn */
};

void pq_log_init(struct pq_log *log, pique_log_fn fn, void *user);
void pq_log_destroy(struct pq_log *log);
/* log may be NULL. What people read, down to INFO, is said in their language (lang.h). */
void pq_log(struct pq_log *log, enum pique_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
