/* SPDX-License-Identifier: MIT */
#include "cli/meter.h"

#include <string.h>

#include "base/alloc.h"

enum { HEAD = 64 }; /* before each block: its size; keeps the block at a multiple of as much */

static void *meter_alloc(void *user, size_t bytes, size_t align)
{
    struct pq_meter *m = user;
    size_t all;
    if (align > HEAD || !pq_add_size(bytes, HEAD, &all))
        return NULL;
    unsigned char *block = pq_big_alloc(NULL, all);
    if (!block)
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    pthread_mutex_lock(&m->lock);
    m->now += bytes;
    m->peak = PQ_MAX(m->peak, m->now);
    pthread_mutex_unlock(&m->lock);
    return block + HEAD;
}

static void meter_free(void *user, void *memory)
{
    struct pq_meter *m = user;
    size_t bytes;
    if (!memory)
        return;
    unsigned char *block = (unsigned char *)memory - HEAD;
    memcpy(&bytes, block, sizeof bytes);
    pthread_mutex_lock(&m->lock);
    m->now -= bytes;
    pthread_mutex_unlock(&m->lock);
    pq_big_free(NULL, block);
}

void pq_meter_init(struct pq_meter *meter)
{
    *meter = (struct pq_meter){0};
    meter->allocator = (pique_allocator){sizeof meter->allocator, meter, meter_alloc, meter_free};
    pthread_mutex_init(&meter->lock, NULL);
}

void pq_meter_destroy(struct pq_meter *meter)
{
    pthread_mutex_destroy(&meter->lock);
}
