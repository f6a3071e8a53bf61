/* SPDX-License-Identifier: MIT */
/* What a model file holds, before anybody asks what it means: named tensors that lie in the mapped
 * file, and the file's own metadata. */
#pragma once

#include "base/error.h"
#include "base/file.h"
#include "tensor/tensor.h"

struct pq_named_tensor {
    char *name; /* owned */
    struct pq_tensor tensor;
};

struct pq_pair {
    char *key, *value; /* owned */
};

/* Owns the map and all names; tensors point into the map. Immutable once read. */
struct pq_statedict {
    struct pq_map map;
    struct pq_named_tensor *tensors; /* in file order */
    size_t count, capacity;
    struct pq_pair *metadata;
    size_t metadata_count;
};

void pq_statedict_free(struct pq_statedict *sd); /* {0} is fine */
/* NULL where there is none. */
const struct pq_tensor *pq_statedict_find(const struct pq_statedict *sd, const char *name);
/* name is copied. */
int pq_statedict_add(struct pq_statedict *sd, const char *name, const struct pq_tensor *tensor,
                     pique_error *err);
