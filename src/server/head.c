/* SPDX-License-Identifier: MIT */
#include "server/head.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

static const struct {
    const char *name;
    size_t offset;
} lines[] = {
    {"Host", offsetof(struct pq_head, host)},
    {"Origin", offsetof(struct pq_head, origin)},
    {"Sec-Fetch-Site", offsetof(struct pq_head, site)},
    {"X-Pique", offsetof(struct pq_head, mark)},
    {"Content-Type", offsetof(struct pq_head, type)},
    {"Authorization", offsetof(struct pq_head, authorization)},
    {"X-Pique-Token", offsetof(struct pq_head, token)},
    {"Cookie", offsetof(struct pq_head, cookie)},
    {"Content-Length", offsetof(struct pq_head, length)},
    {"Transfer-Encoding", offsetof(struct pq_head, coding)},
    {"Expect", offsetof(struct pq_head, expect)},
    {"Range", offsetof(struct pq_head, range)},
    {"If-Range", offsetof(struct pq_head, if_range)},
    {"If-None-Match", offsetof(struct pq_head, if_none_match)},
    {"Last-Event-ID", offsetof(struct pq_head, last_event_id)},
    {"Accept-Language", offsetof(struct pq_head, accept_language)},
    {"Accept-Encoding", offsetof(struct pq_head, accept_encoding)},
};

static const char *const proxies[] = {
    "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"};

/* RFC 9110, 5.6.2: a token. */
static bool is_token(const char *text, size_t length)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80 || (!isalnum(c) && !memchr(marks, c, sizeof marks - 1)))
            return false;
    }
    return length > 0;
}

static bool is_value(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

void pq_head_add(struct pq_head *head, const char *name, size_t name_length, const char *value,
                 size_t value_length)
{
    head->count++;
    if (!is_token(name, name_length) || !is_value(value, value_length)) {
        head->malformed = true;
        return;
    }
    for (size_t i = 0; i < PQ_COUNT(lines); i++) {
        if (strcasecmp(name, lines[i].name) != 0)
            continue;
        const char **place = (const char **)((char *)head + lines[i].offset);
        head->twice |= *place != NULL;
        *place = value;
        return;
    }
    for (size_t i = 0; i < PQ_COUNT(proxies); i++) {
        if (strcasecmp(name, proxies[i]) == 0)
            head->forwarded = value;
    }
    head->upgrade |= strcasecmp(name, "Upgrade") == 0 || strcasecmp(name, "HTTP2-Settings") == 0;
}

bool pq_digits(const char *text, uint64_t most, uint64_t *out)
{
    uint64_t n = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(n, (uint64_t)10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
            return false;
    }
    *out = n;
    return n <= most;
}

bool pq_head_length(const struct pq_head *head, uint64_t *length)
{
    *length = 0;
    return !head->length || pq_digits(head->length, INT64_MAX, length);
}

bool pq_head_french(const struct pq_head *head)
{
    const char *first = head->accept_language;
    if (!first)
        return false;
    first += strspn(first, " \t");
    return strncasecmp(first, "fr", 2) == 0 && !isalpha((unsigned char)first[2]);
}

/* One word of a list "gzip, br;q=0.5, *;q=0". */
static bool takes_gzip(const char *word, size_t length)
{
    size_t name = strcspn(word, ",; \t");
    bool gzip = (name == 4 && strncasecmp(word, "gzip", 4) == 0) || (name == 1 && *word == '*');
    if (!gzip || name > length)
        return false;
    const char *q = memchr(word, '=', length);
    return !q || strspn(q + 1, "0.") < (size_t)(word + length - q - 1);
}

bool pq_head_gzip(const struct pq_head *head)
{
    const char *at = head->accept_encoding;
    while (at && *at) {
        at += strspn(at, " \t,");
        size_t length = strcspn(at, ",");
        if (takes_gzip(at, length))
            return true;
        at += length;
    }
    return false;
}
