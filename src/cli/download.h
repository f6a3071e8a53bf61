/* SPDX-License-Identifier: MIT */
/* The files of a plan, from the network into the models folder. Thread-safety: from one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/catalogue.h"

enum pq_fetch_source { PQ_FROM_BOTH, PQ_FROM_UPSTREAM, PQ_FROM_NPM };

struct pq_fetch_item {
    const struct pq_catalogue_entry *entry;
    const struct pq_catalogue_variant *variant;
    const struct pq_catalogue_file *file;
    char *path; /* where it belongs */
    bool here;
};

struct pq_fetch {
    char *folder; /* of the models */
    struct pq_fetch_item *items;
    size_t count, capacity;
    enum pq_fetch_source source;
    const char *bad_host; /* did not answer; do not wait for it again */
    size_t bad_host_length;
    char *temp;    /* the unpacked package, or NULL */
    bool terminal; /* progress is shown */
};

/* Get all items that are not here, under a lock on the folder. Says on standard output what came
 * from where. Interrupted, it leaves no part of a file.
 * @return 0; PIQUE_EIO no network; PIQUE_EFORMAT wrong files; PIQUE_EEXIST another process is at
 * it; PIQUE_ENOSPC; PIQUE_ECREATE; PIQUE_ECANCELED interrupted; PIQUE_ENOMEM. */
int pq_download(struct pq_fetch *f, pique_error *err);
