/* SPDX-License-Identifier: MIT */
/* The rows of a picture that a stage still needs: rows [first, end) of some fixed size, where row y
 * lies in slot y mod capacity.
 *
 *     dropped | first ... end | not yet there
 *
 * Thread-safety: rows may be read and written from several threads; everything else from one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "upscale/stage.h"

struct pq_ring {
    unsigned char *data; /* capacity rows */
    size_t row_bytes;
    int capacity;
    int64_t first, end;
    const pique_allocator *allocator;
};

/* Room for `capacity` rows. {0} is an empty ring that may be freed. allocator is borrowed as long
 * as the ring lives; may be NULL. */
int pq_ring_init(struct pq_ring *ring, const pique_allocator *allocator, size_t row_bytes,
                 int capacity, pique_error *err);
void pq_ring_free(struct pq_ring *ring);

/* Row y, first <= y < end. */
static inline void *pq_ring_row(const struct pq_ring *ring, int64_t y)
{
    return ring->data + (size_t)(y % ring->capacity) * ring->row_bytes;
}

/* Add one row at the end, not initialised; grows where there is no room. */
int pq_ring_push(struct pq_ring *ring, void **row, pique_error *err);
/* Forget the rows above y. */
void pq_ring_drop(struct pq_ring *ring, int64_t y);
/* Read rows of `in` until row y1-1 is there. A row of the ring must be at least a row of `in`. */
int pq_ring_pull(struct pq_ring *ring, struct pq_stage *in, int64_t y1, pique_error *err);

/* Bytes of one row of floats. PIQUE_ENOMEM where they cannot be counted. */
int pq_row_floats_bytes(int width, int planes, size_t *bytes, pique_error *err);
