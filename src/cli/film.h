/* SPDX-License-Identifier: MIT */
/* One film of a run: its options, what is told while it goes on, the report beside it. */
#pragma once

#include "cli/chain.h"
#include "cli/files.h"
#include "cli/report.h"
#include "option/option.h"

/* What a run has for its films. */
struct pq_film_run {
    const struct pq_options *options;
    struct pq_report *report;
    struct pq_chain *chain; /* its engines are open */
    pique_picture_options picture;
};

/* Which of the inputs are films, and how their outputs end. A name that says nothing is looked at;
 * where a film is asked for, moving GIF, PNG and WebP are films too. */
void pq_film_classify(struct pq_inputs *inputs, const struct pq_options *o, bool film_wanted,
                      struct pq_report *report);

/* Upscale one, telling everything; on failure the sentence is in err, and nothing was told of it.
 */
int pq_film_do(struct pq_film_run *run, const struct pq_input *input, pique_error *err);
/* Only tell what would be done. */
int pq_film_plan(struct pq_film_run *run, const struct pq_input *input, pique_error *err);

/* The words that start this film again, as JSON; pq_free() it, NULL: out of memory. */
char *pq_film_settings(const struct pq_options *o, const struct pq_input *input);
/* "<output>.job", or what --job says; pq_free() it. */
char *pq_film_job(const struct pq_options *o, const char *output);
