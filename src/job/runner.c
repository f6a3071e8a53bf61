/* SPDX-License-Identifier: MIT */
#include "job/runner.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/str.h"
#include "job/dump.h"
#include "job/look.h"
#include "job/play.h"
#include "job/runner_state.h"

enum {
    TICK_MS = 250,
    MOST_CHORES = 2,
    LOOK_SECONDS = 300 /* of processor, after which a file that makes its decoder turn for ever lets
                          go of its place */
};

static const double between_tellings = 0.25; /* seconds, for one entry */

/* ---- telling ---- */

/* Kept until the lock is free: who is told may ask something back. */
void pq_runner_tell(struct pq_runner *r, const char *event, json_t *value)
{
    struct pq_told *grown = pq_grown(r->told, r->told_count, &r->told_capacity, sizeof *grown);
    char *data = value ? pq_json_dump(value, JSON_COMPACT) : NULL;
    json_decref(value);
    if (grown)
        r->told = grown;
    if (!grown || !data) {
        pq_free(data);
        return;
    }
    r->told[r->told_count++] = (struct pq_told){event, data};
}

static void tell_changes(struct pq_runner *r)
{
    struct pq_store *s = r->store;
    const double now = pq_seconds();
    for (size_t i = 0; i < s->count; i++) {
        struct pq_entry *e = s->entries[i];
        if (!e->dirty || e->removed || now - e->told < between_tellings)
            continue;
        e->dirty = false;
        e->told = now;
        pq_runner_tell(r, "item", pq_entry_show(e));
    }
}

/* Whether an entry has come to its end, and everybody was told so. */
static bool is_over(const struct pq_entry *e)
{
    const bool ended = e->state == PQ_ENTRY_DONE || e->state == PQ_ENTRY_FAILED;
    return e->removed ||
           (e->state != PQ_ENTRY_WAITING && e->state != PQ_ENTRY_RUNNING && !(ended && e->dirty));
}

/* Once, when everything that was started has come to its end. */
static void tell_idle(struct pq_runner *r)
{
    bool idle = r->plays == 0;
    for (size_t i = 0; idle && i < r->store->count; i++)
        idle = is_over(r->store->entries[i]);
    if (idle && (r->done || r->failed)) {
        pq_runner_tell(r, "idle", json_pack("{s:i, s:i}", "done", r->done, "failed", r->failed));
        r->done = r->failed = 0;
    }
}

static void tell_all(struct pq_runner *r)
{
    pthread_mutex_lock(&r->store->lock);
    struct pq_told *told = r->told;
    const size_t count = r->told_count;
    const bool made = r->made;
    r->made = false;
    r->told = NULL;
    r->told_count = r->told_capacity = 0;
    pthread_mutex_unlock(&r->store->lock);
    for (size_t i = 0; i < count; i++) {
        r->setup.tell(r->setup.user, told[i].event, told[i].data);
        pq_free(told[i].data);
    }
    pq_free(told);
    if (made && r->setup.made)
        r->setup.made(r->setup.user);
}

void pq_runner_made(struct pq_runner *r)
{
    r->made = true;
}

/* ---- chores ---- */

static void free_chore(struct pq_runner *r, struct pq_running_chore *c)
{
    for (size_t i = 0; i < r->chore_count; i++) {
        if (r->chores[i] == c) {
            memmove(r->chores + i, r->chores + i + 1, (r->chore_count - i - 1) * sizeof(c));
            r->chore_count--;
            break;
        }
    }
    pq_free(c);
}

static void chore_line(void *user, json_t *event)
{
    struct pq_running_chore *c = user;
    if (c->chore.line && !c->unwanted)
        c->chore.line(c->chore.user, c->runner, event);
}

static void chore_end(void *user, int status, const char *last)
{
    struct pq_running_chore *c = user;
    struct pq_runner *r = c->runner;
    const struct pq_chore chore = c->chore;
    r->chores_running -= !chore.aside;
    free_chore(r, c);
    chore.end(chore.user, r, status, last);
}

static void begin_chore(struct pq_runner *r, struct pq_running_chore *c)
{
    json_t *task = NULL;
    char *folder = NULL;
    pique_error err = {0};
    const struct pq_chore chore = c->chore;
    int rc =
        c->unwanted || r->ending ? PIQUE_ECANCELED : chore.begin(chore.user, r, &task, &folder);
    const struct pq_process_setup setup = {
        .folder = folder, .task = task, .on_line = chore_line, .on_end = chore_end, .user = c};
    if (!rc)
        rc = pq_process_start(&r->processes, &setup, &c->process, &err);
    json_decref(task);
    pq_free(folder);
    if (!rc) {
        r->chores_running += !chore.aside;
        return;
    }
    free_chore(r, c);
    chore.end(chore.user, r, -1, err.message);
}

static void begin_chores(struct pq_runner *r)
{
    /* What nobody wants any more has waited long enough. */
    for (size_t i = 0; i < r->chore_count;) {
        struct pq_running_chore *c = r->chores[i];
        if (c->unwanted && !c->process)
            begin_chore(r, c); /* which ends it */
        else
            i++;
    }
    for (size_t i = 0; i < r->chore_count;) {
        struct pq_running_chore *c = r->chores[i];
        const size_t before = r->chore_count;
        if (!c->process && (c->chore.aside || r->chores_running < MOST_CHORES))
            begin_chore(r, c);
        if (r->chore_count >= before)
            i++;
    }
}

int pq_runner_chore(struct pq_runner *r, const struct pq_chore *chore, pique_error *err)
{
    struct pq_running_chore **grown =
        pq_grown(r->chores, r->chore_count, &r->chore_capacity, sizeof(*grown));
    struct pq_running_chore *c = grown ? pq_calloc(1, sizeof *c) : NULL;
    if (grown)
        r->chores = grown;
    if (!c)
        return pq_fail_nomem(err, sizeof *c);
    c->chore = *chore;
    c->runner = r;
    r->chores[r->chore_count++] = c;
    pq_runner_wake(r);
    return 0;
}

void pq_runner_end_chores(struct pq_runner *r, const void *user)
{
    for (size_t i = 0; i < r->chore_count; i++) {
        struct pq_running_chore *c = r->chores[i];
        if (c->chore.user != user)
            continue;
        c->unwanted = true;
        c->end_it = true;
    }
    pq_runner_wake(r);
}

/* ---- the thread ---- */

/* Signals go out from the thread that also buries, so that none meets another process. */
static void send_signals(struct pq_runner *r)
{
    for (size_t i = 0; i < r->chore_count; i++) {
        struct pq_running_chore *c = r->chores[i];
        if (c->end_it && c->process)
            pq_process_end(c->process);
        c->end_it = false;
    }
    for (struct pq_play *p = r->first_play; p; p = p->next) {
        if (p->end_it)
            pq_process_end(p->process);
        else
            pq_process_hold(p->process, p->hold || !r->store->running);
        p->end_it = false;
    }
}

static void lock(void *user)
{
    pthread_mutex_lock(&((struct pq_runner *)user)->store->lock);
}

static void unlock(void *user)
{
    pthread_mutex_unlock(&((struct pq_runner *)user)->store->lock);
}

/* Files of an entry that is gone, of one a round. */
static void remove_some(struct pq_runner *r)
{
    char id[PQ_ID_LENGTH + 1];
    lock(r);
    const bool found = pq_store_take_rest(r->store, id);
    const bool more = r->store->rest_count > 0;
    unlock(r);
    if (found)
        pq_store_remove_rest(r->store, id);
    if (more)
        pq_runner_wake(r);
}

static void round_of_work(struct pq_runner *r)
{
    const double now = pq_seconds();
    lock(r);
    if (now - r->ticked >= 1e-3 * TICK_MS) {
        r->ticked = now;
        if (pq_store_save_again(r->store)) {
            r->ticked = 0; /* more at once, when others had their turn */
            pq_runner_wake(r);
        }
        if (r->setup.tick)
            r->setup.tick(r->setup.user);
    }
    send_signals(r);
    pq_look_begin_some(r);
    begin_chores(r);
    pq_play_begin_some(r);
    tell_changes(r);
    tell_idle(r);
    unlock(r);
    tell_all(r);
    remove_some(r);
}

static void *run(void *user)
{
    struct pq_runner *r = user;
    while (!atomic_load(&r->stop)) {
        round_of_work(r);
        pq_processes_wait(&r->processes, TICK_MS, lock, unlock, r);
    }
    lock(r);
    r->ending = true;
    unlock(r);
    pq_processes_end_all(&r->processes);
    while (r->processes.count)
        pq_processes_wait(&r->processes, TICK_MS, lock, unlock, r);
    lock(r);
    while (r->chore_count)
        begin_chore(r, r->chores[0]); /* which ends it */
    while (pq_store_save_again(r->store))
        ;
    unlock(r);
    tell_all(r);
    return NULL;
}

static void on_change(void *user)
{
    pq_runner_wake(user);
}

int pq_runner_new(const struct pq_runner_setup *setup, struct pq_runner **out, pique_error *err)
{
    struct pq_runner *r = pq_calloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return pq_fail_nomem(err, sizeof *r);
    r->setup = *setup;
    r->store = setup->store;
    int rc = pq_processes_open(&r->processes, err);
    if (rc) {
        pq_free(r);
        return rc;
    }
    r->store->on_change = on_change;
    r->store->on_change_user = r;
    *out = r;
    return 0;
}

int pq_runner_start(struct pq_runner *r, pique_error *err)
{
    r->started = pthread_create(&r->thread, NULL, run, r) == 0;
    return r->started ? 0 : pq_fail(err, PIQUE_ENOMEM, "no thread could be started");
}

void pq_runner_stop(struct pq_runner *r)
{
    if (!r || !r->started)
        return;
    atomic_store(&r->stop, true);
    pq_runner_wake(r);
    pthread_join(r->thread, NULL);
    r->started = false;
}

void pq_runner_free(struct pq_runner **runner)
{
    struct pq_runner *r = *runner;
    *runner = NULL;
    if (!r)
        return;
    r->ending = true;
    while (r->chore_count)
        begin_chore(r, r->chores[0]); /* which ends it */
    for (size_t i = 0; i < r->told_count; i++)
        pq_free(r->told[i].data);
    for (size_t i = 0; i < PQ_FAILED_PICTURES; i++)
        pq_free(r->failures[i].path);
    r->store->on_change = NULL;
    pq_processes_close(&r->processes);
    pq_free(r->chores);
    pq_free(r->told);
    pq_free(r);
}

void pq_runner_wake(struct pq_runner *r)
{
    pq_processes_wake(&r->processes);
}

/* ---- tasks ---- */

static int add_paths(json_t *array, const char *const *paths)
{
    for (size_t i = 0; paths && paths[i]; i++) {
        if (json_array_append_new(array, json_string(paths[i])) != 0)
            return -1;
    }
    return array ? 0 : -1;
}

/* What looking at a file may take: a quarter of what there is, and enough for a large picture where
 * that is little. A file that makes its decoder take more ends its process, and nothing else. */
static json_int_t look_bytes(void)
{
    const uint64_t least = (uint64_t)2 << 30;
    uint64_t all, free_bytes;
    pq_memory(&all, &free_bytes);
    return (json_int_t)PQ_MAX(all / 4, least);
}

json_t *pq_task_new(const struct pq_runner *r, const char *command, json_t *words,
                    const char *const *read, const char *const *write, bool french)
{
    json_t *reads = json_array(), *writes = json_array();
    const char *const models[] = {r->setup.models, NULL};
    json_t *task = NULL;
    const bool strict = strcmp(command, "look") == 0; /* nobody has looked into it before */
    if (!add_paths(reads, read) && !add_paths(reads, models) && !add_paths(writes, write))
        task = json_pack("{s:s, s:O, s:O, s:O, s:s, s:b, s:i, s:I}", "command", command, "words",
                         words, "read", reads, "write", writes, "lang", french ? "fr" : "en",
                         "strict", strict, "seconds", strict ? LOOK_SECONDS : 0, "memory",
                         strict ? look_bytes() : 0);
    json_decref(reads);
    json_decref(writes);
    return task;
}
