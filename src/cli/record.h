/* SPDX-License-Identifier: MIT */
/* Small files in which pique remembers something between two runs: a JSON object with a "format".
 * Nothing depends on one: a file that is missing, damaged or of another format is an empty record.
 * Thread-safety: from one thread. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* The object, or a new empty one, which the caller json_decref()s; NULL: out of memory. *damaged is
 * set where a file is there that cannot be used. */
json_t *pq_record_read(const char *path, bool *damaged);

/* Write the whole object in the place of the old one, at once or not at all. Its folder is made
 * where it is missing. */
int pq_record_write(const char *path, json_t *record, pique_error *err);

/* The object under a key, made where it is missing; borrowed. NULL: out of memory. */
json_t *pq_record_section(json_t *record, const char *key);

/* A file of the user's cache: $XDG_CACHE_HOME/pique/NAME, else ~/.cache/pique/NAME. pq_free() it;
 * NULL: out of memory. */
char *pq_cache_path(const char *name);
