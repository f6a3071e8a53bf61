/* SPDX-License-Identifier: MIT */
/* What a model file holds, before anybody asks what it means: named tensors, which lie in the
 * mapped file but for a few that had to be put in order, and the file's own metadata. */
#pragma once

#include "base/error.h"
#include "base/file.h"
#include "tensor/tensor.h"

/* What no honest model file exceeds; a reader refuses more before it allocates. */
enum {
    PQ_MAX_TENSORS = 16384,
    PQ_MAX_EXTENT = 65536, /* of one dimension of a tensor */
    PQ_MAX_NAME = 256      /* bytes of a name */
};

struct pq_named_tensor {
    char *name; /* owned */
    struct pq_tensor tensor;
};

struct pq_pair {
    char *key, *value; /* owned */
};

/* A function or class that a pickle names. */
struct pq_global {
    char *name; /* owned; "module.name" */
    uint64_t uses;
    bool interpreted; /* the reader knows what it gives; else it is a value that nobody looks at */
};

/* Owns the map, all names and what it was asked to own; tensors point into these. Immutable once
 * read. */
struct pq_statedict {
    struct pq_map map;
    struct pq_named_tensor *tensors; /* in file order */
    size_t count, capacity;
    struct pq_pair *metadata;
    size_t metadata_count, metadata_capacity;
    struct pq_global *globals; /* of a pickle, each once */
    size_t global_count, global_capacity;
    void **owned;
    size_t owned_count, owned_capacity;
    struct pq_map *others; /* files beside map that hold tensors too */
    size_t other_count, other_capacity;
};

void pq_statedict_free(struct pq_statedict *sd); /* {0} is fine */
/* NULL where there is none. */
const struct pq_tensor *pq_statedict_find(const struct pq_statedict *sd, const char *name);
/* name is copied. */
int pq_statedict_add(struct pq_statedict *sd, const char *name, const struct pq_tensor *tensor,
                     pique_error *err);

/* Key and value are copied. */
int pq_statedict_add_metadata(struct pq_statedict *sd, const char *key, const char *value,
                              pique_error *err);
/* The value of metadata, or NULL. */
const char *pq_statedict_note(const struct pq_statedict *sd, const char *key);
/* name is copied; a name that is there already is used so much more often. */
int pq_statedict_add_global(struct pq_statedict *sd, const char *name, uint64_t uses,
                            bool interpreted, pique_error *err);
/* Memory for tensors that do not lie in the file as they should; freed with sd. */
int pq_statedict_own(struct pq_statedict *sd, size_t bytes, void **out, pique_error *err);
/* Open another file of the model, in the folder of sd->map (pq_map_open_beside()). *out is valid
 * until the next one is opened. */
int pq_statedict_open_beside(struct pq_statedict *sd, const char *name, const struct pq_map **out,
                             pique_error *err);
/* PIQUE_EFORMAT where two tensors have one name. */
int pq_statedict_check_names(const struct pq_statedict *sd, pique_error *err);

/* Take the wrappers of training programs off the names: where each name starts with "params_ema.",
 * "module." and the like, that part goes; where "params_ema." and "params." stand side by side, the
 * averaged weights stay and the others go. */
void pq_statedict_canonicalise(struct pq_statedict *sd);

/* How most of the weights are stored; "f32" where there are none. */
const char *pq_statedict_dtype(const struct pq_statedict *sd);

/* Whether a name from a file may be shown to a person: 1 to PQ_MAX_NAME bytes without control
 * characters, which could move a terminal's cursor. */
bool pq_name_ok(const char *name);
bool pq_text_ok(const char *text, size_t bytes); /* of any length; no zero byte either */
