/* SPDX-License-Identifier: MIT */
/* Storages of a PyTorch file: the arrays that its tensors are views of. A pickle refers to each by
 * ('storage', class, key, location, count); the data lies elsewhere in the file. */
#pragma once

#include <stdbool.h>

#include "base/file.h"
#include "model/pickle.h"
#include "model/zip.h"
#include "tensor/tensor.h"

struct pq_storage_type {
    const char *class; /* "FloatStorage" */
    const char *name;  /* "f32" */
    uint64_t size;     /* bytes of an element */
    int dtype;         /* enum pq_dtype, or -1 where such tensors cannot be used */
};

struct pq_storage {
    const char *key;
    size_t key_bytes;
    const struct pq_storage_type *type;
    uint64_t count; /* elements */
    const unsigned char *data;
    struct pq_zip_entry *entry; /* NULL in a file of the older form */
};

struct pq_storages {
    struct pq_storage *items; /* sorted by key */
    size_t count;
};

/* Whether a GLOBAL is a class of storages that is known. */
bool pq_storage_is_class(const struct pq_pickle_value *v);

/* Every storage that the pickle refers to, without data yet. On failure *out is empty. */
int pq_storages_find(const struct pq_map *map, const struct pq_pickle *pickle,
                     struct pq_storages *out, pique_error *err);
void pq_storages_free(struct pq_storages *storages); /* {0} is fine */

/* Find the data of each: in a zip archive as "PREFIX/data/KEY", prefix with its slash; ... */
int pq_storages_in_zip(const struct pq_map *map, struct pq_storages *storages,
                       const struct pq_zip *zip, const char *prefix, size_t prefix_bytes,
                       pique_error *err);
/* ... or from a byte of the file to its end, in the order of a list of keys. */
int pq_storages_in_row(const struct pq_map *map, struct pq_storages *storages,
                       const struct pq_pickle_value *keys, size_t at, pique_error *err);

/* The storage that a reference means, and which part of it: older files have views of views. */
int pq_storages_resolve(const struct pq_map *map, const struct pq_storages *storages,
                        const struct pq_pickle_value *reference, const struct pq_storage **out,
                        uint64_t *first, uint64_t *count, pique_error *err);
