/* SPDX-License-Identifier: MIT */
/* What the runner has in its hands, for the files that let it run. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "job/runner.h"

struct pq_told {
    const char *event; /* static */
    char *data;        /* of jansson */
};

struct pq_running_chore {
    struct pq_chore chore;
    struct pq_runner *runner;
    struct pq_process *process; /* NULL: not begun */
    bool unwanted, end_it;
};

/* An entry whose worker lives. */
struct pq_play {
    struct pq_play *next;
    struct pq_runner *runner;
    struct pq_entry *entry;
    struct pq_process *process;
    bool hold, end_it; /* what is to be sent to it */
    bool ended_by_us;
    int64_t saved_before; /* frames that could be read when it began */
    bool done;            /* it told of its result */
    json_t *why; /* the error that it told of */
};

/* A picture that could not be made, remembered for a moment, so that nobody waits for it. */
struct pq_failed_picture {
    char *path;
    double when;
    char why[400];
};
enum { PQ_FAILED_PICTURES = 32 };

struct pq_runner {
    struct pq_runner_setup setup;
    struct pq_store *store;
    pthread_t thread;
    bool started;
    atomic_bool stop;
    bool ending;                   /* the workers are ended because the server ends */
    struct pq_processes processes; /* of the thread, but for waking it */

    /* The store's lock guards these. */
    struct pq_running_chore **chores; /* in the order in which they were asked for */
    size_t chore_count, chore_capacity;
    int chores_running;
    struct pq_play *first_play;
    int plays;
    int done, failed; /* since the queue had nothing to do */
    double ticked;
    struct pq_failed_picture failures[PQ_FAILED_PICTURES];
    unsigned next_failure, next_task;
    bool made; /* somebody may wait for a picture that is there */
    struct pq_told *told;
    size_t told_count, told_capacity;
};
