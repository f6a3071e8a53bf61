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

size_t pq_utf8_length(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xf5 ? 0 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
        return 0;
    if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

unsigned pq_utf8_code(const char *s, size_t length)
{
    unsigned code = length < 2 ? (unsigned char)*s : (unsigned char)*s & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        code = code << 6 | ((unsigned char)s[i] & 0x3f);
    return code;
}

size_t pq_utf8_columns(const char *s, int *columns)
{
    size_t length = pq_utf8_length(s);
    unsigned code = pq_utf8_code(s, length);
    bool wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
                (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
                (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
                (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1f300 && code <= 0x3fffd);
    *columns = wide ? 2 : 1;
    return length;
}

bool pq_is_control(const char *s)
{
    unsigned code = pq_utf8_code(s, pq_utf8_length(s));
    bool steers = code < 0x20 || (code >= 0x7f && code < 0xa0);
    /* A name could be read other than it is written. */
    bool turns = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return steers || turns;
}

void pq_str_add_shown(struct pq_str *s, const char *text)
{
    while (*text) {
        size_t n = pq_utf8_length(text);
        if (n == 0 || pq_is_control(text))
            pq_str_add(s, "?");
        else
            pq_str_add_n(s, text, n);
        text += n ? n : 1;
    }
}

int pq_str_columns(const char *shown)
{
    int columns = 0, one;
    for (; *shown; columns += one)
        shown += pq_utf8_columns(shown, &one);
    return columns;
}

void pq_str_add_cell(struct pq_str *s, const char *text, int columns)
{
    struct pq_str shown = {0};
    pq_str_add_shown(&shown, text);
    s->failed |= shown.failed;
    pq_str_add(s, shown.data ? shown.data : "");
    int left = shown.data ? columns - pq_str_columns(shown.data) : columns;
    pq_str_printf(s, "%*s", left > 0 ? left : 0, "");
    pq_str_free(&shown);
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
