/* SPDX-License-Identifier: MIT */
#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>

#include "base/alloc.h"

static const int watched[] = {SIGINT, SIGTERM, SIGHUP};
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

/* The first of these signals ends the run cleanly; the second one of its kind kills, as ever. A
 * pipe that nobody reads any more is an error of writing. */
void pq_watch_signals(pique_cancel *cancel)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    signal_token = cancel;
    for (size_t i = 0; i < PQ_COUNT(watched); i++)
        watch_signal(watched[i]);
    sigaction(SIGPIPE, &ignore, NULL);
}

/* Before the token is freed. What comes now kills, and leaves nothing half-written. */
void pq_unwatch_signals(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, now;
    for (size_t i = 0; i < PQ_COUNT(watched); i++) {
        if (sigaction(watched[i], NULL, &now) == 0 && now.sa_handler == on_signal)
            sigaction(watched[i], &usual, NULL);
    }
    signal_token = NULL;
}
