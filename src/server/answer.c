/* SPDX-License-Identifier: MIT */
/* One request, from its first line to its answer.
 *
 *     on_uri      the request line: a struct pq_asked
 *     on_request  the head: checked, routed, and what its body is wanted for
 *                 pieces of the body
 *                 the end: answered
 *     on_end      freed
 *
 * What is refused because of its head is still read to its end where it is short, because a client
 * that is cut off while it sends may never read why. */
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lang.h"
#include "server/body.h"
#include "server/inside.h"

/* So much of a body that nobody wants is read: of whom we do not know; of whom we do, a whole piece
 * of an upload. */
enum { DRAIN_UNKNOWN = 64 << 10, DRAIN_KNOWN = 32 << 20 };

/* ---- requests for routes ---- */

const char *pq_http_query(const struct pq_http_request *request, const char *name)
{
    const struct pq_asked *asked = request->connection;
    return pq_query_value(&asked->query, name);
}

int64_t pq_http_number(const struct pq_http_request *request, const char *name, int64_t most,
                       int64_t fallback)
{
    const char *text = pq_http_query(request, name);
    uint64_t n;
    if (!text)
        return fallback;
    return pq_digits(text, most < 0 ? 0 : (uint64_t)most, &n) ? (int64_t)n : -1;
}

/* ---- refusing ---- */

/* Take over a refusal, to be sent when the body is through, or now where that is too long.
 * libmicrohttpd can answer before the body of POST and PUT alone; a body of another method that is
 * too long ends the connection. */
static enum MHD_Result refuse(struct pq_asked *asked, struct pq_http_reply *reply,
                              uint64_t drain_bytes)
{
    uint64_t length;
    const bool sane = pq_head_length(&asked->head, &length);
    const bool waits = asked->head.expect != NULL; /* for our permission to send the body */
    asked->reply = *reply;
    asked->drain_left = drain_bytes;
    asked->stage = PQ_STAGE_DRAIN;
    const bool ends =
        !asked->is_unsound || (!asked->sends && !asked->head.length && !asked->head.coding);
    if (sane && ends && length <= drain_bytes && !(waits && asked->sends))
        return MHD_YES;
    if (!asked->sends)
        return MHD_NO;
    asked->closes = true;
    return pq_reply_send(asked, &asked->reply);
}

static enum MHD_Result refuse_because(struct pq_asked *asked, const struct pq_refusal *why)
{
    struct pq_http_reply reply = {.fd = -1};
    pq_http_refuse(&reply, why->status, why->code, why->text,
                   why->status == 429 ? "retry" : "none");
    /* It may not end where it seems to, and what comes next may be its body. */
    asked->closes = asked->is_unsound || why->status == 400;
    /* Of whom we do not know neither a body that comes slowly nor an answer that is read slowly
     * keeps others out. */
    pq_links_turn(&asked->http->links, asked->link, PQ_LINK_BODY, pq_clock_ms());
    return refuse(asked, &reply, DRAIN_UNKNOWN);
}

/* ---- the head ---- */

static enum MHD_Result begin_upload(struct pq_asked *asked)
{
    const struct pq_http_upload *upload = asked->match.route->upload;
    struct pq_http_reply reply = {.fd = -1};
    uint64_t length = UINT64_MAX; /* in chunks: it is known when all of them are here */
    if (!asked->head.coding)
        pq_head_length(&asked->head, &length);
    asked->stage = PQ_STAGE_UPLOAD;
    if (upload->begin(asked->http->user, &asked->request, length, &asked->upload_state, &reply))
        return MHD_YES;
    return refuse(asked, &reply, DRAIN_KNOWN);
}

static enum MHD_Result take_head(struct pq_asked *asked, const char *method, const char *version)
{
    asked->sends = strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0;
    const struct pq_refusal *why = pq_asked_check(asked, method, version);
    if (why)
        return refuse_because(asked, why);
    const struct pq_http_route *route = asked->match.route;
    for (size_t i = 0; i < PQ_HTTP_PARTS && asked->match.part[i][0]; i++)
        asked->request.part[i] = asked->match.part[i];
    if (route && route->upload)
        return begin_upload(asked);
    asked->stage = route && route->most_body ? PQ_STAGE_BODY : PQ_STAGE_READY;
    if (asked->stage == PQ_STAGE_BODY)
        pq_links_turn(&asked->http->links, asked->link, PQ_LINK_BODY, pq_clock_ms());
    return MHD_YES;
}

/* ---- the body ---- */

static void keep(struct pq_asked *asked, const char *data, size_t size)
{
    if (size <= asked->match.route->most_body - asked->body.length) {
        pq_str_add_n(&asked->body, data, size);
        return;
    }
    pq_http_refuse(&asked->reply, 413, "body", "the body of the request is too large", "none");
    asked->stage = PQ_STAGE_DRAIN;
    asked->drain_left = DRAIN_UNKNOWN;
}

static void pass_on(struct pq_asked *asked, const char *data, size_t size)
{
    const struct pq_http_upload *upload = asked->match.route->upload;
    pique_error err = {0};
    if (upload->take(asked->http->user, asked->upload_state, data, size, &err) == 0)
        return;
    struct pq_http_reply unused = {.fd = -1};
    asked->stage = PQ_STAGE_DRAIN;
    asked->drain_left = DRAIN_KNOWN;
    upload->end(asked->http->user, asked->upload_state, false, &unused);
    pq_reply_free(&unused);
    pq_http_fail(&asked->reply, &err, err.code == PIQUE_ENOSPC ? "space" : "retry");
}

/* Whether the client has ended a body of known length before its end. When its last bytes and the
 * end come together, libmicrohttpd reads the bytes, is not told of the end a second time, and would
 * wait for more until the connection has been silent for too long. */
static bool broke_off(const struct pq_asked *asked)
{
    uint64_t length;
    char byte;
    return asked->head.length && pq_head_length(&asked->head, &length) &&
           asked->received < length &&
           recv(asked->link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static enum MHD_Result take_piece(struct pq_asked *asked, const char *data, size_t size)
{
    asked->received += size;
    if (asked->stage == PQ_STAGE_BODY) {
        keep(asked, data, size);
    } else if (asked->stage == PQ_STAGE_UPLOAD) {
        pass_on(asked, data, size);
    } else {
        if (asked->stage != PQ_STAGE_DRAIN || size > asked->drain_left)
            return MHD_NO;
        asked->drain_left -= size;
    }
    return broke_off(asked) ? MHD_NO : MHD_YES;
}

/* ---- the end ---- */

static enum MHD_Result call_route(struct pq_asked *asked)
{
    struct pq_http_reply reply = {.fd = -1};
    pique_error err;
    int rc = asked->body.failed
                 ? pq_fail_nomem(&err, asked->body.length)
                 : pq_body_parse(asked->body.data, asked->body.length, &asked->request.body, &err);
    if (rc)
        pq_http_fail(&reply, &err, rc == PIQUE_ENOMEM ? "retry" : "none");
    else
        asked->match.route->handle(asked->http->user, &asked->request, &reply);
    json_decref(asked->request.body);
    asked->request.body = NULL;
    /* What a body asks for is done once, so only what has none is asked again. */
    if (reply.later && asked->stage == PQ_STAGE_READY) {
        if (pq_wait_begin(&asked->http->waits, asked, pq_clock_ms()))
            return MHD_YES;
        pq_http_refuse(&reply, 503, "EBUSY", "it takes long; ask again", "retry");
    }
    return pq_reply_send(asked, &reply);
}

static enum MHD_Result answer(struct pq_asked *asked)
{
    const bool is_page = asked->stage == PQ_STAGE_READY && !pq_asked_is_api(asked);
    if (is_page) /* which anybody may read, but not forever */
        pq_links_turn(&asked->http->links, asked->link, PQ_LINK_BODY, pq_clock_ms());
    else if (asked->stage != PQ_STAGE_DRAIN)
        pq_links_turn(&asked->http->links, asked->link, PQ_LINK_FREE, 0);
    switch (asked->stage) {
    case PQ_STAGE_DRAIN:
        return pq_reply_send(asked, &asked->reply);
    case PQ_STAGE_UPLOAD: {
        struct pq_http_reply reply = {.fd = -1};
        asked->stage = PQ_STAGE_DONE;
        asked->match.route->upload->end(asked->http->user, asked->upload_state, true, &reply);
        return pq_reply_send(asked, &reply);
    }
    case PQ_STAGE_BODY:
        return call_route(asked);
    case PQ_STAGE_READY:
        if (!pq_asked_is_api(asked))
            return pq_front_page(asked);
        return pq_asked_is_events(asked) ? pq_front_events(asked) : call_route(asked);
    default:
        return MHD_NO;
    }
}

/* ---- callbacks ---- */

void *pq_http_on_uri(void *http, const char *uri, struct MHD_Connection *connection)
{
    struct pq_asked *asked = pq_calloc(1, sizeof *asked);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (!asked)
        return NULL;
    asked->http = http;
    asked->connection = connection;
    asked->link = info ? info->socket_context : NULL;
    asked->reply.fd = -1;
    asked->uri = pq_strdup(uri);
    return asked;
}

enum MHD_Result pq_http_on_request(void *http, struct MHD_Connection *connection, const char *url,
                                   const char *method, const char *version, const char *data,
                                   size_t *size, void **user)
{
    struct pq_asked *asked = *user;
    (void)connection;
    (void)url;
    ((struct pq_http *)http)->pieces++;
    if (!asked || !asked->link || !asked->uri)
        return MHD_NO;
    pq_lang_on_thread(asked->request.french ? PQ_LANG_FR : PQ_LANG_EN);
    if (asked->stage == PQ_STAGE_HEAD) {
        pq_links_turn(&asked->http->links, asked->link, PQ_LINK_FREE, 0);
        return take_head(asked, method, version);
    }
    if (*size == 0)
        return answer(asked);
    const enum MHD_Result done = take_piece(asked, data, *size);
    *size = 0;
    return done;
}

void pq_http_on_end(void *http, struct MHD_Connection *connection, void **user,
                    enum MHD_RequestTerminationCode how)
{
    struct pq_asked *asked = *user;
    (void)http;
    (void)connection;
    (void)how;
    if (!asked)
        return;
    if (asked->stage == PQ_STAGE_UPLOAD) { /* the connection broke */
        struct pq_http_reply unused = {.fd = -1};
        asked->match.route->upload->end(asked->http->user, asked->upload_state, false, &unused);
        pq_reply_free(&unused);
    }
    pq_wait_forget(&asked->http->waits, asked);
    if (asked->link)
        pq_links_turn(&asked->http->links, asked->link, PQ_LINK_IDLE, pq_clock_ms());
    pq_reply_free(&asked->reply);
    pq_str_free(&asked->body);
    pq_free(asked->uri);
    pq_free(asked);
    *user = NULL;
}
