/* SPDX-License-Identifier: MIT */
/* SHA-256, by which model files are known. */
#pragma once

#include <stddef.h>

#include "base/error.h"

enum { PQ_SHA256_HEX = 65 }; /* 64 lower-case hex digits and NUL */

void pq_sha256(const void *data, size_t size, char hex[PQ_SHA256_HEX]);
/* Of a whole file, read in pieces. */
int pq_sha256_file(const char *path, char hex[PQ_SHA256_HEX], pique_error *err);
