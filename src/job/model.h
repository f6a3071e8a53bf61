/* SPDX-License-Identifier: MIT */
/* Models that are fetched for the page: by a name of the catalogue, which says where from and what
 * the file must be; no client names an address. Events "model" tell how far it is. With the store's
 * lock held. */
#pragma once

#include "job/runner.h"

/* PIQUE_EEXIST: it is being fetched already. */
int pq_model_fetch(struct pq_runner *runner, const char *name, bool french, pique_error *err);
