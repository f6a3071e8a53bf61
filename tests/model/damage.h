/* SPDX-License-Identifier: MIT */
/* Files that lie: state dicts that can be changed and written again, zip archives and pickles put
 * together by hand, and damage to bytes. All random choices come from the rng given. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "make_model.h"

/* What a lying file says in place of a number. */
enum { DAMAGE_NUMBERS = 14 };
extern const uint64_t damage_numbers[DAMAGE_NUMBERS];

/* ---- bytes ---- */

struct bytes bytes_load(const char *path); /* exits where that fails */
struct bytes bytes_copy(const struct bytes *b);
void bytes_cut(struct bytes *b, size_t size);
/* At most what there is behind `at` is removed. */
void bytes_splice(struct bytes *b, size_t at, size_t removed, const void *data, size_t size);
/* `width` bytes, little-endian. False where they do not fit. */
bool bytes_put(struct bytes *b, size_t at, int width, uint64_t value);
uint64_t bytes_get(const struct bytes *b, size_t at, int width);

/* One random change within [begin, end): bits, a hostile integer, a piece moved, doubled, taken out
 * or exchanged with another, or an end. */
void damage_bytes(struct rng *r, struct bytes *b, size_t begin, size_t end);
/* Put a hostile number in place of one that stands in decimal digits; *which counts them from 0.
 * False where there are not so many. */
bool damage_digits(struct bytes *b, size_t begin, size_t end, long which, uint64_t value,
                   bool negative);

/* ---- state dicts ---- */

struct entry {
    char name[320];
    char dtype[8]; /* as safetensors has it */
    int dims;
    int64_t shape[9];
    struct bytes data;
};

struct dict {
    struct entry *items;
    size_t count;
};

/* From any file of named tensors; exits where it cannot be read. */
struct dict dict_load(const char *path);
struct dict dict_copy(const struct dict *d);
void dict_free(struct dict *d);
/* Change names, shapes or values so that the file stays sound and the network perhaps not. */
void dict_damage(struct rng *r, struct dict *d);
void dict_safetensors(const struct dict *d, struct bytes *out);
void dict_pth(const struct dict *d, struct bytes *out);

/* ---- pickles ---- */

void pickle_begin(struct bytes *p); /* protocol 2, an empty dictionary, a mark */
void pickle_text(struct bytes *p, const char *text, size_t size);
void pickle_int(struct bytes *p, uint64_t value, bool negative); /* LONG1 */
void pickle_global(struct bytes *p, const char *module, const char *name);
/* A storage, and a tensor that is a view of it. */
struct view {
    const char *storage; /* "FloatStorage" */
    const char *key;
    uint64_t count, offset;
    int dims;
    int64_t shape[9], strides[9];
};
void pickle_tensor(struct bytes *p, const struct view *v);
void pickle_end(struct bytes *p);

/* ---- zip ---- */

/* Where the fields of an entry lie in a finished archive. */
struct zip_place {
    size_t local, name, data, size, central;
};

struct zip_maker {
    struct bytes file, central;
    struct zip_place places[64];
    int count;
};

void zip_add(struct zip_maker *z, const char *name, size_t name_size, const void *data,
             size_t size);
void zip_end(struct zip_maker *z); /* z->file is the archive, and the caller's */
/* Make the sum of the entry that covers these bytes right again; archives of zip_maker and of
 * PyTorch. False where none does. */
bool zip_mend(struct bytes *file, size_t at);
/* The data of data.pkl; false where there is none. */
bool zip_find_pickle(const struct bytes *file, size_t *at, size_t *size);
