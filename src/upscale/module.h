/* SPDX-License-Identifier: MIT */
/* The picture module: readers and writers of picture files, in a shared object of its own that is
 * loaded when the first picture is opened, so that a program which only asks for the version pays
 * nothing for its libraries. */
#pragma once

#include "upscale/rows.h"

/* What the module exports under the name "pique_picture_module". */
typedef const struct pq_picture_io *pq_picture_module_fn(void);

/* The module's table, loading it at the first call. It is looked for under the name
 * "pique-picture.so" in $PIQUE_MODULE_DIR (not in a setuid program), beside libpique and the
 * program, where the build puts it, and where it is installed.
 * @return 0; PIQUE_EUNSUPPORTED where there is none, it misses a library, or it belongs to another
 *         version. Thread-safety: safe. */
int pq_picture_module(const struct pq_picture_io **io, pique_error *err);

/* For tests: use this table instead, until called with NULL. Thread-safety: while no other thread
 * is inside this library. */
void pq_picture_module_replace(const struct pq_picture_io *io);
