/* SPDX-License-Identifier: MIT */
/* A queue between two stages of a pipeline, bounded by the bytes of what waits in it.
 *
 * What is pushed belongs to the queue, and to whoever pops it. A full queue makes the one who
 * pushes wait; an item that alone is over the bound is taken when nothing else waits, so that
 * nothing hangs. The end is an item of its own, and cancelling wakes everybody. Thread-safety:
 * safe. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct pq_queue;

/* drop: frees an item that nobody popped; context is handed to it. */
int pq_queue_new(uint64_t limit_bytes, void (*drop)(void *item, void *context), void *context,
                 struct pq_queue **out, pique_error *err);
void pq_queue_free(struct pq_queue **queue);

enum pq_queue_state { PQ_QUEUE_ITEM, PQ_QUEUE_END, PQ_QUEUE_CANCELLED, PQ_QUEUE_EMPTY };

/* Waits while the queue is full. PQ_QUEUE_ITEM: taken; PQ_QUEUE_CANCELLED: the item was dropped. */
enum pq_queue_state pq_queue_push(struct pq_queue *queue, void *item, uint64_t bytes);
/* Waits while it is empty. *item is set with PQ_QUEUE_ITEM only. */
enum pq_queue_state pq_queue_pop(struct pq_queue *queue, void **item);
/* The same without waiting: PQ_QUEUE_EMPTY where nothing is there yet. */
enum pq_queue_state pq_queue_try_pop(struct pq_queue *queue, void **item);
/* Nothing more is pushed: who pops gets what is left and then the end. */
void pq_queue_end(struct pq_queue *queue);
/* Nobody waits any more, and nothing is handed out any more. */
void pq_queue_cancel(struct pq_queue *queue);
