/* SPDX-License-Identifier: MIT */
#include "job/look.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/lang.h"
#include "base/str.h"
#include "job/runner_state.h"
#include "job/settings.h"

enum { THUMB_SIDE = 320, MOST_PICTURES = 300 };

static const double forgets = 3; /* seconds, after which what failed is tried again */

int pq_words_add(json_t *words, const char *fmt, ...)
{
    char word[5000];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(word, sizeof word, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof word)
        return -1;
    return json_array_append_new(words, json_string(word));
}

int pq_words_operand(json_t *words, const char *path)
{
    return pq_words_add(words, "--") || pq_words_add(words, "%s", path) ? -1 : 0;
}

/* ---- a chore of one entry ---- */

struct look {
    char id[PQ_ID_LENGTH + 1];
    char *input, *output; /* of the process; output NULL: none */
    char *folder;         /* for its task */
    int64_t frame;
    int side;
    json_t *settings; /* of an estimate */
    json_t *told;     /* the last object that it told */
};

static void free_look(struct look *l)
{
    pq_free(l->input);
    pq_free(l->output);
    pq_free(l->folder);
    json_decref(l->settings);
    json_decref(l->told);
    pq_free(l);
}

static struct look *new_look(const struct pq_store *s, const struct pq_entry *e, const char *input,
                             const char *folder)
{
    struct look *l = pq_calloc(1, sizeof *l);
    if (!l)
        return NULL;
    memcpy(l->id, e->id, sizeof l->id);
    l->input = pq_strdup(input);
    l->folder = pq_store_path(s, e, folder);
    if (l->input && l->folder)
        return l;
    free_look(l);
    return NULL;
}

static int start(struct pq_runner *r, struct look *l, const struct pq_chore *how, pique_error *err)
{
    struct pq_chore chore = *how;
    chore.user = l;
    int rc = pq_runner_chore(r, &chore, err);
    if (rc)
        free_look(l);
    return rc;
}

static void on_line(void *user, struct pq_runner *runner, json_t *event)
{
    struct look *l = user;
    (void)runner;
    json_decref(l->told);
    l->told = json_incref(event);
}

static int begin_look(void *user, struct pq_runner *r, json_t **task, char **folder)
{
    const struct look *l = user;
    const struct pq_entry *e = pq_store_find(r->store, l->id);
    json_t *words = e ? json_array() : NULL;
    char *slash, *write = l->output ? pq_strdup(l->output) : NULL;
    if (write && (slash = strrchr(write, '/')))
        *slash = '\0';
    if (write)
        pq_make_folders(write, NULL);
    const char *const reads[] = {l->input, NULL}, *const writes[] = {write, NULL};
    int failed = !words || pq_words_add(words, "--json") ||
                 (l->output && (pq_words_add(words, "--output=%s", l->output) ||
                                pq_words_add(words, "--overwrite") ||
                                pq_words_add(words, "--frame=%" PRId64, l->frame))) ||
                 (l->side && pq_words_add(words, "--side=%d", l->side)) ||
                 pq_words_operand(words, l->input);
    if (!failed)
        *task = pq_task_new(r, "look", words, reads, writes, e->french);
    *folder = pq_strdup(l->folder);
    json_decref(words);
    pq_free(write);
    return *task && *folder ? 0 : -1;
}

/* ---- what it holds ---- */

static void take_info(struct pq_entry *e, json_t *told)
{
    const char *kind = json_string_value(json_object_get(told, "kind"));
    e->kind = kind && strcmp(kind, "film") == 0      ? PQ_ENTRY_FILM
              : kind && strcmp(kind, "picture") == 0 ? PQ_ENTRY_PICTURE
                                                     : PQ_ENTRY_UNKNOWN;
    json_object_del(told, "input"); /* a path */
    json_object_del(told, "file");
    json_object_del(told, "output");
    json_decref(e->info);
    e->info = json_incref(told);
}

static void end_info(void *user, struct pq_runner *r, int status, const char *last)
{
    struct look *l = user;
    struct pq_entry *e = pq_store_find(r->store, l->id);
    if (e && !r->ending && status == 0 && json_object_get(l->told, "kind")) {
        take_info(e, l->told);
        const enum pq_entry_state next = e->state != PQ_ENTRY_LOOKING ? e->state
                                         : e->wants_start             ? PQ_ENTRY_WAITING
                                                                      : PQ_ENTRY_PAUSED;
        pq_store_set(r->store, e, next, json_incref(e->error));
    } else if (e && !r->ending && e->state == PQ_ENTRY_LOOKING) {
        char *text =
            pq_entry_sentence(e, l->folder, *last ? last : pq_tr("it could not be looked at"));
        pq_store_set(r->store, e, PQ_ENTRY_FAILED,
                     pq_error_object("EFORMAT", text ? text : e->name, "upload"));
        pq_free(text);
    }
    free_look(l);
}

int pq_look_begin(struct pq_runner *r, struct pq_entry *e, pique_error *err)
{
    static const struct pq_chore how = {.begin = begin_look, .line = on_line, .end = end_info};
    struct look *l = new_look(r->store, e, e->input, "info");
    e->wants_look = false;
    if (!l)
        return pq_fail_nomem(err, sizeof *l);
    l->output = pq_store_path(r->store, e, "look/thumb.png");
    l->side = THUMB_SIDE;
    return start(r, l, &how, err);
}

/* ---- an estimate ---- */

static int begin_estimate(void *user, struct pq_runner *r, json_t **task, char **folder)
{
    const struct look *l = user;
    const struct pq_entry *e = pq_store_find(r->store, l->id);
    json_t *words = e ? json_array() : NULL;
    char *write = e ? pq_asprintf("%s/estimate", l->folder) : NULL;
    const char *const reads[] = {l->input, NULL}, *const writes[] = {write, NULL};
    if (write)
        pq_make_folders(write, NULL);
    if (words && write && !pq_settings_words(l->settings, PQ_CMD_RUN, words, NULL) &&
        !pq_words_add(words, "--json") && !pq_words_add(words, "--dry-run") &&
        !pq_words_add(words, "--output=%s/", write) && !pq_words_operand(words, l->input))
        *task = pq_task_new(r, "run", words, reads, writes, e->french);
    *folder = pq_strdup(l->folder);
    json_decref(words);
    pq_free(write);
    return *task && *folder ? 0 : -1;
}

static void estimate_line(void *user, struct pq_runner *runner, json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "event"));
    if (name && (strcmp(name, "film_planned") == 0 || strcmp(name, "file_planned") == 0 ||
                 strcmp(name, "file_failed") == 0 || strcmp(name, "error") == 0))
        on_line(user, runner, event);
}

static json_t *estimate_of(const json_t *told)
{
    static const char *const names[][2] = {{"seconds_expected", "seconds"},
                                           {"memory_bytes", "memory_bytes"},
                                           {"disk_bytes", "disk_bytes"},
                                           {"disk_free", "disk_free"},
                                           {"output_bytes_expected", "output_bytes"},
                                           {"out_width", "out_width"},
                                           {"out_height", "out_height"},
                                           {"frames_expected", "frames"},
                                           {"batch", "batch"},
                                           {"message", "error"}};
    json_t *estimate = json_object();
    for (size_t i = 0; estimate && i < PQ_COUNT(names); i++) {
        json_t *value = json_object_get(told, names[i][0]);
        if (value)
            json_object_set(estimate, names[i][1], value);
    }
    return estimate;
}

static void end_estimate(void *user, struct pq_runner *r, int status, const char *last)
{
    struct look *l = user;
    struct pq_entry *e = pq_store_find(r->store, l->id);
    if (e && !r->ending) {
        json_decref(e->estimate);
        e->estimate =
            l->told ? estimate_of(l->told)
                    : json_pack("{s:s}", "error", *last ? last : pq_tr("no estimate was made"));
        pq_store_touch(r->store, e);
    }
    (void)status;
    free_look(l);
}

int pq_estimate_begin(struct pq_runner *r, struct pq_entry *e, const json_t *settings,
                      pique_error *err)
{
    static const struct pq_chore how = {
        .begin = begin_estimate, .line = estimate_line, .end = end_estimate};
    struct look *l = new_look(r->store, e, e->input, "estimate");
    if (!l)
        return pq_fail_nomem(err, sizeof *l);
    l->settings = json_deep_copy(settings);
    if (!l->settings) {
        free_look(l);
        return pq_fail_nomem(err, 256);
    }
    return start(r, l, &how, err);
}

/* ---- pictures ---- */

static void remember_failure(struct pq_runner *r, const char *output, const char *why)
{
    struct pq_failed_picture *f = &r->failures[r->next_failure++ % PQ_FAILED_PICTURES];
    pq_free(f->path);
    f->path = pq_strdup(output);
    f->when = pq_runner_now();
    snprintf(f->why, sizeof f->why, "%s", *why ? why : pq_tr("there is no such picture"));
}

static const char *known_failure(const struct pq_runner *r, const char *output)
{
    for (size_t i = 0; i < PQ_FAILED_PICTURES; i++) {
        const struct pq_failed_picture *f = &r->failures[i];
        if (f->path && strcmp(f->path, output) == 0 && pq_runner_now() - f->when < forgets)
            return f->why;
    }
    return NULL;
}

static void end_picture(void *user, struct pq_runner *r, int status, const char *last)
{
    struct look *l = user;
    if (status != 0)
        remember_failure(r, l->output, last);
    free_look(l);
    pq_runner_tell(r, "picture", json_object());
}

static const struct pq_chore picture_chore = {.begin = begin_look, .end = end_picture};

static bool is_being_made(const struct pq_runner *r, const char *output)
{
    for (size_t i = 0; i < r->chore_count; i++) {
        const struct pq_chore *c = &r->chores[i]->chore;
        if (c->end == end_picture && strcmp(((struct look *)c->user)->output, output) == 0)
            return true;
    }
    return false;
}

/* Of numbered pictures: "FOLDER/000012.png", by the suffix that the first entry has. */
struct numbered {
    const char *folder;
    int64_t frame;
    char *path;
};

static int take_suffix(void *context, const char *name)
{
    struct numbered *n = context;
    const char *dot = strrchr(name, '.');
    if (*name < '0' || *name > '9' || !dot)
        return 0;
    n->path = pq_asprintf("%s/%06" PRId64 "%s", n->folder, n->frame + 1, dot);
    return 1;
}

static char *numbered_picture(const char *folder, int64_t frame)
{
    struct numbered n = {folder, frame, NULL};
    pq_list_folder(folder, take_suffix, &n, NULL);
    return n.path;
}

/* The file that shows a frame of the result now; NULL: none. *inside: that frame of it. */
static char *result_file(const struct pq_entry *e, int64_t frame, int64_t *inside)
{
    const bool done = e->state == PQ_ENTRY_DONE;
    const char *path = done ? e->output : e->making;
    *inside = frame;
    if (!path)
        return NULL;
    if (pq_is_folder(path)) {
        *inside = 0;
        return numbered_picture(path, frame);
    }
    return done ? pq_strdup(path) : pq_asprintf("%s.job", path);
}

struct counting {
    const char *folder;
    int count;
};

static int count_one(void *context, const char *name)
{
    (void)name;
    ((struct counting *)context)->count++;
    return 0;
}

static int remove_one(void *context, const char *name)
{
    char *path = pq_asprintf("%s/%s", ((struct counting *)context)->folder, name);
    if (path && strcmp(name, "thumb.png") != 0)
        pq_remove_file(path, NULL);
    pq_free(path);
    return 0;
}

/* Pictures are made again where they are asked for again. */
static void keep_few(const struct pq_store *s, const struct pq_entry *e)
{
    char *folder = pq_store_path(s, e, "look");
    struct counting c = {folder, 0};
    if (folder && pq_list_folder(folder, count_one, &c, NULL) == 0 && c.count > MOST_PICTURES)
        pq_list_folder(folder, remove_one, &c, NULL);
    pq_free(folder);
}

static int make_picture(struct pq_runner *r, struct pq_entry *e, const char *input,
                        const char *output, int64_t frame, int side, pique_error *err)
{
    char folder[64];
    snprintf(folder, sizeof folder, "task-%u", r->next_task++ % 64);
    struct look *l = new_look(r->store, e, input, folder);
    if (!l)
        return pq_fail_nomem(err, sizeof *l);
    keep_few(r->store, e);
    l->output = pq_strdup(output);
    l->frame = frame;
    l->side = side;
    if (!l->output) {
        free_look(l);
        return pq_fail_nomem(err, strlen(output));
    }
    return start(r, l, &picture_chore, err);
}

enum pq_picture_state pq_look_picture(struct pq_runner *r, struct pq_entry *e, enum pq_side_of of,
                                      int64_t frame, int side, char **path, pique_error *err)
{
    char name[96];
    int64_t inside = frame;
    enum pq_picture_state state = PQ_PICTURE_MISSING;
    char *input = of == PQ_OF_SOURCE ? pq_strdup(e->input) : result_file(e, frame, &inside);
    /* Other settings give another result under the same name: the hash tells them apart. */
    const char *hash = of == PQ_OF_RESULT && e->state == PQ_ENTRY_DONE
                           ? json_string_value(json_object_get(e->result, "hash"))
                           : NULL;
    snprintf(name, sizeof name, "look/%s-%" PRId64 "-%d%s%.16s.png",
             of == PQ_OF_SOURCE ? "source" : "result", frame, side, hash ? "-" : "",
             hash ? hash : "");
    char *output = input ? pq_store_path(r->store, e, name) : NULL;
    const char *why = output ? known_failure(r, output) : NULL;
    *path = NULL;
    if (!input) {
        pq_fail(err, PIQUE_ENOENT, "there is no result yet");
    } else if (!output) {
        pq_fail_nomem(err, 64);
    } else if (pq_exists(output)) {
        *path = output;
        output = NULL;
        state = PQ_PICTURE_READY;
    } else if (why) {
        pq_fail(err, PIQUE_ENOENT, "%s", why);
    } else if (is_being_made(r, output) ||
               make_picture(r, e, input, output, inside, side, err) == 0) {
        state = PQ_PICTURE_LATER;
    }
    pq_free(input);
    pq_free(output);
    return state;
}
