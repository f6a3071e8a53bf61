/* SPDX-License-Identifier: MIT */
/* From the folder in which a result was made to the folder of results, under a name that nothing
 * has: "film.mkv", or "film (2).mkv". What lies beside it (the report, kept frames) comes along. */
#pragma once

#include "job/store.h"

/* Whether a path that was told lies in the folder, as it is written and without "..". */
bool pq_is_made_in(const char *path, const char *folder);

/* Before the work: whether what is made in the work folder, which is there, could be moved.
 * PIQUE_ECREATE where a link or a mount leads to another disk. */
int pq_deliver_check(const struct pq_store *store, const struct pq_entry *entry, pique_error *err);

/* entry->output lies below its work folder; on success it is where the result stands, the result
 * object has its name and whether it is a folder, and the work folder is gone.
 * PIQUE_EIO, PIQUE_ENOSPC and others as the system says. With the store's lock held. */
int pq_deliver(struct pq_store *store, struct pq_entry *entry, pique_error *err);

/* Deliver once more what is said to be done and still lies where it was made: a loss of power may
 * have undone the move. For pq_store_open(). */
void pq_deliver_lost(struct pq_store *store);
