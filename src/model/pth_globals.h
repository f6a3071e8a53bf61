/* SPDX-License-Identifier: MIT */
/* What the pickles of a PyTorch file name, for whoever wants to know before trusting it. */
#pragma once

#include "model/pickle.h"
#include "model/statedict.h"

/* Add every name of a pickle to those of sd. */
int pq_pth_add_globals(struct pq_statedict *sd, const struct pq_pickle *pickle, pique_error *err);
