/* SPDX-License-Identifier: MIT */
#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>

#include "base/alloc.h"

static pique_cancel *signal_token;

static void on_signal(int number)
{
    (void)number;
    pique_cancel_set(signal_token);
}

/* A signal that whoever started us had ignored stays ignored. */
static void watch_signal(int number)
{
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    struct sigaction before;
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &stop, NULL);
}

/* The first SIGINT or SIGTERM ends the run cleanly; the second one of its kind kills, as ever. A
 * pipe that nobody reads any more is an error of writing. */
void pq_watch_signals(pique_cancel *cancel)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    signal_token = cancel;
    watch_signal(SIGINT);
    watch_signal(SIGTERM);
    sigaction(SIGPIPE, &ignore, NULL);
}

/* Before the token is freed. What comes now kills, and leaves nothing half-written. */
void pq_unwatch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    struct sigaction usual = {.sa_handler = SIG_DFL}, now;
    for (size_t i = 0; i < PQ_COUNT(numbers); i++) {
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler == on_signal)
            sigaction(numbers[i], &usual, NULL);
    }
    signal_token = NULL;
}
