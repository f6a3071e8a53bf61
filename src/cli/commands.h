/* SPDX-License-Identifier: MIT */
/* The commands. Each gets its options parsed and returns an exit status. */
#pragma once

#include "base/str.h"
#include "option/option.h"

int pq_cli_run(const struct pq_options *o);
int pq_cli_models(const struct pq_options *o);
int pq_cli_models_info(const struct pq_options *o);
int pq_cli_devices(const struct pq_options *o);
int pq_cli_complete(const struct pq_options *o);

/* The exit status where a model cannot be had: a name that nobody knows is no missing input. */
int pq_cli_model_exit(const char *name, int status);
/* A sentence to stderr; the exit status that fits. */
int pq_cli_fail(const pique_error *why);
/* A whole text to stdout, then free it. 0, or the exit status of a failure. */
int pq_cli_print(struct pq_str *text);
/* Add a size for people: "1.2 MB". */
void pq_cli_add_size(struct pq_str *s, uint64_t bytes);
