/* SPDX-License-Identifier: MIT */
#include "server/known.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"

enum { RETRY_MS = 10 * 1000 };

void pq_known_init(struct pq_known *known, char *(*find)(void), void (*found)(void *user),
                   void *user)
{
    *known = (struct pq_known){.find = find, .found = found, .user = user};
    pthread_mutex_init(&known->lock, NULL);
}

void pq_known_close(struct pq_known *known)
{
    if (!known->find)
        return;
    pthread_mutex_lock(&known->lock);
    const bool joins = known->has_thread;
    known->closed = true;
    known->has_thread = false;
    pthread_mutex_unlock(&known->lock);
    if (joins)
        pthread_join(known->thread, NULL);
}

void pq_known_free(struct pq_known *known)
{
    if (!known->find)
        return;
    pq_known_close(known);
    pthread_mutex_destroy(&known->lock);
    pq_free(known->text);
    *known = (struct pq_known){0};
}

static void *seek(void *user)
{
    struct pq_known *known = user;
    char *text = known->find();
    pthread_mutex_lock(&known->lock);
    known->text = text;
    known->state = text ? PQ_KNOWN_HERE : PQ_KNOWN_FAILED;
    known->failed_ms = pq_clock_ms();
    pthread_mutex_unlock(&known->lock);
    if (known->found)
        known->found(known->user);
    return NULL;
}

/* The lock is held; no thread seeks. */
static void begin(struct pq_known *known)
{
    if (known->has_thread) /* it has ended, or is about to */
        pthread_join(known->thread, NULL);
    known->has_thread = pthread_create(&known->thread, NULL, seek, known) == 0;
    known->state = known->has_thread ? PQ_KNOWN_SOUGHT : PQ_KNOWN_FAILED;
    known->failed_ms = pq_clock_ms();
}

enum pq_known_state pq_known_ask(struct pq_known *known, char **text)
{
    *text = NULL;
    pthread_mutex_lock(&known->lock);
    const bool due =
        known->state == PQ_KNOWN_UNASKED ||
        (known->state == PQ_KNOWN_FAILED && pq_clock_ms() - known->failed_ms >= RETRY_MS);
    if (due && !known->closed)
        begin(known);
    if (known->state == PQ_KNOWN_HERE)
        *text = pq_strdup(known->text);
    const enum pq_known_state state = known->state;
    pthread_mutex_unlock(&known->lock);
    return state;
}
