/* SPDX-License-Identifier: MIT */
#include "job/look.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crc32.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/lang.h"
#include "base/str.h"
#include "job/dump.h"
#include "job/heard.h"
#include "job/runner_state.h"
#include "job/settings.h"

enum {
    THUMB_SIDE = 320,
    MOST_PICTURES = 300, /* kept of an entry */
    MOST_TRACKS = 100,   /* of a film, told */
    MOST_LOOKS = 4, /* asked of the runner at once, so that what somebody waits for comes soon */
    MOST_ASKED = 16 /* pictures likewise; who asks for more is asked to wait */
};

static const double forgets = 3; /* seconds, after which what failed is tried again */

/* ---- a chore of one entry ---- */

struct look {
    char id[PQ_ID_LENGTH + 1];
    char *input, *output; /* of the process; output NULL: none */
    char *folder;         /* for its task */
    int64_t frame;
    int side;
    json_t *settings; /* of an estimate */
    json_t *told;     /* the last object that it told */
    bool begun;
};

/* What is said of an entry from here on is in the language of who added it. */
static void speak(const struct pq_entry *e)
{
    pq_lang_on_thread(e && e->french ? PQ_LANG_FR : PQ_LANG_EN);
}

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
    speak(e);
    char *write = e && l->output ? pq_folder_of(l->output) : NULL;
    if (write)
        pq_make_folders(write, NULL);
    const char *const reads[] = {l->input, NULL}, *const writes[] = {write, NULL};
    int failed =
        !words || pq_words_add(words, "--json") ||
        (l->output &&
         (pq_words_add(words, "--output=%s", l->output) || pq_words_add(words, "--overwrite") ||
          (l->frame >= 0 && pq_words_add(words, "--frame=%" PRId64, l->frame)))) ||
        (l->side && pq_words_add(words, "--side=%d", l->side)) || pq_words_operand(words, l->input);
    if (!failed)
        *task = pq_task_new(r, "look", words, reads, writes, e->french);
    *folder = pq_strdup(l->folder);
    json_decref(words);
    pq_free(write);
    return *task && *folder ? 0 : -1;
}

/* ---- what it holds ---- */

/* Sound and subtitles: {"kind", "codec", "language"} each. */
static json_t *tracks_of(const json_t *told)
{
    static const struct pq_heard_member members[] = {{"kind", NULL, PQ_HEARD_WORD},
                                                     {"codec", NULL, PQ_HEARD_WORD},
                                                     {"language", NULL, PQ_HEARD_WORD}};
    const json_t *list = json_object_get(told, "tracks");
    json_t *tracks = json_is_array(list) ? json_array() : NULL;
    for (size_t i = 0; tracks && i < PQ_MIN(json_array_size(list), MOST_TRACKS); i++)
        json_array_append_new(tracks,
                              pq_heard(json_array_get(list, i), members, PQ_COUNT(members)));
    return tracks;
}

json_t *pq_info_of(const json_t *told)
{
    static const struct pq_heard_member members[] = {
        {"kind", NULL, PQ_HEARD_WORD},      {"width", NULL, PQ_HEARD_NUMBER},
        {"height", NULL, PQ_HEARD_NUMBER},  {"frames", NULL, PQ_HEARD_NUMBER},
        {"seconds", NULL, PQ_HEARD_NUMBER}, {"fps", NULL, PQ_HEARD_NUMBER},
        {"codec", NULL, PQ_HEARD_WORD},     {"container", NULL, PQ_HEARD_WORD},
        {"depth", NULL, PQ_HEARD_NUMBER},   {"alpha", NULL, PQ_HEARD_FLAG},
        {"audio", NULL, PQ_HEARD_NUMBER},   {"subtitles", NULL, PQ_HEARD_NUMBER}};
    json_t *info = pq_heard(told, members, PQ_COUNT(members));
    json_t *tracks = tracks_of(told);
    if (info && tracks)
        json_object_set(info, "tracks", tracks);
    json_decref(tracks);
    return info;
}

static int take_info(struct pq_entry *e, const json_t *told)
{
    json_t *info = pq_info_of(told);
    if (!info)
        return -1;
    const char *kind = json_string_value(json_object_get(told, "kind"));
    e->kind = kind && strcmp(kind, "film") == 0      ? PQ_ENTRY_FILM
              : kind && strcmp(kind, "picture") == 0 ? PQ_ENTRY_PICTURE
                                                     : PQ_ENTRY_UNKNOWN;
    json_decref(e->info);
    e->info = info;
    return 0;
}

static void end_info(void *user, struct pq_runner *r, int status, const char *last)
{
    struct look *l = user;
    struct pq_entry *e = pq_store_find(r->store, l->id);
    speak(e);
    if (e && !r->ending && status == 0 && json_object_get(l->told, "kind") &&
        take_info(e, l->told) == 0) {
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
    pq_runner_made(r); /* its thumb */
    free_look(l);
}

static const struct pq_chore info_chore = {.begin = begin_look, .line = on_line, .end = end_info};

static void begin_info(struct pq_runner *r, struct pq_entry *e)
{
    struct look *l = new_look(r->store, e, e->input, "info");
    if (!l)
        return; /* the next round tries again */
    l->output = pq_store_path(r->store, e, "look/thumb.png");
    l->side = THUMB_SIDE;
    l->frame = -1; /* the first, and all that the file holds is told */
    e->wants_look = start(r, l, &info_chore, NULL) != 0;
}

/* How many chores of a kind there are. */
static int count_chores(const struct pq_runner *r, const struct pq_chore *how)
{
    int count = 0;
    for (size_t i = 0; i < r->chore_count; i++)
        count += r->chores[i]->chore.end == how->end;
    return count;
}

void pq_look_begin_some(struct pq_runner *r)
{
    int count = count_chores(r, &info_chore);
    for (size_t i = 0; !r->ending && i < r->store->count && count < MOST_LOOKS; i++) {
        struct pq_entry *e = r->store->entries[i];
        if (!e->wants_look || e->removed || e->state != PQ_ENTRY_LOOKING)
            continue;
        begin_info(r, e);
        count++;
    }
}

/* ---- an estimate ---- */

static int begin_estimate(void *user, struct pq_runner *r, json_t **task, char **folder)
{
    struct look *l = user;
    const struct pq_entry *e = pq_store_find(r->store, l->id);
    json_t *words = e ? json_array() : NULL;
    speak(e);
    l->begun = true;
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

json_t *pq_estimate_of(const json_t *told)
{
    static const struct pq_heard_member members[] = {
        {"seconds_expected", "seconds", PQ_HEARD_NUMBER},
        {"memory_bytes", NULL, PQ_HEARD_NUMBER},
        {"disk_bytes", NULL, PQ_HEARD_NUMBER},
        {"disk_free", NULL, PQ_HEARD_NUMBER},
        {"output_bytes_expected", "output_bytes", PQ_HEARD_NUMBER},
        {"out_width", NULL, PQ_HEARD_NUMBER},
        {"out_height", NULL, PQ_HEARD_NUMBER},
        {"frames_expected", "frames", PQ_HEARD_NUMBER},
        {"batch", NULL, PQ_HEARD_NUMBER},
        {"message", "error", PQ_HEARD_SENTENCE}};
    return pq_heard(told, members, PQ_COUNT(members));
}

/* It was made in a folder of the state, and the result will lie elsewhere. */
static void tell_free_of_results(const struct pq_store *s, json_t *estimate)
{
    uint64_t free_bytes;
    if (json_object_get(estimate, "disk_free") && pq_disk_free(s->results, &free_bytes, NULL) == 0)
        json_object_set_new(estimate, "disk_free", json_integer((json_int_t)free_bytes));
}

static void set_estimate(const struct pq_store *s, struct pq_entry *e, const struct look *l,
                         const char *last)
{
    json_t *estimate = l->told ? pq_estimate_of(l->told) : json_object();
    tell_free_of_results(s, estimate);
    const char *why = json_string_value(json_object_get(estimate, "error"));
    if (!l->told)
        why = *last ? last : pq_tr("no estimate was made");
    if (why) {
        char *sentence = pq_entry_sentence(e, l->folder, why);
        json_object_set_new(estimate, "error", json_string(sentence ? sentence : e->name));
        pq_free(sentence);
    }
    json_decref(e->estimate);
    e->estimate = estimate;
}

static void end_estimate(void *user, struct pq_runner *r, int status, const char *last)
{
    struct look *l = user;
    struct pq_entry *e = pq_store_find(r->store, l->id);
    speak(e);
    if (e && !r->ending) {
        set_estimate(r->store, e, l, last);
        pq_store_touch(r->store, e);
    }
    (void)status;
    free_look(l);
}

static const struct pq_chore estimate_chore = {
    .begin = begin_estimate, .line = estimate_line, .end = end_estimate};

/* One of the same entry that has not begun: nobody needs it any more. */
static struct look *waiting_estimate(const struct pq_runner *r, const struct pq_entry *e)
{
    for (size_t i = 0; i < r->chore_count; i++) {
        const struct pq_chore *c = &r->chores[i]->chore;
        struct look *l = c->user;
        if (c->end == end_estimate && !l->begun && strcmp(l->id, e->id) == 0)
            return l;
    }
    return NULL;
}

int pq_estimate_begin(struct pq_runner *r, struct pq_entry *e, const json_t *settings,
                      pique_error *err)
{
    char folder[64];
    struct look *l = waiting_estimate(r, e);
    json_t *copy = json_deep_copy(settings);
    if (!copy)
        return pq_fail_nomem(err, 256);
    if (l) {
        json_decref(l->settings);
        l->settings = copy;
        return 0;
    }
    snprintf(folder, sizeof folder, "estimate-%u", r->next_task++ % 8);
    l = new_look(r->store, e, e->input, folder);
    if (!l) {
        json_decref(copy);
        return pq_fail_nomem(err, sizeof *l);
    }
    l->settings = copy;
    return start(r, l, &estimate_chore, err);
}

/* ---- pictures ---- */

/* The sentence without the folder of what was looked at. */
static void remember_failure(struct pq_runner *r, const struct pq_entry *e, const struct look *l,
                             const char *why)
{
    struct pq_failed_picture *f = &r->failures[r->next_failure++ % PQ_FAILED_PICTURES];
    char *folder = pq_folder_of(l->input);
    char *sentence = folder && *why ? pq_entry_sentence(e, folder, why) : NULL;
    pq_free(f->path);
    f->path = pq_strdup(l->output);
    f->when = pq_seconds();
    snprintf(f->why, sizeof f->why, "%s", sentence ? sentence : pq_tr("there is no such picture"));
    pq_utf8_trim(f->why);
    pq_free(sentence);
    pq_free(folder);
}

static const char *known_failure(const struct pq_runner *r, const char *output)
{
    for (size_t i = 0; i < PQ_FAILED_PICTURES; i++) {
        const struct pq_failed_picture *f = &r->failures[i];
        if (f->path && strcmp(f->path, output) == 0 && pq_seconds() - f->when < forgets)
            return f->why;
    }
    return NULL;
}

static void end_picture(void *user, struct pq_runner *r, int status, const char *last)
{
    struct look *l = user;
    const struct pq_entry *e = pq_store_find(r->store, l->id);
    speak(e);
    if (status != 0 && e && !r->ending)
        remember_failure(r, e, l, last);
    free_look(l);
    pq_runner_made(r);
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

/* Where the result stands, or is made; NULL: nowhere yet. */
static const char *result_of(const struct pq_entry *e)
{
    return e->state == PQ_ENTRY_DONE ? e->output : e->making;
}

/* The file that shows a frame of the result now; NULL: none. *inside: that frame of it. */
static char *result_file(const struct pq_entry *e, int64_t frame, int64_t *inside)
{
    const bool done = e->state == PQ_ENTRY_DONE;
    const char *path = result_of(e);
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
    if (path && strcmp(name, "thumb.png") != 0 && *name != '.') /* what is being written */
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

/* The picture where it is there; else it is begun, or the sentence of why it cannot be. */
static enum pq_picture_state picture_at(struct pq_runner *r, struct pq_entry *e, const char *input,
                                        const char *name, int64_t frame, int side, char **path,
                                        pique_error *err)
{
    char *output = pq_store_path(r->store, e, name);
    const char *why = output ? known_failure(r, output) : NULL;
    enum pq_picture_state state = PQ_PICTURE_MISSING;
    if (!output) {
        pq_fail_nomem(err, 64);
    } else if (pq_exists(output)) {
        *path = output;
        output = NULL;
        state = PQ_PICTURE_READY;
    } else if (why) {
        pq_fail(err, PIQUE_ENOENT, "%s", why);
    } else if (is_being_made(r, output) || count_chores(r, &picture_chore) >= MOST_ASKED ||
               make_picture(r, e, input, output, frame, side, err) == 0) {
        state = PQ_PICTURE_LATER;
    }
    pq_free(output);
    return state;
}

enum pq_picture_state pq_look_thumb(struct pq_runner *r, struct pq_entry *e, char **path,
                                    pique_error *err)
{
    *path = NULL;
    return picture_at(r, e, e->input, "look/thumb.png", 0, THUMB_SIDE, path, err);
}

/* Other settings give another result under the same name: what tells them apart. */
static unsigned version_of(const struct pq_entry *e)
{
    const json_t *hash =
        e->state == PQ_ENTRY_DONE ? json_object_get(e->result, "hash") : e->settings;
    char *text = pq_json_dump(hash, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    const unsigned version = text ? pq_crc32(text, strlen(text)) : 0;
    pq_free(text);
    return version;
}

enum pq_picture_state pq_look_picture(struct pq_runner *r, struct pq_entry *e, enum pq_side_of of,
                                      int64_t frame, int side, char **path, pique_error *err)
{
    char name[96];
    int64_t inside = frame;
    char *input = of == PQ_OF_SOURCE ? pq_strdup(e->input) : result_file(e, frame, &inside);
    enum pq_picture_state state = PQ_PICTURE_MISSING;
    *path = NULL;
    if (of == PQ_OF_SOURCE)
        snprintf(name, sizeof name, "look/source-%" PRId64 "-%d.png", frame, side);
    else
        snprintf(name, sizeof name, "look/result-%" PRId64 "-%d-%08x.png", frame, side,
                 version_of(e));
    if (input)
        state = picture_at(r, e, input, name, inside, side, path, err);
    else if (of == PQ_OF_SOURCE || (result_of(e) && !pq_is_folder(result_of(e))))
        pq_fail_nomem(err, 256);
    else
        pq_fail(err, PIQUE_ENOENT, "there is no result yet");
    pq_free(input);
    return state;
}

/* ---- the end of an entry ---- */

void pq_look_end_of(struct pq_runner *r, const char *id)
{
    for (size_t i = 0; i < r->chore_count; i++) {
        const struct pq_chore c = r->chores[i]->chore;
        if ((c.end == end_info || c.end == end_estimate || c.end == end_picture) &&
            strcmp(((struct look *)c.user)->id, id) == 0)
            pq_runner_end_chores(r, c.user);
    }
}
