/* SPDX-License-Identifier: MIT */
/* Any bytes as a request: a line "METHOD TARGET", lines of a head, an empty line, a body. All that
 * judges a request before a route sees it; what it lets through is what it promises. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "server/body.h"
#include "server/guard.h"
#include "server/lockout.h"
#include "server/range.h"
#include "server/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char token[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static const struct pq_http_route routes[] = {
    {PQ_HTTP_GET, "/api/state", NULL, 0, NULL},
    {PQ_HTTP_PATCH, "/api/items/*", NULL, 100, NULL},
    {PQ_HTTP_GET, "/api/tests/*/before", NULL, 0, NULL},
    {PQ_HTTP_GET, "/api/tests/*/*", NULL, 0, NULL},
    {PQ_HTTP_PUT, "/api/items/*/content", NULL, 0, NULL},
};

/* The next line, without its end, with a NUL behind it; NULL at the end of all. */
static char *next_line(char **at, char *end, size_t *length)
{
    char *line = *at, *feed = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
    if (!feed)
        return NULL;
    *at = feed + 1;
    *length = (size_t)(feed - line);
    *feed = '\0';
    return line;
}

static void look_at_target(char *target)
{
    struct pq_query query;
    struct pq_match match;
    char allow[64], *mark = strchr(target, '?');
    if (mark) {
        *mark = '\0';
        if (pq_query_parse(mark + 1, &query)) {
            for (size_t i = 0; i < query.count; i++)
                assert(pq_query_value(&query, query.pairs[i].name) == query.pairs[i].value);
        }
    }
    if (!pq_path_is_clean(target))
        return;
    assert(target[0] == '/' && !strstr(target, "/.") && !strstr(target, "//"));
    for (int method = PQ_HTTP_GET; method <= PQ_HTTP_DELETE; method++) {
        pq_route_find(routes, PQ_COUNT(routes), (enum pq_http_method)method, target, &match);
        pq_route_allow(match.methods, allow, sizeof allow);
        assert(!match.route || match.methods & 1u << method);
        for (int i = 0; i < PQ_HTTP_PARTS; i++)
            assert(strlen(match.part[i]) <= PQ_PART_LENGTH && !strchr(match.part[i], '/'));
    }
}

static void look_at_range(const char *text)
{
    static const uint64_t sizes[] = {0, 1, 100, INT64_MAX};
    uint64_t first, count;
    for (size_t i = 0; i < PQ_COUNT(sizes); i++) {
        if (pq_range_parse(text, sizes[i], &first, &count) != PQ_RANGE_OUTSIDE)
            assert(first <= sizes[i] && count <= sizes[i] - first);
    }
}

static void look_at_head(const struct pq_guard *guard, const struct pq_head *head)
{
    const char *guess;
    size_t length;
    uint64_t n;
    pq_guard_form(head);
    pq_head_french(head);
    pq_head_gzip(head);
    pq_head_length(head, &n);
    pq_guard_is_loopback(head);
    pq_guard_mark(head);
    for (int body = PQ_BODY_NONE; body <= PQ_BODY_OCTETS; body++)
        pq_guard_body(head, (enum pq_guard_body)body);
    if (!pq_guard_host(guard, head)) {
        assert(strlen(head->host) <= strlen("pique.example:7860"));
        if (!pq_guard_origin(guard, head, true) && head->origin)
            assert(strstr(head->origin, "://"));
    }
    if (pq_guard_token(guard, head, &guess, &length) == PQ_TOKEN_WRONG) {
        struct pq_lockout lockout = {0};
        pq_lockout_wrong(&lockout, 1, guess, length, 1);
    }
    look_at_range(head->range);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"}, *const names[] = {"pique.example"};
    struct pq_guard guard;
    struct pq_head head = {0};
    char *text = malloc(size + 1), *at = text, *line;
    size_t length;
    if (!text || pq_guard_new(&guard, addresses, 2, names, 1, 7860, token, NULL) != 0)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    line = next_line(&at, text + size, &length);
    char *target = line ? strchr(line, ' ') : NULL;
    if (target)
        look_at_target(target + 1);
    while ((line = next_line(&at, text + size, &length)) && length > 0) {
        char *colon = memchr(line, ':', length);
        char *value = colon ? colon + 1 : line + length;
        if (colon)
            *colon = '\0';
        pq_head_add(&head, line, colon ? (size_t)(colon - line) : length, value,
                    (size_t)(line + length - value));
    }
    look_at_head(&guard, &head);
    json_t *body;
    if (pq_body_parse(at, (size_t)(text + size - at), &body, NULL) == 0)
        json_decref(body);
    pq_guard_free(&guard);
    free(text);
    return 0;
}
