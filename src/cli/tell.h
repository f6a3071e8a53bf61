/* SPDX-License-Identifier: MIT */
/* What fetching tells: lines for a person and a progress that is rewritten, or with --json one
 * object a line. Thread-safety: from one thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/json.h"

struct pq_tell {
    FILE *out; /* lines for a person */
    bool json; /* events to standard output instead */
    bool terminal;
    bool quiet; /* no lines for a person but notes */
};

/* A download that goes on. Start with what it is called, how many bytes were there already, and
 * how many it will be (0: not known). */
struct pq_progress {
    const char *what;
    uint64_t before, total;
    double started, shown; /* seconds, monotonic */
};

/* A line for a person, in the person's language; nothing with --json. What comes from outside may
 * be in it. */
void pq_tell_line(const struct pq_tell *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, and with --json an event "note". */
void pq_tell_note(const struct pq_tell *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* So many bytes are there: at most four times a second. */
void pq_tell_progress(const struct pq_tell *t, struct pq_progress *p, uint64_t have);
/* Take the progress off the terminal. */
void pq_tell_progress_end(const struct pq_tell *t);

/* An event with the fields that the caller adds between the two; only with --json. */
struct pq_json pq_tell_event(const char *event);
void pq_tell_event_end(struct pq_json *j);
