/* SPDX-License-Identifier: MIT */
/* What lies between two models of one network. */
#pragma once

#include "model/statedict.h"

/* Fill out, which has a map.path already, with weight a + (1 - weight) b as f32 in the order of a;
 * whole numbers are copied from a. Its data is its own.
 * @return 0; PIQUE_EFORMAT with the first tensor that is missing, of another shape, or holds other
 *         whole numbers; PIQUE_ENOMEM. The caller frees out in any case. */
int pq_statedict_blend(const struct pq_statedict *a, const struct pq_statedict *b, double weight,
                       struct pq_statedict *out, pique_error *err);
