/* SPDX-License-Identifier: MIT */
/* The model of a run: found, or got where it is known and not here; and what is said about models
 * beside the run. Thread-safety: from one thread. */
#pragma once

#include <stdbool.h>

#include "cli/report.h"
#include "option/option.h"

/* What -m means, as pq_model_resolve(). Where the model is known and not here, it is got if --yes
 * was given or the person at the terminal agrees; never in a dry run. *status is the exit status
 * that fits a failure. */
int pq_choose_model(const struct pq_options *o, struct pq_report *report, char **path, int *status,
                    pique_error *err);

/* To a person who has chosen no model: that there is one for anime. Once. */
void pq_tell_recommended(const struct pq_options *o, struct pq_report *report);

/* Remember how quick a run was, where that says something about other runs. */
void pq_note_speed(const struct pq_options *o, struct pq_report *report, const pique_model *model,
                   const char *numeric_key, double pixels, double seconds);
