/* SPDX-License-Identifier: MIT */
/* Sums of files whose right sum nobody has told: what they were the first time, remembered in the
 * models folder (".sums.json"), so that another file under the same name is noticed. Thread-safety:
 * from one thread. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct pq_sums {
    char *path;
    json_t *record; /* {"files": {NAME: {"sha256", "bytes", "url"}}} */
    bool damaged;   /* the file was there and could not be used */
};

int pq_sums_open(struct pq_sums *s, const char *folder, pique_error *err);
/* The sum of a file by its name below the models folder, or NULL. Lives until it is set anew. */
const char *pq_sums_find(const struct pq_sums *s, const char *name);
/* The name after one (NULL: the first), in no order; NULL: no more. */
const char *pq_sums_next(const struct pq_sums *s, const char *name);
/* Where it came from, or NULL. */
const char *pq_sums_url(const struct pq_sums *s, const char *name);
/* Remember, on the disk too; url may be NULL. */
int pq_sums_set(struct pq_sums *s, const char *name, const char *sha256, uint64_t bytes,
                const char *url, pique_error *err);
void pq_sums_close(struct pq_sums *s);
