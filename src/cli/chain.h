/* SPDX-License-Identifier: MIT */
/* One or several models, opened in the order in which a picture goes through them. */
#pragma once

#include <stddef.h>

#include "base/str.h"
#include "pique/pique.h"

struct pq_link {
    char *name; /* as it was typed */
    pique_model *model;
    pique_model_info info;
};

struct pq_chain {
    struct pq_link links[PIQUE_CHAIN_MODELS];
    pique_engine *engines[PIQUE_CHAIN_MODELS]; /* after pq_chain_start() */
    size_t count;
};

/* Open what `text` names: a model (as pq_cli_model_open() takes it) or several, separated by
 * `separator`. Where a name holds the separator, the longest one that is there is meant. {0} is an
 * empty chain; the caller closes it whatever is returned.
 * @param exit_status  for a failure. @return 0, or what pq_cli_model_open() returns; PIQUE_EINVAL
 * for an empty name or too many. */
int pq_chain_open(struct pq_chain *chain, const char *text, char separator, int *exit_status,
                  pique_error *err);

/* Cut the first name off a list at a separator: the longest that is there, so that a name may hold
 * the separator; else the shortest, which a sentence will name. The rest; NULL: that was the last.
 */
char *pq_chain_cut(char *list, char separator);

/* Open the engines, all on the threads of the first. */
int pq_chain_start(struct pq_chain *chain, const pique_engine_options *options, pique_error *err);

/* Close the engines again; the models stay open. */
void pq_chain_stop(struct pq_chain *chain);

/* By how much all of it enlarges. */
double pq_chain_scale(const struct pq_chain *chain);

/* The numeric keys of the engines, each once. pq_free() it; NULL: out of memory. */
char *pq_chain_numeric_key(const struct pq_chain *chain);

void pq_chain_close(struct pq_chain *chain);
