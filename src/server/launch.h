/* SPDX-License-Identifier: MIT */
/* Words that "/?launch=WORD" takes once: how a browser that was opened by the server gets the token
 * without it standing in an address. The last few that were given out are good.
 *
 * Thread-safety: safe. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { PQ_LAUNCH_LENGTH = 32, PQ_LAUNCH_WORDS = 8 };

struct pq_launch {
    pthread_mutex_t lock;                              /* guards the rest */
    char words[PQ_LAUNCH_WORDS][PQ_LAUNCH_LENGTH + 1]; /* "": none, or used */
    size_t next;
};

void pq_launch_init(struct pq_launch *launch);
void pq_launch_destroy(struct pq_launch *launch);
/* A new word; out has 33 bytes. */
void pq_launch_new(struct pq_launch *launch, char *out);
/* Whether it was good; it is not any more. */
bool pq_launch_take(struct pq_launch *launch, const char *word);
