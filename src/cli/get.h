/* SPDX-License-Identifier: MIT */
/* One file from an https address into its place, by curl; what was interrupted goes on where it
 * stopped. Thread-safety: from one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/sha256.h"
#include "cli/tell.h"

/* https alone, also where an address leads on; a connection that stalls is given up; no pattern
 * is made of an address. */
#define PQ_CURL                                                                                    \
    "curl", "--fail", "--silent", "--location", "--globoff", "--proto", "=https", "--proto-redir", \
        "=https", "--connect-timeout", "10", "--speed-limit", "1000", "--speed-time", "30"

/* What curl's exit status means, for the statuses that people meet. */
const char *pq_curl_reason(int status);

/* Names in the models folder of what is not whole yet: this begin, 16 hex digits, ".part" for the
 * bytes and ".json" for what is known of them. */
#define PQ_PART_BEGIN ".fetch-"

struct pq_get {
    const char *url;
    const char *what;   /* what it is called when we speak of it */
    const char *folder; /* where the part lies meanwhile; exists, and is locked */
    const char *path;   /* where the file belongs, in an existing folder */
    const char *sha256; /* what the sum must be, or NULL */
    uint64_t bytes;     /* what the size must be, or 0 */
    uint64_t most;      /* more than that is no such file */
    const struct pq_tell *tell;
    /* A last look at the whole file, or NULL; PIQUE_E* refuses it and removes it. */
    int (*look)(void *user, const char *path, pique_error *err);
    void *look_user;

    /* Set by pq_get_file(). */
    bool here;           /* the file has its name */
    int curl_status;     /* where it is not: why, as curl says; PQ_CHILD_MISSING */
    uint64_t resumed_at; /* bytes that were there from an earlier try */
    uint64_t got;        /* bytes of the whole file */
    char sum[PQ_SHA256_HEX];
};

/* Get it. The part is kept where the transfer broke off or we are interrupted, and removed where
 * it cannot become the file.
 * @return 0 and here, or 0 and not here where the host does not give it; PIQUE_EFORMAT it is not
 * the file that it should be; PIQUE_ECANCELED interrupted; trouble with our own disk or memory. */
int pq_get_file(struct pq_get *g, pique_error *err);
