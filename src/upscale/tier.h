/* SPDX-License-Identifier: MIT */
/* Which precision tier an engine computes in. */
#pragma once

#include "arch/tiers.h"
#include "backend/backend.h"

/* wanted, where it is a tier of the device; for auto the fastest one of the device that is safe for
 * the network. A device without fp32 has one tier, and auto is that. *why is NULL, or the reason
 * why the tier is not safe for this network: the caller warns. device: as the user named it, NULL
 * for the best. PIQUE_EUNSUPPORTED: the device has no such tier. */
int pq_tier_choose(const struct pq_backend *backend, const char *device,
                   enum pique_precision wanted, const struct pq_tiers *safe,
                   enum pique_precision *tier, const char **why, pique_error *err);
const char *pq_tier_name(enum pique_precision tier); /* "fp16" */
