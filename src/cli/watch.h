/* SPDX-License-Identifier: MIT */
/* A models folder kept in view by a process that runs long: what is added, changed and removed.
 *
 * A file appears once it is whole: nobody has it open for writing, and it stayed as it is for a
 * moment. inotify says when to look; where there is none, or on a file system that does not tell,
 * we look every second. Which of the two it is changes nothing but the delay.
 * Thread-safety: one call at a time. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "cli/shelf.h"

struct pq_watch;

enum pq_watch_kind { PQ_WATCH_ADDED, PQ_WATCH_CHANGED, PQ_WATCH_REMOVED };

/* file lives until the call returns. */
typedef void pq_watch_fn(void *user, enum pq_watch_kind kind, const struct pq_shelf_file *file);

/* The folder may be missing and may come and go. poll_only: without inotify. */
int pq_watch_open(const char *folder, bool poll_only, struct pq_watch **out, pique_error *err);

/* Wait at most so long, until something has happened or a signal comes, and tell all that has. The
 * first call tells all that is there as added, but for what is not whole.
 * @return 0; PIQUE_ENOMEM, then nothing is lost: the next call tells it. */
int pq_watch_step(struct pq_watch *w, int timeout_ms, pq_watch_fn *tell, void *user,
                  pique_error *err);

/* What was told to be there. Valid until the next step. */
const struct pq_shelf *pq_watch_shelf(const struct pq_watch *w);
/* For poll() of a caller with other things to wait for: readable where a step has something to do;
 * -1 where there is nothing to wait for but time. */
int pq_watch_fd(const struct pq_watch *w);
/* Whether something is there that may be whole soon: call a step within so many milliseconds. */
int pq_watch_due_ms(const struct pq_watch *w);

/* Close and set *w to NULL. &{NULL} is fine. */
void pq_watch_close(struct pq_watch **w);
