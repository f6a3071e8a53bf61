/* SPDX-License-Identifier: MIT */
/* The server without memory: every allocation of every kind of request fails once. The request may
 * then fail; the next one may not. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "server/http.h"

static const char token[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static struct pq_http *http;
static struct pq_events *events;

static void echo(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    (void)user;
    pq_http_json(reply, 200, request->body ? json_incref(request->body) : json_object());
}

static void file(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    (void)user;
    (void)request;
    pq_http_file(reply, "/proc/self/exe", "video/mp4");
    reply->accepts_range = true;
    reply->attachment = pq_strdup("a name.mp4");
}

static int open_uploads; /* of the server's thread, looked at after it ended */

static bool begin(void *user, const struct pq_http_request *request, uint64_t length, void **state,
                  struct pq_http_reply *reply)
{
    (void)user;
    (void)request;
    (void)length;
    *state = pq_malloc(1);
    if (!*state)
        pq_http_refuse(reply, 503, "ENOMEM", "out of memory", "retry");
    open_uploads += *state != NULL;
    return *state != NULL;
}

static int take(void *user, void *state, const void *data, size_t size, pique_error *err)
{
    (void)user;
    (void)state;
    (void)data;
    (void)size;
    (void)err;
    return 0;
}

static void end(void *user, void *state, bool whole, struct pq_http_reply *reply)
{
    (void)user;
    pq_free(state);
    open_uploads--;
    pq_http_json(reply, 200, json_pack("{s:b}", "whole", whole));
}

static const struct pq_http_upload upload = {begin, take, end};
static const struct pq_http_route routes[] = {
    {PQ_HTTP_POST, "/api/echo", echo, 4096, NULL},
    {PQ_HTTP_GET, "/api/file", file, 0, NULL},
    {PQ_HTTP_PUT, "/api/items/*/content", NULL, 0, &upload},
};

static int open_server(pique_error *err)
{
    static const char *const addresses[] = {"127.0.0.1"};
    const struct pq_http_setup setup = {
        .addresses = addresses,
        .address_count = 1,
        .token = token,
        .routes = routes,
        .route_count = PQ_COUNT(routes),
        .events = events,
    };
    return pq_http_open(&setup, &http, err);
}

/* Send a request, "%d" in it being the port; the status, or 0 where there was no answer. */
static int ask(const char *format, const char *more)
{
    char text[2048], got[1024] = "";
    const struct timeval patience = {.tv_sec = 20};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)pq_http_port(http))};
    int n = snprintf(text, sizeof text, format, pq_http_port(http), token, more);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    ssize_t count = recv(fd, got, sizeof got - 1, 0);
    assert_true(count >= 0 || errno == ECONNRESET); /* in time */
    close(fd);
    return count > 12 ? atoi(got + 9) : 0;
}

#define HEAD "Host: localhost:%d\r\nAuthorization: Bearer %s\r\nX-Pique: 1\r\n%s"

static const struct {
    const char *text;
    int status;
} requests[] = {
    {"POST /api/echo HTTP/1.1\r\n" HEAD "Content-Type: application/json\r\n"
     "Content-Length: 7\r\n\r\n{\"a\":1}",
     200},
    {"GET /api/file HTTP/1.1\r\n" HEAD "Range: bytes=5-9\r\n\r\n", 206},
    {"PUT /api/items/a/content HTTP/1.1\r\n" HEAD "Content-Type: application/octet-stream\r\n"
     "Content-Length: 5\r\n\r\nhello",
     200},
    {"GET /api/events?after=1 HTTP/1.1\r\n" HEAD "\r\n", 200},
    {"GET /js/app.js HTTP/1.1\r\n" HEAD "\r\n", 200},
    {"GET /api/none HTTP/1.1\r\n" HEAD "\r\n", 404},
    {"GET /api/none HTTP/1.1\r\nHost: evil:%d\r\n%s: %s\r\n\r\n", 421},
};

static void a_request_without_memory_fails_and_the_next_one_does_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < PQ_COUNT(requests); i++) {
        long n = 1, failed = 0;
        for (;; n++) {
            pq_fault_arm(PQ_FAULT_ALLOC, n, ENOMEM, false);
            int status = ask(requests[i].text, "");
            bool reached = pq_fault_count(PQ_FAULT_ALLOC) >= n;
            pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
            if (status && status != requests[i].status && status < 500)
                fail_msg("request %zu, allocation %ld: %d", i, n, status);
            failed += status != requests[i].status;
            assert_int_equal(ask(requests[i].text, ""), requests[i].status);
            if (!reached)
                break;
        }
        assert_true(failed > 0); /* or the test is none */
        assert_true(n > 2);
    }
}

static void a_server_without_memory_is_not_opened(void **state)
{
    (void)state;
    struct pq_http *kept = http;
    pique_error err;
    long n = 1;
    for (;; n++) {
        pq_fault_arm(PQ_FAULT_ALLOC, n, ENOMEM, false);
        int rc = open_server(&err);
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        if (rc == 0)
            break;
        assert_int_equal(rc, PIQUE_ENOMEM);
        assert_null(http);
    }
    assert_true(n > 5);
    pq_http_close(&http);
    http = kept;
    pq_events_on_add(events, NULL, NULL);
}

static int set_up(void **state)
{
    (void)state;
    return pq_events_new(4096, &events, NULL) || open_server(NULL);
}

static int tear_down(void **state)
{
    (void)state;
    pq_http_close(&http);
    pq_events_free(&events);
    return open_uploads;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_without_memory_fails_and_the_next_one_does_not),
        cmocka_unit_test(a_server_without_memory_is_not_opened),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
