/* SPDX-License-Identifier: MIT */
/* All that decides the frames of a result, as a list of names and values: which input, which
 * models, which options, which encoder. A job keeps it, and goes on only where nothing in it has
 * changed. */
#pragma once

#include <jansson.h>

#include "base/error.h"

/* {0} is empty. */
struct pq_spec {
    json_t *object; /* name -> string, in the order in which they were set */
};

/* printf into a value. */
int pq_spec_set(struct pq_spec *spec, pique_error *err, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The value, which belongs to the spec; "" where there is none. */
const char *pq_spec_get(const struct pq_spec *spec, const char *name);
void pq_spec_free(struct pq_spec *spec);

/* 0 where both say the same; else PIQUE_EEXIST with a sentence about the first name on which they
 * differ: what it was and what it is now. `job` is named in it. */
int pq_spec_compare(const struct pq_spec *then, const struct pq_spec *now, const char *job,
                    pique_error *err);

/* What a file is, as a value: its size, when it was changed, and a hash of its head and tail. "-"
 * is "standard input". */
int pq_spec_input(struct pq_spec *spec, const char *path, pique_error *err);
