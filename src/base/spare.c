/* SPDX-License-Identifier: MIT */
#include "base/spare.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/alloc.h"

struct pq_spare {
    pthread_mutex_t lock; /* guards the rest */
    struct pq_block kept;
    pique_allocator allocator; /* whose it is; size 0: ours */
};

int pq_spare_new(struct pq_spare **out, pique_error *err)
{
    *out = pq_calloc(1, sizeof **out);
    if (!*out)
        return pq_fail_nomem(err, sizeof **out);
    pthread_mutex_init(&(*out)->lock, NULL);
    return 0;
}

static void free_kept(struct pq_spare *spare)
{
    pq_big_free(&spare->allocator, spare->kept.data);
    spare->kept = (struct pq_block){0};
}

void pq_spare_free(struct pq_spare **spare)
{
    if (!*spare)
        return;
    free_kept(*spare);
    pthread_mutex_destroy(&(*spare)->lock);
    pq_free(*spare);
    *spare = NULL;
}

void pq_spare_clear(struct pq_spare *spare)
{
    if (!spare)
        return;
    pthread_mutex_lock(&spare->lock);
    free_kept(spare);
    pthread_mutex_unlock(&spare->lock);
}

/* Where nobody named an allocator, or one without functions, it is ours. */
static pique_allocator allocator_of(const pique_allocator *a)
{
    return a && a->alloc ? *a : (pique_allocator){0};
}

static bool same_allocator(const pique_allocator *a, const pique_allocator *b)
{
    return a->alloc == b->alloc && a->free == b->free && a->user == b->user;
}

/* No more than an eighth of it would lie idle. */
static bool fits(const struct pq_spare *spare, const pique_allocator *allocator, size_t bytes)
{
    return spare->kept.data && spare->kept.bytes >= bytes &&
           spare->kept.bytes - bytes <= bytes / 8 && same_allocator(&spare->allocator, allocator);
}

struct pq_block pq_spare_take(struct pq_spare *spare, const pique_allocator *allocator,
                              size_t bytes)
{
    struct pq_block block = {.bytes = bytes};
    if (spare) {
        const pique_allocator a = allocator_of(allocator);
        pthread_mutex_lock(&spare->lock);
        if (fits(spare, &a, bytes)) {
            block = spare->kept;
            spare->kept = (struct pq_block){0};
        } else {
            free_kept(spare);
        }
        pthread_mutex_unlock(&spare->lock);
    }
    if (!block.data)
        block.data = pq_big_alloc(allocator, bytes);
    return block;
}

/* Of our own memory, not of the caller's. */
static void let_pages_go(const struct pq_block *block)
{
#ifdef MADV_FREE
    const uintptr_t page = 4096, first = ((uintptr_t)block->data + page - 1) & ~(page - 1);
    const uintptr_t end = ((uintptr_t)block->data + block->bytes) & ~(page - 1);
    if (first < end)
        madvise((void *)first, end - first, MADV_FREE);
#endif
}

void pq_spare_put(struct pq_spare *spare, const pique_allocator *allocator, struct pq_block block)
{
    if (spare && block.data) {
        const pique_allocator a = allocator_of(allocator);
        pthread_mutex_lock(&spare->lock);
        if (block.bytes > spare->kept.bytes) {
            if (!a.alloc)
                let_pages_go(&block);
            const struct pq_block before = spare->kept;
            const pique_allocator its = spare->allocator;
            spare->kept = block;
            spare->allocator = a;
            pq_big_free(&its, before.data);
            block.data = NULL;
        }
        pthread_mutex_unlock(&spare->lock);
    }
    pq_big_free(allocator, block.data);
}
