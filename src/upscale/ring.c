/* SPDX-License-Identifier: MIT */
#include "upscale/ring.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "base/alloc.h"

int pq_ring_init(struct pq_ring *ring, const pique_allocator *allocator, size_t row_bytes,
                 int capacity, pique_error *err)
{
    assert(capacity > 0);
    *ring = (struct pq_ring){.row_bytes = row_bytes, .capacity = capacity, .allocator = allocator};
    size_t bytes;
    if (!pq_mul_size(row_bytes, (size_t)capacity, &bytes))
        return pq_fail_nomem(err, ULLONG_MAX);
    ring->data = pq_big_alloc(allocator, bytes);
    return ring->data ? 0 : pq_fail_nomem(err, bytes);
}

void pq_ring_free(struct pq_ring *ring)
{
    pq_big_free(ring->allocator, ring->data);
    *ring = (struct pq_ring){0};
}

static int grow(struct pq_ring *ring, pique_error *err)
{
    struct pq_ring wider;
    if (ring->capacity > INT_MAX / 2)
        return pq_fail_nomem(err, ULLONG_MAX);
    int rc = pq_ring_init(&wider, ring->allocator, ring->row_bytes, ring->capacity * 2, err);
    if (rc)
        return rc;
    wider.first = ring->first;
    wider.end = ring->end;
    for (int64_t y = ring->first; y < ring->end; y++)
        memcpy(pq_ring_row(&wider, y), pq_ring_row(ring, y), ring->row_bytes);
    pq_big_free(ring->allocator, ring->data);
    *ring = wider;
    return 0;
}

int pq_ring_push(struct pq_ring *ring, void **row, pique_error *err)
{
    if (ring->end - ring->first == ring->capacity) {
        int rc = grow(ring, err);
        if (rc)
            return rc;
    }
    *row = pq_ring_row(ring, ring->end++);
    return 0;
}

void pq_ring_drop(struct pq_ring *ring, int64_t y)
{
    if (y > ring->end)
        y = ring->end;
    if (y > ring->first)
        ring->first = y;
}

int pq_ring_pull(struct pq_ring *ring, struct pq_stage *in, int64_t y1, pique_error *err)
{
    assert(y1 <= in->height);
    while (ring->end < y1) {
        if (ring->end - ring->first == ring->capacity) {
            int rc = grow(ring, err);
            if (rc)
                return rc;
        }
        /* As many as lie in one piece: up to the end of the ring's memory, and only into slots
         * that are free. */
        int64_t n = PQ_MIN(y1 - ring->end, ring->capacity - (ring->end - ring->first));
        n = PQ_MIN(n, ring->capacity - ring->end % ring->capacity);
        int rc = in->read(in, (int)n, pq_ring_row(ring, ring->end), err);
        if (rc)
            return rc;
        ring->end += n;
    }
    return 0;
}

int pq_row_floats_bytes(int width, int planes, size_t *bytes, pique_error *err)
{
    if (!pq_mul_size((size_t)width, (size_t)planes * sizeof(float), bytes))
        return pq_fail_nomem(err, ULLONG_MAX);
    return 0;
}
