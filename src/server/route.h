/* SPDX-License-Identifier: MIT */
/* From a path to a row of the table of routes, and what stands behind "?".
 *
 * No path of ours needs "%", so none is decoded: what a check has seen is what is used.
 * Thread-safety: plain data. */
#pragma once

#include "server/http.h"

enum { PQ_PART_LENGTH = 64, PQ_PATH_LENGTH = 512, PQ_QUERY_COUNT = 16 };

/* Begins with "/"; parts of [A-Za-z0-9_.-] that do not begin with a dot; no empty part but the
 * last. */
bool pq_path_is_clean(const char *path);

struct pq_match {
    const struct pq_http_route *route;            /* NULL: none of this method */
    char part[PQ_HTTP_PARTS][PQ_PART_LENGTH + 1]; /* what stands for its "*" */
    unsigned methods;                             /* of all rows of this path: 1 << method */
};
/* The path must be clean. */
void pq_route_find(const struct pq_http_route *routes, size_t count, enum pq_http_method method,
                   const char *path, struct pq_match *match);
/* "GET, HEAD, PUT" of the methods of a match. */
void pq_route_allow(unsigned methods, char *out, size_t size);

struct pq_query {
    size_t count;
    struct {
        const char *name, *value;
    } pairs[PQ_QUERY_COUNT];
};
/* Cut up and decode text in place, "a=1&b=%20". false: an escape that is none, control characters,
 * what is not UTF-8, a name twice, too many of them. */
bool pq_query_parse(char *text, struct pq_query *query);
const char *pq_query_value(const struct pq_query *query, const char *name);
