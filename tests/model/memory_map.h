/* SPDX-License-Identifier: MIT */
/* A "file" on the heap, of exactly its size, so that the address sanitizer sees the first byte that
 * a reader takes beyond it; behind a mapped file lies the rest of a page. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "model/statedict.h"
#include "tensor/tensor.h"

static inline struct pq_map memory_map(const void *data, size_t size, const char *name)
{
    struct pq_map map = {.size = size};
    unsigned char *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, size ? data : "", size);
    map.data = copy;
    map.path = malloc(strlen(name) + 1);
    if (!map.path)
        abort();
    strcpy(map.path, name);
    return map;
}

static inline void memory_unmap(struct pq_map *map)
{
    free((void *)map->data);
    free(map->path);
    *map = (struct pq_map){0};
}

static inline void memory_free(struct pq_statedict *sd)
{
    memory_unmap(&sd->map);
    pq_statedict_free(sd);
}

/* Read every weight, so that one that lies outside its file is noticed. */
static inline void touch_all(const struct pq_statedict *sd)
{
    for (size_t i = 0; i < sd->count; i++) {
        const struct pq_tensor *t = &sd->tensors[i].tensor;
        size_t count;
        if (!pq_tensor_count(t, &count))
            abort();
        float *f = malloc(count * sizeof *f + 1);
        if (!f)
            abort();
        pq_tensor_to_f32(t, 0, count, f);
        free(f);
    }
}

/* What a lying file says in place of a count. */
static const char *const lies[] = {"0",
                                   "1",
                                   "-1",
                                   "2147483647",
                                   "2147483648",
                                   "4294967295",
                                   "9223372036854775808",
                                   "18446744073709551615"};
