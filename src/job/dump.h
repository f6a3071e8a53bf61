/* SPDX-License-Identifier: MIT */
/* JSON values as text, and files of them. Thread-safety: safe. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"

/* The text, with flags of json_dumps(); pq_free() it. NULL: out of memory, or value is NULL. */
char *pq_json_dump(const json_t *value, size_t flags);
/* Write that text whole, as pq_write_text(). value NULL: PIQUE_ENOMEM. */
int pq_json_write(const char *path, const json_t *value, size_t flags, pique_error *err);
/* Read one of at most `most` bytes; *out is a new value, or NULL on failure: PIQUE_ENOENT,
 * PIQUE_EFORMAT where it is damaged or larger, PIQUE_EIO, PIQUE_ENOMEM. */
int pq_json_read(const char *path, size_t most, json_t **out, pique_error *err);
