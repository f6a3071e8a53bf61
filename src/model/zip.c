/* SPDX-License-Identifier: MIT */
/* A zip archive (PKWARE APPNOTE 6.3.10), read from its end:
 *
 *     { local header, name, extra | data | perhaps a data descriptor } for each entry
 *     { central header, name, extra, comment }                         for each entry
 *     [ zip64 end record | zip64 locator ]  end record
 *
 * What an archive holds is said twice, in the local and the central headers, and readers that
 * believe different ones see different files in one archive. So nothing is tolerated here: both
 * must agree, no byte belongs to nobody or to two, no name comes twice, also not in capitals
 * (PyTorch finds "DATA.PKL" where it looks for "data.pkl"), nothing is encrypted. Entries may be
 * packed, as the code of TorchScript is, but such a one cannot be read. */
#include "model/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/crc32.h"
#include "base/lang.h"

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    MAX_ENTRIES = 1 << 18,
    MAX_NAME = 1024,
    EXTRA_ZIP64 = 1,
    STORED = 0,
    DEFLATED = 8,
    FLAG_DEFLATED = 3 << 1,   /* how hard it was tried */
    FLAG_DESCRIPTOR = 1 << 3, /* sizes and sum follow the data */
    FLAG_UTF8 = 1 << 11
};

static const uint32_t none32 = 0xffffffff; /* "see the zip64 field" */

struct reader {
    const struct pq_map *map;
    struct pq_zip *zip;
    uint64_t directory, directory_end; /* central headers */
    uint64_t count;
    pique_error *err;
};

static uint64_t get(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static bool is_magic(const unsigned char *p, const char *two)
{
    return p[0] == 'P' && p[1] == 'K' && p[2] == (unsigned char)two[0] &&
           p[3] == (unsigned char)two[1];
}

static int damaged(struct reader *r, const char *what)
{
    return pq_fail(r->err, PIQUE_EFORMAT, "%s: the zip archive %s", r->map->path, pq_tr(what));
}

/* ---- the end ---- */

/* The zip64 end record stands right before its locator, and that right before the end record. */
static int read_end64(struct reader *r, uint64_t locator_at)
{
    const unsigned char *locator = r->map->data + locator_at;
    if (locator_at < END64_BYTES)
        return damaged(r, "has a zip64 locator without an end record");
    uint64_t at = locator_at - END64_BYTES;
    const unsigned char *end = r->map->data + at;
    if (get(locator + 4, 4) != 0 || get(locator + 8, 8) != at || get(locator + 16, 4) > 1 ||
        !is_magic(end, "\6\6") || get(end + 4, 8) != END64_BYTES - 12)
        return damaged(r, "has a zip64 end record that is not where its locator says");
    if (get(end + 16, 4) != 0 || get(end + 20, 4) != 0 || get(end + 24, 8) != get(end + 32, 8))
        return damaged(r, "is one of several parts");
    struct {
        int at, bytes;
        uint64_t value;
    } told[] = {{10, 2, get(end + 32, 8)}, {12, 4, get(end + 40, 8)}, {16, 4, get(end + 48, 8)}};
    const unsigned char *old = locator + LOCATOR_BYTES;
    for (size_t i = 0; i < PQ_COUNT(told); i++) {
        uint64_t value = get(old + told[i].at, told[i].bytes);
        uint64_t see64 = told[i].bytes == 2 ? 0xffff : none32;
        if (value != see64 && value != told[i].value)
            return damaged(r, "has two end records that say different things");
    }
    r->count = told[0].value;
    r->directory = told[2].value;
    r->directory_end = at;
    if (r->directory > at || at - r->directory != told[1].value)
        return damaged(r, "has a directory that does not end where its end record starts");
    return 0;
}

static int read_end(struct reader *r)
{
    size_t size = r->map->size;
    if (size < END_BYTES || !is_magic(r->map->data + size - END_BYTES, "\5\6"))
        return damaged(r, "does not end with its end record; the download may be incomplete, or "
                          "something was appended");
    uint64_t at = size - END_BYTES;
    const unsigned char *end = r->map->data + at;
    if (get(end + 20, 2) != 0)
        return damaged(r, "has a comment of a length that is not there");
    if (get(end + 4, 2) != 0 || get(end + 6, 2) != 0 || get(end + 8, 2) != get(end + 10, 2))
        return damaged(r, "is one of several parts");
    if (at >= LOCATOR_BYTES && is_magic(end - LOCATOR_BYTES, "\6\7"))
        return read_end64(r, at - LOCATOR_BYTES);
    r->count = get(end + 10, 2);
    r->directory = get(end + 16, 4);
    r->directory_end = at;
    if (r->directory > at || at - r->directory != get(end + 12, 4))
        return damaged(r, "has a directory that does not end where its end record starts");
    return 0;
}

/* ---- headers ---- */

/* Both kinds of header have these. */
struct header {
    unsigned flags, method;
    uint64_t crc, packed, size, offset;
    const char *name;
    size_t name_bytes;
    uint64_t bytes; /* with name, extra and comment */
};

/* Fields of 32 bits that are all ones have their value in the zip64 field, in this order. */
static bool read_extra(const unsigned char *p, size_t bytes, struct header *h, bool central)
{
    uint64_t *wide[] = {&h->size, &h->packed, &h->offset};
    bool seen = false;
    for (size_t at = 0; at < bytes;) {
        if (bytes - at < 4 || bytes - at - 4 < get(p + at + 2, 2))
            return false;
        size_t field = get(p + at + 2, 2);
        const unsigned char *data = p + at + 4;
        if (get(p + at, 2) == EXTRA_ZIP64) {
            size_t used = 0;
            if (seen)
                return false;
            seen = true;
            for (int i = 0; i < (central ? 3 : 2); i++) {
                if (*wide[i] != none32)
                    continue;
                if (field - used < 8)
                    return false;
                *wide[i] = get(data + used, 8);
                used += 8;
            }
            /* A local header may say more: sizes that it has already, or where it is (miniz). */
            if (used != field && !(!central && field <= 24))
                return false;
        }
        at += 4 + field;
    }
    return true;
}

/* Read a header at an offset, of which at most room bytes may be taken. */
static int read_header(struct reader *r, uint64_t at, uint64_t room, bool central,
                       struct header *out)
{
    const unsigned char *p = r->map->data + at;
    size_t fixed = central ? CENTRAL_BYTES : LOCAL_BYTES;
    if (room < fixed || !is_magic(p, central ? "\1\2" : "\3\4"))
        return damaged(r, central ? "has a broken directory" : "has a broken header of an entry");
    const unsigned char *q = p + (central ? 8 : 6);
    size_t name = get(q + 20, 2), extra = get(q + 22, 2), comment = central ? get(p + 32, 2) : 0;
    *out = (struct header){.flags = (unsigned)get(q, 2),
                           .method = (unsigned)get(q + 2, 2),
                           .crc = get(q + 8, 4),
                           .packed = get(q + 12, 4),
                           .size = get(q + 16, 4),
                           .offset = central ? get(p + 42, 4) : at,
                           .name = (const char *)p + fixed,
                           .name_bytes = name,
                           .bytes = fixed + name + extra + comment};
    if (room < out->bytes)
        return damaged(r, "has a header that is longer than its place");
    if (name == 0 || name > MAX_NAME || memchr(out->name, 0, name))
        return damaged(r, "has an entry whose name is empty, too long or has zero bytes");
    unsigned allowed = FLAG_DESCRIPTOR | FLAG_UTF8 | (out->method == DEFLATED ? FLAG_DEFLATED : 0);
    if ((out->flags & ~allowed) || (out->method != STORED && out->method != DEFLATED))
        return pq_fail(r->err, PIQUE_EUNSUPPORTED,
                       "%s: the zip archive has an entry that is encrypted or of an unusual kind",
                       r->map->path);
    if (!read_extra(p + fixed + name, extra, out, central))
        return damaged(r, "has an entry with a broken extra field");
    return 0;
}

static int read_central(struct reader *r)
{
    uint64_t at = r->directory;
    for (uint64_t i = 0; i < r->count; i++) {
        struct header h;
        const unsigned char *p = r->map->data + at;
        int rc = read_header(r, at, r->directory_end - at, true, &h);
        if (rc)
            return rc;
        if (get(p + 34, 2) != 0)
            return damaged(r, "is one of several parts");
        if (h.method == STORED && h.size != h.packed)
            return damaged(r, "has an entry that is stored, and yet of two sizes");
        r->zip->entries[r->zip->count++] = (struct pq_zip_entry){.name = h.name,
                                                                 .name_bytes = h.name_bytes,
                                                                 .header = h.offset,
                                                                 .size = h.size,
                                                                 .packed = h.packed,
                                                                 .method = h.method,
                                                                 .crc = (uint32_t)h.crc,
                                                                 .flags = h.flags};
        at += h.bytes;
    }
    return at == r->directory_end ? 0 : damaged(r, "has more in its directory than it counts");
}

/* ---- entries ---- */

/* Between the data and the next header: nothing, or sum and sizes once more. PyTorch writes none
 * behind an entry of no bytes. */
static bool is_descriptor(const unsigned char *p, uint64_t bytes, const struct pq_zip_entry *e)
{
    bool magic = bytes == 16 || bytes == 24;
    int wide = bytes >= 20 ? 8 : 4;
    if (bytes != 12 && bytes != 16 && bytes != 20 && bytes != 24)
        return false;
    if (magic && !is_magic(p, "\7\10"))
        return false;
    p += magic ? 4 : 0;
    return get(p, 4) == e->crc && get(p + 4, wide) == e->packed &&
           get(p + 4 + wide, wide) == e->size;
}

/* Hold an entry's local header against the directory; what it takes must end at end. */
static int check_local(struct reader *r, struct pq_zip_entry *e, uint64_t end)
{
    struct header h;
    int rc = read_header(r, e->header, end - e->header, false, &h);
    if (rc)
        return rc;
    e->offset = e->header + h.bytes;
    bool later = h.flags & FLAG_DESCRIPTOR;
    if (h.name_bytes != e->name_bytes || memcmp(h.name, e->name, e->name_bytes) != 0)
        return damaged(r, "has an entry of two names");
    if (h.flags != e->flags || h.method != e->method)
        return damaged(r, "says two things about the kind of an entry");
    bool blank = later && h.crc == 0 && h.size == 0 && h.packed == 0;
    if (!blank &&
        (h.size != e->size || h.packed != e->packed || (h.crc != e->crc && !(later && h.crc == 0))))
        return damaged(r, "says two things about the size or the sum of an entry");
    if (e->packed > end - e->offset)
        return damaged(r, "has an entry that reaches into the next");
    uint64_t rest = end - e->offset - e->packed;
    if (rest == 0 ? later && e->packed > 0
                  : !later || !is_descriptor(r->map->data + e->offset + e->packed, rest, e))
        return damaged(r, "has bytes behind an entry that belong to nobody");
    return 0;
}

static int by_header(const void *a, const void *b)
{
    const struct pq_zip_entry *x = a, *y = b;
    return x->header < y->header ? -1 : x->header > y->header;
}

/* Entries fill the file up to the directory, one after the other. */
static int check_locals(struct reader *r)
{
    struct pq_zip *zip = r->zip;
    qsort(zip->entries, zip->count, sizeof *zip->entries, by_header);
    for (size_t i = 0; i < zip->count; i++) {
        struct pq_zip_entry *e = &zip->entries[i];
        uint64_t end = i + 1 < zip->count ? zip->entries[i + 1].header : r->directory;
        if ((i == 0 && e->header != 0) || end > r->directory || e->header >= end)
            return damaged(r, "has entries that overlap, or bytes that belong to none");
        int rc = check_local(r, e, end);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- names ---- */

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : (unsigned char)c;
}

static int compare_names(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    for (size_t i = 0; i < a_bytes && i < b_bytes; i++) {
        int d = lower(a[i]) - lower(b[i]);
        if (d)
            return d;
    }
    return a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

static int by_name(const void *a, const void *b)
{
    const struct pq_zip_entry *x = a, *y = b;
    return compare_names(x->name, x->name_bytes, y->name, y->name_bytes);
}

static int check_names(struct reader *r)
{
    struct pq_zip *zip = r->zip;
    qsort(zip->entries, zip->count, sizeof *zip->entries, by_name);
    for (size_t i = 1; i < zip->count; i++) {
        if (by_name(&zip->entries[i - 1], &zip->entries[i]) == 0)
            return damaged(r, "has two entries of one name");
    }
    return 0;
}

/* ---- the whole ---- */

static int open_zip(struct reader *r)
{
    int rc = read_end(r);
    if (rc)
        return rc;
    if (r->count > MAX_ENTRIES || r->count > (r->directory_end - r->directory) / CENTRAL_BYTES)
        return damaged(r, "counts more entries than it can hold");
    if (r->count == 0)
        return damaged(r, "is empty");
    r->zip->entries = pq_calloc((size_t)r->count, sizeof *r->zip->entries);
    if (!r->zip->entries)
        return pq_fail_nomem(r->err, r->count * sizeof *r->zip->entries);
    rc = read_central(r);
    if (!rc)
        rc = check_locals(r);
    return rc ? rc : check_names(r);
}

int pq_zip_open(const struct pq_map *map, struct pq_zip *zip, pique_error *err)
{
    struct reader r = {.map = map, .zip = zip, .err = err};
    *zip = (struct pq_zip){0};
    int rc = open_zip(&r);
    if (rc)
        pq_zip_close(zip);
    return rc;
}

void pq_zip_close(struct pq_zip *zip)
{
    pq_free(zip->entries);
    *zip = (struct pq_zip){0};
}

struct pq_zip_entry *pq_zip_find(const struct pq_zip *zip, const char *name, size_t name_bytes)
{
    struct pq_zip_entry wanted = {.name = name, .name_bytes = name_bytes};
    if (zip->count == 0)
        return NULL;
    struct pq_zip_entry *e =
        bsearch(&wanted, zip->entries, zip->count, sizeof *zip->entries, by_name);
    return e && memcmp(e->name, name, name_bytes) == 0 ? e : NULL;
}

/* A fuzzer would spend its days on guessing sums. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
static const bool sums_count = false;
#else
static const bool sums_count = true;
#endif

int pq_zip_check(const struct pq_map *map, struct pq_zip_entry *entry, pique_error *err)
{
    const unsigned char *data = map->data + entry->offset;
    if (entry->method != STORED)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: is a compressed zip archive; PyTorch's are not. If a model is packed "
                       "in it, unpack it first",
                       map->path);
    if (sums_count && !entry->checked && pq_crc32(data, (size_t)entry->size) != entry->crc)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: the %" PRIu64 " bytes at %" PRIu64
                       " do not fit their checksum; the file is damaged",
                       map->path, entry->size, entry->offset);
    entry->checked = true;
    return 0;
}
