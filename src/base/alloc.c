/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fault.h"

void *pq_malloc(size_t bytes)
{
    return pq_fault(PQ_FAULT_ALLOC) ? NULL : malloc(bytes ? bytes : 1);
}

void *pq_calloc(size_t count, size_t bytes)
{
    size_t total;
    if (!pq_mul_size(count, bytes, &total) || pq_fault(PQ_FAULT_ALLOC))
        return NULL;
    return calloc(1, total ? total : 1);
}

void *pq_realloc(void *memory, size_t bytes)
{
    return pq_fault(PQ_FAULT_ALLOC) ? NULL : realloc(memory, bytes ? bytes : 1);
}

void *pq_realloc_array(void *memory, size_t count, size_t bytes)
{
    size_t total;
    return pq_mul_size(count, bytes, &total) ? pq_realloc(memory, total) : NULL;
}

void *pq_grown(void *list, size_t count, size_t *capacity, size_t bytes)
{
    if (count < *capacity)
        return list;
    size_t more = *capacity ? *capacity * 2 : 32;
    void *larger = more > *capacity ? pq_realloc_array(list, more, bytes) : NULL;
    if (larger)
        *capacity = more;
    return larger;
}

void pq_free(void *memory)
{
    free(memory);
}

char *pq_strndup(const char *text, size_t n)
{
    n = strnlen(text, n);
    char *copy = pq_malloc(n + 1);
    if (copy) {
        memcpy(copy, text, n);
        copy[n] = '\0';
    }
    return copy;
}

char *pq_strdup(const char *text)
{
    return pq_strndup(text, strlen(text));
}

/* Line buffers are walked through in dozens of places at once, more than there are entries for
 * pages of 4 KiB. Where the system has no large pages, nothing is lost. */
static void *in_large_pages(void *memory, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t page = (uintptr_t)2 << 20, first = ((uintptr_t)memory + page - 1) & ~(page - 1);
    const uintptr_t end = ((uintptr_t)memory + bytes) & ~(page - 1);
    if (memory && first < end)
        madvise((void *)first, end - first, MADV_HUGEPAGE);
#endif
    return memory;
}

void *pq_big_alloc(const pique_allocator *allocator, size_t bytes)
{
    enum { ALIGN = 64 };
    size_t padded;
    if (!pq_add_size(bytes ? bytes : 1, ALIGN - 1, &padded) || pq_fault(PQ_FAULT_ALLOC))
        return NULL;
    padded &= ~(size_t)(ALIGN - 1);
    if (allocator && allocator->alloc)
        return allocator->alloc(allocator->user, padded, ALIGN);
    return in_large_pages(aligned_alloc(ALIGN, padded), padded);
}

void pq_big_free(const pique_allocator *allocator, void *memory)
{
    if (!memory)
        return;
    if (allocator && allocator->alloc)
        allocator->free(allocator->user, memory);
    else
        free(memory);
}
