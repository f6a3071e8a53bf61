/* SPDX-License-Identifier: MIT */
/* Reader for zip archives whose entries are stored as they are, which is how PyTorch writes what a
 * model needs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"

struct pq_zip_entry {
    const char *name; /* lies in the file; not terminated */
    size_t name_bytes;
    uint64_t header;       /* where its local header starts */
    uint64_t offset, size; /* of its data in the file, once pq_zip_check() said so */
    uint64_t packed;       /* differs from size where method is not 0 */
    uint32_t crc;
    unsigned method;
    unsigned flags;
    bool checked; /* pq_zip_check() found the data to fit crc */
};

/* Entries are views of the map, which must stay open. */
struct pq_zip {
    struct pq_zip_entry *entries; /* in the order of their names, capitals like small letters */
    size_t count;
};

/* Read the directory of an open archive and hold every header against it. On failure *zip is
 * empty. */
int pq_zip_open(const struct pq_map *map, struct pq_zip *zip, pique_error *err);
void pq_zip_close(struct pq_zip *zip); /* {0} is fine */

/* The entry of exactly this name, or NULL. */
struct pq_zip_entry *pq_zip_find(const struct pq_zip *zip, const char *name, size_t name_bytes);

/* Whether the data of an entry can be taken as it lies: PIQUE_EUNSUPPORTED where it is packed,
 * PIQUE_EFORMAT where it is not what was written. Computed once an entry. */
int pq_zip_check(const struct pq_map *map, struct pq_zip_entry *entry, pique_error *err);
