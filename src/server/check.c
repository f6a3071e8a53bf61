/* SPDX-License-Identifier: MIT */
/* Whether a request is answered, as soon as its head is there: all that guard.h can say, in an
 * order in which nobody learns more than he may. Who has no token hears only that. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lang.h"
#include "server/inside.h"

static enum MHD_Result take_line(void *user, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    pq_head_add(user, name, name_length, value ? value : "", value ? value_length : 0);
    return MHD_YES;
}

/* The bytes of a head as it should be, "NAME: VALUE" CR LF each. */
static enum MHD_Result add_size(void *user, enum MHD_ValueKind kind, const char *name,
                                size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    (void)name;
    (void)value;
    *(size_t *)user += name_length + value_length + 4;
    return MHD_YES;
}

/* A NUL ends a string early, and a line can be folded into the one before it: then more has come
 * than we have seen, and somebody else may have seen another request in it. */
static bool hides_something(struct pq_asked *asked, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(asked->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t seen = strlen(method) + strlen(asked->uri) + strlen(version) + 6;
    MHD_get_connection_values_n(asked->connection, MHD_HEADER_KIND, add_size, &seen);
    return !info || info->header_size > seen;
}

const struct sockaddr *pq_asked_peer(const struct pq_asked *asked)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(asked->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

/* Cut the target into path and query. */
static bool cut_uri(struct pq_asked *asked)
{
    char *query = strchr(asked->uri, '?');
    if (query) {
        *query = '\0';
        if (!pq_query_parse(query + 1, &asked->query))
            return false;
    }
    return pq_path_is_clean(asked->uri);
}

static void describe(struct pq_asked *asked)
{
    const char *lang = pq_query_value(&asked->query, "lang");
    asked->request.connection = asked;
    asked->request.french = lang ? strcmp(lang, "fr") == 0 : pq_head_french(&asked->head);
    pq_lang_on_thread(asked->request.french ? PQ_LANG_FR : PQ_LANG_EN);
    asked->request.loopback = pq_listen_is_loopback(pq_asked_peer(asked)) &&
                              pq_guard_is_loopback(&asked->head) && !asked->head.forwarded;
}

/* GET for HEAD; false: none that we know. */
static bool method_of(const char *text, enum pq_http_method *method)
{
    static const char *const names[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    if (strcmp(text, "HEAD") == 0)
        text = "GET";
    for (size_t i = 0; i < PQ_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *method = (enum pq_http_method)i;
            return true;
        }
    }
    return false;
}

bool pq_asked_is_events(const struct pq_asked *asked)
{
    return asked->http->streams.events && strcmp(asked->uri, "/api/events") == 0;
}

bool pq_asked_is_api(const struct pq_asked *asked)
{
    return pq_starts_with(asked->uri, "/api/") || strcmp(asked->uri, "/api") == 0;
}

/* ---- tokens ---- */

static const struct pq_refusal *check_token(struct pq_asked *asked)
{
    static const struct pq_refusal locked = {
        429, "locked", "too many wrong tokens came from there; wait a minute"};
    static const struct pq_refusal none = {401, "token",
                                           "the request lacks the token of this server"};
    static const struct pq_refusal wrong = {401, "token",
                                            "the token of the request is not this server's"};
    struct pq_http *http = asked->http;
    const uint64_t peer = pq_listen_peer(pq_asked_peer(asked));
    const int64_t now = pq_clock_ms();
    const char *guess;
    size_t length;
    if (pq_lockout_is_locked(&http->lockout, peer, now))
        return &locked;
    switch (pq_guard_token(&http->guard, &asked->head, &guess, &length)) {
    case PQ_TOKEN_RIGHT:
        return NULL;
    case PQ_TOKEN_NONE:
        return &none;
    default:
        return pq_lockout_wrong(&http->lockout, peer, guess, length, now) ? &locked : &wrong;
    }
}

/* Everything but the body. Sets asked->match of what is no page. */
static const struct pq_refusal *check_api(struct pq_asked *asked)
{
    static const struct pq_refusal nowhere = {404, "ENOENT", "there is nothing here"};
    static const struct pq_refusal method = {405, "method", "this cannot be asked here"};
    const bool changes = asked->method != PQ_HTTP_GET;
    const struct pq_refusal *why = pq_guard_origin(&asked->http->guard, &asked->head, changes);
    if (!why)
        why = check_token(asked);
    if (why)
        return why;
    if (pq_asked_is_events(asked))
        asked->match.methods = 1u << PQ_HTTP_GET;
    else
        pq_route_find(asked->http->routes, asked->http->route_count, asked->method, asked->uri,
                      &asked->match);
    asked->allow = asked->match.methods;
    if (!asked->allow)
        return &nowhere;
    if (!(asked->allow & 1u << asked->method))
        return &method;
    return changes ? pq_guard_mark(&asked->head) : NULL;
}

static const struct pq_refusal *check_page(struct pq_asked *asked)
{
    static const struct pq_refusal method = {405, "method", "this cannot be asked here"};
    asked->allow = 1u << PQ_HTTP_GET;
    return asked->method == PQ_HTTP_GET ? NULL : &method;
}

static const struct pq_refusal *check_body(const struct pq_asked *asked)
{
    static const struct pq_refusal large = {413, "body", "the body of the request is too large"};
    const struct pq_http_route *route = asked->match.route;
    const bool json = route && !route->upload && route->most_body > 0;
    uint64_t length = 0;
    const struct pq_refusal *why =
        pq_guard_body(&asked->head, route && route->upload ? PQ_BODY_OCTETS
                                    : json                 ? PQ_BODY_JSON
                                                           : PQ_BODY_NONE);
    if (!why && json && pq_head_length(&asked->head, &length) && length > route->most_body)
        return &large;
    return why;
}

const struct pq_refusal *pq_asked_check(struct pq_asked *asked, const char *method,
                                        const char *version)
{
    static const struct pq_refusal hidden = {400, "request", "the request is malformed"};
    static const struct pq_refusal path = {400, "path", "the address of the request is malformed"};
    static const struct pq_refusal unknown = {501, "method", "this method is not known here"};
    static const struct pq_refusal upgrade = {400, "request", "no other protocol is spoken here"};
    MHD_get_connection_values_n(asked->connection, MHD_HEADER_KIND, take_line, &asked->head);
    const struct pq_refusal *why = hides_something(asked, method, version) ? &hidden : NULL;
    if (!why)
        why = pq_guard_form(&asked->head);
    asked->is_unsound = why != NULL;
    if (!why && !cut_uri(asked))
        why = &path;
    if (!why)
        why = pq_guard_host(&asked->http->guard, &asked->head);
    if (!why && !method_of(method, &asked->method))
        why = &unknown;
    if (!why && asked->head.upgrade)
        why = &upgrade;
    if (!why) {
        describe(asked);
        why = pq_asked_is_api(asked) ? check_api(asked) : check_page(asked);
    }
    return why ? why : check_body(asked);
}
