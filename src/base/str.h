/* SPDX-License-Identifier: MIT */
/* Strings that grow, and the few questions we ask of strings. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A string that grows. Start with {0}. After an allocation failed it stays valid, ignores what is
 * added and pq_str_take() returns NULL, so only the end needs a check. */
struct pq_str {
    char *data; /* NUL-terminated, or NULL while empty */
    size_t length, capacity;
    bool failed;
};

void pq_str_add(struct pq_str *s, const char *text);
void pq_str_add_n(struct pq_str *s, const char *text, size_t n);
void pq_str_printf(struct pq_str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The text, which the caller frees with pq_free(); NULL where memory ran out. s is empty after. */
char *pq_str_take(struct pq_str *s);
void pq_str_free(struct pq_str *s);

bool pq_starts_with(const char *s, const char *prefix);
bool pq_ends_with(const char *s, const char *suffix);
/* Cut an incomplete UTF-8 sequence off the end. */
void pq_utf8_trim(char *s);
/* Length of the UTF-8 sequence at s, or 0 where there is none (overlong, surrogate, cut). */
size_t pq_utf8_length(const char *s);
/* The code point of the sequence of that length at s. */
unsigned pq_utf8_code(const char *s, size_t length);
/* The same length, and the columns that a terminal gives the character: two for those of East Asia
 * and emoji. s must be what pq_str_add_shown() makes. */
size_t pq_utf8_columns(const char *s, int *columns);
/* Whether the character at s would steer a terminal rather than be seen on it: control characters,
 * those of U+0080 to U+009F too, and the marks that turn the direction of writing. */
bool pq_is_control(const char *s);
/* Add text that comes from a file or its name, for a person: such characters and what is not UTF-8
 * become '?'. */
void pq_str_add_shown(struct pq_str *s, const char *text);
/* The columns of a text that pq_str_add_shown() made. */
int pq_str_columns(const char *shown);
/* Add it with blanks after it up to so many columns. */
void pq_str_add_cell(struct pq_str *s, const char *text, int columns);

/* A new string from a format; NULL out of memory. pq_free() it. */
char *pq_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
