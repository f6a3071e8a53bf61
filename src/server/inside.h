/* SPDX-License-Identifier: MIT */
/* What the files of this folder share: the server, and one request from its first line to its
 * answer. All of it belongs to the server's thread, but where a field says otherwise. */
#pragma once

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "server/guard.h"
#include "server/head.h"
#include "server/http.h"
#include "server/launch.h"
#include "server/links.h"
#include "server/listen.h"
#include "server/lockout.h"
#include "server/page.h"
#include "server/route.h"
#include "server/stream.h"
#include "server/wait.h"

struct pq_http {
    struct MHD_Daemon *daemon;
    struct pq_listen listen;
    struct pq_links links;
    size_t most_links;
    struct pq_guard guard; /* read only */
    struct pq_lockout lockout;
    struct pq_launch launch; /* of any thread */
    struct pq_page page;
    char *ui_folder;
    struct pq_streams streams;
    struct pq_waits waits;
    const struct pq_http_route *routes;
    size_t route_count;
    void *user;
    uint64_t pieces; /* calls of libmicrohttpd that brought something */
    unsigned idle_turns;
    pthread_t thread;
    bool is_running;
    int wake_fd;            /* an eventfd: of any thread */
    atomic_bool woken;      /* somebody wrote to it, and it was not read yet */
    atomic_bool asks_again; /* what waits for its answer may have one */
    atomic_bool closing;
};

/* What a request waits for. */
enum pq_stage {
    PQ_STAGE_HEAD,   /* its head */
    PQ_STAGE_READY,  /* its end; then its route answers */
    PQ_STAGE_BODY,   /* a body, into memory */
    PQ_STAGE_UPLOAD, /* a body, piece by piece to its route */
    PQ_STAGE_DRAIN,  /* a body that nobody wants; then `reply` is sent */
    PQ_STAGE_DONE    /* nothing: the answer is queued */
};

struct pq_asked {
    struct pq_http *http;
    struct MHD_Connection *connection;
    struct pq_link *link;
    enum pq_stage stage;
    enum pq_http_method method;
    bool sends;      /* POST or PUT */
    bool closes;     /* the connection ends with the answer */
    bool is_unsound; /* malformed: it may not end where it seems to */
    char *uri;       /* owned: the path, and behind its NUL the query, cut up */
    struct pq_head head;
    struct pq_match match;
    struct pq_query query;
    struct pq_http_request request; /* as the route sees it */
    struct pq_str body;
    void *upload_state;
    uint64_t received; /* bytes of the body */
    uint64_t drain_left;
    struct pq_http_reply reply; /* of DRAIN */
    unsigned allow;             /* methods that a 405 tells */
    bool waits;                 /* it is in the list of those that wait */
    int64_t wait_since_ms, wait_until_ms;
    struct pq_asked *next_waiting;
};

/* ---- answer.c: callbacks of libmicrohttpd ---- */

/* A request line has come: a new struct pq_asked, or NULL out of memory. */
void *pq_http_on_uri(void *http, const char *uri, struct MHD_Connection *connection);
enum MHD_Result pq_http_on_request(void *http, struct MHD_Connection *connection, const char *url,
                                   const char *method, const char *version, const char *data,
                                   size_t *size, void **asked);
void pq_http_on_end(void *http, struct MHD_Connection *connection, void **asked,
                    enum MHD_RequestTerminationCode how);

/* ---- check.c ---- */

/* Read the head, fill all of asked that follows from it, and say why there is no answer; NULL:
 * there is. */
const struct pq_refusal *pq_asked_check(struct pq_asked *asked, const char *method,
                                        const char *version);
bool pq_asked_is_api(const struct pq_asked *asked);
bool pq_asked_is_events(const struct pq_asked *asked);
const struct sockaddr *pq_asked_peer(const struct pq_asked *asked);

/* ---- front.c ---- */

enum MHD_Result pq_front_page(struct pq_asked *asked);
enum MHD_Result pq_front_events(struct pq_asked *asked);

/* ---- reply.c ---- */

/* Queue an answer, and free what it holds. MHD_NO: the connection ends without one. */
enum MHD_Result pq_reply_send(struct pq_asked *asked, struct pq_http_reply *reply);
void pq_reply_free(struct pq_http_reply *reply);
/* A sentence alone, for who sees it in a browser. */
enum MHD_Result pq_reply_plain(struct pq_asked *asked, int status, const char *sentence);
