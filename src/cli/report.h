/* SPDX-License-Identifier: MIT */
/* What a run tells: sentences and one line of progress for a person at a terminal, one JSON object
 * a line for a program, names of written files for a pipe.
 *
 *     stderr  errors, always; notes unless --quiet; results and progress on a terminal only
 *     stdout  --json: events. Else, when it is no terminal: names of the outputs, one a line.
 *             Nothing where it carries a picture
 *
 * Thread-safety: safe; lines of the engine's log come from its threads. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/chain.h"
#include "cli/files.h"
#include "pique/pique.h"

struct pq_report {
    bool json, quiet, carries_picture;
    int verbose;
    bool terminal; /* stderr is one that can rewrite a line */
    bool colour;
    bool list_names;      /* names of outputs go to stdout */
    bool stdout_lost;     /* writing to stdout failed */
    pthread_mutex_t lock; /* guards all that follows, and the two streams */

    size_t total;   /* inputs of the run */
    size_t current; /* 1 .. total */
    size_t done, failed, skipped;
    double started; /* seconds, monotonic */

    const struct pq_input *input;  /* the one in work, or NULL */
    int input_width, input_height; /* 0 where not known */
    double input_started, last_shown;
    double work_done, work_total; /* in bytes of the inputs, for the time that is left */
    double work_seconds;
    int64_t frames_started; /* of a film: done before this run; -1: none told; -2: a picture */
    int shown;              /* columns of the progress line that stands on the terminal */
};

void pq_report_init(struct pq_report *r, bool json, bool quiet, int verbose, bool carries_picture);
void pq_report_destroy(struct pq_report *r);

/* The course of a run, in this order; end may come at any time. chain: NULL where no model was
 * opened. */
void pq_report_start(struct pq_report *r, const struct pq_inputs *inputs,
                     const struct pq_chain *chain);
void pq_report_engine(struct pq_report *r, const char *device, const char *numeric_key);
void pq_report_begin(struct pq_report *r, const struct pq_input *input, int width, int height);
void pq_report_done(struct pq_report *r, const struct pq_input *input,
                    const pique_picture_report *picture);
/* So many pictures or frames (`what`), the first of them number `first`, can be read by others. */
void pq_report_saved(struct pq_report *r, const char *what, uint64_t batch, int64_t count,
                     int64_t first);
/* Begun and done, where the result is told elsewhere. */
void pq_report_computed(struct pq_report *r, const struct pq_input *input);
void pq_report_failed(struct pq_report *r, const struct pq_input *input, const pique_error *why);
void pq_report_skipped(struct pq_report *r, const struct pq_input *input, const char *why);
/* Instead of begin and done, where nothing is to be computed. plan: NULL where no engine was open;
 * seconds: negative where nothing is known. */
void pq_report_planned(struct pq_report *r, const struct pq_input *input, int width, int height,
                       const pique_picture_plan *plan, double seconds);
void pq_report_end(struct pq_report *r, int exit_status);

/* Something for the user that belongs to no file, or to the one in work. */
void pq_report_note(struct pq_report *r, const char *text);
/* A failure that belongs to no file. */
void pq_report_error(struct pq_report *r, const pique_error *why);

/* Callbacks for an engine; user is the struct pq_report. */
void pq_report_on_event(void *user, const pique_event *event);
void pq_report_on_log(void *user, enum pique_log_level level, const char *line);

/* Whole lines, for stderr as pq_str_add_shown() makes them, for stdout as they are. Used by
 * report.c. */
void pq_say(struct pq_report *r, const char *head, const char *text);
void pq_print_line(struct pq_report *r, const char *line);

/* progress.c: the line that is rewritten. The lock is held. */
void pq_progress_show(struct pq_report *r, uint64_t rows_done, uint64_t rows_total, double now);
void pq_progress_clear(struct pq_report *r);
/* Seconds that the run still takes, or a negative number while nothing can be said. */
double pq_progress_eta(const struct pq_report *r, double fraction, double now);

/* json.c: the events. The lock is held. */
void pq_event_start(struct pq_report *r, const struct pq_chain *chain);
void pq_event_engine(struct pq_report *r, const char *device, const char *numeric_key);
void pq_event_progress(struct pq_report *r, uint64_t rows_done, uint64_t rows_total, double now);
void pq_event_done(struct pq_report *r, const struct pq_input *input,
                   const pique_picture_report *picture);
void pq_event_failed(struct pq_report *r, const struct pq_input *input, const pique_error *why);
void pq_event_skipped(struct pq_report *r, const struct pq_input *input, const char *why);
void pq_event_planned(struct pq_report *r, const struct pq_input *input, int width, int height,
                      const pique_picture_plan *plan, double seconds);
void pq_event_saved(struct pq_report *r, uint64_t batch, int64_t count, int64_t first);
void pq_event_note(struct pq_report *r, const char *text);
void pq_event_error(struct pq_report *r, const pique_error *why);
void pq_event_end(struct pq_report *r, int exit_status);
