/* SPDX-License-Identifier: MIT */
/* Writes JSON. Commas, quoting and what is not UTF-8 are taken care of; the brackets are the
 * caller's. key is NULL inside an array and at the top. As pq_str, it keeps quiet when memory runs
 * out and yields NULL at the end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Start with {0}. */
struct pq_json {
    struct pq_str text;
    bool comma; /* a value stands before the next one */
};

void pq_json_open(struct pq_json *j, const char *key, char bracket); /* '{' or '[' */
void pq_json_close(struct pq_json *j, char bracket);                 /* '}' or ']' */
/* value NULL writes null. Bytes that are not UTF-8 become U+FFFD. */
void pq_json_string(struct pq_json *j, const char *key, const char *value);
void pq_json_bool(struct pq_json *j, const char *key, bool value);
void pq_json_int(struct pq_json *j, const char *key, int64_t value);
void pq_json_uint(struct pq_json *j, const char *key, uint64_t value);
/* Six significant digits; null where the number is not finite. */
void pq_json_number(struct pq_json *j, const char *key, double value);
/* Seconds, to the billionth: so exactly that a frame is found by them. */
void pq_json_seconds(struct pq_json *j, const char *key, double value);
/* Add the text as a line to out, which fails where memory ran out. j is empty after. */
void pq_json_take_line(struct pq_json *j, struct pq_str *out);
/* The text, to be freed with pq_free(), or NULL. j is empty after. */
char *pq_json_take(struct pq_json *j);
