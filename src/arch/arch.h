/* SPDX-License-Identifier: MIT */
/* From named tensors to a network: which architecture the names and shapes belong to, and the graph
 * that it means. One file an architecture, one row each in arch.c. */
#pragma once

#include "graph/graph.h"
#include "model/statedict.h"

struct pq_arch {
    const char *name;
    /* Names that all must be there; NULL ends the list. */
    const char *const *keys;
    /* Decides in place of keys where it is set. */
    bool (*detect)(const struct pq_statedict *sd);
    /* Check every tensor, build and finish the graph; NULL: known, but not yet possible. */
    int (*build)(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);
};

/* Recognise sd and build its graph. *name is static. */
int pq_arch_build(const struct pq_statedict *sd, struct pq_graph **graph, const char **name,
                  pique_error *err);

/* The name of a finished graph that came without one, by its structure: "Compact", "ESRGAN" or
 * "graph". *features is the width of the body, or 0. */
const char *pq_arch_of_graph(const struct pq_graph *g, int *features);

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

/* compact.c */
bool pq_compact_detect(const struct pq_statedict *sd);
int pq_compact_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);
/* The width of its body where the graph has Compact's structure, else 0. */
int pq_compact_features(const struct pq_graph *g);

/* span.c */
bool pq_span_detect(const struct pq_statedict *sd);
int pq_span_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);

/* esrgan.c */
bool pq_esrgan_detect(const struct pq_statedict *sd);
int pq_esrgan_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err);
/* The width of its body where the graph has ESRGAN's structure, else 0. */
int pq_esrgan_features(const struct pq_graph *g);
