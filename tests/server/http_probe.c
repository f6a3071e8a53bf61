/* SPDX-License-Identifier: MIT */
/* http-probe TOKEN [FOLDER]: a server with a few routes, which tests drive. It prints its port and
 * a word for the launch, and a new word for each line that it reads; it ends with its input.
 *
 *     POST /api/echo            the JSON that came
 *     GET  /api/small           a small JSON
 *     PUT  /api/count           how many octets came, of at most 8 GiB
 *     GET  /api/file            1 MiB of a pattern, with ranges
 *     GET  /api/picture         the same as image/png; /api/gone: one that is not there
 *     POST /api/tick            {"data": ...} as an event "tick"
 *     GET  /api/parts/A/B       what stands there
 *     GET  /api/nothing         a route that forgets to answer
 *     GET  /api/asked           language, loopback, ?number= */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "server/http.h"

struct probe {
    struct pq_events *events;
    char file[64];
};

static void echo(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    (void)user;
    pq_http_json(reply, 200, request->body ? json_incref(request->body) : json_object());
}

static void small(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    (void)user;
    (void)request;
    pq_http_json(reply, 200, json_pack("{s:s, s:i}", "version", "0.1.0", "revision", 17));
}

static void nothing(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    (void)user;
    (void)request;
    (void)reply;
}

static void parts(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    (void)user;
    pq_http_json(reply, 200, json_pack("{s:s, s:s}", "a", request->part[0], "b", request->part[1]));
}

static void asked(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    (void)user;
    const char *text = pq_http_query(request, "text");
    pq_http_json(reply, 200,
                 json_pack("{s:b, s:b, s:I, s:s?}", "french", request->french, "loopback",
                           request->loopback, "number",
                           (json_int_t)pq_http_number(request, "number", 1000, 7), "text", text));
}

static void tick(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    struct probe *probe = user;
    char *data = json_dumps(json_object_get(request->body, "data"), JSON_COMPACT | JSON_ENCODE_ANY);
    pq_events_add(probe->events, "tick", data ? data : "null");
    free(data);
    pq_http_json(reply, 200, json_pack("{s:I}", "last", (json_int_t)pq_events_last(probe->events)));
}

static void file(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    struct probe *probe = user;
    (void)request;
    pq_http_file(reply, probe->file, "video/x-matroska");
    reply->accepts_range = true;
    reply->attachment = pq_strdup("d\xc3\xa9j\xc3\xa0 \"vu\".mkv");
}

static void picture(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    struct probe *probe = user;
    (void)request;
    pq_http_file(reply, probe->file, "image/png");
}

static void gone(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    (void)user;
    (void)request;
    pq_http_file(reply, "/nonexistent/file", "image/png");
}

/* ---- the counter ---- */

static uint64_t counter_ends[2]; /* broken, whole */

static bool count_begin(void *user, const struct pq_http_request *request, uint64_t length,
                        void **state, struct pq_http_reply *reply)
{
    (void)user;
    if (pq_http_query(request, "refuse")) {
        pq_http_json(reply, 409, json_pack("{s:i}", "received", 5));
        return false;
    }
    if (length != UINT64_MAX && length > (8ull << 30)) {
        pq_http_refuse(reply, 413, "large", "larger than 8 GiB", "none");
        return false;
    }
    *state = pq_calloc(1, sizeof(uint64_t));
    return true;
}

static int count_take(void *user, void *state, const void *data, size_t size, pique_error *err)
{
    (void)user;
    uint64_t *count = state;
    *count += size;
    if (memchr(data, '!', size))
        return pq_fail(err, PIQUE_ENOSPC, "the disk is full");
    return 0;
}

static void count_end(void *user, void *state, bool whole, struct pq_http_reply *reply)
{
    (void)user;
    uint64_t *count = state;
    counter_ends[whole]++;
    pq_http_json(reply, 200, json_pack("{s:I}", "received", (json_int_t)*count));
    pq_free(count);
}

static void ends(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    (void)user;
    (void)request;
    pq_http_json(reply, 200,
                 json_pack("{s:I, s:I}", "broken", (json_int_t)counter_ends[0], "whole",
                           (json_int_t)counter_ends[1]));
}

static const struct pq_http_upload counter = {count_begin, count_take, count_end};

static const struct pq_http_route routes[] = {
    {PQ_HTTP_POST, "/api/echo", echo, 64 << 10, NULL},
    {PQ_HTTP_PATCH, "/api/echo", echo, 64 << 10, NULL},
    {PQ_HTTP_DELETE, "/api/echo", echo, 0, NULL},
    {PQ_HTTP_GET, "/api/small", small, 0, NULL},
    {PQ_HTTP_PUT, "/api/count", NULL, 0, &counter},
    {PQ_HTTP_GET, "/api/ends", ends, 0, NULL},
    {PQ_HTTP_GET, "/api/file", file, 0, NULL},
    {PQ_HTTP_GET, "/api/picture", picture, 0, NULL},
    {PQ_HTTP_GET, "/api/gone", gone, 0, NULL},
    {PQ_HTTP_POST, "/api/tick", tick, 64 << 10, NULL},
    {PQ_HTTP_GET, "/api/parts/*/*", parts, 0, NULL},
    {PQ_HTTP_GET, "/api/nothing", nothing, 0, NULL},
    {PQ_HTTP_GET, "/api/asked", asked, 0, NULL},
};

/* byte i of the file is i * 7 + i / 251, so that no two parts are alike. */
static bool make_file(struct probe *probe)
{
    snprintf(probe->file, sizeof probe->file, "/tmp/http-probe.XXXXXX");
    int fd = mkstemp(probe->file);
    FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    for (int i = 0; f && i < 1 << 20; i++)
        fputc((i * 7 + i / 251) & 0xff, f);
    return f && fclose(f) == 0;
}

int main(int argc, char **argv)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};
    static const char *const names[] = {"pique.example"};
    struct probe probe = {0};
    struct pq_http *http;
    pique_error err;
    char word[33], line[16];
    if (argc < 2 || !make_file(&probe) || pq_events_new(16 << 10, &probe.events, &err) != 0)
        return 1;
    const struct pq_http_setup setup = {
        .addresses = addresses,
        .address_count = 2,
        .host_names = names,
        .host_name_count = 1,
        .token = argv[1],
        .routes = routes,
        .route_count = PQ_COUNT(routes),
        .user = &probe,
        .events = probe.events,
        .ui_folder = argc > 2 ? argv[2] : NULL,
    };
    if (pq_http_open(&setup, &http, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    do {
        pq_http_launch_word(http, word);
        printf("%d %s\n", pq_http_port(http), word);
        fflush(stdout);
    } while (fgets(line, sizeof line, stdin));
    pq_http_close(&http);
    pq_events_free(&probe.events);
    unlink(probe.file);
    return 0;
}
