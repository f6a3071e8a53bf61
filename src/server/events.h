/* SPDX-License-Identifier: MIT */
/* Events to all who listen, with a memory of the last ones for those who come back.
 *
 * Text of Server-Sent Events ("id: 7\nevent: item\ndata: {...}\n\n") in a ring of bytes. A reader
 * has a place in the stream of all bytes ever written; one that fell out of the ring gets a
 * "reset". Thread-safety: safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct pq_events;

/* bytes: of the memory, 256 or more. */
int pq_events_new(size_t bytes, struct pq_events **out, pique_error *err);
/* wake: called after something was added, by the thread that added it; it may ask for events but
 * not add any. One at a time; NULL: nobody. When this returns, the one before is not called any
 * more. */
void pq_events_on_add(struct pq_events *events, void (*wake)(void *user), void *user);
void pq_events_free(struct pq_events **events);

/* data: one line of JSON, copied. An event that cannot be kept (out of memory, larger than the
 * ring) becomes a "reset" for everybody. A line feed in data becomes a blank. */
void pq_events_add(struct pq_events *events, const char *name, const char *data);
/* The id of the newest event. Ids of a later process are larger, and below 2^53. */
uint64_t pq_events_last(struct pq_events *events);

/* The place from which a reader goes on after the event `id`; *reset where what came after it is
 * not known any more (then it goes on from now). UINT64_MAX: from now on. */
uint64_t pq_events_place(struct pq_events *events, uint64_t id, bool *reset);
/* Copy at most size bytes from *place on, which moves. 0: nothing new. *reset as above, and *place
 * is then where the newest event ends. */
size_t pq_events_read(struct pq_events *events, uint64_t *place, void *out, size_t size,
                      bool *reset);
