/* SPDX-License-Identifier: MIT */
#include "job/deliver.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "base/str.h"

bool pq_is_made_in(const char *path, const char *folder)
{
    const size_t n = strlen(folder);
    if (strncmp(path, folder, n) != 0 || path[n] != '/')
        return false;
    for (const char *part = path + n; part; part = strchr(part, '/')) {
        part += strspn(part, "/");
        const size_t length = strcspn(part, "/");
        if (length == 0 || (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
    }
    return true;
}

struct delivery {
    char *from, *to;  /* folders; "videos" and "images" of --dedicated included */
    const char *main; /* name of the result in `from` */
    size_t stem;      /* of it, without its suffix */
    char *new_stem;
};

/* "film.mkv.json" for "film.mkv": what begins as the result does is named after it. */
static int move_beside(void *context, const char *name)
{
    const struct delivery *d = context;
    if (strncmp(name, d->main, d->stem) != 0 || strcmp(name, d->main) == 0)
        return 0;
    char *from = pq_asprintf("%s/%s", d->from, name);
    char *to = pq_asprintf("%s/%s%s", d->to, d->new_stem, name + d->stem);
    int rc = from && to ? 0 : PIQUE_ENOMEM;
    if (!rc && !pq_ends_with(name, ".job"))
        rc = pq_rename_new(from, to, NULL);
    if (rc == PIQUE_EEXIST)
        rc = 0; /* somebody else's; ours stays where it was made, and goes with that */
    pq_free(from);
    pq_free(to);
    return rc;
}

/* The result itself, under the first name that is free. */
static int move_main(struct delivery *d, const char *stem, char **output, pique_error *err)
{
    enum { MOST = 10000 };
    char *from = pq_asprintf("%s/%s", d->from, d->main);
    int rc = from ? PIQUE_EEXIST : pq_fail_nomem(err, strlen(d->from));
    for (int n = 1; rc == PIQUE_EEXIST && n < MOST; n++) {
        pq_free(d->new_stem);
        d->new_stem = n == 1 ? pq_strdup(stem) : pq_asprintf("%s (%d)", stem, n);
        char *to =
            d->new_stem ? pq_asprintf("%s/%s%s", d->to, d->new_stem, d->main + d->stem) : NULL;
        if (!to)
            rc = pq_fail_nomem(err, strlen(d->to));
        else
            rc = pq_rename_new(from, to, err);
        if (rc)
            pq_free(to);
        else
            *output = to;
    }
    if (rc == PIQUE_EEXIST)
        pq_fail(err, rc, "%s: so many results of that name are there", stem);
    pq_free(from);
    return rc;
}

/* The worker may have made links, where no sandbox kept it from that. */
static bool is_really_in(const char *path, const char *folder)
{
    char real[PATH_MAX], real_folder[PATH_MAX];
    return pq_is_made_in(path, folder) && realpath(path, real) && realpath(folder, real_folder) &&
           pq_is_made_in(real, real_folder);
}

static int find_names(struct delivery *d, const struct pq_store *s, const struct pq_entry *e,
                      const char *work, pique_error *err)
{
    const size_t n = strlen(work);
    const char *below = e->output + n + 1, *slash;
    if (!is_really_in(e->output, work))
        return pq_fail(err, PIQUE_EINTERNAL, "%s: was not made where it was to be", e->output);
    while (*below == '/')
        below++;
    slash = strrchr(below, '/');
    d->main = slash ? slash + 1 : below;
    const char *dot = strrchr(d->main, '.');
    d->stem = dot && dot > d->main && !pq_is_folder(e->output) ? (size_t)(dot - d->main)
                                                               : strlen(d->main);
    const int folder = slash ? (int)(slash - below) : 0;
    d->from = pq_asprintf("%s/%.*s", work, folder, below);
    d->to = pq_asprintf("%s%s%.*s", s->results, folder ? "/" : "", folder, below);
    return d->from && d->to ? pq_make_folders(d->to, err) : pq_fail_nomem(err, n);
}

/* Before anything says that the result is there, and before what it was made from is removed. */
static void sync_all(const struct pq_store *s, const struct delivery *d)
{
    pq_folder_sync(d->to);
    if (strcmp(d->to, s->results) != 0) /* it may be new itself */
        pq_folder_sync(s->results);
    pq_folder_sync(d->from);
}

static int deliver(struct delivery *d, struct pq_store *s, struct pq_entry *e, const char *work,
                   pique_error *err)
{
    char *stem = NULL, *output = NULL;
    int rc = find_names(d, s, e, work, err);
    if (!rc && !(stem = e->stem ? pq_strdup(e->stem) : pq_strndup(d->main, d->stem)))
        rc = pq_fail_nomem(err, 64);
    if (!rc)
        rc = move_main(d, stem, &output, err);
    if (!rc) {
        /* The result is safe: what goes wrong now, with what lies beside it or with what is left,
         * makes it no failure, since it would be made once more. */
        pq_list_folder(d->from, move_beside, d, NULL);
        sync_all(s, d);
        pq_free(e->output);
        e->output = output;
        pq_remove_tree(work, NULL);
    }
    pq_free(stem);
    return rc;
}

int pq_deliver_check(const struct pq_store *s, const struct pq_entry *e, pique_error *err)
{
    const char *folder = !json_is_true(json_object_get(e->settings, "dedicated")) ? ""
                         : e->kind == PQ_ENTRY_FILM                               ? "/videos"
                                                                                  : "/images";
    char *work = pq_store_work_folder(s, e), *to = pq_asprintf("%s%s", s->results, folder);
    struct stat from_st, to_st;
    int rc = work && to ? 0 : pq_fail_nomem(err, 256);
    if (!rc && stat(work, &from_st) == 0 && stat(to, &to_st) == 0 && from_st.st_dev != to_st.st_dev)
        rc = pq_fail(err, PIQUE_ECREATE,
                     "the folder '%s' lies on another disk than the other results, which are not "
                     "moved from disk to disk",
                     *folder ? folder + 1 : ".pique");
    pq_free(work);
    pq_free(to);
    return rc;
}

int pq_deliver(struct pq_store *s, struct pq_entry *e, pique_error *err)
{
    struct delivery d = {0};
    char *work = pq_store_work_folder(s, e);
    int rc = work ? deliver(&d, s, e, work, err) : pq_fail_nomem(err, 64);
    if (!rc) {
        json_object_set_new(e->result, "name", json_string(strrchr(e->output, '/') + 1));
        json_object_set_new(e->result, "folder", json_boolean(pq_is_folder(e->output)));
    }
    pq_free(d.from);
    pq_free(d.to);
    pq_free(d.new_stem);
    pq_free(work);
    return rc;
}

/* ---- what was lost on the way ---- */

struct finding {
    const char *folder, *suffix;
    bool wants_folder;
    char *path; /* of the shortest name that is like that of a result */
};

static int find_one(void *context, const char *name)
{
    struct finding *f = context;
    char *path = pq_asprintf("%s/%s", f->folder, name);
    const bool is_it = path && *name != '.' && pq_ends_with(name, f->suffix) &&
                       !pq_ends_with(name, ".job") && pq_is_folder(path) == f->wants_folder &&
                       (!f->path || strlen(path) < strlen(f->path));
    if (!is_it) {
        pq_free(path);
        return 0;
    }
    pq_free(f->path);
    f->path = path;
    return 0;
}

/* The result of an entry in the folder in which it was made; NULL: it is not there. The name may
 * have been another one: what remains is its suffix, and the folder below. */
static char *find_made(const struct pq_store *s, const struct pq_entry *e)
{
    const char *name = strrchr(e->output, '/') + 1, *dot = strrchr(name, '.');
    const char *below = e->output + strlen(s->results);
    char *work = pq_store_work_folder(s, e);
    char *folder = work ? pq_asprintf("%s%.*s", work, (int)(name - 1 - below), below) : NULL;
    struct finding f = {.folder = folder,
                        .wants_folder = json_is_true(json_object_get(e->result, "folder"))};
    f.suffix = dot && dot > name && !f.wants_folder ? dot : "";
    if (folder)
        pq_list_folder(folder, find_one, &f, NULL);
    pq_free(work);
    pq_free(folder);
    return f.path;
}

void pq_deliver_lost(struct pq_store *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct pq_entry *e = s->entries[i];
        if (e->state != PQ_ENTRY_DONE || !e->output || !json_is_object(e->result) ||
            pq_exists(e->output) || !pq_is_made_in(e->output, s->results))
            continue;
        char *made = find_made(s, e), *said = e->output;
        if (!made)
            continue;
        e->output = made;
        if (pq_deliver(s, e, NULL) == 0) {
            pq_free(said);
            pq_store_save(s, e, NULL);
        } else {
            pq_free(made);
            e->output = said;
        }
    }
}
