/* SPDX-License-Identifier: MIT */
#include "server/zip.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/crc32.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/str.h"

enum {
    LOCAL = 0x04034b50,
    DESCRIPTOR = 0x08074b50,
    CENTRAL = 0x02014b50,
    END64 = 0x06064b50,
    LOCATOR64 = 0x07064b50,
    END = 0x06054b50,
    VERSION = 45,             /* that reads 64-bit sizes */
    FLAGS = 1 << 3 | 1 << 11, /* sizes follow; names are UTF-8 */
    MOST_DEPTH = 8
};

struct member {
    char *path, *name;
    uint64_t at, size;
    uint32_t crc;
    bool left_out;
};

enum phase { HEADERS, DATA, DIRECTORY, DONE };

struct pq_zip {
    struct member *members;
    size_t count, capacity;
    size_t *taken; /* names that are taken: places of members and one more, by hash; 0: free */
    size_t taken_size, taken_count;
    size_t current;
    enum phase phase;
    struct pq_file file;
    struct pq_str pending; /* to be sent before anything else */
    size_t pending_at;
    uint64_t at; /* bytes made so far */
};

struct pq_zip *pq_zip_new(void)
{
    struct pq_zip *z = pq_calloc(1, sizeof *z);
    if (z)
        z->file.fd = -1;
    return z;
}

void pq_zip_free(struct pq_zip *z)
{
    if (!z)
        return;
    for (size_t i = 0; i < z->count; i++) {
        pq_free(z->members[i].path);
        pq_free(z->members[i].name);
    }
    pq_file_close(&z->file);
    pq_str_free(&z->pending);
    pq_free(z->members);
    pq_free(z->taken);
    pq_free(z);
}

/* ---- what goes in ---- */

/* Where a name stands among those that are taken, or where it would; there is room. */
static size_t *place_of(const struct pq_zip *z, const char *name)
{
    size_t at = XXH3_64bits(name, strlen(name)) & (z->taken_size - 1);
    while (z->taken[at] && strcmp(z->members[z->taken[at] - 1].name, name) != 0)
        at = (at + 1) & (z->taken_size - 1);
    return &z->taken[at];
}

static bool is_taken(const struct pq_zip *z, const char *name)
{
    return z->taken && *place_of(z, name) != 0;
}

/* The names of all members are taken from now on; their places do not change any more. */
static int take_names(struct pq_zip *z, pique_error *err)
{
    enum { LEAST = 64 };
    if (z->count * 2 >= z->taken_size) {
        size_t size = PQ_MAX(z->taken_size, (size_t)LEAST);
        while (z->count * 2 >= size)
            size *= 2;
        size_t *anew = pq_calloc(size, sizeof *anew);
        if (!anew)
            return pq_fail_nomem(err, size * sizeof *anew);
        pq_free(z->taken);
        z->taken = anew;
        z->taken_size = size;
        z->taken_count = 0;
    }
    for (; z->taken_count < z->count; z->taken_count++) {
        size_t *place = place_of(z, z->members[z->taken_count].name);
        if (!*place)
            *place = z->taken_count + 1;
    }
    return 0;
}

static int add(struct pq_zip *z, const char *path, const char *name, pique_error *err)
{
    struct member *grown = pq_grown(z->members, z->count, &z->capacity, sizeof *grown);
    if (!grown)
        return pq_fail_nomem(err, sizeof *grown);
    z->members = grown;
    struct member m = {.path = pq_strdup(path), .name = pq_strdup(name)};
    if (!m.path || !m.name || strlen(name) > UINT16_MAX) {
        pq_free(m.path);
        pq_free(m.name);
        return pq_fail_nomem(err, strlen(path));
    }
    z->members[z->count++] = m;
    return 0;
}

int pq_zip_add(struct pq_zip *z, const char *path, const char *name, pique_error *err)
{
    if (is_taken(z, name))
        return 0;
    int rc = add(z, path, name, err);
    return rc ? rc : take_names(z, err);
}

struct walk {
    struct pq_zip *zip;
    const char *path, *name;
    int depth;
    pique_error *err;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static int add_below(void *context, const char *entry)
{
    const struct walk *w = context;
    char *path = pq_asprintf("%s/%s", w->path, entry), *name = pq_asprintf("%s/%s", w->name, entry);
    struct walk below = {w->zip, path, name, w->depth + 1, w->err};
    int rc = path && name ? 0 : pq_fail_nomem(w->err, strlen(w->path));
    if (!rc && pq_is_folder(path))
        rc = below.depth < MOST_DEPTH ? pq_list_folder(path, add_below, &below, w->err) : 0;
    else if (!rc)
        rc = add(w->zip, path, name, w->err); /* names of one folder differ */
    pq_free(path);
    pq_free(name);
    return rc;
}

int pq_zip_add_folder(struct pq_zip *z, const char *path, const char *name, pique_error *err)
{
    struct walk w = {z, path, name, 0, err};
    const size_t before = z->count;
    int rc = pq_list_folder(path, add_below, &w, err);
    if (z->count > before)
        qsort(z->members + before, z->count - before, sizeof *z->members, by_name);
    return rc ? rc : take_names(z, err);
}

/* ---- what comes out ---- */

/* So many bytes of a number, lowest first. */
static void put(struct pq_str *s, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        const char byte = (char)(value >> 8 * i);
        pq_str_add_n(s, &byte, 1);
    }
}

/* What both headers of a member share. The time is the first that there is: the file has its own.
 */
static void put_common(struct pq_str *s, uint32_t crc, size_t name, size_t extra)
{
    put(s, VERSION, 2);
    put(s, FLAGS, 2);
    put(s, 0, 2); /* stored */
    put(s, 0, 2);
    put(s, 1 << 5 | 1, 2); /* the first of January 1980 */
    put(s, crc, 4);
    put(s, UINT32_MAX, 4); /* in the extra field */
    put(s, UINT32_MAX, 4);
    put(s, name, 2);
    put(s, extra, 2);
}

static void put_local(struct pq_str *s, const struct member *m)
{
    put(s, LOCAL, 4);
    put_common(s, 0, strlen(m->name), 20);
    pq_str_add(s, m->name);
    put(s, 1, 2); /* ZIP64 */
    put(s, 16, 2);
    put(s, 0, 8); /* follow in the descriptor */
    put(s, 0, 8);
}

static void put_descriptor(struct pq_str *s, const struct member *m)
{
    put(s, DESCRIPTOR, 4);
    put(s, m->crc, 4);
    put(s, m->size, 8);
    put(s, m->size, 8);
}

static void put_central(struct pq_str *s, const struct member *m)
{
    put(s, CENTRAL, 4);
    put(s, 3 << 8 | VERSION, 2); /* made on Unix */
    put_common(s, m->crc, strlen(m->name), 28);
    put(s, 0, 2); /* no comment */
    put(s, 0, 2);
    put(s, 0, 2);
    put(s, (uint64_t)0100644 << 16, 4); /* a regular file */
    put(s, UINT32_MAX, 4);
    pq_str_add(s, m->name);
    put(s, 1, 2);
    put(s, 24, 2);
    put(s, m->size, 8);
    put(s, m->size, 8);
    put(s, m->at, 8);
}

static void put_end(struct pq_str *s, uint64_t count, uint64_t at, uint64_t size)
{
    put(s, END64, 4);
    put(s, 44, 8);
    put(s, 3 << 8 | VERSION, 2);
    put(s, VERSION, 2);
    put(s, 0, 4);
    put(s, 0, 4);
    put(s, count, 8);
    put(s, count, 8);
    put(s, size, 8);
    put(s, at, 8);
    put(s, LOCATOR64, 4);
    put(s, 0, 4);
    put(s, at + size, 8);
    put(s, 1, 4);
    put(s, END, 4);
    put(s, 0, 4);
    put(s, UINT16_MAX, 2);
    put(s, UINT16_MAX, 2);
    put(s, UINT32_MAX, 4);
    put(s, UINT32_MAX, 4);
    put(s, 0, 2);
}

/* The next member that is still there, or the end of them. */
static void begin_member(struct pq_zip *z)
{
    while (z->current < z->count) {
        struct member *m = &z->members[z->current];
        if (pq_file_open(m->path, &z->file, NULL) == 0) {
            m->at = z->at;
            put_local(&z->pending, m);
            z->phase = DATA;
            return;
        }
        m->left_out = true;
        z->current++;
    }
    z->phase = DIRECTORY;
}

static void end_member(struct pq_zip *z)
{
    pq_file_close(&z->file);
    put_descriptor(&z->pending, &z->members[z->current]);
    z->current++;
    z->phase = HEADERS;
}

static void write_directory(struct pq_zip *z)
{
    const uint64_t at = z->at;
    uint64_t count = 0;
    for (size_t i = 0; i < z->count; i++) {
        if (z->members[i].left_out)
            continue;
        put_central(&z->pending, &z->members[i]);
        count++;
    }
    put_end(&z->pending, count, at, z->pending.length);
    z->phase = DONE;
}

static ssize_t send_pending(struct pq_zip *z, void *out, size_t most)
{
    const size_t n = PQ_MIN(most, z->pending.length - z->pending_at);
    memcpy(out, z->pending.data + z->pending_at, n);
    z->pending_at += n;
    if (z->pending_at == z->pending.length) {
        pq_str_free(&z->pending);
        z->pending_at = 0;
    }
    z->at += n;
    return (ssize_t)n;
}

/* Bytes of the file that is open; 0 at its end. */
static ssize_t send_data(struct pq_zip *z, void *out, size_t most)
{
    struct member *m = &z->members[z->current];
    size_t got;
    if (pq_file_read(&z->file, out, most, &got, NULL) != 0)
        return -1;
    m->crc = pq_crc32_add(m->crc, out, got);
    m->size += got;
    z->at += got;
    return (ssize_t)got;
}

ssize_t pq_zip_read(struct pq_zip *z, void *out, size_t most)
{
    for (;;) {
        if (z->pending.failed)
            return -1;
        if (z->pending.length)
            return send_pending(z, out, most);
        if (z->phase == DONE)
            return 0;
        if (z->phase == HEADERS) {
            begin_member(z);
        } else if (z->phase == DIRECTORY) {
            write_directory(z);
        } else {
            const ssize_t n = send_data(z, out, most);
            if (n)
                return n;
            end_member(z);
        }
    }
}
