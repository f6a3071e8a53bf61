/* SPDX-License-Identifier: MIT */
/* Processes of this program that do the work: "pique work FOLDER", each with a task of its own,
 * told apart by what happens with the lines that it prints and with its end.
 *
 * A worker is killed with us: by SIGTERM where we end, in whatever way, and where it was held
 * (SIGSTOP) the kernel lets it go on for that, as it does with any group of processes that lost its
 * parent. Thread-safety: one thread, that of the runner, but for pq_processes_wake(). */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct pq_process;

struct pq_process_setup {
    const char *folder; /* for task.json and log.txt; made where it is missing */
    json_t *task;       /* as cli/work.c reads it; borrowed */
    /* A line of its output: an object of JSON; what is none is left out. */
    void (*on_line)(void *user, json_t *event);
    /* It has ended: its exit status, or 128 + a signal. `last` is the last line that it wrote to
     * its standard error, or "". The process is freed after. */
    void (*on_end)(void *user, int status, const char *last);
    void *user;
};

struct pq_processes {
    struct pq_process **list;
    size_t count, capacity;
    int wake[2]; /* a pipe */
};

int pq_processes_open(struct pq_processes *all, pique_error *err);
/* Tell all of them to end. */
void pq_processes_end_all(struct pq_processes *all);
/* None may be left. */
void pq_processes_close(struct pq_processes *all);

int pq_process_start(struct pq_processes *all, const struct pq_process_setup *setup,
                     struct pq_process **out, pique_error *err);
/* End it: SIGTERM, and SIGKILL where that does not help within ten seconds. */
void pq_process_end(struct pq_process *process);
/* Hold it, or let it go on. */
void pq_process_hold(struct pq_process *process, bool hold);

/* Wait until something happens, at most so many milliseconds, and call back. before() and after()
 * stand around the calls back. */
void pq_processes_wait(struct pq_processes *all, int milliseconds, void (*before)(void *user),
                       void (*after)(void *user), void *user);
/* Let pq_processes_wait() return. Thread-safety: safe. */
void pq_processes_wake(struct pq_processes *all);
