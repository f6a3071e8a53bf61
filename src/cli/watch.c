/* SPDX-License-Identifier: MIT */
/* inotify only wakes us up: what has happened is the difference between two looks at the folder.
 * So events that are lost, merged or unknown do no harm, and both ways of waiting share all else.
 *
 * shown    what was told to be there
 * rising   what differs from it, since when it is as it is: told once it stayed so */
#include "cli/watch.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

enum { SETTLE_MS = 300, POLL_MS = 1000, SAFETY_MS = 30000, LEAST_MS = 50 };

struct rising {
    struct pq_shelf_file file; /* name is ours */
    int64_t since;             /* ms, monotonic */
    bool seen;                 /* in the look that goes on */
};

struct pq_watch {
    char *folder;
    struct pq_file inotify; /* fd -1: none */
    bool told;              /* the folder is watched by inotify now */
    struct pq_shelf shown;
    struct rising *rising;
    size_t rising_count, rising_capacity;
    int64_t looked; /* ms, monotonic; 0: never */
};

int pq_watch_open(const char *folder, bool poll_only, struct pq_watch **out, pique_error *err)
{
    struct pq_watch *w = *out = pq_calloc(1, sizeof *w);
    if (!w)
        return pq_fail_nomem(err, sizeof *w);
    w->inotify = (struct pq_file){.fd = -1};
    w->folder = pq_strdup(folder);
    char *path = pq_strdup(folder);
    if (!w->folder || !path) {
        pq_free(path);
        pq_watch_close(out);
        return pq_fail_nomem(err, strlen(folder) + 1);
    }
    w->inotify = (struct pq_file){.fd = poll_only ? -1 : inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
                                  .owns_fd = true,
                                  .path = path};
    return 0;
}

void pq_watch_close(struct pq_watch **w)
{
    if (!*w)
        return;
    for (size_t i = 0; i < (*w)->rising_count; i++)
        pq_free((*w)->rising[i].file.name);
    pq_free((*w)->rising);
    pq_shelf_free(&(*w)->shown);
    pq_file_close(&(*w)->inotify);
    pq_free((*w)->folder);
    pq_free(*w);
    *w = NULL;
}

const struct pq_shelf *pq_watch_shelf(const struct pq_watch *w)
{
    return &w->shown;
}

int pq_watch_fd(const struct pq_watch *w)
{
    return w->told ? w->inotify.fd : -1;
}

int pq_watch_due_ms(const struct pq_watch *w)
{
    if (!w->looked)
        return 0;
    return w->rising_count ? SETTLE_MS : w->told ? SAFETY_MS : POLL_MS;
}

/* ---- inotify ---- */

/* Watch the folder and those directly inside it; what is watched already stays so. */
static void add_watches(struct pq_watch *w)
{
    static const uint32_t EVENTS = IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO |
                                   IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF |
                                   IN_ATTRIB | IN_ONLYDIR;
    if (w->inotify.fd < 0)
        return;
    w->told = inotify_add_watch(w->inotify.fd, w->folder, EVENTS) >= 0;
    DIR *d = w->told ? opendir(w->folder) : NULL;
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.' || e->d_type == DT_REG)
            continue;
        char *path = pq_asprintf("%s/%s", w->folder, e->d_name);
        /* One that cannot be watched is looked at all the same, now and then. */
        if (path)
            (void)inotify_add_watch(w->inotify.fd, path, EVENTS);
        pq_free(path);
    }
    if (d)
        closedir(d);
}

static void drain(struct pq_watch *w)
{
    char events[4096];
    size_t got;
    while (pq_file_read(&w->inotify, events, sizeof events, &got, NULL) == 0 && got > 0)
        ;
}

/* ---- the difference ---- */

static struct rising *find_rising(struct pq_watch *w, const char *name)
{
    for (size_t i = 0; i < w->rising_count; i++) {
        if (strcmp(w->rising[i].file.name, name) == 0)
            return &w->rising[i];
    }
    return NULL;
}

static void drop_rising(struct pq_watch *w, struct rising *r)
{
    pq_free(r->file.name);
    *r = w->rising[--w->rising_count];
}

/* A file that is not as it was told: true where it stayed so long enough. */
static bool has_settled(struct pq_watch *w, const struct pq_shelf_file *file, int64_t now, int *rc,
                        pique_error *err)
{
    struct rising *r = find_rising(w, file->name);
    if (!r) {
        struct rising *list =
            pq_grown(w->rising, w->rising_count, &w->rising_capacity, sizeof *list);
        char *name = list ? pq_strdup(file->name) : NULL;
        w->rising = list ? list : w->rising;
        if (!name) {
            *rc = pq_fail_nomem(err, 256);
            return false;
        }
        r = &w->rising[w->rising_count++];
        *r = (struct rising){.file = {.name = name}, .since = now};
    }
    r->seen = true;
    if (!file->whole || !pq_shelf_same(&r->file, file)) {
        char *name = r->file.name;
        r->file = *file;
        r->file.name = name;
        r->since = now;
    }
    if (!file->whole || now - r->since < SETTLE_MS)
        return false;
    drop_rising(w, r);
    return true;
}

/* A file that lay there before we came, and long enough, needs no second look. */
static bool is_old(const struct pq_shelf_file *file)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return file->whole && t.tv_sec - file->changed / INT64_C(1000000000) > 2;
}

static int tell_there(struct pq_watch *w, const struct pq_shelf *there, int64_t now,
                      pq_watch_fn *tell, void *user, pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < there->count; i++) {
        const struct pq_shelf_file *file = &there->files[i];
        const struct pq_shelf_file *before = pq_shelf_find(&w->shown, file->name);
        if (before && pq_shelf_same(before, file))
            continue;
        bool first = w->looked == 0 && is_old(file);
        if (!first && !has_settled(w, file, now, &rc, err))
            continue;
        enum pq_watch_kind kind = before ? PQ_WATCH_CHANGED : PQ_WATCH_ADDED;
        rc = pq_shelf_put(&w->shown, file, err);
        if (!rc)
            tell(user, kind, file);
    }
    return rc;
}

static void tell_gone(struct pq_watch *w, const struct pq_shelf *there, pq_watch_fn *tell,
                      void *user)
{
    for (size_t i = 0; i < w->shown.count;) {
        struct pq_shelf_file gone = w->shown.files[i];
        if (pq_shelf_find(there, gone.name)) {
            i++;
            continue;
        }
        tell(user, PQ_WATCH_REMOVED, &gone);
        pq_shelf_remove(&w->shown, gone.name);
    }
}

static int look(struct pq_watch *w, pq_watch_fn *tell, void *user, pique_error *err)
{
    struct pq_shelf there;
    add_watches(w); /* before the look, so that nothing falls between */
    int64_t now = pq_clock_ms();
    int rc = pq_shelf_scan(w->folder, &there, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < w->rising_count; i++)
        w->rising[i].seen = false;
    tell_gone(w, &there, tell, user);
    rc = tell_there(w, &there, now, tell, user, err);
    for (size_t i = 0; !rc && i < w->rising_count;) {
        if (w->rising[i].seen)
            i++;
        else
            drop_rising(w, &w->rising[i]);
    }
    if (!rc)
        w->looked = now;
    pq_shelf_free(&there);
    return rc;
}

int pq_watch_step(struct pq_watch *w, int timeout_ms, pq_watch_fn *tell, void *user,
                  pique_error *err)
{
    if (!w->looked)
        return look(w, tell, user, err);
    int64_t left = w->looked + pq_watch_due_ms(w) - pq_clock_ms();
    bool due = left <= timeout_ms;
    struct pollfd wait = {.fd = pq_watch_fd(w), .events = POLLIN};
    int ready = poll(&wait, 1, (int)(due ? PQ_MAX(left, 0) : timeout_ms));
    if (ready < 0) /* a signal: the caller's */
        return 0;
    if (ready > 0) {
        /* Who copies a large file makes an event of each write; one look is enough for many. */
        int64_t soon = w->looked + LEAST_MS - pq_clock_ms();
        if (soon > 0 && soon <= LEAST_MS)
            nanosleep(&(struct timespec){.tv_nsec = (long)soon * 1000000}, NULL);
        drain(w);
    }
    return ready > 0 || due ? look(w, tell, user, err) : 0;
}
