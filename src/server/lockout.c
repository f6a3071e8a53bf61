/* SPDX-License-Identifier: MIT */
#include "server/lockout.h"

#include <sodium.h>
#include <string.h>

bool pq_lockout_is_locked(const struct pq_lockout *lockout, uint64_t address, int64_t now_ms)
{
    for (size_t i = 0; i < PQ_GUESSERS; i++) {
        if (lockout->guessers[i].address == address)
            return lockout->guessers[i].locked_ms > now_ms;
    }
    return false;
}

/* The entry of an address; a new one takes the place of the one that was quiet for longest. */
static struct pq_guesser *guesser_of(struct pq_lockout *lockout, uint64_t address)
{
    struct pq_guesser *oldest = &lockout->guessers[0];
    for (size_t i = 0; i < PQ_GUESSERS; i++) {
        struct pq_guesser *g = &lockout->guessers[i];
        if (g->address == address)
            return g;
        if (g->touched_ms < oldest->touched_ms)
            oldest = g;
    }
    memset(oldest, 0, sizeof *oldest);
    oldest->address = address;
    return oldest;
}

bool pq_lockout_wrong(struct pq_lockout *lockout, uint64_t address, const char *guess,
                      size_t length, int64_t now_ms)
{
    struct pq_guesser *g = guesser_of(lockout, address);
    struct pq_guess *oldest = &g->guesses[0];
    unsigned char hash[PQ_GUESS_HASH];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)guess, length, NULL, 0);
    g->touched_ms = now_ms;
    for (size_t i = 0; i < PQ_GUESSES; i++) {
        struct pq_guess *known = &g->guesses[i];
        if (known->at_ms && memcmp(known->hash, hash, sizeof hash) == 0)
            return g->locked_ms > now_ms;
        if (known->at_ms < oldest->at_ms)
            oldest = known;
    }
    memcpy(oldest->hash, hash, sizeof hash);
    oldest->at_ms = now_ms;
    size_t recent = 0;
    for (size_t i = 0; i < PQ_GUESSES; i++)
        recent += g->guesses[i].at_ms > 0 && g->guesses[i].at_ms > now_ms - PQ_LOCKOUT_MS;
    if (recent == PQ_GUESSES) {
        g->locked_ms = now_ms + PQ_LOCKOUT_MS;
        for (size_t i = 0; i < PQ_GUESSES; i++)
            g->guesses[i].at_ms = 0; /* counting begins anew */
    }
    return g->locked_ms > now_ms;
}
