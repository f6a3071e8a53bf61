/* SPDX-License-Identifier: MIT */
/* Names that stand for many files: "frame%05d.png". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The place of the number: "%d", or "%0Nd" with N from 1 to 9, in the last part of the path, where
 * no other % stands in all of it. */
struct pq_number_place {
    const char *at;
    size_t length;
    int digits; /* at least; 1 for "%d" */
};

/* False where the path names one file; place may be NULL. */
bool pq_is_sequence(const char *path, struct pq_number_place *place);
