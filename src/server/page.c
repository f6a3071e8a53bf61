/* SPDX-License-Identifier: MIT */
#include "server/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "server/secure.h"

enum { PLAIN, GZIP, FORMS };
enum { ETAG_BYTES = 24 };

/* One file, in each of its forms; an answer of NULL: not in this form. */
struct pq_page_file {
    const char *path;
    struct {
        char etag[ETAG_BYTES];
        struct MHD_Response *full, *unchanged;
    } forms[FORMS];
};

static const char *type_of(const char *path)
{
    static const struct {
        const char *end, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".txt", "text/plain; charset=utf-8"},
        {".svg", "image/svg+xml"}, /* ours, not what somebody uploads */
        {".png", "image/png"},
        {".woff2", "font/woff2"},
        {".webmanifest", "application/manifest+json"},
    };
    for (size_t i = 0; i < PQ_COUNT(types); i++) {
        if (pq_ends_with(path, types[i].end))
            return types[i].type;
    }
    return "text/plain; charset=utf-8";
}

/* What both an answer and "it has not changed" carry. */
static bool dress(struct MHD_Response *r, const char *etag)
{
    return r && pq_secure(r) &&
           MHD_add_response_header(r, "Cache-Control", "no-cache") == MHD_YES &&
           MHD_add_response_header(r, "Vary", "Accept-Encoding") == MHD_YES &&
           (!etag || MHD_add_response_header(r, "ETag", etag) == MHD_YES);
}

static bool make_form(struct pq_page_file *file, int form, const void *data, size_t size)
{
    char *etag = file->forms[form].etag;
    snprintf(etag, ETAG_BYTES, "\"%016" PRIx64 "%s\"", (uint64_t)XXH3_64bits(data, size),
             form == GZIP ? "-gz" : "");
    /* The memory lives as long as the program, and nobody writes to it. */
    struct MHD_Response *full =
        MHD_create_response_from_buffer(size, (void *)data, MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *unchanged =
        MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    file->forms[form].full = full;
    file->forms[form].unchanged = unchanged;
    return dress(full, etag) && dress(unchanged, etag) &&
           MHD_add_response_header(full, "Content-Type", type_of(file->path)) == MHD_YES &&
           (form != GZIP || MHD_add_response_header(full, "Content-Encoding", "gzip") == MHD_YES);
}

int pq_page_new(struct pq_page *page, const char *folder, pique_error *err)
{
    *page = (struct pq_page){.folder = folder};
    if (folder || pq_page_entry_count == 0)
        return 0;
    page->files = pq_calloc(pq_page_entry_count, sizeof *page->files);
    if (!page->files)
        return pq_fail_nomem(err, pq_page_entry_count * sizeof *page->files);
    page->count = pq_page_entry_count;
    bool fine = true;
    for (size_t i = 0; i < page->count && fine; i++) {
        const struct pq_page_entry *e = &pq_page_entries[i];
        page->files[i].path = e->path;
        fine = make_form(&page->files[i], PLAIN, pq_page_blob + e->offset, e->size);
        if (fine && e->gzip_size)
            fine = make_form(&page->files[i], GZIP, pq_page_blob + e->gzip_offset, e->gzip_size);
    }
    if (fine)
        return 0;
    pq_page_free(page);
    return pq_fail_nomem(err, 0);
}

static void forget(struct MHD_Response *response)
{
    if (response)
        MHD_destroy_response(response);
}

void pq_page_free(struct pq_page *page)
{
    for (size_t i = 0; i < page->count; i++) {
        for (int form = 0; form < FORMS; form++) {
            forget(page->files[i].forms[form].full);
            forget(page->files[i].forms[form].unchanged);
        }
    }
    pq_free(page->files);
    *page = (struct pq_page){0};
}

bool pq_page_is_there(const struct pq_page *page)
{
    return page->folder || page->count > 0;
}

/* Whether "If-None-Match" names this one: a list, or "*". Weak comparison is asked for there. */
static bool is_named(const char *list, const char *etag)
{
    if (!list)
        return false;
    const char *at = strstr(list, etag);
    return strcmp(list, "*") == 0 || at != NULL;
}

static struct MHD_Response *from_folder(const char *folder, const char *path)
{
    struct pq_file f;
    if (pq_file_open_below(folder, path, &f, NULL) != 0)
        return NULL;
    struct MHD_Response *r =
        MHD_create_response_from_fd_at_offset64((uint64_t)pq_file_size(&f), f.fd, 0);
    if (r) /* which closes the file */
        f.owns_fd = false;
    pq_file_close(&f);
    if (r && dress(r, NULL) && MHD_add_response_header(r, "Content-Type", type_of(path)) == MHD_YES)
        return r;
    forget(r);
    return NULL;
}

struct MHD_Response *pq_page_get(struct pq_page *page, const char *path, const struct pq_head *head,
                                 int *status, bool *owned)
{
    path = strcmp(path, "/") == 0 ? "index.html" : path + 1;
    *status = 200;
    *owned = page->folder != NULL;
    if (page->folder)
        return from_folder(page->folder, path);
    for (size_t i = 0; i < page->count; i++) {
        struct pq_page_file *file = &page->files[i];
        if (strcmp(file->path, path) != 0)
            continue;
        const int form = file->forms[GZIP].full && pq_head_gzip(head) ? GZIP : PLAIN;
        if (!is_named(head->if_none_match, file->forms[form].etag))
            return file->forms[form].full;
        *status = 304;
        return file->forms[form].unchanged;
    }
    return NULL;
}
