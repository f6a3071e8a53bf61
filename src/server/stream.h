/* SPDX-License-Identifier: MIT */
/* Who listens to events: answers that never end. A stream with nothing to send is suspended and
 * costs its memory alone; when there is something new, all are resumed.
 *
 * Thread-safety: one call at a time. */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/events.h"

struct pq_stream;
struct pq_streams {
    struct pq_events *events; /* borrowed; NULL: there are none */
    struct pq_stream *first;
    size_t count;
    bool closing;
};

/* An answer that begins after the event `id`, as text from outside, or with the next one where it
 * is NULL. NULL: out of memory, or too many listen. */
struct MHD_Response *pq_stream_new(struct pq_streams *streams, struct MHD_Connection *connection,
                                   const char *id);
/* There is something new. */
void pq_streams_wake(struct pq_streams *streams);
/* Send a sign of life to those that were quiet for long. Returns the milliseconds to the next one,
 * -1: nobody listens. */
int64_t pq_streams_beat(struct pq_streams *streams, int64_t now_ms);
/* Let all end, so that the server can be stopped. */
void pq_streams_close(struct pq_streams *streams);
