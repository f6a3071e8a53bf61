/* SPDX-License-Identifier: MIT */
/* Places in one piece of memory for buffers that live for a while each. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct pq_place {
    size_t floats;      /* its size; a multiple of a cache line */
    int64_t born, dies; /* it holds something during these steps and those between */
    size_t offset;      /* floats; where it lies */
};

/* Give each a place: two that live at one time do not overlap. *floats is the size of the whole.
 * PIQUE_ENOMEM where that does not fit a size_t. */
int pq_arena_place(struct pq_place *places, size_t count, size_t *floats, pique_error *err);
