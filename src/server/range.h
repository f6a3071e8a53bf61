/* SPDX-License-Identifier: MIT */
/* The part of a file that "Range: bytes=..." asks for (RFC 9110, 14). Thread-safety: pure. */
#pragma once

#include <stdint.h>

enum pq_range {
    PQ_RANGE_WHOLE, /* none, several, or not understood: the whole file answers that */
    PQ_RANGE_PART,  /* first and count are set */
    PQ_RANGE_OUTSIDE
};
/* text may be NULL; size of the file. */
enum pq_range pq_range_parse(const char *text, uint64_t size, uint64_t *first, uint64_t *count);
