/* SPDX-License-Identifier: MIT */
#include "server/wait.h"

#include "base/alloc.h"
#include "server/inside.h"

enum { PATIENCE_MS = 30 * 1000, BEAT_MS = 1000 };

bool pq_wait_begin(struct pq_waits *waits, struct pq_asked *asked, int64_t now)
{
    if (!asked->wait_since_ms)
        asked->wait_since_ms = now;
    if (waits->closing || now - asked->wait_since_ms > PATIENCE_MS)
        return false;
    asked->wait_until_ms = now + BEAT_MS;
    asked->waits = true;
    asked->next_waiting = waits->first;
    waits->first = asked;
    MHD_suspend_connection(asked->connection);
    return true;
}

void pq_wait_forget(struct pq_waits *waits, struct pq_asked *asked)
{
    struct pq_asked **at = &waits->first;
    if (!asked->waits)
        return;
    while (*at != asked)
        at = &(*at)->next_waiting;
    *at = asked->next_waiting;
    asked->waits = false;
}

void pq_waits_wake(struct pq_waits *waits)
{
    while (waits->first) {
        struct pq_asked *asked = waits->first;
        pq_wait_forget(waits, asked);
        MHD_resume_connection(asked->connection);
    }
}

int64_t pq_waits_beat(struct pq_waits *waits, int64_t now)
{
    int64_t next = -1;
    bool due = false;
    for (const struct pq_asked *a = waits->first; a; a = a->next_waiting) {
        const int64_t left = PQ_MAX(a->wait_until_ms - now, 0);
        due |= left == 0;
        next = next < 0 ? left : PQ_MIN(next, left);
    }
    if (due)
        pq_waits_wake(waits);
    return due ? 0 : next;
}

void pq_waits_close(struct pq_waits *waits)
{
    waits->closing = true;
    pq_waits_wake(waits);
}
