/* SPDX-License-Identifier: MIT */
/* The model files that lie in the models folder and in the folders directly inside it.
 * Thread-safety: from one thread a shelf. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Of an ncnn pair the .param gives the name, and the rest is of both files together. */
struct pq_shelf_file {
    char *name; /* below the folder: "mine.pth", "family/one.param" */
    uint64_t bytes;
    int64_t changed; /* nanoseconds since 1970 */
    uint64_t inode;
    bool whole; /* false: somebody writes it just now, as far as can be known */
};

struct pq_shelf {
    struct pq_shelf_file *files; /* in the order of their names */
    size_t count, capacity;
};

/* What is there now; a folder that is missing or cannot be read is empty. Hidden files, files of
 * other kinds and .param files without their .bin are left out. From the first call on SIGIO does
 * nothing where it would have ended the process.
 * @return 0; PIQUE_ENOMEM, then the shelf is empty. */
int pq_shelf_scan(const char *folder, struct pq_shelf *shelf, pique_error *err);
void pq_shelf_free(struct pq_shelf *shelf);

const struct pq_shelf_file *pq_shelf_find(const struct pq_shelf *shelf, const char *name);
/* The very same bytes, as far as can be known without reading them. */
bool pq_shelf_same(const struct pq_shelf_file *a, const struct pq_shelf_file *b);
/* Add a copy at its place. */
int pq_shelf_put(struct pq_shelf *shelf, const struct pq_shelf_file *file, pique_error *err);
void pq_shelf_remove(struct pq_shelf *shelf, const char *name);

/* Whether a name ends as those of model files do; of an ncnn pair the .param counts. */
bool pq_is_model_name(const char *name);
/* Length of a name without that ending. */
size_t pq_model_stem(const char *name);
