/* SPDX-License-Identifier: MIT */
/* JSON values as text. Thread-safety: safe. */
#pragma once

#include <jansson.h>

/* The text, with flags of json_dumps(); pq_free() it. NULL: out of memory, or value is NULL. */
char *pq_json_dump(const json_t *value, size_t flags);
