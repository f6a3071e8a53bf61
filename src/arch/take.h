/* SPDX-License-Identifier: MIT */
/* Weights out of a state dict, each with the shape that it must have, and none left over. */
#pragma once

#include "model/statedict.h"

/* Take a weight by name and exact shape. PIQUE_EFORMAT with a sentence that names it where it is
 * missing, of another shape, or no floating-point number. */
int pq_arch_tensor(const struct pq_statedict *sd, const char *name, int dims, const int64_t *shape,
                   const struct pq_tensor **out, pique_error *err);

/* A state dict of which an architecture takes one tensor after another; what nobody took in the end
 * has no place in the network. */
struct pq_taking {
    const struct pq_statedict *sd;
    bool *taken; /* one a tensor of sd */
};

int pq_taking_begin(struct pq_taking *taking, const struct pq_statedict *sd, pique_error *err);
void pq_taking_end(struct pq_taking *taking); /* {0} is fine */
/* pq_arch_tensor() of the name stem and part, noted as taken. */
int pq_take(struct pq_taking *taking, const char *stem, const char *part, int dims,
            const int64_t *shape, const struct pq_tensor **out, pique_error *err);
/* Note a tensor as taken, whatever it is; false where there is none of that name. */
bool pq_take_any(struct pq_taking *taking, const char *stem, const char *part);
/* PIQUE_EFORMAT with a sentence that names a tensor that was not taken; "an ESRGAN". */
int pq_taking_check(const struct pq_taking *taking, const char *network, pique_error *err);
