/* SPDX-License-Identifier: MIT */
#include "server/route.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const char part_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789_.-";

bool pq_path_is_clean(const char *path)
{
    if (path[0] != '/' || strlen(path) > PQ_PATH_LENGTH)
        return false;
    while (*path) {
        path++; /* a slash */
        size_t n = strspn(path, part_letters);
        if (path[0] == '.' || (n == 0 && *path != '\0') || (path[n] != '/' && path[n] != '\0'))
            return false;
        path += n;
    }
    return true;
}

/* Does a path fit a pattern? A "*" is one part. */
static bool fits(const char *pattern, const char *path,
                 char part[PQ_HTTP_PARTS][PQ_PART_LENGTH + 1])
{
    size_t found = 0;
    while (*pattern) {
        if (*pattern != '*') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t n = strspn(path, part_letters);
        if (n == 0 || n > PQ_PART_LENGTH || found == PQ_HTTP_PARTS)
            return false;
        memcpy(part[found], path, n);
        part[found++][n] = '\0';
        path += n;
        pattern++;
    }
    return *path == '\0';
}

void pq_route_find(const struct pq_http_route *routes, size_t count, enum pq_http_method method,
                   const char *path, struct pq_match *match)
{
    memset(match, 0, sizeof *match);
    for (size_t i = 0; i < count; i++) {
        char part[PQ_HTTP_PARTS][PQ_PART_LENGTH + 1] = {""};
        if (!fits(routes[i].path, path, part))
            continue;
        match->methods |= 1u << routes[i].method;
        if (routes[i].method == method && !match->route) {
            match->route = &routes[i];
            memcpy(match->part, part, sizeof part);
        }
    }
}

void pq_route_allow(unsigned methods, char *out, size_t size)
{
    static const char *const names[] = {"GET, HEAD", "POST", "PUT", "PATCH", "DELETE"};
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (methods & 1u << i && n < size)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", names[i]);
    }
}

/* ---- what stands behind "?" ---- */

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* In place; false where it holds what no text holds. */
static bool decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '%') {
            int high = digit(from[1]), low = high < 0 ? -1 : digit(from[2]);
            if (low < 0)
                return false;
            *to++ = (char)(high << 4 | low);
            if (to[-1] == '\0')
                return false;
            from += 2;
        } else {
            *to++ = *from == '+' ? ' ' : *from;
        }
    }
    *to = '\0';
    for (const char *s = text; *s;) {
        size_t n = pq_utf8_length(s);
        if (n == 0 || pq_is_control(s))
            return false;
        s += n;
    }
    return true;
}

bool pq_query_parse(char *text, struct pq_query *query)
{
    query->count = 0;
    while (*text) {
        size_t n = strcspn(text, "&");
        char *next = text[n] ? text + n + 1 : text + n;
        text[n] = '\0';
        char *value = strchr(text, '=');
        if (value)
            *value++ = '\0';
        else
            value = text + n;
        if (n > 0) { /* "&&" says nothing */
            if (!decode(text) || !decode(value) || query->count == PQ_QUERY_COUNT ||
                pq_query_value(query, text))
                return false;
            query->pairs[query->count].name = text;
            query->pairs[query->count++].value = value;
        }
        text = next;
    }
    return true;
}

const char *pq_query_value(const struct pq_query *query, const char *name)
{
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->pairs[i].name, name) == 0)
            return query->pairs[i].value;
    }
    return NULL;
}
