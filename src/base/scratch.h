/* SPDX-License-Identifier: MIT */
/* Memory that lies in a file without a name, for what is larger than memory should hold. The system
 * keeps in memory what fits, and writes out the rest. Thread-safety: as plain memory. */
#pragma once

#include <stddef.h>

#include "base/error.h"

struct pq_scratch {
    void *data;
    size_t bytes;
};

/* The file lies in $TMPDIR, else in /var/tmp, and its whole size is taken from the disk at once, so
 * that a disk that is full says so here. PIQUE_ENOSPC and a sentence with the folder and the size,
 * whatever the reason but memory for the map, which is PIQUE_ENOMEM. */
int pq_scratch_open(size_t bytes, struct pq_scratch *out, pique_error *err);
void pq_scratch_close(struct pq_scratch *s);
