/* SPDX-License-Identifier: MIT */
#include "base/queue.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/alloc.h"

struct node {
    struct node *next;
    void *item;
    uint64_t bytes;
};

struct pq_queue {
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t changed;
    struct node *first, **last;
    uint64_t bytes, limit;
    bool ended, cancelled;
    void (*drop)(void *item, void *context);
    void *context;
};

int pq_queue_new(uint64_t limit_bytes, void (*drop)(void *item, void *context), void *context,
                 struct pq_queue **out, pique_error *err)
{
    struct pq_queue *q = pq_calloc(1, sizeof *q);
    *out = q;
    if (!q)
        return pq_fail_nomem(err, sizeof *q);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    q->last = &q->first;
    q->limit = limit_bytes;
    q->drop = drop;
    q->context = context;
    return 0;
}

void pq_queue_free(struct pq_queue **queue)
{
    struct pq_queue *q = *queue;
    *queue = NULL;
    if (!q)
        return;
    for (struct node *n = q->first, *next; n; n = next) {
        next = n->next;
        q->drop(n->item, q->context);
        pq_free(n);
    }
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    pq_free(q);
}

enum pq_queue_state pq_queue_push(struct pq_queue *q, void *item, uint64_t bytes)
{
    struct node *n = pq_malloc(sizeof *n);
    if (!n) { /* as hopeless as a cancelled queue, and everybody must learn of it */
        pq_queue_cancel(q);
        q->drop(item, q->context);
        return PQ_QUEUE_CANCELLED;
    }
    *n = (struct node){.item = item, .bytes = bytes};
    pthread_mutex_lock(&q->lock);
    while (!q->cancelled && q->first && (bytes > q->limit || q->bytes > q->limit - bytes))
        pthread_cond_wait(&q->changed, &q->lock);
    const bool taken = !q->cancelled;
    if (taken) {
        *q->last = n;
        q->last = &n->next;
        q->bytes += bytes;
        pthread_cond_broadcast(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    if (taken)
        return PQ_QUEUE_ITEM;
    q->drop(item, q->context);
    pq_free(n);
    return PQ_QUEUE_CANCELLED;
}

static enum pq_queue_state pop(struct pq_queue *q, bool wait, void **item)
{
    pthread_mutex_lock(&q->lock);
    while (wait && !q->cancelled && !q->first && !q->ended)
        pthread_cond_wait(&q->changed, &q->lock);
    struct node *n = q->cancelled ? NULL : q->first;
    const enum pq_queue_state state = q->cancelled ? PQ_QUEUE_CANCELLED
                                      : n          ? PQ_QUEUE_ITEM
                                      : q->ended   ? PQ_QUEUE_END
                                                   : PQ_QUEUE_EMPTY;
    if (n) {
        q->first = n->next;
        if (!q->first)
            q->last = &q->first;
        q->bytes -= n->bytes;
        pthread_cond_broadcast(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    if (n) {
        *item = n->item;
        pq_free(n);
    }
    return state;
}

enum pq_queue_state pq_queue_pop(struct pq_queue *q, void **item)
{
    return pop(q, true, item);
}

enum pq_queue_state pq_queue_try_pop(struct pq_queue *q, void **item)
{
    return pop(q, false, item);
}

void pq_queue_end(struct pq_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->ended = true;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

void pq_queue_cancel(struct pq_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->cancelled = true;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}
