/* SPDX-License-Identifier: MIT */
/* A download is two files in the models folder, named after the address: the bytes so far, and a
 * record of whose they are: address, size, and the validator that the host gave for them (a strong
 * ETag, or else the time of the last change). The next try asks for the rest with that validator
 * (Range and If-Range, RFC 9110 13.1.5); the host sends the rest, or the whole where the file has
 * changed. An answer that does not fit the record throws the part away. Whoever lies all the same
 * meets the sum at the end: a file put together from several tries that is wrong is fetched once
 * more from its beginning. The file gets its name after all that. */
#include "cli/get.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/lang.h"
#include "base/str.h"
#include "cli/child.h"
#include "cli/http.h"
#include "cli/record.h"

enum { PIECE = 64 << 10, TRIES = 4 };
/* curl's statuses for such things, which we give ourselves too. */
enum { NONSENSE = 8, BROKEN_OFF = 18, NOT_THERE = 22 };

/* One file on its way. */
struct way {
    struct pq_get *g;
    char *part, *record_path;
    struct pq_file file;
    uint64_t have;       /* bytes in the part */
    char validator[200]; /* of the part: ETag or date, or "" */
    uint64_t total;      /* of the whole file, 0: not known */
    bool pieced;         /* the part comes from more than one try */
    struct pq_http http; /* the answer */
    char *piece;         /* PIECE bytes: the head, then the body */
    size_t filled;       /* bytes of the head in piece */
    struct pq_progress progress;
    bool anew;     /* the answer does not fit the part: ask for the whole */
    bool broke;    /* bytes came, and then the connection broke */
    bool nonsense; /* what came is no answer to what was asked */
};

const char *pq_curl_reason(int status)
{
    switch (status) {
    case PQ_CHILD_MISSING:
        return pq_tr("curl is not installed");
    case NONSENSE:
        return pq_tr("it gives an answer that makes no sense");
    case 6:
        return pq_tr("its name cannot be looked up; is the network there?");
    case 7:
    case 28:
        return pq_tr("it does not answer; is the network there?");
    case NOT_THERE:
        return pq_tr("it does not have it");
    case 23:
        return pq_tr("the disk cannot be written");
    case 35:
    case 60:
        return pq_tr("its certificate is not trusted here; are ca-certificates installed?");
    default:
        return pq_tr("the download broke off");
    }
}

/* ---- the part and its record ---- */

static int name_part(struct way *w, pique_error *err)
{
    char hex[PQ_SHA256_HEX];
    pq_sha256(w->g->url, strlen(w->g->url), hex);
    w->part = pq_asprintf("%s/" PQ_PART_BEGIN "%.16s.part", w->g->folder, hex);
    w->record_path = pq_asprintf("%s/" PQ_PART_BEGIN "%.16s.json", w->g->folder, hex);
    w->piece = pq_malloc(PIECE);
    return w->part && w->record_path && w->piece ? 0 : pq_fail_nomem(err, PIECE);
}

static void remove_part(struct way *w)
{
    unlink(w->part);
    unlink(w->record_path);
    w->have = w->total = 0;
    w->validator[0] = '\0';
    w->pieced = false;
}

/* What an earlier try left, where it can be gone on with; else nothing is left of it. */
static void read_part(struct way *w)
{
    bool damaged;
    struct stat st;
    json_t *record = pq_record_read(w->record_path, &damaged);
    const char *url = json_string_value(json_object_get(record, "url"));
    const char *validator = json_string_value(json_object_get(record, "validator"));
    json_int_t total = json_integer_value(json_object_get(record, "total"));
    bool fits = url && validator && total >= 0 && strcmp(url, w->g->url) == 0 &&
                strlen(validator) < sizeof w->validator && !strpbrk(validator, "\r\n") &&
                (validator[0] || w->g->sha256) && lstat(w->part, &st) == 0 && S_ISREG(st.st_mode) &&
                st.st_size > 0 && (!total || st.st_size <= total) &&
                (uint64_t)st.st_size <= w->g->most &&
                (!w->g->bytes || !total || (uint64_t)total == w->g->bytes);
    if (fits) {
        snprintf(w->validator, sizeof w->validator, "%s", validator);
        w->total = (uint64_t)total;
        w->have = (uint64_t)st.st_size;
        w->pieced = true;
    } else {
        remove_part(w);
    }
    json_decref(record);
}

static int write_record(const struct way *w, pique_error *err)
{
    json_t *record = json_pack("{s:i, s:s, s:s, s:I}", "format", 1, "url", w->g->url, "validator",
                               w->validator, "total", (json_int_t)w->total);
    int rc = record ? pq_record_write(w->record_path, record, err) : pq_fail_nomem(err, 512);
    json_decref(record);
    return rc;
}

/* ---- one answer ---- */

static int too_long(const struct way *w, pique_error *err)
{
    return pq_fail(err, PIQUE_EFORMAT, "%s: is larger than the %" PRIu64 " bytes that it may have",
                   w->g->what, w->g->most);
}

/* The head is there: whether its body goes behind what we have. */
static int judge_head(struct way *w, pique_error *err)
{
    const struct pq_http *h = &w->http;
    const char *validator = h->etag[0] ? h->etag : h->modified;
    uint64_t size = h->total ? h->total : w->g->bytes;
    if (h->total > w->g->most)
        return too_long(w, err);
    if (w->have && h->status == 206) {
        bool same =
            h->first == (int64_t)w->have && (!h->total || !w->total || h->total == w->total);
        if (w->validator[0] && validator[0] && w->validator[0] == validator[0])
            same &= strcmp(w->validator, validator) == 0;
        w->anew = !same;
        if (same)
            return 0;
        pq_tell_note(w->g->tell, "  %s: the rest does not fit what is here; it starts anew",
                     w->g->what);
        return 0;
    }
    /* "Range not satisfiable": there is no such rest, so it is another file. Other refusals are
     * curl's to tell. */
    w->anew = w->have && h->status == 416;
    w->nonsense = h->status != 200 && h->status < 400;
    if (h->status != 200)
        return 0;
    if (w->g->bytes && h->total && h->total != w->g->bytes)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: wrong size (%" PRIu64 " bytes, not %" PRIu64 "); not fetched",
                       w->g->what, h->total, w->g->bytes);
    if (w->have)
        pq_tell_note(w->g->tell,
                     "  %s: has changed, or its host does not send parts; it starts anew",
                     w->g->what);
    remove_part(w);
    snprintf(w->validator, sizeof w->validator, "%s", validator);
    w->total = size;
    return write_record(w, err);
}

static int begin_body(struct way *w, pique_error *err)
{
    int rc = judge_head(w, err);
    if (rc || w->anew || w->nonsense || w->http.status >= 400)
        return rc;
    int64_t at;
    rc = pq_file_resume(w->part, w->g->path, w->have == 0, &w->file, &at, err);
    if (!rc && (uint64_t)at != w->have)
        rc = pq_fail(err, PIQUE_EIO, "%s: is written by somebody else", w->part);
    w->progress.before = w->have;
    w->progress.total = w->total;
    return rc;
}

static int take_body(struct way *w, const char *data, size_t size, pique_error *err)
{
    if (w->file.fd < 0) /* the body of a refusal */
        return 0;
    if (size > w->g->most - w->have)
        return too_long(w, err);
    int rc = pq_file_write(&w->file, data, size, err);
    if (!rc)
        w->have += size;
    return rc;
}

/* size more bytes of curl's output are in the piece, behind what it held of the head. */
static int take(struct way *w, size_t size, pique_error *err)
{
    if (w->http.ended)
        return take_body(w, w->piece, size, err);
    w->filled += size;
    size_t body = pq_http_head(&w->http, w->piece, w->filled);
    w->nonsense = w->http.refused || (!w->http.ended && w->filled == PIECE);
    if (!w->http.ended)
        return 0;
    int rc = begin_body(w, err);
    if (!rc)
        rc = take_body(w, w->piece + body, w->filled - body, err);
    return rc;
}

static void tick(void *context)
{
    struct way *w = context;
    if (w->http.ended)
        pq_tell_progress(w->g->tell, &w->progress, w->have);
}

static int read_all(struct way *w, struct pq_child *child, pique_error *err)
{
    for (;;) {
        size_t got, at = w->http.ended ? 0 : w->filled;
        int rc = pq_child_read_some(child, w->piece + at, PIECE - at, &got, tick, w, err);
        if (!rc && got)
            rc = take(w, got, err);
        if (rc || w->anew || w->nonsense || !got)
            return rc;
    }
}

/* One call of curl. */
static int ask(struct way *w, pique_error *err)
{
    struct pq_child child;
    char range[48], condition[240];
    const char *argv[32] = {PQ_CURL, "--include", "--suppress-connect-headers"};
    size_t n = 0;
    while (argv[n])
        n++;
    if (w->have) {
        snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-", w->have);
        argv[n++] = "--header";
        argv[n++] = range;
    }
    if (w->have && w->validator[0]) {
        snprintf(condition, sizeof condition, "If-Range: %s", w->validator);
        argv[n++] = "--header";
        argv[n++] = condition;
    }
    argv[n++] = "--url";
    argv[n++] = w->g->url;
    w->http = (struct pq_http){0};
    w->filled = 0;
    w->anew = w->nonsense = false;
    w->file = (struct pq_file){.fd = -1};
    w->progress = (struct pq_progress){.what = w->g->what};
    uint64_t before = w->have;
    int rc = pq_child_start(argv, NULL, &child, err);
    if (rc)
        return rc;
    rc = read_all(w, &child, err);
    bool hang_up = rc || w->anew || w->nonsense;
    w->g->curl_status = pq_child_wait(&child, hang_up);
    pq_tell_progress_end(w->g->tell);
    pq_file_close(&w->file);
    if (hang_up) {
        w->g->curl_status = NONSENSE;
        return rc;
    }
    /* The host closed at a place of its choice, and curl found nothing wrong with that. */
    if (w->g->curl_status == 0 && (!w->http.ended || (w->total && w->have < w->total)))
        w->g->curl_status = BROKEN_OFF;
    w->broke = w->g->curl_status != 0 && w->http.ended && w->have > before;
    return 0;
}

/* ---- the end ---- */

static int judge_whole(struct way *w, pique_error *err)
{
    struct pq_get *g = w->g;
    int rc = pq_sha256_file(w->part, g->sum, err);
    if (rc)
        return rc;
    g->got = w->have;
    if (w->total && w->have != w->total)
        return pq_fail(err, PIQUE_EFORMAT, "%s: %" PRIu64 " bytes came, not %" PRIu64, g->what,
                       w->have, w->total);
    if (g->bytes && w->have != g->bytes)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: wrong size (%" PRIu64 " bytes, not %" PRIu64 "); not kept", g->what,
                       w->have, g->bytes);
    if (g->sha256 && strcmp(g->sum, g->sha256) != 0)
        return pq_fail(err, PIQUE_EFORMAT, "%s: wrong SHA-256 (%s, not %s); not kept", g->what,
                       g->sum, g->sha256);
    return g->look ? g->look(g->look_user, w->part, err) : 0;
}

static int give_name(struct way *w, pique_error *err)
{
    int64_t at;
    int rc = pq_file_resume(w->part, w->g->path, false, &w->file, &at, err);
    if (!rc)
        rc = pq_file_commit(&w->file, true, err);
    w->g->here = !rc;
    return rc;
}

/* Whether an error says that these bytes will never be the file. */
static bool is_wrong(int rc)
{
    return rc == PIQUE_EFORMAT || rc == PIQUE_EUNSUPPORTED;
}

static int finish(struct way *w, bool *again, pique_error *err)
{
    int rc = judge_whole(w, err);
    *again = is_wrong(rc) && w->pieced;
    if (*again)
        pq_tell_note(w->g->tell, "  %s: what was put together is wrong; it starts anew",
                     w->g->what);
    if (is_wrong(rc))
        remove_part(w);
    if (!rc)
        rc = give_name(w, err);
    if (!rc)
        unlink(w->record_path);
    return *again ? 0 : rc;
}

/* Wait a little between two tries; false: interrupted. */
static bool rest(int tries)
{
    for (int i = 0; i < 5 * tries && !pq_interrupted(); i++)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    return !pq_interrupted();
}

static int get(struct way *w, pique_error *err)
{
    for (int tries = 1;; tries++) {
        bool whole = w->have && w->total && w->have == w->total, again = tries < TRIES;
        int rc = whole ? 0 : ask(w, err);
        if (is_wrong(rc) || (!rc && w->anew))
            remove_part(w);
        if (rc)
            return rc;
        if (w->anew && again)
            continue;
        if (w->broke && again) {
            pq_tell_note(w->g->tell, "  %s: broke off at %" PRIu64 " bytes; it goes on", w->g->what,
                         w->have);
            w->pieced = true;
            if (!rest(tries))
                return pq_fail(err, PIQUE_ECANCELED, "interrupted");
            continue;
        }
        if (!whole && w->g->curl_status != 0)
            return 0;
        w->g->curl_status = 0;
        rc = finish(w, &again, err);
        if (!again || tries >= 2 * TRIES)
            return again ? err->code : rc;
    }
}

int pq_get_file(struct pq_get *g, pique_error *err)
{
    struct way w = {.g = g, .file = {.fd = -1}};
    g->here = false;
    g->curl_status = 0;
    g->resumed_at = 0;
    int rc = name_part(&w, err);
    if (!rc) {
        read_part(&w);
        g->resumed_at = w.have;
        if (w.have)
            pq_tell_note(g->tell, "  %s: goes on at %" PRIu64 " bytes", g->what, w.have);
        rc = get(&w, err);
    }
    pq_free(w.piece);
    pq_free(w.record_path);
    pq_free(w.part);
    return rc;
}
