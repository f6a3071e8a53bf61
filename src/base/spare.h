/* SPDX-License-Identifier: MIT */
/* A large block that is not in use, kept for the next one of about its size. The pages of a fresh
 * one are cleared by the system when they are touched first, and where a network keeps whole maps
 * that is hundreds of megabytes for each picture. While a block is kept the system may take its
 * pages, if it is short of memory. Thread-safety: safe. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "pique/engine.h"

struct pq_spare;

/* As much as was asked for, or somewhat more. */
struct pq_block {
    void *data; /* at a multiple of 64 bytes, not zeroed */
    size_t bytes;
};

int pq_spare_new(struct pq_spare **out, pique_error *err);
/* All blocks have been put back. */
void pq_spare_free(struct pq_spare **spare);

/* Free what is kept: before the caller's allocator goes. spare may be NULL. */
void pq_spare_clear(struct pq_spare *spare);

/* What is kept, where it fits; else it is freed, and the block is a new one of the allocator
 * (pq_big_alloc). So no more than one block is ever kept, and none while a new one is taken. data
 * is NULL out of memory. spare NULL: nothing is kept. */
struct pq_block pq_spare_take(struct pq_spare *spare, const pique_allocator *allocator,
                              size_t bytes);
/* Keep a block, or free it where a larger one is kept. data may be NULL. */
void pq_spare_put(struct pq_spare *spare, const pique_allocator *allocator, struct pq_block block);
