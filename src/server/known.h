/* SPDX-License-Identifier: MIT */
/* A text that takes long to find out, and is the same from then on: found by a thread of its own
 * when it is first asked for, so that nobody waits. What could not be found is not looked for again
 * at once.
 *
 * Thread-safety: safe, but for init and free. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum pq_known_state { PQ_KNOWN_UNASKED, PQ_KNOWN_SOUGHT, PQ_KNOWN_HERE, PQ_KNOWN_FAILED };

struct pq_known {
    pthread_mutex_t lock; /* guards the rest */
    char *(*find)(void);  /* as it is asked for; pq_free()d. NULL: it is not to be had */
    void (*found)(
        void *user); /* by the thread, without the lock, when there is an answer; or NULL */
    void *user;
    enum pq_known_state state;
    bool has_thread, closed;
    pthread_t thread;
    int64_t failed_ms;
    char *text;
};

void pq_known_init(struct pq_known *known, char *(*find)(void), void (*found)(void *user),
                   void *user);
/* Wait for the thread; there is none any more, while others may still ask. */
void pq_known_close(struct pq_known *known);
/* The same, when nobody asks any more. All zero is fine. */
void pq_known_free(struct pq_known *known);
/* HERE with a copy in *text, which pq_free()s whoever asked (NULL: out of memory); SOUGHT: later;
 * FAILED. */
enum pq_known_state pq_known_ask(struct pq_known *known, char **text);
