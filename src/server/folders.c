/* SPDX-License-Identifier: MIT */
#include "server/folders.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/random.h"
#include "base/str.h"
#include "base/suffix.h"
#include "job/dump.h"

enum { MOST_KNOWN = 1 << 17, MOST_LISTED = 5000, MOST_BYTES = 8 << 20, MOST_WATCHED = 32 };

/* ---- ids ---- */

static void make_id(const struct pq_folders *f, size_t root, const char *path, char out[17])
{
    unsigned char hash[16];
    char *text = pq_asprintf("%zu/%s", root, path);
    const char *said = text ? text : "";
    crypto_generichash(hash, sizeof hash, (const unsigned char *)said, strlen(said), f->key,
                       sizeof f->key);
    sodium_bin2hex(out, 17, hash, 8);
    pq_free(text);
}

static const struct pq_known_path *find(const struct pq_folders *f, const char *id)
{
    for (size_t i = 0; id && i < f->known_count; i++) {
        if (strcmp(f->known[i].id, id) == 0)
            return &f->known[i];
    }
    return NULL;
}

/* Remember a path that is shown; false: out of memory, or so many are known. */
static bool know(struct pq_folders *f, size_t root, const char *path, char id[17])
{
    make_id(f, root, path, id);
    if (find(f, id))
        return true;
    struct pq_known_path *grown =
        f->known_count < MOST_KNOWN
            ? pq_grown(f->known, f->known_count, &f->known_capacity, sizeof *grown)
            : NULL;
    char *copy = grown ? pq_strdup(path) : NULL;
    if (grown)
        f->known = grown;
    if (!copy)
        return false;
    struct pq_known_path *k = &f->known[f->known_count++];
    *k = (struct pq_known_path){.root = root, .path = copy};
    memcpy(k->id, id, sizeof k->id);
    return true;
}

/* ---- opening ---- */

static void forget_watched(struct pq_watched *w)
{
    pq_free(w->folder);
    pq_free(w->name);
    json_decref(w->settings);
    json_decref(w->seen);
}

static void restore_watched(struct pq_folders *f);

int pq_folders_open(struct pq_folders *f, const char *const *roots, size_t count, const char *file,
                    pique_error *err)
{
    int rc = 0;
    *f = (struct pq_folders){.file = pq_strdup(file)};
    pthread_mutex_init(&f->lock, NULL);
    randombytes_buf(f->key, sizeof f->key);
    f->roots = pq_calloc(count + 1, sizeof(*f->roots));
    if (!f->file || !f->roots)
        return pq_fail_nomem(err, count * sizeof(*f->roots));
    for (size_t i = 0; !rc && i < count; i++) {
        char id[17];
        char real[PATH_MAX];
        f->roots[i] = realpath(roots[i], real) ? pq_strdup(real) : NULL;
        if (!f->roots[i] || !pq_is_folder(f->roots[i]))
            rc = pq_fail(err, PIQUE_ENOENT, "%s: is no folder", roots[i]);
        else if (!know(f, i, "", id))
            rc = pq_fail_nomem(err, 64);
        f->root_count += f->roots[i] != NULL;
    }
    if (!rc)
        restore_watched(f);
    return rc;
}

void pq_folders_close(struct pq_folders *f)
{
    for (size_t i = 0; i < f->root_count; i++)
        pq_free(f->roots[i]);
    for (size_t i = 0; i < f->known_count; i++)
        pq_free(f->known[i].path);
    for (size_t i = 0; i < f->watched_count; i++)
        forget_watched(&f->watched[i]);
    pq_free(f->roots);
    pq_free(f->known);
    pq_free(f->watched);
    pq_free(f->file);
    pthread_mutex_destroy(&f->lock);
}

/* Below its root, whatever links say. -1: it is not there, or leads out. */
static int open_known(const struct pq_folders *f, const struct pq_known_path *k)
{
    return k ? pq_open_below(f->roots[k->root], k->path) : -1;
}

static char *whole_path(const struct pq_folders *f, const struct pq_known_path *k)
{
    return pq_asprintf("%s%s%s", f->roots[k->root], *k->path ? "/" : "", k->path);
}

static int none_there(bool folder, pique_error *err)
{
    return folder ? pq_fail(err, PIQUE_ENOENT, "there is no such folder any more")
                  : pq_fail(err, PIQUE_ENOENT, "there is no such file any more");
}

static char *path_of(struct pq_folders *f, const char *id, bool folder, pique_error *err)
{
    struct stat st;
    char *path = NULL;
    pthread_mutex_lock(&f->lock);
    const struct pq_known_path *k = find(f, id);
    const int fd = open_known(f, k);
    if (fd < 0 || fstat(fd, &st) != 0 || (folder ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode)))
        none_there(folder, err);
    else if (!(path = whole_path(f, k)))
        pq_fail_nomem(err, 256);
    pthread_mutex_unlock(&f->lock);
    if (fd >= 0)
        close(fd);
    return path;
}

char *pq_folders_path(struct pq_folders *f, const char *id, pique_error *err)
{
    return path_of(f, id, false, err);
}

char *pq_folders_folder(struct pq_folders *f, const char *id, pique_error *err)
{
    return path_of(f, id, true, err);
}

/* ---- showing ---- */

static const char *kind_of(const char *name)
{
    return pq_picture_suffix(name) ? "picture" : pq_film_suffix(name) ? "film" : NULL;
}

static json_t *show_path(const char *id, const char *root, const char *path)
{
    const char *slash = strrchr(*path ? path : root, '/');
    const char *name = slash ? slash + 1 : *path ? path : root;
    return json_pack("{s:s, s:s}", "id", id, "name", *name ? name : "/");
}

json_t *pq_folders_roots(struct pq_folders *f)
{
    json_t *list = json_array();
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->root_count; i++) {
        char id[17];
        make_id(f, i, "", id);
        json_array_append_new(list, show_path(id, f->roots[i], ""));
    }
    pthread_mutex_unlock(&f->lock);
    return list;
}

/* One name of a folder; NULL: it is nothing to show. */
static json_t *show_entry(struct pq_folders *f, size_t root, const char *folder, int fd,
                          const char *name)
{
    struct stat st;
    char id[17];
    if (*name == '.' || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return NULL;
    const char *kind = S_ISDIR(st.st_mode) ? "folder" : S_ISREG(st.st_mode) ? kind_of(name) : NULL;
    char *path = kind ? pq_asprintf("%s%s%s", folder, *folder ? "/" : "", name) : NULL;
    json_t *shown = path && know(f, root, path, id)
                        ? json_pack("{s:s, s:s, s:s, s:I}", "id", id, "name", name, "kind", kind,
                                    "bytes", (json_int_t)st.st_size)
                        : NULL;
    pq_free(path);
    return shown;
}

static json_t *list_entries(struct pq_folders *f, size_t root, const char *folder, DIR *dir)
{
    json_t *entries = json_array();
    for (const struct dirent *d; (d = readdir(dir)) && json_array_size(entries) < MOST_LISTED;) {
        json_t *one = show_entry(f, root, folder, dirfd(dir), d->d_name);
        if (one)
            json_array_append_new(entries, one);
    }
    return entries;
}

/* What a folder holds, once it is open; NULL: out of memory. */
static json_t *show_folder(struct pq_folders *f, size_t root, const char *path, const char *id,
                           DIR *dir)
{
    char parent[17] = "", *above = pq_strdup(path);
    char *slash = above ? strrchr(above, '/') : NULL;
    json_t *shown = above ? show_path(id, f->roots[root], path) : NULL;
    int failed = json_object_set_new(shown, "entries", list_entries(f, root, path, dir));
    if (above && *above) {
        *(slash ? slash : above) = '\0';
        failed |= !know(f, root, above, parent);
    }
    failed |= json_object_set_new(shown, "parent", *parent ? json_string(parent) : json_null());
    pq_free(above);
    if (!failed)
        return shown;
    json_decref(shown);
    return NULL;
}

json_t *pq_folders_list(struct pq_folders *f, const char *id, pique_error *err)
{
    json_t *shown = NULL;
    pthread_mutex_lock(&f->lock);
    const struct pq_known_path *k = find(f, id);
    const int fd = open_known(f, k);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    char *path = dir ? pq_strdup(k->path) : NULL; /* k may move */
    if (!dir)
        none_there(true, err);
    else if (!path || !(shown = show_folder(f, k->root, path, id, dir)))
        pq_fail_nomem(err, 4096);
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    pq_free(path);
    pthread_mutex_unlock(&f->lock);
    return shown;
}

/* ---- watching ---- */

static int remember_watched(const struct pq_folders *f, pique_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->watched_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:O}", "folder", f->watched[i].folder,
                                              "settings", f->watched[i].settings));
    int rc = pq_json_write(f->file, list, JSON_INDENT(1), err);
    json_decref(list);
    return rc;
}

/* A name that is no UTF-8 is no entry's either. */
static int see(void *context, const char *name)
{
    json_object_set_new(context, name, json_integer(-1));
    return 0;
}

/* What is there now, which is not new; NULL: it cannot be looked at. */
static json_t *all_seen(const char *folder, pique_error *err)
{
    json_t *seen = json_object();
    int rc = seen ? pq_list_folder(folder, see, seen, err) : pq_fail_nomem(err, 256);
    if (!rc)
        return seen;
    json_decref(seen);
    return NULL;
}

/* seen is stolen. */
static int add_watched(struct pq_folders *f, const char *folder, const json_t *settings,
                       json_t *seen, pique_error *err)
{
    struct pq_watched *grown =
        pq_grown(f->watched, f->watched_count, &f->watched_capacity, sizeof *grown);
    if (grown)
        f->watched = grown;
    struct pq_watched w = {.folder = pq_strdup(folder),
                           .name = pq_strdup(strrchr(folder, '/') + 1),
                           .settings = json_deep_copy(settings),
                           .seen = seen};
    pq_random_hex(w.id, sizeof w.id - 1);
    if (!grown || !w.folder || !w.name || !w.settings) {
        forget_watched(&w);
        return pq_fail_nomem(err, 256);
    }
    f->watched[f->watched_count++] = w;
    return 0;
}

static void restore_watched(struct pq_folders *f)
{
    json_t *root;
    if (pq_json_read(f->file, MOST_BYTES, &root, NULL) != 0)
        return;
    for (size_t i = 0; i < json_array_size(root) && f->watched_count < MOST_WATCHED; i++) {
        const json_t *one = json_array_get(root, i);
        const char *folder = json_string_value(json_object_get(one, "folder"));
        const json_t *settings = json_object_get(one, "settings");
        if (folder && *folder == '/' && json_is_object(settings))
            add_watched(f, folder, settings, all_seen(folder, NULL), NULL);
    }
    json_decref(root);
}

static struct pq_watched *find_watched(const struct pq_folders *f, const char *folder)
{
    for (size_t i = 0; i < f->watched_count; i++) {
        if (strcmp(f->watched[i].folder, folder) == 0)
            return &f->watched[i];
    }
    return NULL;
}

/* The settings of one that is watched already; as they were where the disk refuses them. */
static int change_watched(struct pq_folders *f, struct pq_watched *w, const json_t *settings,
                          pique_error *err)
{
    json_t *copy = json_deep_copy(settings), *before = w->settings;
    if (!copy)
        return pq_fail_nomem(err, 256);
    w->settings = copy;
    int rc = remember_watched(f, err);
    if (rc)
        w->settings = before;
    json_decref(rc ? copy : before);
    return rc;
}

static int watch_new(struct pq_folders *f, const char *folder, const json_t *settings,
                     pique_error *err)
{
    if (f->watched_count >= MOST_WATCHED)
        return pq_fail(err, PIQUE_EINVAL, "so many folders are watched already");
    json_t *seen = all_seen(folder, err);
    if (!seen)
        return err->code;
    int rc = add_watched(f, folder, settings, seen, err);
    if (!rc && (rc = remember_watched(f, err)) != 0)
        forget_watched(&f->watched[--f->watched_count]);
    return rc;
}

int pq_folders_watch(struct pq_folders *f, const char *folder, json_t *settings, char out[17],
                     pique_error *err)
{
    pthread_mutex_lock(&f->lock);
    struct pq_watched *w = find_watched(f, folder);
    int rc = w ? change_watched(f, w, settings, err) : watch_new(f, folder, settings, err);
    if (!rc)
        memcpy(out, w ? w->id : f->watched[f->watched_count - 1].id, 17);
    pthread_mutex_unlock(&f->lock);
    return rc;
}

int pq_folders_unwatch(struct pq_folders *f, const char *id, pique_error *err)
{
    pthread_mutex_lock(&f->lock);
    size_t i = 0;
    while (i < f->watched_count && strcmp(f->watched[i].id, id) != 0)
        i++;
    int rc = i < f->watched_count ? 0 : pq_fail(err, PIQUE_ENOENT, "that folder is not watched");
    if (!rc) {
        const struct pq_watched w = f->watched[i];
        f->watched[i] = f->watched[--f->watched_count];
        rc = remember_watched(f, err);
        if (rc)
            f->watched[f->watched_count++] = w; /* as on the disk */
        else
            forget_watched((struct pq_watched *)&w);
    }
    pthread_mutex_unlock(&f->lock);
    return rc;
}

json_t *pq_folders_watched(struct pq_folders *f)
{
    json_t *list = json_array();
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->watched_count; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:O}", "id", f->watched[i].id, "name",
                                        f->watched[i].name, "settings", f->watched[i].settings));
    pthread_mutex_unlock(&f->lock);
    return list;
}

struct looking {
    struct pq_watched *watched;
    json_t *now; /* as `seen`, of what is there still: a name that comes again is new again */
    pq_folders_take *take;
    void *user;
};

/* A file that has the size that it had at the last look is whole. */
static int look_at(void *context, const char *name)
{
    struct looking *l = context;
    struct stat st;
    const json_t *before = json_object_get(l->watched->seen, name);
    json_int_t size = json_integer_value(before);
    char *path = pq_asprintf("%s/%s", l->watched->folder, name);
    if (path && *name != '.' && pq_media_suffix(name) && size != -1 && lstat(path, &st) == 0 &&
        S_ISREG(st.st_mode)) {
        const bool whole = before && st.st_size && size == st.st_size;
        size = whole && l->take(l->user, path, l->watched->settings) ? -1 : st.st_size;
        before = NULL;
    }
    if (before)
        json_object_set(l->now, name, (json_t *)before);
    else if (path && pq_media_suffix(name))
        json_object_set_new(l->now, name, json_integer(size));
    pq_free(path);
    return 0;
}

static void look_into(struct pq_watched *w, pq_folders_take *take, void *user)
{
    if (!w->seen) {
        w->seen = all_seen(w->folder, NULL);
        return;
    }
    struct looking l = {w, json_object(), take, user};
    if (l.now && pq_list_folder(w->folder, look_at, &l, NULL) == 0) {
        json_decref(w->seen);
        w->seen = l.now;
    } else {
        json_decref(l.now); /* a disk that is away for a while brings nothing new */
    }
}

void pq_folders_look(struct pq_folders *f, pq_folders_take *take, void *user)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->watched_count; i++)
        look_into(&f->watched[i], take, user);
    pthread_mutex_unlock(&f->lock);
}
