/* SPDX-License-Identifier: MIT */
/* The model of a run: found, or got where it is known and not here; and what is said about models
 * beside the run. Thread-safety: from one thread. */
#pragma once

#include <stdbool.h>

#include "cli/report.h"
#include "option/option.h"

/* Get the models that `text`, as -m takes it, names by names of the catalogue and that are not
 * here: each if --yes was given or the person at the terminal agrees; never in a dry run. 0 too
 * where there is nothing to get, or nobody wants it. *status is the exit status that fits a
 * failure.
 */
int pq_get_models(const struct pq_options *o, struct pq_report *report, const char *text,
                  int *status, pique_error *err);

/* To a person who has chosen no model: that there is one for anime. Once. */
void pq_tell_recommended(const struct pq_options *o, struct pq_report *report);

/* Megapixels a second that a model was seen to take here; 0: never. */
double pq_known_speed(const pique_model *model);
/* Remember how quick a run was, where that says something about other runs. */
void pq_note_speed(const struct pq_options *o, struct pq_report *report, const pique_model *model,
                   const char *numeric_key, double pixels, double seconds);
