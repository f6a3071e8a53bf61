/* SPDX-License-Identifier: MIT */
/* Every allocation of the library and the program passes here, so that a test can fail any one of
 * them (fault.h). Thread-safety: safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "pique/engine.h"

/* As the C library's; a size of 0 yields one byte. free(NULL) is fine. */
void *pq_malloc(size_t bytes);
void *pq_calloc(size_t count, size_t bytes); /* checked product, zeroed */
void *pq_realloc(void *memory, size_t bytes);
void *pq_realloc_array(void *memory, size_t count, size_t bytes); /* checked product */
/* A list with room for one item more than count: list itself, or a larger copy in its place and
 * *capacity set. NULL: out of memory, list is as it was. */
void *pq_grown(void *list, size_t count, size_t *capacity, size_t bytes);
void pq_free(void *memory);
char *pq_strdup(const char *text);
char *pq_strndup(const char *text, size_t n);

/* Large buffers: at a multiple of 64 bytes, not zeroed, from the caller's allocator where one is
 * given, else from ours. Free with the same allocator. */
void *pq_big_alloc(const pique_allocator *allocator, size_t bytes);
void pq_big_free(const pique_allocator *allocator, void *memory);

/* Sizes from outside: false where the result does not fit. */
static inline bool pq_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool pq_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

#define PQ_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define PQ_MAX(a, b)    ((a) > (b) ? (a) : (b))
#define PQ_COUNT(array) (sizeof(array) / sizeof *(array))
