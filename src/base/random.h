/* SPDX-License-Identifier: MIT */
/* What nobody can guess. Thread-safety: safe. */
#pragma once

#include <stddef.h>

/* So many hexadecimal digits, an even number of at most 64, and a NUL. */
void pq_random_hex(char *out, size_t digits);
