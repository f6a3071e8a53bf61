/* SPDX-License-Identifier: MIT */
/* A body of JSON. Thread-safety: pure. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"

enum { PQ_JSON_DEPTH = 16 };

/* An object; no name twice, no deeper than PQ_JSON_DEPTH. size 0: *out is NULL. The caller has a
 * reference. PIQUE_EINVAL: it is something else. */
int pq_body_parse(const char *text, size_t size, json_t **out, pique_error *err);
