/* SPDX-License-Identifier: MIT */
#include "cli/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

bool pq_names_add(struct pq_names *names, const char *name)
{
    char **list = pq_grown(names->list, names->count, &names->capacity, sizeof *list);
    if (!list)
        return false;
    names->list = list;
    names->list[names->count] = pq_strdup(name);
    if (!names->list[names->count])
        return false;
    names->count++;
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void pq_names_sort(struct pq_names *names)
{
    if (names->count)
        qsort(names->list, names->count, sizeof *names->list, compare);
}

void pq_names_free(struct pq_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        pq_free(names->list[i]);
    pq_free(names->list);
    *names = (struct pq_names){0};
}
