/* SPDX-License-Identifier: MIT */
#include "job/play.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/lang.h"
#include "base/str.h"
#include "job/deliver.h"
#include "job/heard.h"
#include "job/look.h"
#include "job/settings.h"

/* ---- what a worker tells ---- */

enum { MOST_NOTES = 50 }; /* of one entry */

/* What a worker tells is not to be trusted: it reads files of strangers. Numbers are brought to
 * where they can be added, which NaN is too. */
static int64_t number(const json_t *event, const char *name)
{
    const double most = 1e15, n = json_number_value(json_object_get(event, name));
    return n > most ? (int64_t)most : n > 0 ? (int64_t)n : 0;
}

static int side(const json_t *event, const char *name)
{
    return (int)PQ_MIN(number(event, name), INT32_MAX);
}

/* A path that a worker tells of, where it lies in the folder that it may write to. */
static char *path_of(const struct pq_play *play, const json_t *event)
{
    const char *path = json_string_value(json_object_get(event, "output"));
    char *work = pq_store_work_folder(play->runner->store, play->entry);
    char *copy = path && work && pq_is_made_in(path, work) ? pq_strdup(path) : NULL;
    pq_free(work);
    return copy;
}

static void on_planned(struct pq_play *play, const json_t *event)
{
    struct pq_entry *e = play->entry;
    json_t *estimate = pq_estimate_of(event);
    pq_free(e->making);
    e->making = path_of(play, event);
    e->progress.total = number(event, "frames_expected");
    e->progress.out_width = side(event, "out_width");
    e->progress.out_height = side(event, "out_height");
    if (!estimate)
        return;
    json_decref(e->estimate);
    e->estimate = estimate;
}

/* Speed and what is left follow from what was done since this process told of its first step. */
static void on_progress(struct pq_entry *e, bool film, int64_t done, int64_t total)
{
    struct pq_entry_progress *p = &e->progress;
    const double now = pq_seconds();
    if (!p->known) {
        p->known = true;
        p->film = film;
        p->at_start = done;
        p->started = now;
    }
    p->done = done;
    p->total = total ? total : p->total;
    const double took = now - p->started;
    const int64_t made = done - p->at_start;
    p->per_second = took > 0.5 && made > 0 ? (double)made / took : -1;
    p->seconds_left =
        p->per_second > 0 && p->total >= done ? (double)(p->total - done) / p->per_second : -1;
}

static void on_saved(struct pq_play *play, const json_t *event)
{
    struct pq_entry *e = play->entry;
    const int64_t frames = number(event, "frames"), first = number(event, "first");
    e->progress.saved = PQ_MAX(e->progress.saved, first + frames);
    e->progress.batch = (uint64_t)number(event, "batch");
    pq_runner_tell(play->runner, "saved",
                   json_pack("{s:s, s:I, s:I, s:I}", "id", e->id, "batch",
                             (json_int_t)e->progress.batch, "frames", (json_int_t)frames, "first",
                             (json_int_t)first));
}

static void on_done(struct pq_play *play, const json_t *event)
{
    struct pq_entry *e = play->entry;
    static const struct pq_heard_member members[] = {
        {"bytes", NULL, PQ_HEARD_NUMBER},        {"hash", NULL, PQ_HEARD_WORD},
        {"seconds", NULL, PQ_HEARD_NUMBER},      {"format", NULL, PQ_HEARD_WORD},
        {"frames", NULL, PQ_HEARD_NUMBER},       {"unique", NULL, PQ_HEARD_NUMBER},
        {"reused", NULL, PQ_HEARD_NUMBER},       {"retries", NULL, PQ_HEARD_NUMBER},
        {"approximate", NULL, PQ_HEARD_FLAG},    {"not_kept", NULL, PQ_HEARD_NUMBER},
        {"moved", NULL, PQ_HEARD_NUMBER},        {"fallback_frames", NULL, PQ_HEARD_NUMBER},
        {"out_width", "width", PQ_HEARD_NUMBER}, {"out_height", "height", PQ_HEARD_NUMBER}};
    json_t *result = pq_heard(event, members, PQ_COUNT(members));
    char *output = path_of(play, event);
    if (!output || !result) {
        pq_free(output);
        json_decref(result);
        return;
    }
    const double seconds = json_number_value(json_object_get(result, "seconds"));
    if (e->kind == PQ_ENTRY_FILM && seconds > 0)
        json_object_set_new(result, "fps", json_real((double)number(event, "frames") / seconds));
    json_decref(e->result);
    e->result = result;
    pq_free(e->output);
    e->output = output;
    play->done = true;
}

/* An error that a worker told of; NULL: out of memory. */
static json_t *error_of(struct pq_play *play, const char *code, const char *text, const char *next)
{
    char *work = pq_store_work_folder(play->runner->store, play->entry);
    char *sentence = work ? pq_entry_sentence(play->entry, work, text) : NULL;
    json_t *error = sentence ? pq_error_object(code, sentence, next) : NULL;
    pq_free(sentence);
    pq_free(work);
    return error;
}

static void on_note(struct pq_play *play, const json_t *event)
{
    const char *text = pq_heard_text(event, "text", PQ_HEARD_SENTENCE);
    char *work = pq_store_work_folder(play->runner->store, play->entry);
    char *sentence = text && work ? pq_entry_sentence(play->entry, work, text) : NULL;
    if (sentence && json_array_size(play->entry->notes) < MOST_NOTES)
        json_array_append_new(play->entry->notes, json_string(sentence));
    pq_free(sentence);
    pq_free(work);
}

static void on_failed(struct pq_play *play, const json_t *event)
{
    const char *status = pq_heard_text(event, "status", PQ_HEARD_WORD);
    const char *text = pq_heard_text(event, "message", PQ_HEARD_SENTENCE);
    const char *next = !status                               ? "retry"
                       : strcmp(status, "ENOSPC") == 0       ? "space"
                       : strcmp(status, "EFORMAT") == 0      ? "upload"
                       : strcmp(status, "EINVAL") == 0       ? "settings"
                       : strcmp(status, "EUNSUPPORTED") == 0 ? "settings"
                       : strcmp(status, "ENOMEM") == 0       ? "settings"
                                                             : "retry";
    json_decref(play->why);
    play->why =
        error_of(play, status ? status : "EINTERNAL", text ? text : pq_tr("it failed"), next);
}

static void on_line(void *user, json_t *event)
{
    struct pq_play *play = user;
    struct pq_entry *e = play->entry;
    const char *name = json_string_value(json_object_get(event, "event"));
    if (!name)
        return;
    if (strcmp(name, "film_planned") == 0)
        on_planned(play, event);
    else if (strcmp(name, "frames") == 0)
        on_progress(e, true, number(event, "done"), number(event, "total"));
    else if (strcmp(name, "progress") == 0)
        on_progress(e, false, number(event, "rows_done"), number(event, "rows_total"));
    else if (strcmp(name, "saved") == 0)
        on_saved(play, event);
    else if (strcmp(name, "note") == 0)
        on_note(play, event);
    else if (strcmp(name, "file_done") == 0 || strcmp(name, "file_skipped") == 0)
        on_done(play, event); /* skipped: whole since an earlier run */
    else if (strcmp(name, "file_failed") == 0 || strcmp(name, "error") == 0)
        on_failed(play, event);
    pq_store_touch(play->runner->store, e);
}

/* ---- its end ---- */

static void unlink_play(struct pq_play *play)
{
    struct pq_play **at = &play->runner->first_play;
    while (*at != play)
        at = &(*at)->next;
    *at = play->next;
    play->runner->plays--;
}

/* A disk that is full holds everything: whatever came next would fail as well. */
static void hold_all(struct pq_runner *r)
{
    pq_store_set_queue(r->store, false, r->store->parallel, NULL);
    pq_runner_tell(r, "queue", pq_store_show_queue(r->store));
}

/* It could not go on, for a reason that is ours and not its worker's. */
static void fail_because(struct pq_play *play, const pique_error *why)
{
    struct pq_runner *r = play->runner;
    const bool full = why->code == PIQUE_ENOSPC;
    r->failed += !full;
    pq_store_set(
        r->store, play->entry, full ? PQ_ENTRY_PAUSED : PQ_ENTRY_FAILED,
        error_of(play, pique_status_name(why->code), why->message, full ? "space" : "retry"));
    if (full)
        hold_all(r);
}

static void deliver(struct pq_play *play)
{
    struct pq_runner *r = play->runner;
    pique_error err;
    if (pq_deliver(r->store, play->entry, &err) != 0) {
        fail_because(play, &err);
        return;
    }
    r->done++;
    pq_store_set(r->store, play->entry, PQ_ENTRY_DONE, NULL);
}

static void fail(struct pq_play *play, int status, const char *last)
{
    struct pq_runner *r = play->runner;
    const char *code = json_string_value(json_object_get(play->why, "code"));
    char text[600];
    if (code && strcmp(code, "ENOSPC") == 0) {
        pq_store_set(r->store, play->entry, PQ_ENTRY_PAUSED, json_incref(play->why));
        hold_all(r);
        return;
    }
    if (status > 128)
        snprintf(
            text, sizeof text,
            pq_tr("the process that worked on it was ended by signal %d; what is finished is kept"),
            status - 128);
    else
        snprintf(text, sizeof text, "%s",
                 *last ? last : pq_tr("the process that worked on it said nothing"));
    r->failed++;
    pq_store_set(r->store, play->entry, PQ_ENTRY_FAILED,
                 play->why && status <= 128 ? json_incref(play->why)
                                            : error_of(play, "EINTERNAL", text, "retry"));
}

/* A device that was lost is lost for its process, and there again for the next one. A film goes on
 * in that, from what is saved; but not for ever: each process must have saved more than the last.
 */
static bool lost_its_device(const struct pq_play *play)
{
    const struct pq_entry_progress *p = &play->entry->progress;
    const char *code = json_string_value(json_object_get(play->why, "code"));
    return code && strcmp(code, "EDEVICE") == 0 && p->film && p->saved > play->saved_before;
}

/* A new process has the device again, which is better than another one. So a film gets its fallback
 * only where that did not help. */
static const char *fallback_of(const struct pq_entry *e)
{
    return e->kind == PQ_ENTRY_FILM ? json_string_value(json_object_get(
                                          e->settings, pq_option_table[PQ_OPT_FALLBACK].name))
                                    : NULL;
}

static bool may_fall_back(const struct pq_play *play)
{
    const char *code = json_string_value(json_object_get(play->why, "code"));
    return code && (strcmp(code, "EDEVICE") == 0 || strcmp(code, "ENOMEM") == 0) &&
           fallback_of(play->entry) && !play->entry->falls_back;
}

static void hold_fallback_back(json_t *words)
{
    char head[64];
    size_t i;
    json_t *word;
    snprintf(head, sizeof head, "--%s=", pq_option_table[PQ_OPT_FALLBACK].name);
    json_array_foreach(words, i, word)
    {
        if (pq_starts_with(json_string_value(word), head)) {
            json_array_remove(words, i);
            return;
        }
    }
}

static void go_on_anew(struct pq_play *play)
{
    struct pq_entry *e = play->entry;
    const char *text = json_string_value(json_object_get(play->why, "text"));
    char note[600];
    snprintf(note, sizeof note, pq_tr("%s; the film goes on in a new process, from what is saved"),
             text ? text : "");
    if (json_array_size(e->notes) < MOST_NOTES)
        json_array_append_new(e->notes, json_string(note));
    e->anew = true;
    pq_store_set(play->runner->store, e, PQ_ENTRY_WAITING, NULL);
}

static void on_end(void *user, int status, const char *last)
{
    struct pq_play *play = user;
    struct pq_runner *r = play->runner;
    struct pq_entry *e = play->entry;
    unlink_play(play);
    pq_lang_on_thread(e->french ? PQ_LANG_FR : PQ_LANG_EN);
    e->progress.per_second = e->progress.seconds_left = -1;
    if (e->removed) {
        pq_store_remove(r->store, e, NULL);
    } else if (status == 0 && play->done) {
        deliver(play);
    } else if (r->ending) {
        pq_store_save(r->store, e, NULL); /* running, as it stands: it goes on at the next start */
    } else if (play->ended_by_us) {
        if (e->state == PQ_ENTRY_RUNNING) /* and was started again before it had ended */
            e->state = PQ_ENTRY_WAITING;
        pq_store_save(r->store, e, NULL); /* else the state was set by who ended it */
    } else if (lost_its_device(play)) {
        go_on_anew(play);
    } else if (may_fall_back(play)) {
        e->falls_back = true;
        go_on_anew(play);
    } else {
        fail(play, status, last);
    }
    json_decref(play->why);
    pq_free(play);
}

/* ---- its beginning ---- */

/* Several side by side share the processors and what memory is free; one whose settings ask for
 * fewer threads gets those. */
static int add_shares(const struct pq_runner *r, json_t *words)
{
    const int parallel = r->store->parallel;
    const int64_t threads = PQ_MAX(sysconf(_SC_NPROCESSORS_ONLN) / parallel, 1);
    const int64_t wanted = pq_words_whole(words, PQ_OPT_THREADS);
    uint64_t all, free_bytes;
    int rc = 0;
    if (parallel < 2)
        return 0;
    pq_memory(&all, &free_bytes);
    if (!wanted || wanted > threads)
        rc = pq_words_add(words, "--threads=%" PRId64, threads);
    if (!rc && free_bytes)
        rc = pq_words_add(words, "--memory=%lldM",
                          (long long)(free_bytes / (unsigned)(parallel + 1) >> 20));
    return rc;
}

static json_t *task_of(const struct pq_runner *r, const struct pq_entry *e, const char *work,
                       pique_error *err)
{
    json_t *words = json_array(), *task = NULL;
    int rc =
        words ? pq_settings_words(e->settings, PQ_CMD_RUN, words, err) : pq_fail_nomem(err, 64);
    if (!rc && fallback_of(e) && !e->falls_back)
        hold_fallback_back(words);
    if (!rc && (add_shares(r, words) || pq_words_add(words, "--json") ||
                pq_words_add(words, "--skip-existing") ||
                pq_words_add(words, "--output=%s/", work) || pq_words_operand(words, e->input)))
        rc = pq_fail_nomem(err, 64);
    const char *const read[] = {e->input, NULL}, *const write[] = {work, NULL};
    if (!rc && !(task = pq_task_new(r, "run", words, read, write, e->french)))
        rc = pq_fail(err, PIQUE_EINVAL, "%s: a name that is no UTF-8", e->name);
    json_decref(words);
    return task;
}

static int start(struct pq_play *play, pique_error *err)
{
    struct pq_runner *r = play->runner;
    struct pq_entry *e = play->entry;
    char *work = pq_store_work_folder(r->store, e), *folder = pq_store_path(r->store, e, "run");
    int rc = work && folder ? pq_make_folders(work, err) : pq_fail_nomem(err, 64);
    if (!rc)
        rc = pq_deliver_check(r->store, e, err);
    json_t *task = rc ? NULL : task_of(r, e, work, err);
    const struct pq_process_setup setup = {
        .folder = folder, .task = task, .on_line = on_line, .on_end = on_end, .user = play};
    if (!rc)
        rc = task ? pq_process_start(&r->processes, &setup, &play->process, err) : err->code;
    json_decref(task);
    pq_free(folder);
    pq_free(work);
    return rc;
}

/* Another beside those that run needs memory that is free. */
static bool has_room(const struct pq_runner *r)
{
    enum { LEAST_FREE = 512 << 20 };
    uint64_t all, free_bytes;
    if (!r->plays)
        return true;
    pq_memory(&all, &free_bytes);
    return !free_bytes || free_bytes >= LEAST_FREE;
}

static bool begin(struct pq_runner *r, struct pq_entry *e)
{
    pique_error err;
    pq_lang_on_thread(e->french ? PQ_LANG_FR : PQ_LANG_EN);
    struct pq_play *play = pq_calloc(1, sizeof *play);
    if (!play)
        return false; /* the next round tries again */
    *play = (struct pq_play){
        .next = r->first_play, .runner = r, .entry = e, .saved_before = e->progress.saved};
    e->progress = (struct pq_entry_progress){
        .per_second = -1, .seconds_left = -1, .saved = e->progress.saved};
    if (!e->anew) {
        json_array_clear(e->notes);
        e->falls_back = false;
    }
    e->anew = false;
    if (start(play, &err) != 0) {
        fail_because(play, &err);
        pq_free(play);
        return false;
    }
    r->first_play = play;
    r->plays++;
    pq_store_set(r->store, e, PQ_ENTRY_RUNNING, NULL);
    return true;
}

void pq_play_begin_some(struct pq_runner *r)
{
    struct pq_store *s = r->store;
    int active = 0; /* what is held by hand makes room */
    for (const struct pq_play *p = r->first_play; p; p = p->next)
        active += !p->hold;
    for (size_t i = 0; s->running && !r->ending && i < s->count && active < s->parallel; i++) {
        if (s->entries[i]->state != PQ_ENTRY_WAITING || s->entries[i]->removed)
            continue;
        if (!has_room(r))
            return; /* when one of those that run has ended */
        active += begin(r, s->entries[i]);
    }
}

/* ---- from outside ---- */

static struct pq_play *play_of(const struct pq_runner *r, const struct pq_entry *e)
{
    struct pq_play *p = r->first_play;
    while (p && p->entry != e)
        p = p->next;
    return p;
}

bool pq_runner_has(const struct pq_runner *r, const struct pq_entry *e)
{
    return play_of(r, e) != NULL;
}

void pq_runner_end(struct pq_runner *r, struct pq_entry *e)
{
    struct pq_play *p = play_of(r, e);
    if (!p)
        return;
    p->end_it = p->ended_by_us = true;
    pq_runner_wake(r);
}

void pq_runner_hold(struct pq_runner *r, struct pq_entry *e, bool hold)
{
    struct pq_play *p = play_of(r, e);
    if (!p)
        return;
    p->hold = hold;
    pq_runner_wake(r);
}
