/* SPDX-License-Identifier: MIT */
/* Requests whose answer is not there yet: their connection is suspended, and their route is asked
 * again when somebody says that something has changed, and now and then. Thread-safety: one call at
 * a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pq_asked;

struct pq_waits {
    struct pq_asked *first;
    bool closing;
};

/* Let the request wait; false where it has waited long enough. */
bool pq_wait_begin(struct pq_waits *waits, struct pq_asked *asked, int64_t now_ms);
/* It ends, whether it waits or not. */
void pq_wait_forget(struct pq_waits *waits, struct pq_asked *asked);
/* Ask all of them again. */
void pq_waits_wake(struct pq_waits *waits);
/* The same where the time for it has come. Milliseconds until then; -1: nobody waits. */
int64_t pq_waits_beat(struct pq_waits *waits, int64_t now_ms);
/* Nobody waits any more. */
void pq_waits_close(struct pq_waits *waits);
