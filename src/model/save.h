/* SPDX-License-Identifier: MIT */
/* Writes models, one file a format: save_NAME.c, and a row in save.c. */
#pragma once

#include <stdbool.h>

#include "base/file.h"
#include "graph/graph.h"
#include "model/statedict.h"
#include "pique/engine.h"

/* What is written; all of it borrowed. */
struct pq_saving {
    const struct pq_statedict *sd; /* names and metadata as they shall stand in the file; map.path
                                      says in messages where the weights came from */
    const struct pq_graph *graph;  /* finished; reads the same weights */
    bool half;                     /* floating-point weights as f16, else as f32 */
    const pique_cancel *cancel;    /* or NULL */
};

/* Write a file whole or not at all, in the format that the end of its name asks for.
 * @return 0; PIQUE_EINVAL; PIQUE_EUNSUPPORTED; PIQUE_EFORMAT a weight that does not fit its type;
 *         PIQUE_ECANCELED; or what pq_file_create(), pq_file_write() and pq_file_commit() say. */
int pq_save(const struct pq_saving *saving, const char *path, bool overwrite, pique_error *err);

/* PIQUE_ECANCELED once the token is set; for between two pieces. */
int pq_save_check_cancel(const struct pq_saving *saving, pique_error *err);

/* count elements from first on, as little-endian f32 or f16; integers as they are. out has room for
 * count * pq_dtype_size(pq_saved_dtype(...)). PIQUE_EFORMAT names the tensor and a finite value
 * that became infinite. */
int pq_save_elements(const struct pq_saving *saving, const struct pq_named_tensor *t, size_t first,
                     size_t count, unsigned char *out, pique_error *err);
/* The type that a tensor is written as. */
enum pq_dtype pq_saved_dtype(const struct pq_saving *saving, const struct pq_tensor *t);

/* The formats. */
int pq_save_safetensors(const struct pq_saving *saving, struct pq_file *f, pique_error *err);
int pq_save_onnx(const struct pq_saving *saving, struct pq_file *f, pique_error *err);
