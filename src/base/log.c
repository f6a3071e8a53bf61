/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/lang.h"

void pq_log_init(struct pq_log *log, pique_log_fn fn, void *user)
{
    log->fn = fn;
    log->user = user;
    pthread_mutex_init(&log->lock, NULL);
}

void pq_log_destroy(struct pq_log *log)
{
    pthread_mutex_destroy(&log->lock);
}

void pq_log(struct pq_log *log, enum pique_log_level level, const char *fmt, ...)
{
    if (!log || !log->fn)
        return;
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, level < PIQUE_LOG_DEBUG ? pq_tr(fmt) : fmt, args);
    va_end(args);
    pthread_mutex_lock(&log->lock);
    log->fn(log->user, level, line);
    pthread_mutex_unlock(&log->lock);
}
