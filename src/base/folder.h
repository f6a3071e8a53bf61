/* SPDX-License-Identifier: MIT */
/* Folders and what lies in them. Their calls can be failed by a test, as those of base/file.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The folder in which a path stands: all before its last slash, "/", or "."; pq_free() it. NULL:
 * out of memory. */
char *pq_folder_of(const char *path);
/* Make it, and its parents; one that exists is fine. */
int pq_make_folder_of(const char *path, pique_error *err);
/* Remove a file; one that does not exist is fine. */
int pq_remove_file(const char *path, pique_error *err);
/* Remove an empty folder; one that does not exist is fine. */
int pq_remove_folder(const char *path, pique_error *err);
/* Call `each` with the names in a folder, but "." and "..", in no order, until it returns not 0,
 * which is then returned. The folder may change meanwhile. */
int pq_list_folder(const char *path, int (*each)(void *context, const char *name), void *context,
                   pique_error *err);
/* Remove a folder and everything in it, or a file; links are removed and not followed. One that
 * does not exist is fine. */
int pq_remove_tree(const char *path, pique_error *err);
/* Bytes that we may still write where path, which must exist, lies. */
int pq_disk_free(const char *path, uint64_t *bytes, pique_error *err);

/* What tells a file from another version of itself. */
struct pq_identity {
    int64_t bytes, mtime_ns;
    uint64_t device, inode;
};
int pq_identify(const char *path, struct pq_identity *out, pique_error *err);

/* Write a small file whole: under a temporary name, synced, renamed over an old one. */
int pq_write_text(const char *path, const char *text, pique_error *err);
/* The same of what nobody but its owner may read. */
int pq_write_private(const char *path, const char *text, pique_error *err);
/* Read one of at most `most` bytes, with a NUL behind it; pq_free() it. PIQUE_ENOENT; PIQUE_EFORMAT
 * where it is larger. */
int pq_read_text(const char *path, size_t most, char **text, pique_error *err);
