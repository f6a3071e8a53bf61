/* SPDX-License-Identifier: MIT */
/* Entries that run: which are begun, what their workers are told, and what becomes of what they
 * tell. Under the store's lock, on the runner's thread. */
#pragma once

#include "job/runner_state.h"

/* Begin those whose turn it is. */
void pq_play_begin_some(struct pq_runner *runner);
