/* SPDX-License-Identifier: MIT */
/* Another program run by us: arguments as they are, never a shell; its output through a pipe; and
 * ended with us, whatever ends us. Thread-safety: from one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/file.h"

struct pq_child {
    pid_t pid;          /* 0: none */
    struct pq_file out; /* what it writes to its standard output */
};

/* What pq_child_wait() says of a program that is not installed. */
enum { PQ_CHILD_MISSING = 127 };

/* Between these two calls SIGINT, SIGTERM and SIGHUP only set a mark, so that we can tidy up. */
void pq_interrupt_begin(void);
void pq_interrupt_end(void);
bool pq_interrupted(void);

/* Start argv[0], found in $PATH, in a folder (NULL: ours). argv ends with NULL. */
int pq_child_start(const char *const argv[], const char *folder, struct pq_child *child,
                   pique_error *err);

/* Start one that outlives us: what the desktop opens an address with. That it could not be started
 * is all that is heard of it. */
int pq_child_leave(const char *const argv[], pique_error *err);

/* Called while we wait, several times a second. */
typedef void pq_child_tick(void *context);

/* Read what the program writes, at most size bytes. *got is 0 at the end.
 * PIQUE_ECANCELED where we were interrupted. */
int pq_child_read(struct pq_child *child, void *data, size_t size, size_t *got, pq_child_tick *tick,
                  void *context, pique_error *err);

/* The same, but what has come is enough: as soon as there is something. */
int pq_child_read_some(struct pq_child *child, void *data, size_t size, size_t *got,
                       pq_child_tick *tick, void *context, pique_error *err);

/* Wait for its end after its output ended, or end it where kill is set. Its exit status; 128 + a
 * signal. child is empty after. */
int pq_child_wait(struct pq_child *child, bool kill);
