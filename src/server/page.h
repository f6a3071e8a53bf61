/* SPDX-License-Identifier: MIT */
/* The files of the page, which the program carries with it: as they are, and compressed once when
 * it was built (tools/embed_page.py). With a folder they are read from there at each request, for
 * who works on them.
 *
 * The answers are made once, so that serving one costs nothing but sending it.
 * Thread-safety: one call at a time. */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "server/head.h"

/* What the build makes; all of it is data. */
struct pq_page_entry {
    const char *path; /* "js/app.js" */
    size_t offset, size;
    size_t gzip_offset, gzip_size; /* 0: it is no smaller */
};
extern const struct pq_page_entry pq_page_entries[];
extern const size_t pq_page_entry_count;
extern const unsigned char pq_page_blob[];

struct pq_page_file;
struct pq_page {
    struct pq_page_file *files;
    size_t count;
    const char *folder; /* borrowed; NULL */
};

int pq_page_new(struct pq_page *page, const char *folder, pique_error *err);
void pq_page_free(struct pq_page *page);
/* Whether there is a page at all. */
bool pq_page_is_there(const struct pq_page *page);
/* The answer to GET of a clean path, "/" or "/js/app.js", and its status; *owned: the caller has to
 * destroy it after it was queued. NULL: no such file. */
struct MHD_Response *pq_page_get(struct pq_page *page, const char *path, const struct pq_head *head,
                                 int *status, bool *owned);
