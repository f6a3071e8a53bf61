/* SPDX-License-Identifier: MIT */
/* The thread that lets the queue run: it begins entries in their order, so many side by side as is
 * wanted and memory allows, hears what their workers tell, and tells whoever listens what changed.
 *
 * Everything else that takes a process (looking at a file, an estimate, a test) is a chore: it is
 * begun at once, beside the entries, a few at a time. */
#pragma once

#include "job/process.h"
#include "job/store.h"

struct pq_runner;

/* Told from the runner's thread, with no lock held: the name of an event and its data, one line. */
typedef void pq_tell_fn(void *user, const char *event, const char *data);

/* A chore. Its functions are called with the store's lock held. */
struct pq_chore {
    /* Fill the task, and the folder for it (pq_free()d by the runner); not 0: it is not wanted any
     * more, and end() is called with -1. */
    int (*begin)(void *user, struct pq_runner *runner, json_t **task, char **folder);
    void (*line)(void *user, struct pq_runner *runner, json_t *event); /* NULL: none is heard */
    void (*end)(void *user, struct pq_runner *runner, int status, const char *last);
    bool aside; /* it waits for somebody else more than it works, so it keeps no other from
                   beginning */
    void *user;
};

struct pq_runner_setup {
    struct pq_store *store;
    pq_tell_fn *tell;
    const char *models; /* the folder of models, which workers may read */
    /* Called with no lock held: a picture is there, or will not come, for which somebody may wait.
     */
    void (*made)(void *user);
    /* Called about four times a second, with the lock held. Either may be NULL. */
    void (*tick)(void *user);
    void *user; /* of all three */
};

/* A runner that can be asked, and begins when its thread is started. */
int pq_runner_new(const struct pq_runner_setup *setup, struct pq_runner **out, pique_error *err);
int pq_runner_start(struct pq_runner *runner, pique_error *err);
/* End all workers, so that films can go on later, and the thread. What is asked of the runner after
 * that is not done, but may be asked until it is freed. */
void pq_runner_stop(struct pq_runner *runner);
void pq_runner_free(struct pq_runner **runner);

/* ---- with the store's lock held ---- */

/* Something may be to do or to tell. */
void pq_runner_wake(struct pq_runner *runner);
/* Tell an event soon; value is stolen. */
void pq_runner_tell(struct pq_runner *runner, const char *event, json_t *value);
/* What setup.made() is for has come about. */
void pq_runner_made(struct pq_runner *runner);
/* Begin a chore as soon as there is room; copied. */
int pq_runner_chore(struct pq_runner *runner, const struct pq_chore *chore, pique_error *err);
/* End the chores of this user; end() is called for each. */
void pq_runner_end_chores(struct pq_runner *runner, const void *user);

/* End the worker of an entry, whose state is then what it was set to before. */
void pq_runner_end(struct pq_runner *runner, struct pq_entry *entry);
/* Hold it, or let it go on. */
void pq_runner_hold(struct pq_runner *runner, struct pq_entry *entry, bool hold);
/* Whether a worker of it lives. */
bool pq_runner_has(const struct pq_runner *runner, const struct pq_entry *entry);

/* A task for cli/work.c: a new object. read and write: paths, NULL-terminated lists. */
json_t *pq_task_new(const struct pq_runner *runner, const char *command, json_t *words,
                    const char *const *read, const char *const *write, bool french);
