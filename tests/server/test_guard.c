/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "server/guard.h"
#include "server/launch.h"
#include "server/links.h"
#include "server/listen.h"
#include "server/lockout.h"

static const char token[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char *const addresses[] = {"127.0.0.1", "::1"};
static const char *const names[] = {"pique.example"};

static struct pq_guard guard;

static int set_up(void **state)
{
    (void)state;
    return pq_guard_new(&guard, addresses, 2, names, 1, 7860, token, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    pq_guard_free(&guard);
    return 0;
}

/* "Name: value" lines to a head. */
static const struct pq_head *head_of(const char *const *lines)
{
    static char store[16][8192];
    static struct pq_head head;
    head = (struct pq_head){0};
    for (size_t i = 0; lines[i]; i++) {
        snprintf(store[i], sizeof store[i], "%s", lines[i]);
        char *colon = strchr(store[i], ':');
        *colon = '\0';
        const char *value = colon + 1 + strspn(colon + 1, " ");
        pq_head_add(&head, store[i], strlen(store[i]), value, strlen(value));
    }
    return &head;
}
#define HEAD(...) head_of((const char *const[]){__VA_ARGS__, NULL})

/* The status that a check yields; 0: it passes. */
static int status(const struct pq_refusal *why)
{
    if (why)
        assert_true(strlen(why->text) > 10 && strlen(why->code) > 2);
    return why ? why->status : 0;
}

/* ---- heads ---- */

static void the_lines_of_a_head_are_found_in_any_case(void **state)
{
    (void)state;
    struct pq_head h = *HEAD("hOsT: a", "content-TYPE: b", "X-Other: c", "Last-Event-Id: 7");
    assert_string_equal(h.host, "a");
    assert_string_equal(h.type, "b");
    assert_string_equal(h.last_event_id, "7");
    assert_null(h.origin);
    assert_int_equal(h.count, 4);
    assert_false(h.twice || h.malformed || h.upgrade);
}

static void a_malformed_line_is_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t name_length;
        const char *value;
        size_t value_length;
    } bad[] = {
        {"", 0, "v", 1},        {"Host ", 5, "v", 1},   {"Ho st", 5, "v", 1},
        {"H\0st", 4, "v", 1},   {"H\tst", 4, "v", 1},   {"H\xc3", 2, "v", 1},
        {"H(x)", 4, "v", 1},    {"Host", 4, "a\0b", 3}, {"Host", 4, "a\rb", 3},
        {"Host", 4, "a\nb", 3}, {"Host", 4, "\x7f", 1}, {"Host", 4, "\x01", 1},
    };
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        struct pq_head h = {0};
        pq_head_add(&h, bad[i].name, bad[i].name_length, bad[i].value, bad[i].value_length);
        assert_true(h.malformed);
        assert_int_equal(status(pq_guard_form(&h)), 400);
    }
    assert_int_equal(status(pq_guard_form(HEAD("X-Name: d\xc3\xa9j\xc3\xa0\tvu"))), 0);
}

static void lengths_and_codings_must_agree(void **state)
{
    (void)state;
    assert_int_equal(status(pq_guard_form(HEAD("Content-Length: 5"))), 0);
    assert_int_equal(status(pq_guard_form(HEAD("Content-Length: 0"))), 0);
    assert_int_equal(status(pq_guard_form(HEAD("Transfer-Encoding: CHUNKED"))), 0);
    assert_int_equal(status(pq_guard_form(HEAD("Content-Length: 9223372036854775807"))), 0);
    static const char *const bad[] = {"",
                                      "-1",
                                      "+5",
                                      "5 5",
                                      "5,5",
                                      "0x5",
                                      "5a",
                                      " ",
                                      "5.0",
                                      "9223372036854775808",
                                      "18446744073709551616",
                                      "99999999999999999999999999999999"};
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        struct pq_head h = {.length = bad[i]};
        assert_int_equal(status(pq_guard_form(&h)), 400);
    }
    assert_int_equal(status(pq_guard_form(HEAD("Content-Length: 5", "Content-Length: 5"))), 400);
    assert_int_equal(status(pq_guard_form(HEAD("Content-Length: 5", "Transfer-Encoding: chunked"))),
                     400);
    assert_int_equal(status(pq_guard_form(HEAD("Host: a", "Host: a"))), 400);
    static const char *const codings[] = {
        "gzip", "chunked, gzip", "gzip, chunked", "identity", "xchunked", "chunked ", ""};
    for (size_t i = 0; i < PQ_COUNT(codings); i++) {
        struct pq_head h = {.coding = codings[i]};
        assert_int_equal(status(pq_guard_form(&h)), 501);
    }
    assert_int_equal(status(pq_guard_form(HEAD("Expect: 100-Continue"))), 0);
    assert_int_equal(status(pq_guard_form(HEAD("Expect: cake"))), 417);
}

static void too_many_lines_are_refused(void **state)
{
    (void)state;
    struct pq_head h = {0};
    for (int i = 0; i < 64; i++)
        pq_head_add(&h, "X", 1, "", 0);
    assert_int_equal(status(pq_guard_form(&h)), 0);
    pq_head_add(&h, "X", 1, "", 0);
    assert_int_equal(status(pq_guard_form(&h)), 431);
}

static void the_first_language_decides(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool french;
    } cases[] = {{"fr", true},   {"fr-FR,fr;q=0.9,en;q=0.8", true},
                 {" FR", true},  {"en-US,fr", false},
                 {"fro", false}, {"", false},
                 {"*", false},   {"fr;q=0.8", true}};
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct pq_head h = {.accept_language = cases[i].value};
        assert_int_equal(pq_head_french(&h), cases[i].french);
    }
    assert_false(pq_head_french(&(struct pq_head){0}));
}

static void gzip_is_sent_to_who_takes_it(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool gzip;
    } cases[] = {{"gzip", true},         {"br, gzip;q=0.5", true}, {"deflate", false},
                 {"gzip;q=0", false},    {"gzip;q=0.000", false},  {"*", true},
                 {"GZIP", true},         {"gzipped", false},       {"", false},
                 {"deflate,gzip", true}, {"x-gzip", false},        {"gzip;q=0.001, br", true}};
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct pq_head h = {.accept_encoding = cases[i].value};
        assert_int_equal(pq_head_gzip(&h), cases[i].gzip);
    }
    assert_false(pq_head_gzip(&(struct pq_head){0}));
}

/* ---- names ---- */

static void the_server_answers_to_its_names(void **state)
{
    (void)state;
    static const char *const good[] = {"localhost:7860", "LocalHost:7860",     "127.0.0.1:7860",
                                       "[::1]:7860",     "pique.example:7860", "pique.example"};
    for (size_t i = 0; i < PQ_COUNT(good); i++) {
        struct pq_head h = {.host = good[i]};
        assert_int_equal(status(pq_guard_host(&guard, &h)), 0);
    }
}

static void it_answers_to_no_other_name(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "localhost",
        "localhost:7861",
        "localhost:07860",
        "localhost:78600",
        "localhost:",
        "localhost:7860.",
        "localhost.:7860",
        "localhost:7860:7860",
        "evil.example:7860",
        "localhost.evil.example:7860",
        "evil-localhost:7860",
        "127.0.0.1",
        "127.0.0.2:7860",
        "127.1:7860",
        "0177.0.0.1:7860",
        "2130706433:7860",
        "0.0.0.0:7860",
        "[::]:7860",
        "::1:7860",
        "[::ffff:127.0.0.1]:7860",
        "[0:0:0:0:0:0:0:1]:7860",
        "user@localhost:7860",
        "localhost:7860@evil.example",
        "localhost:7860/",
        "localhost:7860#",
        "localhost:7860, evil.example",
        "http://localhost:7860",
        "pique.example:80",
        "pique.example:443",
        "a.pique.example",
        "pique.example.",
        "localhost:7860\t",
        "local host:7860",
        "l\xc3\xb6"
        "calhost:7860",
    };
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        struct pq_head h = {.host = bad[i]};
        assert_int_equal(status(pq_guard_host(&guard, &h)), 421);
    }
    assert_int_equal(status(pq_guard_host(&guard, &(struct pq_head){0})), 400);
}

static void at_port_80_a_name_stands_alone_too(void **state)
{
    (void)state;
    struct pq_guard g;
    static const char *const own[] = {"192.168.1.5", "fe80::1"};
    assert_int_equal(pq_guard_new(&g, own, 2, NULL, 0, 80, token, NULL), 0);
    static const char *const good[] = {"localhost",      "localhost:80", "192.168.1.5",
                                       "192.168.1.5:80", "[fe80::1]:80", "[fe80::1]"};
    for (size_t i = 0; i < PQ_COUNT(good); i++)
        assert_int_equal(status(pq_guard_host(&g, &(struct pq_head){.host = good[i]})), 0);
    pq_guard_free(&g);
}

static void a_guard_needs_a_token_and_memory(void **state)
{
    (void)state;
    struct pq_guard g;
    static const char *const bad[] = {
        NULL, "", "abc", "g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "00123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < PQ_COUNT(bad); i++)
        assert_int_equal(pq_guard_new(&g, addresses, 2, NULL, 0, 1, bad[i], NULL), PIQUE_EINVAL);
    for (long n = 1; n < 10; n++) {
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        int rc = pq_guard_new(&g, addresses, 2, NULL, 0, 1, token, NULL);
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_int_equal(rc, PIQUE_ENOMEM);
    }
}

/* ---- pages of others ---- */

static int origin(const char *host, const char *from, const char *site, bool changes)
{
    struct pq_head h = {.host = host, .origin = from, .site = site};
    return status(pq_guard_origin(&guard, &h, changes));
}

static void a_program_and_the_page_itself_may_change_things(void **state)
{
    (void)state;
    assert_int_equal(origin("localhost:7860", NULL, NULL, true), 0);
    assert_int_equal(origin("localhost:7860", "http://localhost:7860", "same-origin", true), 0);
    assert_int_equal(origin("[::1]:7860", "http://[::1]:7860", "same-origin", true), 0);
    /* browsers do not send the second over http to another machine */
    assert_int_equal(origin("pique.example:7860", "http://pique.example:7860", NULL, true), 0);
    assert_int_equal(origin("pique.example", "https://pique.example", "same-origin", true), 0);
    /* whose proxy asks with our port */
    assert_int_equal(origin("pique.example:7860", "https://pique.example", "same-origin", true), 0);
    assert_int_equal(origin("pique.example", "https://pique.example", NULL, true), 0);
}

static void a_proxy_has_a_port_of_its_own_where_it_is_named(void **state)
{
    (void)state;
    struct pq_guard g;
    static const char *const own[] = {"pique.example:8443", "[2001:db8::1]:8443", "2001:db8::2"};
    assert_int_equal(pq_guard_new(&g, addresses, 2, own, 3, 7860, token, NULL), 0);
    static const char *const good[][2] = {
        {"pique.example:8443", "https://pique.example:8443"},
        {"[2001:db8::1]:8443", "https://[2001:db8::1]:8443"},
        {"[2001:db8::2]:7860", "https://[2001:db8::2]"},
        {"[2001:db8::2]", "https://[2001:db8::2]"},
    };
    for (size_t i = 0; i < PQ_COUNT(good); i++) {
        struct pq_head h = {.host = good[i][0], .origin = good[i][1], .site = "same-origin"};
        assert_int_equal(status(pq_guard_host(&g, &h)), 0);
        assert_int_equal(status(pq_guard_origin(&g, &h, true)), 0);
        h.origin = "https://pique.example";
        assert_int_equal(status(pq_guard_origin(&g, &h, true)), 403);
        h.origin = "https://pique.example:8444";
        assert_int_equal(status(pq_guard_origin(&g, &h, true)), 403);
    }
    static const char *const bad[] = {"pique.example", "pique.example:7860", "[2001:db8::1]"};
    for (size_t i = 0; i < PQ_COUNT(bad); i++)
        assert_int_equal(status(pq_guard_host(&g, &(struct pq_head){.host = bad[i]})), 421);
    pq_guard_free(&g);
}

static void a_page_of_others_may_change_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"null",
                                      "",
                                      "http://evil.example",
                                      "http://localhost:7861",
                                      "http://localhost",
                                      "https://localhost:7860",
                                      "http://127.0.0.1:7860", /* not the name that was asked */
                                      "http://localhost:7860/",
                                      "http://localhost:7860.evil.example",
                                      "http://localhost:7860@evil.example",
                                      "file://",
                                      "HTTP://localhost:7860",
                                      "//localhost:7860",
                                      "localhost:7860",
                                      "http://localhost:7860 http://evil.example",
                                      "chrome-extension://abc"};
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        assert_int_equal(origin("localhost:7860", bad[i], "same-origin", true), 403);
        assert_int_equal(origin("localhost:7860", bad[i], NULL, false), 403);
    }
    static const char *const given[] = {
        "https://pique.example:7861", "https://pique.example:443", "https://pique.example.evil",
        "https://evil.pique.example", "https://pique.exampl",      "https://",
        "http://pique.example:1",     "https://localhost",         "https://pique.example/"};
    for (size_t i = 0; i < PQ_COUNT(given); i++) {
        assert_int_equal(origin("pique.example", given[i], "same-origin", true), 403);
        assert_int_equal(origin("pique.example:7860", given[i], "same-origin", true), 403);
    }
    assert_int_equal(origin("localhost:7860", "https://pique.example", NULL, true), 403);
    assert_int_equal(origin("localhost:7860", "https://localhost", NULL, true), 403);
    static const char *const sites[] = {"cross-site", "same-site", "none", "", "Same-Origin", "x"};
    for (size_t i = 0; i < PQ_COUNT(sites); i++) {
        assert_int_equal(origin("localhost:7860", "http://localhost:7860", sites[i], true), 403);
        assert_int_equal(origin("localhost:7860", NULL, sites[i], true), 403);
    }
    assert_int_equal(origin("localhost:7860", NULL, "same-origin", true), 403);
}

static void what_only_reads_may_be_typed_into_a_browser(void **state)
{
    (void)state;
    assert_int_equal(origin("localhost:7860", NULL, NULL, false), 0);
    assert_int_equal(origin("localhost:7860", NULL, "none", false), 0);
    assert_int_equal(origin("localhost:7860", NULL, "same-origin", false), 0);
    assert_int_equal(origin("localhost:7860", NULL, "same-site", false), 403);
    assert_int_equal(origin("localhost:7860", NULL, "cross-site", false), 403);
}

static void what_changes_something_carries_our_mark(void **state)
{
    (void)state;
    assert_int_equal(status(pq_guard_mark(HEAD("X-Pique: 1"))), 0);
    assert_int_equal(status(pq_guard_mark(HEAD("X-Pique: 2"))), 403);
    assert_int_equal(status(pq_guard_mark(HEAD("X-Pique: "))), 403);
    assert_int_equal(status(pq_guard_mark(HEAD("X-Piqu: 1"))), 403);
}

static void a_body_has_the_type_that_the_route_takes(void **state)
{
    (void)state;
    static const char *const good[] = {"application/json", "Application/JSON",
                                       "application/json; charset=utf-8",
                                       "application/json;charset=\"UTF-8\""};
    static const char *const bad[] = {"",
                                      "text/plain",
                                      "application/x-www-form-urlencoded",
                                      "multipart/form-data",
                                      "text/json",
                                      "application/jsonx",
                                      "application/json, text/plain",
                                      "application/json; a=b",
                                      "application/json; charset=latin1",
                                      "application/octet-stream",
                                      "application/json;"};
    struct pq_head h = {.length = "5"};
    for (size_t i = 0; i < PQ_COUNT(good); i++) {
        h.type = good[i];
        assert_int_equal(status(pq_guard_body(&h, PQ_BODY_JSON)), 0);
    }
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        h.type = bad[i];
        assert_int_equal(status(pq_guard_body(&h, PQ_BODY_JSON)), 415);
    }
    h.type = NULL;
    assert_int_equal(status(pq_guard_body(&h, PQ_BODY_JSON)), 415);
    assert_int_equal(status(pq_guard_body(&h, PQ_BODY_OCTETS)), 415);
    assert_int_equal(status(pq_guard_body(&h, PQ_BODY_NONE)), 400);
    h.length = "0";
    assert_int_equal(status(pq_guard_body(&h, PQ_BODY_JSON)), 0);
    assert_int_equal(status(pq_guard_body(&h, PQ_BODY_NONE)), 0);
    h.length = NULL;
    h.coding = "chunked";
    assert_int_equal(status(pq_guard_body(&h, PQ_BODY_NONE)), 400);
    h.type = "application/octet-stream";
    assert_int_equal(status(pq_guard_body(&h, PQ_BODY_OCTETS)), 0);
    assert_int_equal(status(pq_guard_body(&h, PQ_BODY_JSON)), 415);
}

/* ---- tokens ---- */

static enum pq_guard_token judge(const char *authorization, const char *cookie)
{
    struct pq_head h = {.authorization = authorization, .cookie = cookie};
    const char *guess;
    size_t length;
    enum pq_guard_token t = pq_guard_token(&guard, &h, &guess, &length);
    assert_true(t == PQ_TOKEN_RIGHT || t == PQ_TOKEN_NONE || guess != NULL);
    return t;
}

static void the_token_is_taken_from_either_place(void **state)
{
    (void)state;
    char text[256];
    snprintf(text, sizeof text, "Bearer %s", token);
    assert_int_equal(judge(text, NULL), PQ_TOKEN_RIGHT);
    snprintf(text, sizeof text, "bearer %s", token);
    assert_int_equal(judge(text, NULL), PQ_TOKEN_RIGHT);
    snprintf(text, sizeof text, "pique_7860=%s", token);
    assert_int_equal(judge(NULL, text), PQ_TOKEN_RIGHT);
    snprintf(text, sizeof text, "a=b; pique_7860=%s; c=d", token);
    assert_int_equal(judge(NULL, text), PQ_TOKEN_RIGHT);
    snprintf(text, sizeof text, "pique_7860=tossed;pique_7860=%s", token);
    assert_int_equal(judge(NULL, text), PQ_TOKEN_RIGHT);
    assert_int_equal(judge(NULL, NULL), PQ_TOKEN_NONE);
    assert_int_equal(judge(NULL, "theme=dark; pique_7861=x"), PQ_TOKEN_NONE);
}

static void what_a_proxy_was_told_is_no_token(void **state)
{
    (void)state;
    static const char *const others[] = {"Basic YW5uOnNlY3JldA==",
                                         "Digest username=\"ann\"",
                                         "Negotiate x",
                                         "Bearertoken x",
                                         "",
                                         " ",
                                         token};
    char cookie[256];
    snprintf(cookie, sizeof cookie, "pique_7860=%s", token);
    for (size_t i = 0; i < PQ_COUNT(others); i++) {
        assert_int_equal(judge(others[i], NULL), PQ_TOKEN_NONE);
        assert_int_equal(judge(others[i], cookie), PQ_TOKEN_RIGHT);
        assert_int_equal(judge(others[i], "pique_7860=x"), PQ_TOKEN_WRONG);
    }
}

static void a_page_behind_a_proxy_has_a_line_of_its_own_for_the_token(void **state)
{
    (void)state;
    const char *guess;
    size_t length;
    struct pq_head h = {.authorization = "Basic YW5uOnNlY3JldA==", .token = token};
    assert_int_equal(pq_guard_token(&guard, &h, &guess, &length), PQ_TOKEN_RIGHT);
    h.token = "x";
    assert_int_equal(pq_guard_token(&guard, &h, &guess, &length), PQ_TOKEN_WRONG);
    assert_string_equal(guess, "x");
    h.authorization = "Bearer y"; /* which comes first */
    h.token = token;
    assert_int_equal(pq_guard_token(&guard, &h, &guess, &length), PQ_TOKEN_WRONG);
    assert_int_equal(pq_guard_token(&guard, HEAD("x-pique-token: x"), &guess, &length),
                     PQ_TOKEN_WRONG);
}

static void a_wrong_token_is_wrong_wherever_it_differs(void **state)
{
    (void)state;
    char text[256];
    for (size_t i = 0; i < PQ_TOKEN_LENGTH; i++) {
        int n = snprintf(text, sizeof text, "Bearer %s", token);
        text[7 + i] ^= 1;
        assert_int_equal(judge(text, NULL), PQ_TOKEN_WRONG);
        snprintf(text, sizeof text, "Bearer %s", token);
        text[7 + i] = '\0'; /* cut */
        assert_int_equal(judge(text, NULL), PQ_TOKEN_WRONG);
        (void)n;
    }
    snprintf(text, sizeof text, "Bearer %s0", token);
    assert_int_equal(judge(text, NULL), PQ_TOKEN_WRONG);
    snprintf(text, sizeof text, "Bearer  %s", token);
    assert_int_equal(judge(text, NULL), PQ_TOKEN_WRONG);
    assert_int_equal(judge("Bearer", NULL), PQ_TOKEN_WRONG);
    assert_int_equal(judge(NULL, "pique_7860="), PQ_TOKEN_WRONG);
    snprintf(text, sizeof text, "pique_7860=\"%s\"", token);
    assert_int_equal(judge(NULL, text), PQ_TOKEN_WRONG);
    /* A wrong header is not made good by a cookie. */
    snprintf(text, sizeof text, "pique_7860=%s", token);
    assert_int_equal(judge("Bearer x", text), PQ_TOKEN_WRONG);
    snprintf(text, sizeof text, "xpique_7860=%s", token);
    assert_int_equal(judge(NULL, text), PQ_TOKEN_NONE);
}

/* ---- lockout ---- */

static bool wrong(struct pq_lockout *l, uint64_t address, int guess, int64_t now)
{
    char text[16];
    int n = snprintf(text, sizeof text, "guess %d", guess);
    return pq_lockout_wrong(l, address, text, (size_t)n, now);
}

static void ten_guesses_in_a_minute_lock_out_for_a_minute(void **state)
{
    (void)state;
    struct pq_lockout l = {0};
    for (int i = 0; i < 9; i++)
        assert_false(wrong(&l, 1, i, 1000 + i));
    assert_false(pq_lockout_is_locked(&l, 1, 1009));
    assert_true(wrong(&l, 1, 9, 1009));
    assert_true(pq_lockout_is_locked(&l, 1, 1010));
    assert_true(pq_lockout_is_locked(&l, 1, 1009 + 59999));
    assert_false(pq_lockout_is_locked(&l, 1, 1009 + 60000));
    assert_false(pq_lockout_is_locked(&l, 2, 1010)); /* somebody else */
    assert_false(wrong(&l, 1, 10, 1009 + 60000));    /* counted anew */
}

static void slow_guesses_and_the_same_guess_do_not_lock_out(void **state)
{
    (void)state;
    struct pq_lockout l = {0};
    for (int i = 0; i < 100; i++)
        assert_false(wrong(&l, 1, i, 1000 + i * 6700));
    for (int i = 0; i < 1000; i++)
        assert_false(wrong(&l, 2, 7, 1000 + i));
}

static void more_addresses_than_are_remembered_forget_the_oldest(void **state)
{
    (void)state;
    struct pq_lockout l = {0};
    for (int i = 0; i < 10; i++)
        wrong(&l, 1, i, 1000);
    for (uint64_t a = 2; a <= PQ_GUESSERS; a++)
        wrong(&l, a, 0, 2000);
    assert_true(pq_lockout_is_locked(&l, 1, 3000));
    wrong(&l, 100, 0, 3000);
    assert_false(pq_lockout_is_locked(&l, 1, 3000));
}

static void a_launch_word_is_good_once(void **state)
{
    (void)state;
    struct pq_launch launch;
    char words[PQ_LAUNCH_WORDS + 1][PQ_LAUNCH_LENGTH + 1];
    pq_launch_init(&launch);
    for (size_t i = 0; i < PQ_COUNT(words); i++) {
        pq_launch_new(&launch, words[i]);
        assert_int_equal(strlen(words[i]), PQ_LAUNCH_LENGTH);
        assert_int_equal(strspn(words[i], "0123456789abcdef"), PQ_LAUNCH_LENGTH);
    }
    assert_false(pq_launch_take(&launch, words[0])); /* too many came after it */
    assert_true(pq_launch_take(&launch, words[2]));
    assert_false(pq_launch_take(&launch, words[2]));
    assert_false(pq_launch_take(&launch, ""));
    assert_false(pq_launch_take(&launch, "00000000000000000000000000000000"));
    words[3][5] ^= 1;
    assert_false(pq_launch_take(&launch, words[3]));
    words[3][5] ^= 1;
    assert_true(pq_launch_take(&launch, words[3]));
    pq_launch_destroy(&launch);
}

/* ---- connections ---- */

/* Whether the other end of a pair was shut down. */
static bool is_ended(int fd)
{
    char c;
    return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static void a_connection_that_takes_too_long_is_ended(void **state)
{
    (void)state;
    struct pq_links links = {0};
    struct pq_link *link[4];
    int pairs[4][2];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        link[i] = pq_links_add(&links, pairs[i][0], 1000 + i);
    }
    pq_links_turn(&links, link[1], PQ_LINK_FREE, 0);
    pq_links_turn(&links, link[2], PQ_LINK_IDLE, 5000);
    assert_int_equal(pq_links_expire(&links, 10999), 1);
    assert_false(is_ended(pairs[0][1]));
    assert_int_equal(pq_links_expire(&links, 11000), 3);
    assert_true(is_ended(pairs[0][1]));
    assert_false(is_ended(pairs[3][1]));
    /* The one that has been waited for longest goes first; one that is answered never does. */
    assert_true(pq_links_evict(&links));
    assert_true(is_ended(pairs[3][1]));
    assert_true(pq_links_evict(&links));
    assert_true(is_ended(pairs[2][1]));
    assert_false(pq_links_evict(&links));
    assert_false(is_ended(pairs[1][1]));
    assert_int_equal(pq_links_expire(&links, 100000), -1);
    assert_int_equal(links.count, 4);
    for (int i = 0; i < 4; i++) {
        pq_links_remove(&links, link[i]);
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    assert_int_equal(links.count, 0);
}

static void the_next_free_port_is_taken(void **state)
{
    (void)state;
    struct pq_listen a, b;
    pique_error err;
    assert_int_equal(pq_listen_open(addresses, 2, 0, 1, &a, &err), 0);
    assert_true(a.port > 0 && a.count >= 1);
    assert_int_equal(pq_listen_open(addresses, 2, a.port, 1, &b, &err), PIQUE_EEXIST);
    assert_non_null(strstr(err.message, "in use"));
    int rc = pq_listen_open(addresses, 2, a.port, 50, &b, &err);
    if (a.port < 65500) {
        assert_int_equal(rc, 0);
        assert_true(b.port > a.port);
        pq_listen_close(&b);
    }
    pq_listen_close(&a);
}

static void what_is_no_address_is_not_listened_on(void **state)
{
    (void)state;
    static const char *const bad[] = {"localhost", "", "127.0.0.1:80", "256.0.0.1", "[::1]", "a b"};
    struct pq_listen l;
    pique_error err;
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        assert_int_equal(pq_listen_open(&bad[i], 1, 0, 1, &l, &err), PIQUE_EINVAL);
        assert_int_equal(l.count, 0);
    }
    assert_int_equal(pq_listen_open(addresses, 2, 70000, 1, &l, &err), PIQUE_EINVAL);
    static const char *const foreign[] = {"192.0.2.1"}; /* TEST-NET-1: no machine's */
    assert_int_not_equal(pq_listen_open(foreign, 1, 0, 1, &l, &err), 0);
    assert_non_null(strstr(err.message, "192.0.2.1"));
}

static void an_address_is_written_as_browsers_write_it(void **state)
{
    (void)state;
    static const char *const same[][2] = {{"127.0.0.1", "127.0.0.1"},
                                          {"0:0:0:0:0:0:0:1", "::1"},
                                          {"2001:DB8::A", "2001:db8::a"},
                                          {"2001:0db8:0:0:0:0:0:1", "2001:db8::1"},
                                          {"fe80:0:0:1:0:0:0:2", "fe80:0:0:1::2"}};
    char out[PQ_ADDRESS_BYTES];
    for (size_t i = 0; i < PQ_COUNT(same); i++) {
        assert_int_equal(pq_listen_plain(same[i][0], out, NULL), 0);
        assert_string_equal(out, same[i][1]);
    }
    assert_int_equal(pq_listen_plain("localhost", out, NULL), PIQUE_EINVAL);
}

static void loopback_is_told_from_the_rest(void **state)
{
    (void)state;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    v4.sin_addr.s_addr = htonl(0x7f000001);
    assert_true(pq_listen_is_loopback((struct sockaddr *)&v4));
    v4.sin_addr.s_addr = htonl(0xc0a80105);
    assert_false(pq_listen_is_loopback((struct sockaddr *)&v4));
    assert_false(pq_listen_is_loopback((struct sockaddr *)&v6));
    v6.sin6_addr = in6addr_loopback;
    assert_true(pq_listen_is_loopback((struct sockaddr *)&v6));
    assert_false(pq_listen_is_loopback(NULL));
    assert_int_not_equal(pq_listen_peer(NULL), 0);
    assert_int_not_equal(pq_listen_peer((struct sockaddr *)&v4),
                         pq_listen_peer((struct sockaddr *)&v6));
    assert_true(pq_guard_is_loopback(&(struct pq_head){.host = "localhost:7860"}));
    assert_true(pq_guard_is_loopback(&(struct pq_head){.host = "[::1]"}));
    assert_false(pq_guard_is_loopback(&(struct pq_head){.host = "localhost.example:7860"}));
    assert_false(pq_guard_is_loopback(&(struct pq_head){.host = "192.168.1.5:7860"}));
    assert_false(pq_guard_is_loopback(&(struct pq_head){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lines_of_a_head_are_found_in_any_case),
        cmocka_unit_test(a_malformed_line_is_noticed),
        cmocka_unit_test(lengths_and_codings_must_agree),
        cmocka_unit_test(too_many_lines_are_refused),
        cmocka_unit_test(the_first_language_decides),
        cmocka_unit_test(gzip_is_sent_to_who_takes_it),
        cmocka_unit_test(the_server_answers_to_its_names),
        cmocka_unit_test(it_answers_to_no_other_name),
        cmocka_unit_test(at_port_80_a_name_stands_alone_too),
        cmocka_unit_test(a_guard_needs_a_token_and_memory),
        cmocka_unit_test(a_program_and_the_page_itself_may_change_things),
        cmocka_unit_test(a_page_of_others_may_change_nothing),
        cmocka_unit_test(what_only_reads_may_be_typed_into_a_browser),
        cmocka_unit_test(what_changes_something_carries_our_mark),
        cmocka_unit_test(a_body_has_the_type_that_the_route_takes),
        cmocka_unit_test(the_token_is_taken_from_either_place),
        cmocka_unit_test(what_a_proxy_was_told_is_no_token),
        cmocka_unit_test(a_page_behind_a_proxy_has_a_line_of_its_own_for_the_token),
        cmocka_unit_test(a_proxy_has_a_port_of_its_own_where_it_is_named),
        cmocka_unit_test(a_wrong_token_is_wrong_wherever_it_differs),
        cmocka_unit_test(ten_guesses_in_a_minute_lock_out_for_a_minute),
        cmocka_unit_test(slow_guesses_and_the_same_guess_do_not_lock_out),
        cmocka_unit_test(more_addresses_than_are_remembered_forget_the_oldest),
        cmocka_unit_test(a_launch_word_is_good_once),
        cmocka_unit_test(a_connection_that_takes_too_long_is_ended),
        cmocka_unit_test(the_next_free_port_is_taken),
        cmocka_unit_test(what_is_no_address_is_not_listened_on),
        cmocka_unit_test(an_address_is_written_as_browsers_write_it),
        cmocka_unit_test(loopback_is_told_from_the_rest),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
