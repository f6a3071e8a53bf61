/* SPDX-License-Identifier: MIT */
/* The inside of a model, for the few files that are its public functions. */
#pragma once

#include <pthread.h>

#include "arch/model.h"
#include "arch/tiers.h"
#include "base/sha256.h"
#include "model/container.h"

struct pique_model {
    char *path;
    char **files; /* that it was read from, so that none of them is written over */
    size_t file_count;
    struct pq_container container;
    struct pq_graph *own_graph; /* built by arch/, perhaps around the container's; or NULL */
    const char *architecture;
    int features;
    struct pq_graph_facts facts;
    struct pq_tiers tiers;
    /* Hashing takes longer than all the rest of opening, so it waits until somebody asks. */
    pthread_mutex_t hash_lock; /* guards sha256, and is held while it is computed */
    char sha256[PQ_SHA256_HEX];
};

/* An empty model, to be closed with pique_model_close(). path is copied. */
int pq_model_new(const char *path, pique_model **out, pique_error *err);
/* Note that m came from the files of another model too. */
int pq_model_add_files(pique_model *m, const pique_model *from, pique_error *err);
/* Recognise what the container holds, build its graph and check it. */
int pq_model_finish(pique_model *m, pique_error *err);

/* The weights of a model under the names that its architecture's state dict has: those of the file,
 * or for a graph that came without (ncnn) new ones. Data is borrowed from the model, out->map has
 * only a path. PIQUE_EUNSUPPORTED where a graph is not quite what such names can say. On failure
 * the caller frees *out all the same. */
int pq_model_names(const pique_model *m, struct pq_statedict *out, pique_error *err);
