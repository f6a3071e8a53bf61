/* SPDX-License-Identifier: MIT */
/* A list of names that grows. Start with {0}. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pq_names {
    char **list;
    size_t count, capacity;
};

/* Add a copy; false: out of memory. */
bool pq_names_add(struct pq_names *names, const char *name);
/* In the order of their bytes. */
void pq_names_sort(struct pq_names *names);
void pq_names_free(struct pq_names *names);
