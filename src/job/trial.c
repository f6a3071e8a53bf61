/* SPDX-License-Identifier: MIT */
#include "job/trial.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/lang.h"
#include "base/random.h"
#include "base/str.h"
#include "job/heard.h"
#include "job/look.h"
#include "job/runner_state.h"
#include "job/settings.h"

enum run_state { WAITING, RUNNING, DONE, FAILED };

struct trial_run {
    json_t *settings;
    enum run_state state;
    double started, seconds;
    int width, height;
    json_t *error;
};

struct trial {
    struct pq_trials *all;
    char id[PQ_ID_LENGTH + 1], entry[PQ_ID_LENGTH + 1];
    char *folder, *input;
    bool french;
    int64_t frame;
    double at; /* seconds into the film */
    int crop[4];
    struct trial_run before, runs[PQ_TRIAL_RUNS];
    int count;
    int current; /* -1: before */
    bool busy;   /* a chore of it is on its way */
    bool over;   /* to be forgotten when it is not busy any more */
};

struct pq_trials {
    struct pq_runner *runner;
    struct trial *list[PQ_TRIALS];
};

struct pq_trials *pq_trials_new(struct pq_runner *runner)
{
    struct pq_trials *t = pq_calloc(1, sizeof *t);
    if (t)
        t->runner = runner;
    return t;
}

static void forget(struct trial *t)
{
    for (int i = 0; i < PQ_TRIALS; i++) {
        if (t->all->list[i] == t)
            t->all->list[i] = NULL;
    }
    if (t->folder)
        pq_remove_tree(t->folder, NULL);
    for (int i = 0; i < t->count; i++) {
        json_decref(t->runs[i].settings);
        json_decref(t->runs[i].error);
    }
    json_decref(t->before.error);
    pq_free(t->folder);
    pq_free(t->input);
    pq_free(t);
}

void pq_trials_free(struct pq_trials **trials)
{
    for (int i = 0; *trials && i < PQ_TRIALS; i++) {
        if ((*trials)->list[i])
            forget((*trials)->list[i]);
    }
    pq_free(*trials);
    *trials = NULL;
}

static struct trial *find(const struct pq_trials *all, const char *id)
{
    for (int i = 0; i < PQ_TRIALS; i++) {
        if (all->list[i] && !all->list[i]->over && strcmp(all->list[i]->id, id) == 0)
            return all->list[i];
    }
    return NULL;
}

/* ---- what is told ---- */

static json_t *show_run(const struct trial_run *run)
{
    static const char *const names[] = {"waiting", "running", "done", "failed"};
    return json_pack("{s:s, s:f, s:i, s:i, s:O?}", "state", names[run->state], "seconds",
                     run->seconds, "width", run->width, "height", run->height, "error", run->error);
}

static json_t *show(const struct trial *t)
{
    json_t *runs = json_array();
    for (int i = 0; i < t->count; i++)
        json_array_append_new(runs, show_run(&t->runs[i]));
    return json_pack("{s:s, s:s, s:I, s:[i,i,i,i], s:o, s:o}", "id", t->id, "item", t->entry,
                     "frame", (json_int_t)t->frame, "crop", t->crop[0], t->crop[1], t->crop[2],
                     t->crop[3], "before", show_run(&t->before), "runs", runs);
}

static struct trial_run *current(struct trial *t)
{
    return t->current < 0 ? &t->before : &t->runs[t->current];
}

static void tell(struct trial *t)
{
    json_t *event = show_run(current(t));
    if (event) {
        json_object_set_new(event, "id", json_string(t->id));
        json_object_set_new(event, "run", json_integer(t->current));
    }
    pq_runner_tell(t->all->runner, "test", event);
}

static char *picture_of(const struct trial *t, int run)
{
    return run < 0 ? pq_asprintf("%s/before.png", t->folder)
                   : pq_asprintf("%s/%d.png", t->folder, run);
}

/* ---- a run ---- */

/* A PNG says its size in its first bytes. */
static void read_size(struct trial_run *run, const char *path)
{
    struct pq_file f;
    unsigned char head[24];
    size_t got = 0;
    uint32_t size[2];
    if (pq_file_open(path, &f, NULL) != 0)
        return;
    if (pq_file_read(&f, head, sizeof head, &got, NULL) == 0 && got == sizeof head) {
        memcpy(size, head + 16, sizeof size);
        run->width = (int)ntohl(size[0]);
        run->height = (int)ntohl(size[1]);
    }
    pq_file_close(&f);
}

/* What the test itself decides is no setting here. */
static int add_settings(const struct trial_run *run, json_t *words)
{
    static const char *const ours[] = {"crop", "format", "ss", "to"};
    json_t *settings = json_copy(run->settings);
    for (size_t i = 0; settings && i < PQ_COUNT(ours); i++)
        json_object_del(settings, ours[i]);
    int rc = settings ? pq_settings_words(settings, PQ_CMD_PREVIEW, words, NULL) : -1;
    json_decref(settings);
    return rc;
}

static int add_place(const struct trial *t, json_t *words)
{
    const int *c = t->crop;
    if (c[2] && pq_words_add(words, "--crop=%dx%d+%d+%d", c[2], c[3], c[0], c[1]))
        return -1;
    return t->current < 0 ? pq_words_add(words, "--frame=%" PRId64, t->frame)
                          : pq_words_add(words, "--at=%.9f", t->at);
}

/* Where the first picture was taken: at that very time the others are. Frames need not come at an
 * even rate, so that their number alone does not tell it. */
static void hear_place(void *user, struct pq_runner *runner, json_t *event)
{
    struct trial *t = user;
    const json_t *at = json_object_get(event, "at");
    (void)runner;
    if (t->current < 0 && json_is_number(at) && json_number_value(at) >= 0 &&
        json_number_value(at) <= PQ_HEARD_MOST)
        t->at = json_number_value(at);
}

static int begin_run(void *user, struct pq_runner *r, json_t **task, char **folder)
{
    struct trial *t = user;
    json_t *words = t->over || !pq_store_find(r->store, t->entry) ? NULL : json_array();
    char *output = picture_of(t, t->current);
    pq_lang_on_thread(t->french ? PQ_LANG_FR : PQ_LANG_EN);
    const char *const reads[] = {t->input, NULL}, *const writes[] = {t->folder, NULL};
    if (words && output && !(t->current >= 0 && add_settings(current(t), words)) &&
        !pq_words_add(words, "--json") && !pq_words_add(words, "--overwrite") &&
        !pq_words_add(words, "--output=%s", output) && !add_place(t, words) &&
        !pq_words_operand(words, t->input))
        *task =
            pq_task_new(r, t->current < 0 ? "look" : "preview", words, reads, writes, t->french);
    *folder = pq_asprintf("%s/task", t->folder);
    json_decref(words);
    pq_free(output);
    if (!*task || !*folder)
        return -1;
    current(t)->state = RUNNING;
    current(t)->started = pq_seconds();
    tell(t);
    return 0;
}

static json_t *error_of(const struct trial *t, const char *text)
{
    const struct pq_entry *e = pq_store_find(t->all->runner->store, t->entry);
    char *sentence = e ? pq_entry_sentence(e, t->folder, text) : NULL;
    json_t *error =
        pq_error_object("EINTERNAL", sentence ? sentence : pq_tr("it failed"), "settings");
    pq_free(sentence);
    return error;
}

static void go_on(struct trial *t);

static void end_run(void *user, struct pq_runner *r, int status, const char *last)
{
    struct trial *t = user;
    struct trial_run *run = current(t);
    char *path = picture_of(t, t->current);
    pq_lang_on_thread(t->french ? PQ_LANG_FR : PQ_LANG_EN);
    t->busy = false;
    run->seconds = pq_seconds() - run->started;
    run->state = status == 0 && path && pq_exists(path) ? DONE : FAILED;
    if (run->state == DONE)
        read_size(run, path);
    else
        run->error = error_of(t, *last ? last : pq_tr("it failed"));
    pq_free(path);
    if (t->over || r->ending) {
        if (t->over)
            forget(t);
        return;
    }
    tell(t);
    t->current++;
    go_on(t);
}

static void go_on(struct trial *t)
{
    static const struct pq_chore how = {.begin = begin_run, .line = hear_place, .end = end_run};
    struct pq_chore chore = how;
    chore.user = t;
    if (t->current >= t->count)
        return;
    t->busy = pq_runner_chore(t->all->runner, &chore, NULL) == 0;
    for (; !t->busy && t->current < t->count; t->current++) { /* out of memory */
        current(t)->state = FAILED;
        current(t)->error = error_of(t, pq_tr("it failed"));
        tell(t);
    }
}

/* ---- from outside ---- */

static void end_trial(struct trial *t)
{
    t->over = true;
    if (t->busy)
        pq_runner_end_chores(t->all->runner, t);
    else
        forget(t);
}

/* A free place; where there is none the oldest test goes. */
static void make_room(struct pq_trials *all)
{
    struct trial *oldest = all->list[PQ_TRIALS - 1];
    all->list[PQ_TRIALS - 1] = NULL;
    if (oldest)
        end_trial(oldest);
}

static void insert(struct pq_trials *all, struct trial *t)
{
    make_room(all);
    memmove(all->list + 1, all->list, sizeof(*all->list) * (PQ_TRIALS - 1));
    all->list[0] = t;
}

static int set_up(struct trial *t, const struct pq_entry *e, json_t *settings, pique_error *err)
{
    char name[40];
    int rc = 0;
    pq_random_hex(t->id, PQ_ID_LENGTH);
    memcpy(t->entry, e->id, sizeof t->entry);
    snprintf(name, sizeof name, "test-%s", t->id);
    t->folder = pq_store_path(t->all->runner->store, e, name);
    t->input = pq_strdup(e->input);
    t->french = e->french;
    const double fps = json_number_value(json_object_get(e->info, "fps"));
    /* Until the first picture tells. A quarter of a frame early, since a time that is rounded must
     * not fall behind its frame. */
    t->at = fps > 0 && t->frame > 0 ? ((double)t->frame - 0.25) / fps : 0;
    for (t->count = 0; !rc && t->count < (int)json_array_size(settings); t->count++) {
        json_t *one = json_array_get(settings, (size_t)t->count);
        rc = json_is_object(one) ? pq_settings_check(one, err)
                                 : pq_fail(err, PIQUE_EINVAL, "'settings' is no object");
        t->runs[t->count].settings = json_incref(one);
    }
    if (!rc)
        rc = t->folder && t->input ? pq_make_folders(t->folder, err) : pq_fail_nomem(err, 256);
    return rc;
}

int pq_trial_begin(struct pq_trials *all, struct pq_entry *e, int64_t frame, const int crop[4],
                   json_t *settings, json_t **out, pique_error *err)
{
    const size_t count = json_array_size(settings);
    *out = NULL;
    if (count < 1 || count > PQ_TRIAL_RUNS)
        return pq_fail(err, PIQUE_EINVAL, "a test takes 1 to %d settings", PQ_TRIAL_RUNS);
    struct trial *t = pq_calloc(1, sizeof *t);
    if (!t)
        return pq_fail_nomem(err, sizeof *t);
    t->all = all;
    t->frame = frame;
    t->current = -1;
    memcpy(t->crop, crop, sizeof t->crop);
    int rc = set_up(t, e, settings, err);
    if (rc) {
        forget(t);
        return rc;
    }
    insert(all, t);
    go_on(t);
    *out = show(t);
    return *out ? 0 : pq_fail_nomem(err, 256);
}

json_t *pq_trial_show(const struct pq_trials *all, const char *id)
{
    const struct trial *t = find(all, id);
    return t ? show(t) : NULL;
}

char *pq_trial_picture(const struct pq_trials *all, const char *id, int run, bool *ready)
{
    const struct trial *t = find(all, id);
    *ready = false;
    if (!t || run < -1 || run >= t->count)
        return NULL;
    const struct trial_run *one = run < 0 ? &t->before : &t->runs[run];
    *ready = one->state == DONE;
    return picture_of(t, run);
}

bool pq_trial_end(struct pq_trials *all, const char *id)
{
    struct trial *t = find(all, id);
    if (t)
        end_trial(t);
    return t != NULL;
}

void pq_trials_end_of(struct pq_trials *all, const char *entry)
{
    for (int i = 0; i < PQ_TRIALS; i++) {
        struct trial *t = all->list[i];
        if (t && !t->over && strcmp(t->entry, entry) == 0)
            end_trial(t);
    }
}
