/* SPDX-License-Identifier: MIT */
/* Who guesses tokens is not heard for a minute: ten different wrong ones within a minute, from one
 * address. The same wrong one again is no new guess: a page that stayed open over a restart brings
 * its old cookie with all it asks.
 *
 * Thread-safety: one call at a time. Times are of a clock that only goes forward. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PQ_GUESSES = 10, PQ_GUESSERS = 16, PQ_GUESS_HASH = 16, PQ_LOCKOUT_MS = 60 * 1000 };

struct pq_guesser {
    uint64_t address;   /* any number that stands for one; 0: free */
    int64_t locked_ms;  /* not heard until then */
    int64_t touched_ms; /* the one that was quiet for longest makes room */
    struct pq_guess {
        int64_t at_ms; /* 0: free */
        unsigned char hash[PQ_GUESS_HASH];
    } guesses[PQ_GUESSES];
};

/* Start with {0}. */
struct pq_lockout {
    struct pq_guesser guessers[PQ_GUESSERS];
};

bool pq_lockout_is_locked(const struct pq_lockout *lockout, uint64_t address, int64_t now_ms);
/* Remember a wrong token. Returns whether its address is locked out now. */
bool pq_lockout_wrong(struct pq_lockout *lockout, uint64_t address, const char *guess,
                      size_t length, int64_t now_ms);
