/* SPDX-License-Identifier: MIT */
#include "cli/shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

/* A file that was changed longer ago than the first is not looked into; one that cannot be looked
 * into is taken to be whole after the second. */
static const int64_t QUIET_NS = 60 * INT64_C(1000000000), REST_NS = 2 * INT64_C(1000000000);

static const char *const suffixes[] = {".safetensors", ".param", ".pth", ".pt", ".ckpt", ".onnx"};

bool pq_is_model_name(const char *name)
{
    return pq_model_stem(name) < strlen(name);
}

size_t pq_model_stem(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < PQ_COUNT(suffixes); i++) {
        if (pq_ends_with(name, suffixes[i]))
            return length - strlen(suffixes[i]);
    }
    return length;
}

/* ---- whether it is whole ---- */

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

enum writers { WRITERS_NONE, WRITERS_SOME, WRITERS_UNKNOWN };

/* Linux gives a read lease only where nobody has the file open for writing. We give it back at
 * once; who opens it in between makes us get a SIGIO. */
static enum writers look_for_writers(const char *path)
{
    struct pq_file f;
    struct sigaction before, ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGIO, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
        sigaction(SIGIO, &ignore, NULL);
    if (pq_file_open(path, &f, NULL) != 0)
        return WRITERS_UNKNOWN;
    enum writers found = WRITERS_UNKNOWN;
    if (fcntl(f.fd, F_SETLEASE, F_RDLCK) == 0) {
        fcntl(f.fd, F_SETLEASE, F_UNLCK);
        found = WRITERS_NONE;
    } else if (errno == EAGAIN) {
        found = WRITERS_SOME;
    }
    pq_file_close(&f);
    return found;
}

static bool is_whole(const char *path, int64_t changed)
{
    int64_t age = now_ns() - changed;
    if (age > QUIET_NS)
        return true;
    enum writers w = look_for_writers(path);
    return w == WRITERS_NONE || (w == WRITERS_UNKNOWN && age > REST_NS);
}

/* ---- the list ---- */

/* Where a name is, or belongs. */
static size_t place_of(const struct pq_shelf *shelf, const char *name, bool *found)
{
    size_t low = 0, high = shelf->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(shelf->files[middle].name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct pq_shelf_file *pq_shelf_find(const struct pq_shelf *shelf, const char *name)
{
    bool found;
    size_t at = place_of(shelf, name, &found);
    return found ? &shelf->files[at] : NULL;
}

bool pq_shelf_same(const struct pq_shelf_file *a, const struct pq_shelf_file *b)
{
    return a->bytes == b->bytes && a->changed == b->changed && a->inode == b->inode;
}

int pq_shelf_put(struct pq_shelf *shelf, const struct pq_shelf_file *file, pique_error *err)
{
    bool found;
    size_t at = place_of(shelf, file->name, &found);
    if (found) {
        char *name = shelf->files[at].name;
        shelf->files[at] = *file;
        shelf->files[at].name = name;
        return 0;
    }
    struct pq_shelf_file *files =
        pq_grown(shelf->files, shelf->count, &shelf->capacity, sizeof *files);
    char *name = files ? pq_strdup(file->name) : NULL;
    if (files)
        shelf->files = files;
    if (!name)
        return pq_fail_nomem(err, (shelf->count + 1) * sizeof *files);
    memmove(files + at + 1, files + at, (shelf->count - at) * sizeof *files);
    files[at] = *file;
    files[at].name = name;
    shelf->count++;
    return 0;
}

void pq_shelf_remove(struct pq_shelf *shelf, const char *name)
{
    bool found;
    size_t at = place_of(shelf, name, &found);
    if (!found)
        return;
    pq_free(shelf->files[at].name);
    shelf->count--;
    memmove(shelf->files + at, shelf->files + at + 1, (shelf->count - at) * sizeof *shelf->files);
}

void pq_shelf_free(struct pq_shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++)
        pq_free(shelf->files[i].name);
    pq_free(shelf->files);
    *shelf = (struct pq_shelf){0};
}

/* ---- looking ---- */

/* One file, or the second of a pair: what is added to what is known of the first. */
static bool add_file(const char *path, struct pq_shelf_file *file)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    int64_t changed = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
    file->bytes += (uint64_t)st.st_size;
    file->changed = PQ_MAX(file->changed, changed);
    file->inode = file->inode * 31 + st.st_ino;
    file->whole &= is_whole(path, changed);
    return true;
}

/* name is below the folder. */
static int look_at(const char *folder, const char *name, struct pq_shelf *shelf, pique_error *err)
{
    char *path = pq_asprintf("%s/%s", folder, name);
    struct pq_shelf_file file = {.name = (char *)name, .changed = INT64_MIN, .whole = true};
    int rc = path ? 0 : pq_fail_nomem(err, strlen(folder) + strlen(name));
    bool there = !rc && add_file(path, &file);
    if (there && pq_ends_with(path, ".param")) {
        memcpy(path + strlen(path) - strlen(".param"), ".bin", sizeof ".bin");
        there = add_file(path, &file);
    }
    if (there)
        rc = pq_shelf_put(shelf, &file, err);
    pq_free(path);
    return rc;
}

/* The model files of one folder; below is "" or "family/". */
static int look_through(const char *folder, const char *below, struct pq_shelf *shelf,
                        pique_error *err)
{
    char *path = pq_asprintf("%s/%s", folder, below);
    if (!path)
        return pq_fail_nomem(err, strlen(folder) + strlen(below));
    DIR *d = opendir(path);
    pq_free(path);
    int rc = 0;
    for (struct dirent *e; !rc && d && (e = readdir(d)) != NULL;) {
        bool model = pq_is_model_name(e->d_name);
        bool inside = !model && !*below &&
                      (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN || e->d_type == DT_LNK);
        if (e->d_name[0] == '.' || (!model && !inside))
            continue;
        char *name = pq_asprintf("%s%s%s", below, e->d_name, inside ? "/" : "");
        if (!name)
            rc = pq_fail_nomem(err, 256);
        else
            rc =
                inside ? look_through(folder, name, shelf, err) : look_at(folder, name, shelf, err);
        pq_free(name);
    }
    if (d)
        closedir(d);
    return rc;
}

int pq_shelf_scan(const char *folder, struct pq_shelf *shelf, pique_error *err)
{
    *shelf = (struct pq_shelf){0};
    int rc = look_through(folder, "", shelf, err);
    if (rc)
        pq_shelf_free(shelf);
    return rc;
}
