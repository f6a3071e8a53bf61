/* SPDX-License-Identifier: MIT */
/* Tests: one frame of an entry, or a piece of it, through several settings, one after the other.
 * The last few are kept, and forgotten with the server. With the store's lock held. */
#pragma once

#include "job/runner.h"

enum { PQ_TRIAL_RUNS = 6, PQ_TRIALS = 8 };

struct pq_trials;

struct pq_trials *pq_trials_new(struct pq_runner *runner); /* NULL: out of memory */
void pq_trials_free(struct pq_trials **trials);            /* after the runner has stopped */

/* crop: x, y, width, height; width 0: the whole frame. settings: an array of objects, each checked.
 * *out: {"id", "frame", "crop", "runs": [...]}. */
int pq_trial_begin(struct pq_trials *trials, struct pq_entry *entry, int64_t frame,
                   const int crop[4], json_t *settings, json_t **out, pique_error *err);
/* The same object now; NULL: there is none of that id. */
json_t *pq_trial_show(const struct pq_trials *trials, const char *id);
/* The file of "before" (run -1) or of a run; pq_free() it. NULL: there is no such test or run; and
 * *ready false where it is not made yet. */
char *pq_trial_picture(const struct pq_trials *trials, const char *id, int run, bool *ready);
/* End and forget those of an entry. */
void pq_trials_end_of(struct pq_trials *trials, const char *entry);
bool pq_trial_end(struct pq_trials *trials, const char *id);
