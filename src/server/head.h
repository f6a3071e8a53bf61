/* SPDX-License-Identifier: MIT */
/* What we ask of the head of a request, out of its lines. No socket, no library: a table of names,
 * and what makes a head that nobody should answer.
 *
 * Thread-safety: plain data. Values are borrowed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL where the request has no such line. */
struct pq_head {
    const char *host;
    const char *origin;
    const char *site; /* Sec-Fetch-Site */
    const char *mark; /* X-Pique */
    const char *type; /* Content-Type */
    const char *authorization;
    const char *token; /* X-Pique-Token */
    const char *cookie;
    const char *length; /* Content-Length */
    const char *coding; /* Transfer-Encoding */
    const char *expect;
    const char *range;
    const char *if_range;
    const char *if_none_match;
    const char *last_event_id;
    const char *accept_language;
    const char *accept_encoding;
    const char *forwarded; /* any line that a proxy adds */
    unsigned count;        /* of lines */
    bool twice;            /* one of the above but the last stands there twice */
    bool malformed;        /* a name that is none, a value with control characters */
    bool upgrade;          /* it wants another protocol */
};

/* Take one line: a name and a value, NUL-terminated, of these lengths. */
void pq_head_add(struct pq_head *head, const char *name, size_t name_length, const char *value,
                 size_t value_length);

/* Digits alone, of at most `most`; false otherwise. */
bool pq_digits(const char *text, uint64_t most, uint64_t *out);

/* The length that Content-Length tells; 0 where it is not there. false: it is no length. */
bool pq_head_length(const struct pq_head *head, uint64_t *length);
/* Whether the language of the first choice of Accept-Language is French. */
bool pq_head_french(const struct pq_head *head);
/* Whether the client takes gzip. */
bool pq_head_gzip(const struct pq_head *head);
