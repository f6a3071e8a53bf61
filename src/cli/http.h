/* SPDX-License-Identifier: MIT */
/* The heads of answers as `curl --include` prints them before the body: those of redirections
 * first, that of the final answer last. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pq_http {
    int status;        /* 200, 206, ...; 0 before the head is whole */
    int64_t first;     /* where the body begins in the file: 0; of a 206 what it says; -1 nothing */
    uint64_t total;    /* bytes of the whole file; 0: not said */
    char etag[200];    /* with its quotes, and a strong one alone; else "" */
    char modified[64]; /* Last-Modified, or "" */
    bool ended, refused; /* the body begins; or this is no head */
};

/* Take what was read so far, size bytes from the beginning. Where the final head is whole, ended
 * is set and the bytes from the returned offset on are the body. Where more is needed, 0. */
size_t pq_http_head(struct pq_http *h, const char *data, size_t size);
