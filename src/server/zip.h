/* SPDX-License-Identifier: MIT */
/* Files as one ZIP archive that is made while it is sent, so that nothing of it lies on the disk or
 * in memory. Pictures and films do not get smaller, so they are stored as they are; sizes and sums
 * follow each file (a data descriptor), in 64 bits. PKWARE APPNOTE 6.3.10. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct pq_zip;

/* Start; NULL: out of memory. */
struct pq_zip *pq_zip_new(void);
void pq_zip_free(struct pq_zip *zip);
/* Add a file under a name, UTF-8 without a leading slash; a name that is there already is left out.
 * Before the first read. */
int pq_zip_add(struct pq_zip *zip, const char *path, const char *name, pique_error *err);
/* The same of all files in a folder, under "NAME/". */
int pq_zip_add_folder(struct pq_zip *zip, const char *path, const char *name, pique_error *err);
/* The next bytes, at most so many. 0: it is whole. -1: a file could not be read to its end. A file
 * that is gone is left out. */
ssize_t pq_zip_read(struct pq_zip *zip, void *out, size_t most);
