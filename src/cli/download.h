/* SPDX-License-Identifier: MIT */
/* The files of a plan, from the network into the models folder. Thread-safety: from one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/catalogue.h"
#include "cli/sums.h"
#include "cli/tell.h"

/* A file whose size nobody has told may have so many bytes: the largest that people use have a
 * third of that. */
#define PQ_FETCH_MOST ((uint64_t)4 << 30)

enum pq_fetch_source { PQ_FROM_BOTH, PQ_FROM_UPSTREAM, PQ_FROM_NPM };

struct pq_fetch_item {
    const struct pq_catalogue_entry *entry;
    const struct pq_catalogue_variant *variant;
    const struct pq_catalogue_file *file;
    char *path;         /* where it belongs */
    const char *sha256; /* what its sum must be: of the catalogue, of the user, or of the first
                           time; NULL: nobody knows */
    bool here;
};

struct pq_fetch {
    char *folder; /* of the models */
    struct pq_fetch_item *items;
    size_t count, capacity;
    enum pq_fetch_source source;
    const char *given_sum; /* by the user, for the one file; or NULL */
    const char *bad_host;  /* did not answer; do not wait for it again */
    size_t bad_host_length;
    char *temp; /* the unpacked package, or NULL */
    struct pq_tell tell;
    struct pq_sums sums; /* remembered; those that are new are written by pq_download() */
};

/* What its sum must be, and whether the file is there with it, as far as that is known. */
void pq_fetch_find(const struct pq_fetch *f, struct pq_fetch_item *item);

/* Get all items that are not here, under a lock on the folder, and say what came from where.
 * Interrupted, it leaves what the next try goes on with.
 * Waits for another process that is at it, and gets what is missing after that.
 * @return 0; PIQUE_EIO no network; PIQUE_EFORMAT wrong files; PIQUE_ENOSPC; PIQUE_ECREATE;
 * PIQUE_ECANCELED interrupted; PIQUE_ENOMEM. */
int pq_download(struct pq_fetch *f, pique_error *err);

/* Lock the models folder, and say where another process must be waited for, which *waited tells. */
int pq_models_lock(const char *folder, const struct pq_tell *tell, struct pq_file *lock,
                   bool *waited, pique_error *err);

/* For package.c. */
void pq_fetch_tell_file(const struct pq_fetch *f, const struct pq_fetch_item *item, uint64_t bytes,
                        const char *sha256, const char *source, uint64_t resumed_at);
int pq_fetch_make_folder(const struct pq_fetch_item *item, pique_error *err);
