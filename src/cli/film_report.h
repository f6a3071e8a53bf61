/* SPDX-License-Identifier: MIT */
/* What is told of a film: before it starts, while it goes on, when it is done, and the JSON beside
 * it. */
#pragma once

#include "cli/chain.h"
#include "cli/files.h"
#include "cli/names.h"
#include "cli/report.h"
#include "option/option.h"

/* Frames that a fallback computed. */
struct pq_film_stretch {
    int64_t first, last;
    char numeric_key[160];
};

/* One film as it is told. Start with the report and the input; the rest is zero. */
struct pq_film_story {
    struct pq_report *report;
    const struct pq_input *input;
    struct pq_names notes;            /* what was said */
    struct pq_film_stretch *fallback; /* in order */
    size_t fallback_count, fallback_capacity;
    bool fallback_lost; /* memory for all of them */
};

/* pique_film_options.event; user is the story. */
void pq_film_on_event(void *user, const pique_event *event);
/* alone: of a dry run, to standard output. */
void pq_film_planned(struct pq_film_story *story, const pique_film_plan *plan, bool alone);
void pq_film_done(struct pq_film_story *story, const pique_film_report *film);
/* OUTPUT.json: every option, sums, times, notes. */
int pq_film_write_report(const struct pq_film_story *story, const struct pq_options *o,
                         const struct pq_chain *chain, const pique_film_report *film,
                         pique_error *err);
void pq_film_story_end(struct pq_film_story *story);
