/* SPDX-License-Identifier: MIT */
#include "job/store.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/str.h"
#include "job/deliver.h"
#include "job/dump.h"

enum { MOST_BYTES = 4 << 20, MOST_MS = 100 }; /* of one item.json; of saving many */

/* ---- where ---- */

static char *below_home(const char *what)
{
    const char *home = getenv("HOME");
    if (home && *home == '/')
        return pq_asprintf("%s/%s", home, what);
    const struct passwd *user = getpwuid(getuid());
    return user && user->pw_dir ? pq_asprintf("%s/%s", user->pw_dir, what) : NULL;
}

char *pq_store_default_folder(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    return state && *state == '/' ? pq_asprintf("%s/pique", state)
                                  : below_home(".local/state/pique");
}

char *pq_store_default_results(void)
{
    return below_home("pique");
}

char *pq_store_path(const struct pq_store *s, const struct pq_entry *e, const char *what)
{
    return pq_asprintf("%s/items/%s%s%s", s->folder, e->id, *what ? "/" : "", what);
}

char *pq_store_work_folder(const struct pq_store *s, const struct pq_entry *e)
{
    return pq_asprintf("%s/.pique/%s", s->results, e->id);
}

/* ---- reading ---- */

static int by_position(const void *a, const void *b)
{
    const struct pq_entry *p = *(struct pq_entry *const *)a, *q = *(struct pq_entry *const *)b;
    return p->position < q->position ? -1 : p->position > q->position;
}

static int insert(struct pq_store *s, struct pq_entry *e, pique_error *err)
{
    struct pq_entry **grown = pq_grown(s->entries, s->count, &s->capacity, sizeof(*grown));
    if (!grown)
        return pq_fail_nomem(err, sizeof(*grown));
    s->entries = grown;
    s->entries[s->count++] = e;
    return 0;
}

/* As it was left by a server that is gone. */
static void wake_up(struct pq_entry *e)
{
    struct pq_identity id;
    if (e->state == PQ_ENTRY_UPLOADING) /* the file itself tells how far it came */
        e->received = e->input && pq_identify(e->input, &id, NULL) == 0
                          ? PQ_MIN((uint64_t)id.bytes, e->bytes)
                          : 0;
    if (e->state == PQ_ENTRY_UPLOADING && e->received == e->bytes)
        e->state = PQ_ENTRY_LOOKING;
    if (e->state == PQ_ENTRY_RUNNING)
        e->state = PQ_ENTRY_WAITING;
    e->wants_look = e->state == PQ_ENTRY_LOOKING;
}

/* Of an entry that was being added or removed when the last server ended. */
static int remove_rest(const struct pq_store *s, const char *id, pique_error *err)
{
    char *work = pq_asprintf("%s/.pique/%s", s->results, id);
    char *folder = pq_asprintf("%s/items/%s", s->folder, id);
    int rc = work && folder ? pq_remove_tree(work, err) : pq_fail_nomem(err, 256);
    if (!rc)
        rc = pq_remove_tree(folder, err);
    pq_free(work);
    pq_free(folder);
    return rc;
}

static int remove_test(void *context, const char *name)
{
    char *path = pq_starts_with(name, "test-") ? pq_asprintf("%s/%s", (char *)context, name) : NULL;
    if (path)
        pq_remove_tree(path, NULL);
    pq_free(path);
    return 0;
}

/* Tests are forgotten with the server; one that was killed left their folders. */
static void remove_tests(const struct pq_store *s, const struct pq_entry *e)
{
    char *folder = pq_store_path(s, e, "");
    if (folder)
        pq_list_folder(folder, remove_test, folder, NULL);
    pq_free(folder);
}

static int read_entry(struct pq_store *s, const char *id, pique_error *err)
{
    struct pq_entry *e = NULL;
    json_t *root = NULL;
    char *path = pq_asprintf("%s/items/%s/item.json", s->folder, id);
    if (!path)
        return pq_fail_nomem(err, strlen(s->folder));
    int rc = pq_json_read(path, MOST_BYTES, &root, err);
    if (rc == PIQUE_ENOENT && pq_entry_is_id(id)) {
        pq_free(path);
        return remove_rest(s, id, err);
    }
    if (!rc)
        rc = pq_entry_restore(root, &e, err);
    if (!rc && strcmp(e->id, id) != 0)
        rc = pq_fail(err, PIQUE_EFORMAT, "%s: is of another entry", path);
    if (!rc)
        rc = insert(s, e, err);
    if (!rc) {
        wake_up(e);
        remove_tests(s, e);
    } else {
        pq_entry_free(&e);
    }
    json_decref(root);
    pq_free(path);
    return rc;
}

struct reading {
    struct pq_store *store;
    json_t *problems;
    pique_error *err;
};

static int read_one(void *context, const char *name)
{
    struct reading *r = context;
    pique_error err;
    int rc = read_entry(r->store, name, &err);
    if (rc == PIQUE_ENOMEM)
        return pq_fail_nomem(r->err, 4096);
    if (rc && r->problems)
        json_array_append_new(r->problems, json_string(err.message));
    return 0;
}

static void read_queue(struct pq_store *s)
{
    json_t *root = NULL;
    char *path = pq_asprintf("%s/queue.json", s->folder);
    int running, parallel;
    s->running = true;
    s->parallel = 1;
    if (path && pq_json_read(path, MOST_BYTES, &root, NULL) == 0 &&
        json_unpack(root, "{s:b, s:i}", "running", &running, "parallel", &parallel) == 0) {
        s->running = running;
        s->parallel = PQ_MIN(PQ_MAX(parallel, 1), 8);
    }
    json_decref(root);
    pq_free(path);
}

/* Folders that only their owner may look into. */
static int make_private(const char *path, pique_error *err)
{
    int rc = pq_make_folders(path, err);
    if (!rc && chmod(path, 0700) != 0)
        rc = pq_fail_errno(err, errno, path, "be made private");
    return rc;
}

int pq_store_open(struct pq_store *s, const char *folder, const char *results, json_t *problems,
                  pique_error *err)
{
    *s = (struct pq_store){.held = {.fd = -1}, .folder = pq_strdup(folder)};
    pthread_mutex_init(&s->lock, NULL);
    int rc = s->folder ? make_private(folder, err) : pq_fail_nomem(err, strlen(folder));
    char *items = rc ? NULL : pq_asprintf("%s/items", folder);
    if (!rc)
        rc = items ? make_private(items, err) : pq_fail_nomem(err, strlen(folder) + 8);
    if (!rc)
        rc = pq_folder_lock(folder, &s->held, err);
    if (!rc)
        rc = pq_make_folders(results, err);
    char real[PATH_MAX];
    if (!rc && !realpath(results, real))
        rc = pq_fail_errno(err, errno, results, "be used");
    if (!rc && !(s->results = pq_strdup(real)))
        rc = pq_fail_nomem(err, sizeof real);
    struct reading reading = {s, problems, err};
    if (!rc)
        rc = pq_list_folder(items, read_one, &reading, err);
    pq_free(items);
    if (rc)
        return rc;
    if (s->count)
        qsort(s->entries, s->count, sizeof(*s->entries), by_position);
    read_queue(s);
    pq_deliver_lost(s);
    return 0;
}

void pq_store_close(struct pq_store *s)
{
    char id[PQ_ID_LENGTH + 1];
    while (pq_store_take_rest(s, id))
        pq_store_remove_rest(s, id);
    pq_free(s->rests);
    for (size_t i = 0; i < s->count; i++)
        pq_entry_free(&s->entries[i]);
    pq_free(s->entries);
    pq_free(s->folder);
    pq_free(s->results);
    pq_file_close(&s->held);
    pthread_mutex_destroy(&s->lock);
    *s = (struct pq_store){.held = {.fd = -1}};
}

/* ---- changing ---- */

struct pq_entry *pq_store_find(const struct pq_store *s, const char *id)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!s->entries[i]->removed && strcmp(s->entries[i]->id, id) == 0)
            return s->entries[i];
    }
    return NULL;
}

void pq_store_touch(struct pq_store *s, struct pq_entry *e)
{
    e->revision = ++s->revision;
    e->dirty = true;
    if (s->on_change)
        s->on_change(s->on_change_user);
}

int pq_store_save(struct pq_store *s, struct pq_entry *e, pique_error *err)
{
    if (e->removed) /* it would come back */
        return 0;
    if (s->many) {
        e->unsaved = true;
        pq_store_touch(s, e);
        return 0;
    }
    /* That the disk refused it before is no part of what is saved. */
    json_t *told = e->disk_error ? e->error : NULL;
    if (told)
        e->error = NULL;
    json_t *root = pq_entry_store(e);
    char *path = pq_store_path(s, e, "item.json");
    int rc = path ? pq_json_write(path, root, JSON_INDENT(1), err) : pq_fail_nomem(err, 256);
    pq_free(path);
    json_decref(root);
    e->disk_error = rc && told;
    if (e->disk_error)
        e->error = told;
    else
        json_decref(told);
    e->unsaved = rc != 0;
    pq_store_touch(s, e);
    return rc;
}

bool pq_store_save_again(struct pq_store *s)
{
    const int64_t start = pq_clock_ms();
    if (s->queue_unsaved && pq_store_set_queue(s, s->running, s->parallel, NULL) != 0)
        return false;
    for (size_t i = 0; i < s->count; i++) {
        struct pq_entry *e = s->entries[i];
        if (!e->unsaved || e->removed)
            continue;
        if (pq_clock_ms() - start > MOST_MS)
            return true;
        if (pq_store_save(s, e, NULL) != 0)
            return false;
    }
    return false;
}

json_t *pq_error_object(const char *code, const char *text, const char *next)
{
    return json_pack("{s:s, s:s, s:s}", "code", code, "text", text, "next", next);
}

void pq_store_set(struct pq_store *s, struct pq_entry *e, enum pq_entry_state state, json_t *error)
{
    pique_error err;
    e->state = state;
    json_decref(e->error);
    e->error = error;
    e->disk_error = false;
    if (pq_store_save(s, e, &err) != 0 && !e->error) {
        e->error = pq_error_object(pique_status_name(err.code), err.message, "space");
        e->disk_error = true;
    }
}

int pq_store_add(struct pq_store *s, struct pq_entry *e, pique_error *err)
{
    char *folder = pq_store_path(s, e, "");
    int rc = s->count < PQ_MOST_ENTRIES
                 ? 0
                 : pq_fail(err, PIQUE_EINVAL, "the queue is full: remove what is done");
    e->position = s->count ? s->entries[s->count - 1]->position + 1 : 1;
    if (!rc)
        rc = folder ? make_private(folder, err) : pq_fail_nomem(err, 64);
    if (!rc)
        rc = insert(s, e, err); /* first, since it can be undone */
    if (!rc && (rc = pq_store_save(s, e, err)) != 0)
        s->count--;
    if (rc) {
        if (folder)
            pq_remove_tree(folder, NULL);
        pq_entry_free(&e);
    }
    pq_free(folder);
    return rc;
}

static size_t place_of(const struct pq_store *s, const struct pq_entry *e)
{
    size_t i = 0;
    while (i < s->count && s->entries[i] != e)
        i++;
    return i;
}

/* In the list alone. */
static void put(struct pq_store *s, size_t from, size_t to)
{
    struct pq_entry *e = s->entries[from];
    memmove(s->entries + from, s->entries + from + 1, (s->count - from - 1) * sizeof(*s->entries));
    memmove(s->entries + to + 1, s->entries + to, (s->count - 1 - to) * sizeof(*s->entries));
    s->entries[to] = e;
}

/* No number is left between two: all anew, before those that were. They may be thousands, and
 * nobody can ask anything while they are written, so that comes bit by bit, the first ones first:
 * whatever is written then comes before what is not yet, in memory and on the disk. */
static void count_anew(struct pq_store *s, double was)
{
    double first = was;
    for (size_t i = 0; i < s->count; i++)
        first = PQ_MIN(first, s->entries[i]->position);
    first = ceil(first) - (double)s->count - 1;
    for (size_t i = 0; i < s->count; i++) {
        s->entries[i]->position = first + (double)i;
        s->entries[i]->unsaved = true;
        pq_store_touch(s, s->entries[i]);
    }
}

int pq_store_move(struct pq_store *s, struct pq_entry *e, const struct pq_entry *before,
                  pique_error *err)
{
    if (e == before)
        return 0;
    const size_t from = place_of(s, e), at = before ? place_of(s, before) : s->count;
    const size_t to = at > from ? at - 1 : at;
    const double was = e->position;
    put(s, from, to);
    const double low = to ? s->entries[to - 1]->position : s->entries[s->count > 1]->position - 2;
    const double high = to + 1 < s->count ? s->entries[to + 1]->position : low + 2;
    e->position = (low + high) / 2;
    if (!(e->position > low && e->position < high)) {
        count_anew(s, was);
        return 0;
    }
    int rc = pq_store_save(s, e, err);
    if (!rc)
        return 0;
    e->position = was; /* as it stands on the disk */
    put(s, to, from);
    return rc;
}

int pq_store_drop(struct pq_store *s, struct pq_entry *e, pique_error *err)
{
    char *path = pq_store_path(s, e, "item.json");
    int rc = path ? pq_remove_file(path, err) : pq_fail_nomem(err, 64);
    pq_free(path);
    if (!rc)
        e->removed = true;
    return rc;
}

int pq_store_remove(struct pq_store *s, struct pq_entry *e, pique_error *err)
{
    const size_t at = place_of(s, e);
    int rc = e->removed ? 0 : pq_store_drop(s, e, err);
    if (rc)
        return rc;
    char(*grown)[PQ_ID_LENGTH + 1] =
        pq_grown(s->rests, s->rest_count, &s->rest_capacity, sizeof *grown);
    if (grown) {
        s->rests = grown;
        memcpy(s->rests[s->rest_count++], e->id, sizeof *s->rests);
    } /* else the next server removes it */
    if (s->on_change)
        s->on_change(s->on_change_user);
    memmove(s->entries + at, s->entries + at + 1, (s->count - at - 1) * sizeof(*s->entries));
    s->count--;
    pq_entry_free(&e);
    return 0;
}

bool pq_store_take_rest(struct pq_store *s, char id[PQ_ID_LENGTH + 1])
{
    if (!s->rest_count)
        return false;
    memcpy(id, s->rests[--s->rest_count], sizeof *s->rests);
    return true;
}

void pq_store_remove_rest(const struct pq_store *s, const char *id)
{
    remove_rest(s, id, NULL);
}

json_t *pq_store_show_queue(const struct pq_store *s)
{
    return json_pack("{s:b, s:i}", "running", s->running, "parallel", s->parallel);
}

/* Those that a full disk stopped, and the queue with them. */
static void start_what_had_no_room(struct pq_store *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct pq_entry *e = s->entries[i];
        const char *next = json_string_value(json_object_get(e->error, "next"));
        if (e->state == PQ_ENTRY_PAUSED && !e->removed && !e->disk_error && next &&
            strcmp(next, "space") == 0)
            pq_store_set(s, e, PQ_ENTRY_WAITING, NULL);
    }
}

int pq_store_set_queue(struct pq_store *s, bool running, int parallel, pique_error *err)
{
    if (running && !s->running)
        start_what_had_no_room(s);
    s->running = running;
    s->parallel = parallel;
    json_t *shown = pq_store_show_queue(s);
    char *path = pq_asprintf("%s/queue.json", s->folder);
    int rc = path ? pq_json_write(path, shown, 0, err) : pq_fail_nomem(err, 64);
    pq_free(path);
    json_decref(shown);
    s->queue_unsaved = rc != 0;
    if (s->on_change)
        s->on_change(s->on_change_user);
    return rc;
}
