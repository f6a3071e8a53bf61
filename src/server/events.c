/* SPDX-License-Identifier: MIT */
/* The ring of events.
 *
 *        oldest                         end
 *          |------------ kept ----------|        places count all bytes ever written
 *     data[place % size]
 *
 * Ids are consecutive, so where event `id` ends stands at ends[id % slots]. They begin at the time
 * at which the ring was made, in microseconds: whoever comes back to a server that was started anew
 * brings an id that this one never gave, and is told to read everything again. */
#include "server/events.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/str.h"

/* No event is shorter: "id: 1\nevent: a\ndata: \n\n". */
enum { SHORTEST = 24, LEAST_BYTES = 256 };

struct pq_events {
    pthread_mutex_t lock; /* guards all but the two below */
    char *data;
    size_t size;
    uint64_t *ends;
    size_t slots;
    uint64_t oldest, end;      /* places */
    uint64_t first, last;      /* ids: whose end is known, first <= last + 1 */
    pthread_mutex_t wake_lock; /* guards wake and its user while it is called */
    void (*wake)(void *user);
    void *wake_user;
};

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int pq_events_new(size_t bytes, struct pq_events **out, pique_error *err)
{
    *out = NULL;
    if (bytes < LEAST_BYTES)
        return pq_fail(err, PIQUE_EINVAL, "events need %d bytes at least", LEAST_BYTES);
    struct pq_events *e = pq_calloc(1, sizeof *e);
    if (!e)
        return pq_fail_nomem(err, sizeof *e);
    e->size = bytes;
    e->slots = bytes / SHORTEST + 2;
    e->data = pq_malloc(bytes);
    e->ends = pq_calloc(e->slots, sizeof *e->ends);
    if (!e->data || !e->ends) {
        pq_free(e->data);
        pq_free(e->ends);
        pq_free(e);
        return pq_fail_nomem(err, bytes);
    }
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->wake_lock, NULL);
    e->first = e->last = now_us();
    *out = e;
    return 0;
}

void pq_events_on_add(struct pq_events *events, void (*wake)(void *user), void *user)
{
    pthread_mutex_lock(&events->wake_lock);
    events->wake = wake;
    events->wake_user = user;
    pthread_mutex_unlock(&events->wake_lock);
}

void pq_events_free(struct pq_events **events)
{
    struct pq_events *e = *events;
    if (!e)
        return;
    pthread_mutex_destroy(&e->lock);
    pthread_mutex_destroy(&e->wake_lock);
    pq_free(e->data);
    pq_free(e->ends);
    pq_free(e);
    *events = NULL;
}

/* ---- writing ---- */

static void put(struct pq_events *e, const char *text, size_t n)
{
    size_t at = (size_t)(e->end % e->size);
    size_t part = PQ_MIN(n, e->size - at);
    memcpy(e->data + at, text, part);
    memcpy(e->data, text + part, n - part);
    e->end += n;
}

/* Nothing is known any more. The end moves by a byte that nobody reads, so that who had read
 * everything has fallen out too. */
static void forget_all(struct pq_events *e)
{
    e->last++;
    e->end++;
    e->oldest = e->end;
    e->first = e->last;
    e->ends[e->last % e->slots] = e->end;
}

/* Whole events go, from the oldest on, until n bytes fit. */
static void make_room(struct pq_events *e, size_t n)
{
    while (e->end - e->oldest + n > e->size) {
        e->first++;
        e->oldest = e->ends[e->first % e->slots];
    }
}

/* "id: ID\nevent: NAME\ndata: DATA\n\n". A line feed in JSON is white space, here it would end the
 * line. */
static char *text_of(uint64_t id, const char *name, const char *data)
{
    struct pq_str s = {0};
    pq_str_printf(&s, "id: %" PRIu64 "\nevent: %s\ndata: ", id, name);
    size_t from = s.length;
    pq_str_add(&s, data);
    for (size_t i = from; i < s.length; i++) {
        if (s.data[i] == '\n' || s.data[i] == '\r')
            s.data[i] = ' ';
    }
    pq_str_add(&s, "\n\n");
    return pq_str_take(&s);
}

void pq_events_add(struct pq_events *events, const char *name, const char *data)
{
    struct pq_events *e = events;
    pthread_mutex_lock(&e->lock);
    char *text = text_of(e->last + 1, name, data);
    size_t n = text ? strlen(text) : 0;
    if (!text || n > e->size) {
        forget_all(e);
    } else {
        make_room(e, n);
        put(e, text, n);
        e->last++;
        e->ends[e->last % e->slots] = e->end;
    }
    pthread_mutex_unlock(&e->lock);
    pq_free(text);

    pthread_mutex_lock(&e->wake_lock);
    if (e->wake)
        e->wake(e->wake_user);
    pthread_mutex_unlock(&e->wake_lock);
}

/* ---- reading ---- */

uint64_t pq_events_last(struct pq_events *events)
{
    pthread_mutex_lock(&events->lock);
    uint64_t last = events->last;
    pthread_mutex_unlock(&events->lock);
    return last;
}

uint64_t pq_events_place(struct pq_events *events, uint64_t id, bool *reset)
{
    pthread_mutex_lock(&events->lock);
    bool known = id >= events->first && id <= events->last;
    uint64_t place = known ? events->ends[id % events->slots] : events->end;
    pthread_mutex_unlock(&events->lock);
    *reset = !known && id != UINT64_MAX;
    return place;
}

size_t pq_events_read(struct pq_events *events, uint64_t *place, void *out, size_t size,
                      bool *reset)
{
    struct pq_events *e = events;
    size_t n = 0;
    pthread_mutex_lock(&e->lock);
    *reset = *place < e->oldest || *place > e->end;
    if (*reset) {
        *place = e->end;
    } else {
        n = (size_t)PQ_MIN((uint64_t)size, e->end - *place);
        size_t at = (size_t)(*place % e->size);
        size_t part = PQ_MIN(n, e->size - at);
        memcpy(out, e->data + at, part);
        memcpy((char *)out + part, e->data, n - part);
        *place += n;
    }
    pthread_mutex_unlock(&e->lock);
    return n;
}
