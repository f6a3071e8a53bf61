/* SPDX-License-Identifier: MIT */
#include "server/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/head.h"
#include "server/secure.h"

enum { BEAT_MS = 15 * 1000, MOST_STREAMS = 2048, BLOCK_BYTES = 2048 };

struct pq_stream {
    struct pq_streams *home;
    struct MHD_Connection *connection;
    uint64_t place;
    bool is_suspended;
    bool is_inside; /* an event was sent in part */
    char last;      /* the byte that was sent last */
    char own[96]; /* what comes from here and not from the ring: own_at .. own_end is to be sent */
    size_t own_at, own_end;
    int64_t sent_ms;
    struct pq_stream *before, *after;
};

/* ---- what is sent ---- */

static size_t send_own(struct pq_stream *s, char *out, size_t most)
{
    size_t n = PQ_MIN(most, s->own_end - s->own_at);
    memcpy(out, s->own + s->own_at, n);
    s->own_at += n;
    return n;
}

static void tell_reset(struct pq_stream *s, uint64_t id)
{
    s->own_at = 0;
    s->own_end =
        (size_t)snprintf(s->own, sizeof s->own, "id: %" PRIu64 "\nevent: reset\ndata: {}\n\n", id);
}

/* Whether the stream stands within an event after these bytes: it ends with an empty line. */
static void look_for_end(struct pq_stream *s, const char *data, size_t n)
{
    const char before = n > 1 ? data[n - 2] : s->last;
    s->last = data[n - 1];
    s->is_inside = !(before == '\n' && s->last == '\n');
}

/* Called when the connection can take more. 0 means wait, and needs the connection suspended. */
static ssize_t on_room(void *user, uint64_t pos, char *out, size_t most)
{
    struct pq_stream *s = user;
    (void)pos;
    if (s->home->closing)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (s->own_at == s->own_end) {
        bool reset;
        /* Asked before, so that it is not later than the place. */
        const uint64_t id = pq_events_last(s->home->events);
        size_t n = pq_events_read(s->home->events, &s->place, out, most, &reset);
        if (n) {
            look_for_end(s, out, n);
            s->sent_ms = pq_clock_ms();
            return (ssize_t)n;
        }
        /* Half an event cannot be taken back. A client forgets it when the connection ends, and
         * comes again with the id of the one before. */
        if (reset && s->is_inside)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (reset)
            tell_reset(s, id);
    }
    if (s->own_at < s->own_end) {
        s->sent_ms = pq_clock_ms();
        return (ssize_t)send_own(s, out, most);
    }
    s->is_suspended = true;
    MHD_suspend_connection(s->connection);
    return 0;
}

/* ---- beginning and end ---- */

static void on_free(void *user)
{
    struct pq_stream *s = user;
    if (s->before)
        s->before->after = s->after;
    else
        s->home->first = s->after;
    if (s->after)
        s->after->before = s->before;
    s->home->count--;
    pq_free(s);
}

static struct pq_stream *begin(struct pq_streams *streams, struct MHD_Connection *connection,
                               const char *id)
{
    struct pq_stream *s = streams->count < MOST_STREAMS ? pq_calloc(1, sizeof *s) : NULL;
    uint64_t after = UINT64_MAX;
    bool reset;
    if (!s)
        return NULL;
    *s = (struct pq_stream){.home = streams, .connection = connection, .after = streams->first};
    if (id && !pq_digits(id, UINT64_MAX - 1, &after))
        after = 0; /* none of ours */
    const uint64_t last = pq_events_last(streams->events);
    s->place = pq_events_place(streams->events, after, &reset);
    s->sent_ms = pq_clock_ms();
    /* Come back after two seconds where the connection breaks. */
    s->own_end = (size_t)snprintf(s->own, sizeof s->own, "retry: 2000\n\n");
    if (reset)
        tell_reset(s, last);
    if (streams->first)
        streams->first->before = s;
    streams->first = s;
    streams->count++;
    return s;
}

struct MHD_Response *pq_stream_new(struct pq_streams *streams, struct MHD_Connection *connection,
                                   const char *id)
{
    struct pq_stream *s = begin(streams, connection, id);
    if (!s)
        return NULL;
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_room, s, on_free);
    if (!r) {
        on_free(s);
        return NULL;
    }
    if (pq_secure(r) &&
        MHD_add_response_header(r, "Content-Type", "text/event-stream") == MHD_YES &&
        MHD_add_response_header(r, "Cache-Control", "no-store") == MHD_YES)
        return r;
    MHD_destroy_response(r);
    return NULL;
}

/* ---- all of them ---- */

static void resume(struct pq_stream *s)
{
    if (!s->is_suspended)
        return;
    s->is_suspended = false;
    MHD_resume_connection(s->connection);
}

void pq_streams_wake(struct pq_streams *streams)
{
    for (struct pq_stream *s = streams->first; s; s = s->after)
        resume(s);
}

int64_t pq_streams_beat(struct pq_streams *streams, int64_t now)
{
    int64_t next = -1;
    for (struct pq_stream *s = streams->first; s; s = s->after) {
        if (s->is_suspended && now - s->sent_ms >= BEAT_MS) {
            s->own_at = 0;
            s->own_end = (size_t)snprintf(s->own, sizeof s->own, ":\n\n");
            resume(s);
        }
        const int64_t left = PQ_MAX(s->sent_ms + BEAT_MS - now, 100);
        next = next < 0 ? left : PQ_MIN(next, left);
    }
    return next;
}

void pq_streams_close(struct pq_streams *streams)
{
    streams->closing = true;
    pq_streams_wake(streams);
}
