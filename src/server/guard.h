/* SPDX-License-Identifier: MIT */
/* Who may ask: the checks that each request passes before a route sees it, as functions of its
 * head. docs/http-api.md, "Who may ask", says the same for people.
 *
 * What each is against: the name in Host, against a page whose name was made to point here after
 * it was loaded (DNS rebinding); Origin and Sec-Fetch-Site, against pages of others that send what
 * they cannot read (CSRF); the token, against other users of this machine.
 *
 * Thread-safety: a guard is read only once it is made. */
#pragma once

#include "base/error.h"
#include "server/head.h"

enum { PQ_TOKEN_LENGTH = 64 };

struct pq_guard_name {
    char *text; /* as it must stand in Host: "localhost:7860" */
    bool given; /* by --host-name: a proxy may speak https under it */
};

struct pq_guard {
    struct pq_guard_name *names;
    size_t name_count;
    char token[PQ_TOKEN_LENGTH + 1];
    char cookie[24]; /* the name of ours, "pique_7860" */
    int port;
};

/* addresses as they were listened on, names of --host-name. PIQUE_EINVAL: the token is not one. */
int pq_guard_new(struct pq_guard *guard, const char *const *addresses, size_t address_count,
                 const char *const *host_names, size_t host_name_count, int port, const char *token,
                 pique_error *err);
void pq_guard_free(struct pq_guard *guard);

/* Why a request is not answered: constants. */
struct pq_refusal {
    int status;
    const char *code, *text;
};

enum pq_guard_body {
    PQ_BODY_NONE,  /* the route takes none */
    PQ_BODY_JSON,  /* or none */
    PQ_BODY_OCTETS /* an upload */
};

/* Each returns why not, or NULL. */

/* The form of the head, of whatever method: lengths, codings, lines that are there twice. */
const struct pq_refusal *pq_guard_form(const struct pq_head *head);
const struct pq_refusal *pq_guard_host(const struct pq_guard *guard, const struct pq_head *head);
/* Whether a page of somebody else sends this. changes: the method is none that only reads. */
const struct pq_refusal *pq_guard_origin(const struct pq_guard *guard, const struct pq_head *head,
                                         bool changes);
/* For what changes something: the header that only a script of ours or a program sends. */
const struct pq_refusal *pq_guard_mark(const struct pq_head *head);
/* Whether there is a body where none is taken, or one of another kind. */
const struct pq_refusal *pq_guard_body(const struct pq_head *head, enum pq_guard_body body);

enum pq_guard_token { PQ_TOKEN_NONE, PQ_TOKEN_WRONG, PQ_TOKEN_RIGHT };
/* The token of "Authorization: Bearer", else of X-Pique-Token, else of our cookie. *guess: what was
 * wrong, of *length bytes, for lockout.h; borrowed from head. The time that a comparison takes does
 * not depend on what is equal. */
enum pq_guard_token pq_guard_token(const struct pq_guard *guard, const struct pq_head *head,
                                   const char **guess, size_t *length);

/* Whether Host is a name of this machine for itself. */
bool pq_guard_is_loopback(const struct pq_head *head);
