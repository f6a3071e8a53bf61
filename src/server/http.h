/* SPDX-License-Identifier: MIT */
/* HTTP to functions: routes with what each of them takes, requests that passed every check, and
 * answers. Nothing outside http.c sees libmicrohttpd.
 *
 * Handlers run on the server's thread, one at a time, so they must not wait for anything: what
 * takes long is begun there and told by an event. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/file.h"
#include "server/events.h"

struct pq_http; /* a server that listens */

enum { PQ_HTTP_PARTS = 3 };

struct pq_http_request {
    const char *part[PQ_HTTP_PARTS]; /* what stands where the route has "*" */
    json_t *body;                    /* of a JSON route, an object; NULL where none was sent */
    bool french;                     /* the language of sentences */
    bool loopback;                   /* asked from this machine */
    const void *connection;          /* for pq_http_query() */
};
/* A parameter behind "?"; NULL where there is none. Lives as long as the request. */
const char *pq_http_query(const struct pq_http_request *request, const char *name);
/* The same as a whole number in 0 .. most; fallback where there is none, -1 where it is no such
 * number. */
int64_t pq_http_number(const struct pq_http_request *request, const char *name, int64_t most,
                       int64_t fallback);

/* An answer. Start with {0} and fill one of the three kinds of content with the functions below. */
struct pq_http_reply {
    int status; /* 200, 201, 202, 204, 4xx, 5xx */
    char *text; /* JSON; owned */
    int fd;     /* a file, closed when it is sent; -1: none */
    uint64_t size;
    const char *type;   /* of the file: one of a fixed list, "image/png"; static */
    char *attachment;   /* the name under which it is to be kept; owned. NULL: shown */
    bool accepts_range; /* parts of the file may be asked for */
    /* Instead of a file, a body that is made while it is sent: at most so many bytes, 0 at the end,
     * -1 where it breaks. Freed when it is sent or nobody wants it any more. */
    ssize_t (*make)(void *body, void *out, size_t most);
    void (*free_body)(void *body);
    void *body;
    bool later; /* nothing yet: the handler is asked again after pq_http_wake(), or after some
                   seconds, until half a minute has passed (503) */
};
/* Take a JSON value (a reference is stolen; NULL: out of memory, 500). */
void pq_http_json(struct pq_http_reply *reply, int status, json_t *value);
/* {"error": {...}} from an error; the status follows from its code. next: "retry", "settings",
 * "space", "upload" or "none". */
void pq_http_fail(struct pq_http_reply *reply, const pique_error *why, const char *next);
/* The same with a status of one's own. */
void pq_http_refuse(struct pq_http_reply *reply, int status, const char *code, const char *text,
                    const char *next);
/* A file of this type, opened for reading. 404 where it is not there. */
void pq_http_file(struct pq_http_reply *reply, const char *path, const char *type);

typedef void pq_http_handler(void *user, const struct pq_http_request *request,
                             struct pq_http_reply *reply);

/* A body that is not kept in memory: begin() says whether it is wanted (it fills the reply where
 * not, and returns false; length is UINT64_MAX where the client does not tell it), take() gets
 * every piece, end() answers. *state is the route's own; end() is called exactly once for every
 * begin() that returned true, whole = false where the connection broke. */
struct pq_http_upload {
    bool (*begin)(void *user, const struct pq_http_request *request, uint64_t length, void **state,
                  struct pq_http_reply *reply);
    int (*take)(void *user, void *state, const void *data, size_t size, pique_error *err);
    void (*end)(void *user, void *state, bool whole, struct pq_http_reply *reply);
};

enum pq_http_method { PQ_HTTP_GET, PQ_HTTP_POST, PQ_HTTP_PUT, PQ_HTTP_PATCH, PQ_HTTP_DELETE };

/* A row of the table. HEAD follows from GET, 405 and Allow from the rows of one path. */
struct pq_http_route {
    enum pq_http_method method;
    const char *path; /* "/api/items/" "*" "/pause": a * is one part, [A-Za-z0-9_.-]{1,64} */
    pq_http_handler *handle;
    size_t most_body;                    /* of JSON; 0: none is taken */
    const struct pq_http_upload *upload; /* instead of handle */
};

struct pq_http_setup {
    const char *const *addresses; /* "127.0.0.1", "::1", or what --listen says */
    size_t address_count;
    int port, port_tries;          /* port, or the next free one of so many; 0: any */
    const char *const *host_names; /* further names it may be called by */
    size_t host_name_count;
    const char *token; /* 64 hexadecimal digits */
    const struct pq_http_route *routes;
    size_t route_count;
    void *user;               /* of all handlers */
    struct pq_events *events; /* GET /api/events */
    const char *ui_folder;    /* the page from files instead of from the program, for who works on
                                 it; NULL */
};

/* Listen. @return 0; PIQUE_EEXIST no port is free; PIQUE_EIO; PIQUE_ENOMEM. */
int pq_http_open(const struct pq_http_setup *setup, struct pq_http **out, pique_error *err);
/* The port that was found. */
int pq_http_port(const struct pq_http *http);
/* A new word that "/?launch=WORD" takes once, for a cookie. 32 hexadecimal digits; out has 33. */
void pq_http_launch_word(struct pq_http *http, char *out);
/* Ask the handlers again whose answers were to come later. Thread-safety: safe. */
void pq_http_wake(struct pq_http *http);
void pq_http_close(struct pq_http **http);
