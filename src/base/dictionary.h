/* SPDX-License-Identifier: MIT */
/* The table behind lang.c, which tools/make_dictionary.py makes of strings/. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pq_dictionary_entry {
    uint64_t hash; /* of english, as lang.c computes it; the table is in its order */
    const char *english, *french;
};

extern const struct pq_dictionary_entry pq_dictionary[];
extern const size_t pq_dictionary_count;
