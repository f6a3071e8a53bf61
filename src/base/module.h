/* SPDX-License-Identifier: MIT */
/* Modules: code with its libraries in a shared object of its own, loaded on first use, so that a
 * program which only asks for the version pays nothing for them. A module exports one function
 * without arguments, which returns a table that begins with an int, its version. */
#pragma once

#include "base/error.h"

struct pq_module {
    const char *file;   /* "pique-picture.so" */
    const char *folder; /* of the build that makes it: "image" */
    const char *symbol; /* of the function */
    int version;        /* that the table must have */
    const char *what;   /* "picture module" */
    const char *needs;  /* "pictures need libvips ..., on Debian the packages ..." */
    const char *built;  /* "It is built where libvips and libavcodec are (Debian: ...)" */
};

/* Load it. It is looked for in $PIQUE_MODULE_DIR (not in a setuid program), beside libpique and the
 * program, where the build puts it, and where it is installed. Not to be called twice for one
 * module: the caller keeps the table, or the failure.
 * @return 0; PIQUE_EUNSUPPORTED where there is none, it misses a library, or it belongs to another
 *         version. Thread-safety: safe for different modules. */
int pq_module_load(const struct pq_module *module, const void **table, pique_error *err);

/* Call for each path around a file, the program or its library, where a module may lie, in the
 * order in which they are tried, until one returns other than 0. None where the file has no path.
 * @return what the last call returned; PIQUE_ENOMEM. */
typedef int pq_place_fn(void *user, const char *path);
int pq_module_around(const struct pq_module *module, const char *file, pq_place_fn *place,
                     void *user);
