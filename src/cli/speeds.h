/* SPDX-License-Identifier: MIT */
/* How quick a model was on this machine: a record in the user's cache (speeds.json), keyed by the
 * SHA-256 of the model, the numeric key of the engine and the machine. Thread-safety: from one
 * thread. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

struct pq_speeds {
    char *path, *machine;
    json_t *record; /* {"speeds": {SHA256: {"KEY @ MACHINE": {...}}}} */
    bool damaged;   /* the file was there and could not be used */
};

int pq_speeds_open(struct pq_speeds *s, pique_error *err);
void pq_speeds_close(struct pq_speeds *s);

/* Megapixels of the input a second, measured last on this machine, with whatever engine; 0: never.
 * *key is its numeric key, or NULL. Lives as long as s is unchanged. */
double pq_speeds_find(const struct pq_speeds *s, const char *sha256, const char **key);

/* Whether so many pixels say anything: a quarter of a megapixel does. */
bool pq_speeds_worth(double pixels);
/* Remember, on the disk too, that so many pixels of the input took so long, where they are worth
 * it. */
int pq_speeds_note(struct pq_speeds *s, const char *sha256, const char *key, double pixels,
                   double seconds, pique_error *err);
