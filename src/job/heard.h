/* SPDX-License-Identifier: MIT */
/* What is kept of the words of a worker. It reads files of strangers, and one that took it over may
 * tell anything: values as deep as a parser goes, a page of text in the place of a number. So what
 * goes into an entry, and from there to the disk and to browsers, is a list of members, each of one
 * kind and no longer than it can have to be. What is of another kind is left out. */
#pragma once

#include <jansson.h>
#include <stddef.h>

enum pq_heard_kind {
    PQ_HEARD_NUMBER, /* no further from 0 than PQ_HEARD_MOST */
    PQ_HEARD_FLAG,
    PQ_HEARD_WORD,    /* at most 100 bytes */
    PQ_HEARD_SENTENCE /* at most 2000 */
};
#define PQ_HEARD_MOST 1e15

struct pq_heard_member {
    const char *name; /* as it was told */
    const char *as;   /* as it is kept; NULL: the same */
    enum pq_heard_kind kind;
};

/* A new object with those members of what was told that are as they should be; NULL: out of
 * memory. */
json_t *pq_heard(const json_t *told, const struct pq_heard_member *members, size_t count);
/* A text that was told, borrowed; NULL where there is none of that kind. */
const char *pq_heard_text(const json_t *told, const char *name, enum pq_heard_kind kind);
