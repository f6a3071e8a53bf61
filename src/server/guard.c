/* SPDX-License-Identifier: MIT */
#include "server/guard.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/str.h"

/* No honest client sends more lines. */
enum { MOST_LINES = 64 };

/* ---- making ---- */

/* The port behind a name, "pique.example:8443", with its colon; NULL: there is none. */
static const char *port_of(const char *name)
{
    const char *colon = strrchr(name, ':');
    const bool is_one = colon && (name[0] == '[' ? colon[-1] == ']' : strchr(name, ':') == colon);
    return is_one && colon[1] && colon[1 + strspn(colon + 1, "0123456789")] == '\0' ? colon : NULL;
}

static bool is_v6(const char *name)
{
    return strchr(name, ':') && name[0] != '[' && !port_of(name);
}

static int add_name(struct pq_guard *g, const char *name, int port, bool given, pique_error *err)
{
    const bool v6 = is_v6(name);
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
    char *text = port ? pq_asprintf("%s%s%s:%d", open, name, close, port)
                      : pq_asprintf("%s%s%s", open, name, close);
    struct pq_guard_name *names =
        text ? pq_realloc_array(g->names, g->name_count + 1, sizeof *names) : NULL;
    if (!names) {
        pq_free(text);
        return pq_fail_nomem(err, strlen(name));
    }
    g->names = names;
    names[g->name_count++] = (struct pq_guard_name){.text = text, .given = given};
    return 0;
}

/* With the port; without it where clients leave it out: at port 80, and behind a proxy. A name that
 * was given with a port of its own, that of a proxy, goes by that alone. */
static int add_names(struct pq_guard *g, const char *const *names, size_t count, bool given,
                     pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++) {
        const bool whole = given && port_of(names[i]);
        if (!whole)
            rc = add_name(g, names[i], g->port, given, err);
        if (!rc && (given || g->port == 80))
            rc = add_name(g, names[i], 0, given, err);
    }
    return rc;
}

int pq_guard_new(struct pq_guard *guard, const char *const *addresses, size_t address_count,
                 const char *const *host_names, size_t host_name_count, int port, const char *token,
                 pique_error *err)
{
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
    *guard = (struct pq_guard){.port = port};
    if (!token || strlen(token) != PQ_TOKEN_LENGTH ||
        strspn(token, "0123456789abcdefABCDEF") != PQ_TOKEN_LENGTH)
        return pq_fail(err, PIQUE_EINVAL, "the token is not %d hexadecimal digits",
                       PQ_TOKEN_LENGTH);
    memcpy(guard->token, token, PQ_TOKEN_LENGTH + 1);
    snprintf(guard->cookie, sizeof guard->cookie, "pique_%d", port);
    int rc = add_names(guard, own, PQ_COUNT(own), false, err);
    if (!rc)
        rc = add_names(guard, addresses, address_count, false, err);
    if (!rc)
        rc = add_names(guard, host_names, host_name_count, true, err);
    if (rc)
        pq_guard_free(guard);
    return rc;
}

void pq_guard_free(struct pq_guard *guard)
{
    for (size_t i = 0; i < guard->name_count; i++)
        pq_free(guard->names[i].text);
    pq_free(guard->names);
    sodium_memzero(guard, sizeof *guard);
}

/* ---- form ---- */

const struct pq_refusal *pq_guard_form(const struct pq_head *head)
{
    static const struct pq_refusal malformed = {400, "request", "the request is malformed"};
    static const struct pq_refusal twice = {400, "request",
                                            "the request says something twice that may stand in "
                                            "it once"};
    static const struct pq_refusal many = {431, "request", "the request has too many header lines"};
    static const struct pq_refusal both = {400, "request",
                                           "the request tells the length of its body in two ways"};
    static const struct pq_refusal length = {400, "request",
                                             "the length of the request's body is no number"};
    static const struct pq_refusal coding = {501, "request",
                                             "the request's body has a transfer coding that is "
                                             "not known here"};
    static const struct pq_refusal expect = {417, "request",
                                             "the request expects what is not done"};
    uint64_t n;
    if (head->malformed)
        return &malformed;
    if (head->twice)
        return &twice;
    if (head->count > MOST_LINES)
        return &many;
    if (head->length && head->coding)
        return &both;
    if (!pq_head_length(head, &n))
        return &length;
    if (head->coding && strcasecmp(head->coding, "chunked") != 0)
        return &coding;
    if (head->expect && strcasecmp(head->expect, "100-continue") != 0)
        return &expect;
    return NULL;
}

/* ---- names ---- */

static const struct pq_guard_name *find_name(const struct pq_guard *guard, const char *host)
{
    for (size_t i = 0; i < guard->name_count; i++) {
        if (strcasecmp(host, guard->names[i].text) == 0)
            return &guard->names[i];
    }
    return NULL;
}

const struct pq_refusal *pq_guard_host(const struct pq_guard *guard, const struct pq_head *head)
{
    static const struct pq_refusal none = {400, "host", "the request does not say whom it asks"};
    static const struct pq_refusal other = {421, "host",
                                            "this server does not go by that name; if it should, "
                                            "start it with --host-name"};
    if (!head->host)
        return &none;
    return find_name(guard, head->host) ? NULL : &other;
}

/* "http://" and the very name that was asked for. "https://" is a proxy's, whose own port is the
 * one that goes unsaid: it may ask by the name alone or with our port. */
static bool is_own_origin(const struct pq_guard *guard, const struct pq_head *head)
{
    const struct pq_guard_name *name = head->host ? find_name(guard, head->host) : NULL;
    if (name && pq_starts_with(head->origin, "http://"))
        return strcasecmp(head->origin + strlen("http://"), head->host) == 0;
    if (!name || !name->given || !pq_starts_with(head->origin, "https://"))
        return false;
    const char *from = head->origin + strlen("https://");
    char port[16];
    snprintf(port, sizeof port, ":%d", guard->port);
    const size_t n = strlen(head->host) - (pq_ends_with(head->host, port) ? strlen(port) : 0);
    return strcasecmp(from, head->host) == 0 ||
           (strncasecmp(from, head->host, n) == 0 && from[n] == '\0');
}

/* Browsers do not send Sec-Fetch-Site to an address that is neither loopback nor https, so that
 * it is missing says nothing. Origin comes with everything that changes something. */
const struct pq_refusal *pq_guard_origin(const struct pq_guard *guard, const struct pq_head *head,
                                         bool changes)
{
    static const struct pq_refusal other = {403, "origin", "another page may not ask this"};
    if (head->origin && !is_own_origin(guard, head))
        return &other;
    if (!head->site || strcmp(head->site, "same-origin") == 0)
        return changes && head->site && !head->origin ? &other : NULL;
    return !changes && strcmp(head->site, "none") == 0 ? NULL : &other;
}

const struct pq_refusal *pq_guard_mark(const struct pq_head *head)
{
    static const struct pq_refusal none = {403, "mark", "the request lacks the header X-Pique: 1"};
    return head->mark && strcmp(head->mark, "1") == 0 ? NULL : &none;
}

/* ---- bodies ---- */

static bool is_type(const char *value, const char *type)
{
    size_t n = strlen(type);
    if (!value || strncasecmp(value, type, n) != 0)
        return false;
    value += n;
    value += strspn(value, " \t");
    if (*value == ';') { /* the one parameter that says nothing new */
        value += 1 + strspn(value + 1, " \t");
        if (strncasecmp(value, "charset=", 8) != 0)
            return false;
        value += 8;
        return strcasecmp(value, "utf-8") == 0 || strcasecmp(value, "\"utf-8\"") == 0;
    }
    return *value == '\0';
}

const struct pq_refusal *pq_guard_body(const struct pq_head *head, enum pq_guard_body body)
{
    static const struct pq_refusal none = {400, "body", "this request takes no body"};
    static const struct pq_refusal json = {415, "type",
                                           "the body must be of the type application/json"};
    static const struct pq_refusal octets = {
        415, "type", "the body must be of the type application/octet-stream"};
    uint64_t length;
    const bool empty = pq_head_length(head, &length) && length == 0 && !head->coding;
    if (body == PQ_BODY_OCTETS)
        return is_type(head->type, "application/octet-stream") ? NULL : &octets;
    if (empty)
        return NULL;
    if (body == PQ_BODY_NONE)
        return &none;
    return is_type(head->type, "application/json") ? NULL : &json;
}

/* ---- tokens ---- */

static bool is_token(const struct pq_guard *guard, const char *text, size_t length)
{
    return length == PQ_TOKEN_LENGTH && sodium_memcmp(text, guard->token, PQ_TOKEN_LENGTH) == 0;
}

static enum pq_guard_token judge(const struct pq_guard *guard, const char *text, size_t length,
                                 const char **guess, size_t *guess_length)
{
    if (is_token(guard, text, length))
        return PQ_TOKEN_RIGHT;
    *guess = text;
    *guess_length = length;
    return PQ_TOKEN_WRONG;
}

/* "a=1; pique_7860=TOKEN". Cookies know no ports, and another server on this machine can set one
 * of our name for a longer path, which then comes first: one that is right is enough. */
static enum pq_guard_token in_cookie(const struct pq_guard *guard, const char *cookie,
                                     const char **guess, size_t *length)
{
    enum pq_guard_token found = PQ_TOKEN_NONE;
    const size_t name = strlen(guard->cookie);
    while (*cookie && found != PQ_TOKEN_RIGHT) {
        cookie += strspn(cookie, "; \t");
        size_t n = strcspn(cookie, "; \t");
        if (n > name && memcmp(cookie, guard->cookie, name) == 0 && cookie[name] == '=')
            found = judge(guard, cookie + name + 1, n - name - 1, guess, length);
        cookie += n;
    }
    return found;
}

static bool is_bearer(const char *authorization)
{
    const size_t n = strcspn(authorization, " \t");
    return n == strlen("Bearer") && strncasecmp(authorization, "Bearer", n) == 0;
}

enum pq_guard_token pq_guard_token(const struct pq_guard *guard, const struct pq_head *head,
                                   const char **guess, size_t *length)
{
    *guess = NULL;
    *length = 0;
    /* Another scheme is for somebody else: a proxy that asks for a password passes on what the
     * browser told it. It is no guess of our token, and there may be a cookie beside it. */
    if (head->authorization && is_bearer(head->authorization)) {
        const char *a = head->authorization + strlen("Bearer");
        a += *a == ' ';
        return judge(guard, a, strlen(a), guess, length);
    }
    if (head->token)
        return judge(guard, head->token, strlen(head->token), guess, length);
    return head->cookie ? in_cookie(guard, head->cookie, guess, length) : PQ_TOKEN_NONE;
}

bool pq_guard_is_loopback(const struct pq_head *head)
{
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; head->host && i < PQ_COUNT(own); i++) {
        size_t n = strlen(own[i]);
        if (strncasecmp(head->host, own[i], n) == 0 &&
            (head->host[n] == ':' || head->host[n] == '\0'))
            return true;
    }
    return false;
}
