/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static bool reserve(struct pq_str *s, size_t more)
{
    if (s->failed)
        return false;
    size_t need = s->length + more + 1;
    if (need < more) {
        s->failed = true;
        return false;
    }
    if (need <= s->capacity)
        return true;
    size_t capacity = s->capacity ? s->capacity * 2 : 64;
    if (capacity < need)
        capacity = need;
    char *data = pq_realloc(s->data, capacity);
    if (!data) {
        s->failed = true;
        return false;
    }
    s->data = data;
    s->capacity = capacity;
    return true;
}

void pq_str_add_n(struct pq_str *s, const char *text, size_t n)
{
    if (!reserve(s, n))
        return;
    memcpy(s->data + s->length, text, n);
    s->length += n;
    s->data[s->length] = '\0';
}

void pq_str_add(struct pq_str *s, const char *text)
{
    pq_str_add_n(s, text, strlen(text));
}

static void add_v(struct pq_str *s, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0)
        s->failed = true;
    else if (reserve(s, (size_t)n)) {
        vsnprintf(s->data + s->length, (size_t)n + 1, fmt, again);
        s->length += (size_t)n;
    }
    va_end(again);
}

void pq_str_printf(struct pq_str *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_v(s, fmt, args);
    va_end(args);
}

char *pq_str_take(struct pq_str *s)
{
    if (!s->data)
        pq_str_add_n(s, "", 0);
    char *data = s->data;
    if (s->failed) {
        pq_free(data);
        data = NULL;
    }
    *s = (struct pq_str){0};
    return data;
}

void pq_str_free(struct pq_str *s)
{
    pq_free(s->data);
    *s = (struct pq_str){0};
}

bool pq_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool pq_ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

void pq_utf8_trim(char *s)
{
    size_t n = strlen(s);
    size_t lead = n;
    while (lead > 0 && n - lead < 4 && ((unsigned char)s[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    unsigned char c = (unsigned char)s[lead - 1];
    size_t want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    if (n - (lead - 1) < want)
        s[lead - 1] = '\0';
}

char *pq_asprintf(const char *fmt, ...)
{
    struct pq_str s = {0};
    va_list args;
    va_start(args, fmt);
    add_v(&s, fmt, args);
    va_end(args);
    return pq_str_take(&s);
}
