/* SPDX-License-Identifier: MIT */
#include "cli/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_HEAD = 64 << 10 };

/* The value of a header line, without blanks around it, into out; false: another header, or too
 * long a value. */
static bool value_of(const char *line, size_t length, const char *name, char *out, size_t room)
{
    size_t n = strlen(name);
    if (length <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    const char *from = line + n + 1, *to = line + length;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    if ((size_t)(to - from) >= room)
        return false;
    for (const char *c = from; c < to; c++) {
        if (*c < 0x20 || *c >= 0x7f)
            return false;
    }
    memcpy(out, from, (size_t)(to - from));
    out[to - from] = '\0';
    return true;
}

/* Digits only: strtoull() takes signs and blanks. */
static bool number(const char **text, uint64_t *n)
{
    char *end;
    if (**text < '0' || **text > '9' || strspn(*text, "0123456789") > 18)
        return false;
    *n = strtoull(*text, &end, 10);
    *text = end;
    return true;
}

/* "bytes 100-199/200" */
static void read_range(struct pq_http *h, const char *text)
{
    uint64_t first, last, total;
    h->first = -1;
    h->total = 0;
    if (strncasecmp(text, "bytes ", 6) != 0)
        return;
    text += 6;
    if (!number(&text, &first) || *text++ != '-' || !number(&text, &last) || *text++ != '/')
        return;
    if (*text != '*' && (!number(&text, &total) || last >= total || first > last))
        return;
    h->total = *text == '*' ? 0 : total;
    h->first = (int64_t)first;
}

static void read_line(struct pq_http *h, const char *line, size_t length)
{
    char value[256];
    const char *digits = value;
    uint64_t n;
    if (value_of(line, length, "Content-Length", value, sizeof value) && h->status != 206 &&
        number(&digits, &n))
        h->total = n;
    else if (value_of(line, length, "Content-Range", value, sizeof value) && h->status == 206)
        read_range(h, value);
    else if (value_of(line, length, "ETag", value, sizeof h->etag) && value[0] == '"')
        strcpy(h->etag, value);
    else if (value_of(line, length, "Last-Modified", value, sizeof h->modified))
        strcpy(h->modified, value);
}

/* Length of a head with its empty line, 0: it is not whole. */
static size_t head_length(const char *data, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        if (data[i] != '\n')
            continue;
        if (data[i + 1] == '\n')
            return i + 2;
        if (i + 2 < size && data[i + 1] == '\r' && data[i + 2] == '\n')
            return i + 3;
    }
    return 0;
}

/* "HTTP/1.1 206 Partial Content" */
static int status_of(const char *line, size_t length)
{
    const char *blank = memchr(line, ' ', length);
    int status = 0;
    for (int i = 1; blank && i <= 3; i++) {
        if (blank + i >= line + length || blank[i] < '0' || blank[i] > '9')
            return 0;
        status = 10 * status + (blank[i] - '0');
    }
    return status;
}

static void read_head(struct pq_http *h, const char *head, size_t length)
{
    *h = (struct pq_http){0};
    for (size_t at = 0; at < length;) {
        const char *end = memchr(head + at, '\n', length - at);
        size_t next = end ? (size_t)(end - head) + 1 : length;
        size_t n = next - at - (end ? 1 : 0);
        if (n && head[at + n - 1] == '\r')
            n--;
        if (at == 0) {
            h->status = status_of(head, n);
            h->first = h->status == 206 ? -1 : 0;
        } else {
            read_line(h, head + at, n);
        }
        at = next;
    }
}

size_t pq_http_head(struct pq_http *h, const char *data, size_t size)
{
    for (size_t at = 0;;) {
        if (size - at < 5)
            return 0;
        size_t length = memcmp(data + at, "HTTP/", 5) == 0 ? head_length(data + at, size - at) : 0;
        if (!length) {
            h->refused = memcmp(data + at, "HTTP/", 5) != 0 || size > MOST_HEAD;
            return 0;
        }
        read_head(h, data + at, length);
        at += length;
        if (h->status >= 200 && (h->status < 300 || h->status >= 400)) {
            h->ended = true;
            return at;
        }
    }
}
