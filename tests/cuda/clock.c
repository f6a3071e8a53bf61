/* SPDX-License-Identifier: MIT */
/* Vector clocks, Fidge 1988 and Mattern 1989: what happened before what, whatever the timing. */
#include "inner.h"

struct si_clock si_host;

/* Whose component it is, and the time it has reached. */
static struct si_stream *owners[SI_CLOCKS];
static uint64_t reached[SI_CLOCKS];

void si_clock_join(struct si_clock *clock, const struct si_clock *seen)
{
    for (int i = 0; i < SI_CLOCKS; i++)
        if (clock->at[i] < seen->at[i])
            clock->at[i] = seen->at[i];
}

uint64_t si_host_tick(void)
{
    return ++si_host.at[SI_HOST];
}

/* A stream that is gone gives its component to another once the host knows that all it did to
 * memory is done: then all that the other does is after it indeed. */
static bool is_free(int slot)
{
    const struct si_stream *s = owners[slot];
    return !s || (s->thing.dead && si_host.at[slot] >= s->touched);
}

bool si_clock_take(struct si_stream *stream)
{
    for (int slot = SI_HOST + 1; slot < SI_CLOCKS; slot++) {
        if (!is_free(slot))
            continue;
        if (owners[slot])
            reached[slot] = owners[slot]->time;
        owners[slot] = stream;
        stream->slot = slot;
        stream->time = stream->done = stream->need = reached[slot];
        return true;
    }
    si_fault("%s: more than %d streams that the host never waited for", si_call_name(),
             SI_CLOCKS - 1);
    return false;
}

void si_clocks_reset(void)
{
    memset(&si_host, 0, sizeof si_host);
    memset(owners, 0, sizeof owners);
    memset(reached, 0, sizeof reached);
}
