/* SPDX-License-Identifier: MIT */
/* Entries: made, changed, started, held, ended, removed. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/str.h"
#include "server/api.h"

enum { MOST_NAME = 200, LONGEST_SUFFIX = 12 };

/* ---- the whole ---- */

static json_t *show_all(const struct pq_store *s)
{
    json_t *items = json_array();
    for (size_t i = 0; items && i < s->count; i++) {
        if (!s->entries[i]->removed)
            json_array_append_new(items, pq_entry_show(s->entries[i]));
    }
    return items;
}

void pq_api_get_state(void *user, const struct pq_http_request *request,
                      struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    uint64_t free_bytes = 0;
    pq_disk_free(api->store->results, &free_bytes, NULL);
    json_t *roots = pq_folders_roots(&api->folders), *watched = pq_folders_watched(&api->folders);
    pq_api_lock(api);
    json_t *state = json_pack(
        "{s:s, s:I, s:I, s:{s:s, s:I, s:b}, s:o, s:o, s:{s:I, s:i}, s:o, s:o}", "version",
        PIQUE_VERSION, "revision", (json_int_t)api->store->revision, "event",
        (json_int_t)pq_events_last(api->events), "output", "folder", api->store->results, "free",
        (json_int_t)free_bytes, "can_open", request->loopback && api->open_folder, "roots", roots,
        "watched", watched, "limits", "upload_bytes", (json_int_t)0, "chunk_bytes", 8 << 20,
        "queue", pq_store_show_queue(api->store), "items", show_all(api->store));
    pq_api_unlock(api);
    pq_http_json(reply, 200, state);
}

/* ---- making ---- */

/* The suffix tells what it is, so it stays. */
static char *shortened(char *name)
{
    const char *dot = strrchr(name, '.');
    const bool has_suffix = dot && strlen(dot) < LONGEST_SUFFIX;
    char *suffix = pq_strdup(has_suffix ? dot : "");
    name[MOST_NAME - (has_suffix ? LONGEST_SUFFIX : 0)] = '\0';
    pq_utf8_trim(name);
    char *shorter = suffix ? pq_asprintf("%s%s", name, suffix) : NULL;
    pq_free(suffix);
    pq_free(name);
    return shorter;
}

/* A name as it is shown and as a file of ours is called: the last part, nothing that steers a
 * terminal or hides the file. Empty: nothing is left. pq_free() it; NULL: out of memory. */
static char *clean_name(const char *name)
{
    struct pq_str s = {0};
    const char *slash = strrchr(name, '/'), *back = strrchr(name, '\\');
    name = back > slash ? back + 1 : slash ? slash + 1 : name;
    name += strspn(name, ". ");
    if (!*name)
        return pq_strdup("");
    pq_str_add_shown(&s, name);
    char *clean = pq_str_take(&s);
    return clean && strlen(clean) > MOST_NAME ? shortened(clean) : clean;
}

/* What an output is to be called, without its suffix. 0, or an answer. */
static int take_stem(char **out, const json_t *body, struct pq_http_reply *reply)
{
    const json_t *value = json_object_get(body, "output_name");
    if (!value)
        return 0;
    const char *text = json_string_value(value);
    char *stem = text && *text ? clean_name(text) : NULL;
    if (text && *text && (!stem || !*stem)) {
        if (stem)
            pq_http_refuse(reply, 400, "EINVAL", "'output_name' is no name of a file", "settings");
        else
            pq_http_json(reply, 503, NULL);
        pq_free(stem);
        return -1;
    }
    *out = stem;
    return 0;
}

static struct pq_entry *new_upload(struct pq_api *api, const json_t *body,
                                   struct pq_http_reply *reply)
{
    const char *given = json_string_value(json_object_get(body, "name"));
    const json_t *bytes = json_object_get(body, "bytes");
    char *name = clean_name(given ? given : "");
    if (!name) {
        pq_http_json(reply, 503, NULL);
        return NULL;
    }
    if (!*name || !json_is_integer(bytes) || json_integer_value(bytes) < 1) {
        pq_free(name);
        pq_http_refuse(reply, 400, "EINVAL", "an entry needs 'name' and 'bytes', or 'file'",
                       "upload");
        return NULL;
    }
    struct pq_entry *e = pq_entry_new(name);
    if (e) {
        char *in = pq_asprintf("in/%s", name);
        e->state = PQ_ENTRY_UPLOADING;
        e->uploaded = true;
        e->bytes = (uint64_t)json_integer_value(bytes);
        e->input = in ? pq_store_path(api->store, e, in) : NULL;
        pq_free(in);
        if (!e->input)
            pq_entry_free(&e);
    }
    pq_free(name);
    if (!e)
        pq_http_json(reply, 503, NULL);
    return e;
}

static struct pq_entry *new_of_file(struct pq_api *api, const json_t *body,
                                    struct pq_http_reply *reply)
{
    pique_error err;
    struct pq_entry *e = NULL;
    char *path =
        pq_folders_path(&api->folders, json_string_value(json_object_get(body, "file")), &err);
    if (!path || pq_entry_of_file(path, &e, &err) != 0)
        pq_http_fail(reply, &err, "none");
    pq_free(path);
    return e;
}

void pq_api_post_items(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    json_t *settings = pq_api_settings(request, reply);
    if (!settings)
        return;
    struct pq_entry *e = json_object_get(request->body, "file")
                             ? new_of_file(api, request->body, reply)
                             : new_upload(api, request->body, reply);
    if (!e || take_stem(&e->stem, request->body, reply) != 0) {
        pq_entry_free(&e);
        return;
    }
    if (json_object_update(e->settings, settings) != 0) { /* not without some of them */
        pq_http_json(reply, 503, NULL);
        pq_entry_free(&e);
        return;
    }
    e->french = request->french;
    pq_api_lock(api);
    int rc = pq_store_add(api->store, e, &err);
    if (!rc)
        pq_api_show(reply, 201, e);
    pq_api_unlock(api);
    if (rc)
        pq_http_fail(reply, &err, rc == PIQUE_ENOSPC ? "space" : "retry");
}

/* The upload of another entry, under a name of ours: a link where the system makes one. */
static int share_input(struct pq_api *api, const struct pq_entry *from, struct pq_entry *to,
                       pique_error *err)
{
    char *in = pq_asprintf("in/%s", to->name);
    to->uploaded = from->uploaded;
    to->input = !from->uploaded ? pq_strdup(from->input)
                : in            ? pq_store_path(api->store, to, in)
                                : NULL;
    char *folder = pq_store_path(api->store, to, "in");
    int rc = to->input && folder ? 0 : pq_fail_nomem(err, 256);
    if (!rc && from->uploaded)
        rc = pq_make_folders(folder, err);
    if (!rc && from->uploaded)
        rc = pq_link_file(from->input, to->input, err);
    pq_free(folder);
    pq_free(in);
    return rc;
}

/* A new entry of what another one holds, whose output is called stem, which is taken; *out: NULL
 * where there is none. The lock is held. */
static int add_again(struct pq_api *api, const struct pq_entry *from, json_t *settings, char *stem,
                     bool french, struct pq_entry **out, pique_error *err)
{
    *out = NULL;
    struct pq_entry *e = from->state != PQ_ENTRY_UPLOADING ? pq_entry_new(from->name) : NULL;
    if (!e) {
        pq_free(stem);
        return from->state == PQ_ENTRY_UPLOADING
                   ? pq_fail(err, PIQUE_EINVAL, "%s: is not here yet", from->name)
                   : pq_fail_nomem(err, sizeof *e);
    }
    e->stem = stem;
    e->state = PQ_ENTRY_LOOKING;
    e->wants_look = true;
    e->bytes = e->received = from->bytes;
    e->french = french;
    char *folder = pq_store_path(api->store, e, "");
    int rc = folder && json_object_update(e->settings, settings) == 0
                 ? share_input(api, from, e, err)
                 : pq_fail_nomem(err, 256);
    if (!rc)
        rc = pq_store_add(api->store, e, err);
    else
        pq_entry_free(&e);
    if (rc && folder)
        pq_remove_tree(folder, NULL);
    pq_free(folder);
    if (!rc)
        *out = e;
    return rc;
}

void pq_api_again_item(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    struct pq_entry *e;
    char *stem = NULL;
    json_t *settings = pq_api_settings(request, reply);
    if (!settings || take_stem(&stem, request->body, reply) != 0)
        return;
    const struct pq_entry *from = pq_api_entry(api, request, reply);
    if (!from) {
        pq_free(stem);
        return;
    }
    int rc = add_again(api, from, settings, stem, request->french, &e, &err);
    if (!rc)
        pq_api_show(reply, 201, e);
    pq_api_unlock(api);
    if (rc)
        pq_http_fail(reply, &err, rc == PIQUE_ENOSPC ? "space" : "retry");
}

/* ---- changing ---- */

/* What was found out or begun with other settings is of no use for these. */
static void forget_work(struct pq_api *api, struct pq_entry *e)
{
    char *work = e->state != PQ_ENTRY_DONE ? pq_store_work_folder(api->store, e) : NULL;
    if (work)
        pq_remove_tree(work, NULL); /* the worker sees by itself what is of other settings */
    pq_free(work);
    e->progress = (struct pq_entry_progress){0};
    pq_free(e->making);
    e->making = NULL;
    json_decref(e->estimate);
    e->estimate = NULL;
}

/* What is NULL stays; both are taken. Where it cannot be written they are as they were, here as on
 * the disk. */
static int change(struct pq_api *api, struct pq_entry *e, json_t *settings, char **stem,
                  pique_error *err)
{
    json_t *settings_before = e->settings;
    char *stem_before = e->stem;
    if (settings)
        e->settings = settings;
    if (stem)
        e->stem = *stem;
    int rc = pq_store_save(api->store, e, err);
    if (rc) {
        e->settings = settings_before;
        e->stem = stem_before;
        json_decref(settings);
        if (stem)
            pq_free(*stem);
        return rc;
    }
    if (stem)
        pq_free(stem_before);
    if (!settings)
        return 0;
    if (!json_equal(settings_before, settings))
        forget_work(api, e);
    json_decref(settings_before);
    return 0;
}

void pq_api_patch_item(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    char *stem = NULL;
    const bool has_settings = json_object_get(request->body, "settings") != NULL;
    json_t *settings = pq_api_settings(request, reply);
    struct pq_entry *e = settings ? pq_api_entry(api, request, reply) : NULL;
    if (!e)
        return;
    if (e->state == PQ_ENTRY_RUNNING || pq_runner_has(api->runner, e)) {
        pq_http_refuse(reply, 409, "EBUSY", "it is in work: stop it first", "none");
    } else if (e->state == PQ_ENTRY_DONE) { /* its result would belie its settings */
        pq_http_refuse(reply, 409, "EBUSY", "it is done: run it again with other settings", "none");
    } else if (take_stem(&stem, request->body, reply) == 0) {
        json_t *copy = has_settings ? json_deep_copy(settings) : NULL;
        int rc = has_settings && !copy ? pq_fail_nomem(&err, 256) : 0;
        if (!rc)
            rc = change(api, e, copy, json_object_get(request->body, "output_name") ? &stem : NULL,
                        &err);
        else
            pq_free(stem);
        if (rc)
            pq_http_fail(reply, &err, rc == PIQUE_ENOSPC ? "space" : "retry");
        else
            pq_api_show(reply, 200, e);
    }
    pq_api_unlock(api);
}

void pq_api_move_item(void *user, const struct pq_http_request *request,
                      struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    const json_t *given = json_object_get(request->body, "before");
    if (!json_is_string(given) && !json_is_null(given)) {
        pq_http_refuse(reply, 400, "EINVAL", "'before' is the id of an entry, or null", "none");
        return;
    }
    const char *id = json_string_value(given);
    struct pq_entry *e = pq_api_entry(api, request, reply);
    if (!e)
        return;
    const struct pq_entry *before = id ? pq_store_find(api->store, id) : NULL;
    if (id && !before)
        pq_http_refuse(reply, 404, "ENOENT", "the queue has no such entry", "none");
    else if (pq_store_move(api->store, e, before, &err) != 0)
        pq_http_fail(reply, &err, "retry");
    else
        pq_api_show(reply, 200, e);
    pq_api_unlock(api);
}

/* At once for whoever looks, and for good when its worker has ended. */
static int remove_entry(struct pq_api *api, struct pq_entry *e, pique_error *err)
{
    int rc = pq_store_drop(api->store, e, err);
    if (rc)
        return rc;
    pq_runner_tell(api->runner, "removed", json_pack("{s:s}", "id", e->id));
    pq_trials_end_of(api->trials, e->id);
    pq_look_end_of(api->runner, e->id);
    if (!pq_runner_has(api->runner, e))
        return pq_store_remove(api->store, e, err);
    pq_runner_end(api->runner, e);
    return 0;
}

void pq_api_delete_item(void *user, const struct pq_http_request *request,
                        struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    struct pq_entry *e = pq_api_entry(api, request, reply);
    if (!e)
        return;
    int rc = remove_entry(api, e, &err);
    pq_api_unlock(api);
    if (rc)
        pq_http_fail(reply, &err, "retry");
    else
        reply->status = 204;
}

/* ---- running ---- */

static bool start(struct pq_api *api, struct pq_entry *e)
{
    switch (e->state) {
    case PQ_ENTRY_UPLOADING:
    case PQ_ENTRY_LOOKING:
        e->wants_start = true;
        pq_store_save(api->store, e, NULL);
        return true;
    case PQ_ENTRY_PAUSED:
    case PQ_ENTRY_STOPPED:
    case PQ_ENTRY_FAILED:
        if (pq_runner_has(api->runner, e)) { /* held, or on its way to its end */
            pq_runner_hold(api->runner, e, false);
            pq_store_set(api->store, e, PQ_ENTRY_RUNNING, NULL);
        } else if (!e->info) {
            e->wants_start = e->wants_look = true;
            pq_store_set(api->store, e, PQ_ENTRY_LOOKING, NULL);
        } else {
            pq_store_set(api->store, e, PQ_ENTRY_WAITING, NULL);
        }
        return true;
    default:
        return e->state != PQ_ENTRY_DONE;
    }
}

/* What is not known yet does not start when it is; true: it is such an entry. */
static bool unwish_start(struct pq_api *api, struct pq_entry *e)
{
    if (e->state != PQ_ENTRY_UPLOADING && e->state != PQ_ENTRY_LOOKING)
        return false;
    e->wants_start = false;
    pq_store_save(api->store, e, NULL);
    return true;
}

static bool hold(struct pq_api *api, struct pq_entry *e)
{
    if (unwish_start(api, e) || e->state == PQ_ENTRY_PAUSED)
        return true;
    if (e->state == PQ_ENTRY_RUNNING)
        pq_runner_hold(api->runner, e, true);
    else if (e->state != PQ_ENTRY_WAITING)
        return false;
    pq_store_set(api->store, e, PQ_ENTRY_PAUSED, NULL);
    return true;
}

static bool stop(struct pq_api *api, struct pq_entry *e)
{
    if (unwish_start(api, e))
        return true;
    if (e->state != PQ_ENTRY_RUNNING && e->state != PQ_ENTRY_WAITING && e->state != PQ_ENTRY_PAUSED)
        return e->state == PQ_ENTRY_STOPPED;
    pq_runner_end(api->runner, e);
    pq_store_set(api->store, e, PQ_ENTRY_STOPPED, NULL);
    return true;
}

static void act(struct pq_api *api, const struct pq_http_request *request,
                struct pq_http_reply *reply, bool (*what)(struct pq_api *, struct pq_entry *))
{
    struct pq_entry *e = pq_api_entry(api, request, reply);
    if (!e)
        return;
    if (what(api, e))
        pq_api_show(reply, 200, e);
    else
        pq_http_refuse(reply, 409, "EBUSY", "not in the state in which it is", "none");
    pq_api_unlock(api);
}

void pq_api_start_item(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    act(user, request, reply, start);
}

void pq_api_pause_item(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    act(user, request, reply, hold);
}

void pq_api_stop_item(void *user, const struct pq_http_request *request,
                      struct pq_http_reply *reply)
{
    act(user, request, reply, stop);
}

void pq_api_estimate_item(void *user, const struct pq_http_request *request,
                          struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    json_t *settings = pq_api_settings(request, reply);
    struct pq_entry *e = settings ? pq_api_entry(api, request, reply) : NULL;
    if (!e)
        return;
    if (!e->info)
        pq_http_refuse(reply, 409, "EBUSY", "it is not known yet what it holds", "retry");
    else if (pq_estimate_begin(api->runner, e, settings, &err) != 0)
        pq_http_fail(reply, &err, "retry");
    else
        pq_api_show(reply, 202, e);
    pq_api_unlock(api);
}

/* ---- all of them ---- */

/* Tell everybody, and answer. The lock is held, and let go. */
static void answer_queue(struct pq_api *api, int rc, const pique_error *err,
                         struct pq_http_reply *reply)
{
    pq_runner_tell(api->runner, "queue", pq_store_show_queue(api->store));
    if (rc)
        pq_http_fail(reply, err, rc == PIQUE_ENOSPC ? "space" : "retry");
    else
        pq_http_json(reply, 200, pq_store_show_queue(api->store));
    pq_api_unlock(api);
}

/* The same of a queue that now runs or does not, so many side by side; the lock is held. */
static void set_queue(struct pq_api *api, bool running, int parallel, struct pq_http_reply *reply)
{
    pique_error err;
    answer_queue(api, pq_store_set_queue(api->store, running, parallel, &err), &err, reply);
}

/* Whether it is a list of ids, as text. */
static bool is_list_of_ids(const json_t *list)
{
    bool fine = json_is_array(list);
    for (size_t i = 0; fine && i < json_array_size(list); i++)
        fine = json_is_string(json_array_get(list, i));
    return fine;
}

/* The ids of a list, to be asked for quickly; NULL: out of memory. */
static json_t *ids_of(const json_t *list)
{
    json_t *ids = json_object();
    for (size_t i = 0; ids && i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        if (json_object_set_new(ids, one, json_true()) != 0) {
            json_decref(ids);
            return NULL;
        }
    }
    return ids;
}

void pq_api_run_queue(void *user, const struct pq_http_request *request,
                      struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    const json_t *list = json_object_get(request->body, "items");
    if (list && !is_list_of_ids(list)) { /* what was meant is not all of them */
        pq_http_refuse(reply, 400, "EINVAL", "'items' is no list of ids", "none");
        return;
    }
    json_t *ids = ids_of(list);
    if (!ids) {
        pq_http_json(reply, 503, NULL);
        return;
    }
    pq_api_lock(api);
    api->store->many = true;
    for (size_t i = 0; i < api->store->count; i++) {
        struct pq_entry *e = api->store->entries[i];
        const bool failed = e->state == PQ_ENTRY_FAILED || e->state == PQ_ENTRY_DONE;
        if (!e->removed && (list ? json_object_get(ids, e->id) != NULL : !failed))
            start(api, e);
    }
    api->store->many = false;
    json_decref(ids);
    set_queue(api, true, api->store->parallel, reply);
}

void pq_api_pause_queue(void *user, const struct pq_http_request *request,
                        struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pq_api_lock(api);
    set_queue(api, false, api->store->parallel, reply);
}

void pq_api_resume_queue(void *user, const struct pq_http_request *request,
                         struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pq_api_lock(api);
    set_queue(api, true, api->store->parallel, reply);
}

void pq_api_set_parallel(void *user, const struct pq_http_request *request,
                         struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    const json_int_t count = json_integer_value(json_object_get(request->body, "count"));
    if (count < 1 || count > 8) {
        pq_http_refuse(reply, 400, "EINVAL", "'count' is 1 to 8", "settings");
        return;
    }
    pq_api_lock(api);
    set_queue(api, api->store->running, (int)count, reply);
}

void pq_api_clear_queue(void *user, const struct pq_http_request *request,
                        struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    int rc = 0;
    pq_api_lock(api);
    for (size_t i = api->store->count; !rc && i-- > 0;) {
        struct pq_entry *e = api->store->entries[i];
        if (e->state == PQ_ENTRY_DONE && !e->removed)
            rc = remove_entry(api, e, &err);
    }
    answer_queue(api, rc, &err, reply);
}
