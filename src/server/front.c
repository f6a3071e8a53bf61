/* SPDX-License-Identifier: MIT */
/* What the server answers itself: the page, the word that opens it, and the stream of events. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lang.h"
#include "server/inside.h"
#include "server/secure.h"

static enum MHD_Result send_to_page(struct pq_asked *asked)
{
    const struct pq_guard *guard = &asked->http->guard;
    struct MHD_Response *r = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    char *cookie =
        pq_asprintf("%s=%s; HttpOnly; SameSite=Strict; Path=/", guard->cookie, guard->token);
    enum MHD_Result done = MHD_NO;
    if (r && cookie && pq_secure(r) && MHD_add_response_header(r, "Location", "/") == MHD_YES &&
        MHD_add_response_header(r, "Cache-Control", "no-store") == MHD_YES &&
        MHD_add_response_header(r, "Set-Cookie", cookie) == MHD_YES)
        done = MHD_queue_response(asked->connection, 303, r);
    if (r)
        MHD_destroy_response(r);
    pq_free(cookie);
    asked->stage = PQ_STAGE_DONE;
    return done;
}

/* "/?launch=WORD". A page of somebody else can send a browser here with wrong words; that must not
 * lock anybody out. */
static enum MHD_Result launch(struct pq_asked *asked, const char *word)
{
    struct pq_http *http = asked->http;
    const uint64_t peer = pq_listen_peer(pq_asked_peer(asked));
    const bool foreign = asked->head.site && strcmp(asked->head.site, "none") != 0 &&
                         strcmp(asked->head.site, "same-origin") != 0;
    const char *guess;
    size_t length;
    if (pq_lockout_is_locked(&http->lockout, peer, pq_clock_ms()))
        return pq_reply_plain(asked, 429,
                              pq_tr("Too many wrong words came from there; wait a minute.\n"));
    if (pq_launch_take(&http->launch, word))
        return send_to_page(asked);
    /* The address of a page that was loaded again. */
    if (pq_guard_token(&http->guard, &asked->head, &guess, &length) == PQ_TOKEN_RIGHT)
        return send_to_page(asked);
    if (!foreign)
        pq_lockout_wrong(&http->lockout, peer, word, strlen(word), pq_clock_ms());
    return pq_reply_plain(
        asked, 401,
        pq_tr("This address was used already, or is not one of this server. For a new "
              "one run: pique serve\n"));
}

enum MHD_Result pq_front_page(struct pq_asked *asked)
{
    const char *word =
        strcmp(asked->uri, "/") == 0 ? pq_query_value(&asked->query, "launch") : NULL;
    int status;
    bool owned;
    if (word)
        return launch(asked, word);
    if (!pq_page_is_there(&asked->http->page))
        return pq_reply_plain(asked, 503, pq_tr("built without the page; run: make setup\n"));
    struct MHD_Response *r =
        pq_page_get(&asked->http->page, asked->uri, &asked->head, &status, &owned);
    if (!r) {
        struct pq_http_reply reply = {.fd = -1};
        pq_http_refuse(&reply, 404, "ENOENT", "there is nothing here", "none");
        return pq_reply_send(asked, &reply);
    }
    asked->stage = PQ_STAGE_DONE;
    const enum MHD_Result done = MHD_queue_response(asked->connection, (unsigned)status, r);
    if (owned)
        MHD_destroy_response(r);
    return done;
}

enum MHD_Result pq_front_events(struct pq_asked *asked)
{
    const char *id = asked->head.last_event_id;
    struct MHD_Response *r = pq_stream_new(&asked->http->streams, asked->connection,
                                           id ? id : pq_query_value(&asked->query, "after"));
    if (!r) {
        struct pq_http_reply reply = {.fd = -1};
        pq_http_refuse(&reply, 503, "ENOMEM", "too many listen to events", "retry");
        return pq_reply_send(asked, &reply);
    }
    asked->stage = PQ_STAGE_DONE;
    const enum MHD_Result done = MHD_queue_response(asked->connection, 200, r);
    MHD_destroy_response(r);
    return done;
}
