/* SPDX-License-Identifier: MIT */
/* Answers: JSON, errors, files. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/lang.h"
#include "server/inside.h"
#include "server/range.h"
#include "server/secure.h"

/* ---- filling ---- */

static int dump_piece(const char *text, size_t n, void *user)
{
    pq_str_add_n(user, text, n);
    return 0;
}

static void set_text(struct pq_http_reply *reply, int status, char *text)
{
    static const char nomem[] = "{\"error\":{\"code\":\"ENOMEM\",\"text\":\"out of memory\","
                                "\"next\":\"retry\"}}";
    pq_reply_free(reply);
    reply->status = text ? status : 503;
    reply->text = text ? text : pq_strdup(nomem);
}

void pq_http_json(struct pq_http_reply *reply, int status, json_t *value)
{
    struct pq_str s = {0};
    if (!value || json_dump_callback(value, dump_piece, &s, JSON_COMPACT) != 0)
        s.failed = true;
    json_decref(value);
    set_text(reply, status, pq_str_take(&s));
}

void pq_http_refuse(struct pq_http_reply *reply, int status, const char *code, const char *text,
                    const char *next)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_open(&j, "error", '{');
    pq_json_string(&j, "code", code);
    pq_json_string(&j, "text", pq_tr(text));
    pq_json_string(&j, "next", next);
    pq_json_close(&j, '}');
    pq_json_close(&j, '}');
    set_text(reply, status, pq_json_take(&j));
}

static int status_of(int code)
{
    switch (code) {
    case PIQUE_EINVAL:
        return 400;
    case PIQUE_EFORMAT:
    case PIQUE_EUNSUPPORTED:
        return 422;
    case PIQUE_ENOENT:
        return 404;
    case PIQUE_EEXIST:
    case PIQUE_ECANCELED:
        return 409;
    case PIQUE_ENOMEM:
        return 503;
    case PIQUE_ENOSPC:
        return 507;
    default:
        return 500;
    }
}

void pq_http_fail(struct pq_http_reply *reply, const pique_error *why, const char *next)
{
    pq_http_refuse(reply, status_of(why->code), pique_status_name(why->code), why->message, next);
}

void pq_http_file(struct pq_http_reply *reply, const char *path, const char *type)
{
    struct pq_file f;
    pique_error err;
    int rc = pq_file_open(path, &f, &err);
    int64_t size = rc ? -1 : pq_file_size(&f);
    if (size < 0) {
        pq_file_close(&f);
        pq_http_refuse(reply, 404, "ENOENT", "this file is not there any more", "none");
        return;
    }
    pq_reply_free(reply);
    reply->status = 200;
    reply->fd = f.fd;
    reply->size = (uint64_t)size;
    reply->type = type;
    f.owns_fd = false;
    pq_file_close(&f);
}

void pq_reply_free(struct pq_http_reply *reply)
{
    if (reply->type && reply->fd >= 0 && !reply->make)
        close(reply->fd);
    if (reply->free_body)
        reply->free_body(reply->body);
    pq_free(reply->text);
    pq_free(reply->attachment);
    *reply = (struct pq_http_reply){.fd = -1};
}

/* ---- sending ---- */

static bool add(struct MHD_Response *r, const char *name, const char *value)
{
    return MHD_add_response_header(r, name, value) == MHD_YES;
}

static void free_text(void *text)
{
    pq_free(text);
}

/* What an answer with this status tells beside its content. */
static bool add_for_status(struct MHD_Response *r, const struct pq_asked *asked, int status)
{
    char allow[64];
    if (status == 401)
        return add(r, "WWW-Authenticate", "Bearer");
    if (status == 429)
        return add(r, "Retry-After", "60");
    if (status != 405)
        return true;
    pq_route_allow(asked->allow, allow, sizeof allow);
    return add(r, "Allow", allow);
}

/* Queue r, which may be NULL, and drop our reference. */
static enum MHD_Result queue(struct pq_asked *asked, int status, struct MHD_Response *r, bool fine)
{
    enum MHD_Result done = MHD_NO;
    if (r && fine && pq_secure(r) && add_for_status(r, asked, status) &&
        (!asked->closes || add(r, "Connection", "close")))
        done = MHD_queue_response(asked->connection, (unsigned)status, r);
    if (r)
        MHD_destroy_response(r);
    if (done == MHD_YES)
        asked->stage = PQ_STAGE_DONE;
    return done;
}

static enum MHD_Result send_text(struct pq_asked *asked, struct pq_http_reply *reply)
{
    char *text = reply->text;
    const size_t size = text ? strlen(text) : 0;
    reply->text = NULL; /* the answer's, now */
    struct MHD_Response *r = MHD_create_response_from_buffer_with_free_callback(
        size, text ? text : (char *)"", text ? free_text : NULL);
    if (!r)
        pq_free(text);
    return queue(asked, reply->status, r,
                 r && add(r, "Cache-Control", "no-store") &&
                     (size == 0 || add(r, "Content-Type", "application/json")));
}

enum MHD_Result pq_reply_plain(struct pq_asked *asked, int status, const char *sentence)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(sentence), (void *)sentence, MHD_RESPMEM_MUST_COPY);
    return queue(asked, status, r,
                 r && add(r, "Cache-Control", "no-store") &&
                     add(r, "Content-Type", "text/plain; charset=utf-8"));
}

/* ---- files ---- */

/* A browser shows these from us; all else it keeps, whatever it is. */
static bool is_shown(const char *type)
{
    static const char *const types[] = {"image/png", "image/jpeg", "image/webp", "image/avif"};
    for (size_t i = 0; i < PQ_COUNT(types); i++) {
        if (strcmp(type, types[i]) == 0)
            return true;
    }
    return false;
}

/* RFC 6266: a plain name for old clients, and the real one, RFC 8187. */
static char *disposition(const char *name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    struct pq_str s = {0};
    if (!name)
        return pq_strdup("attachment");
    pq_str_add(&s, "attachment; filename=\"");
    for (const char *c = name; *c; c++)
        pq_str_add_n(&s, strchr(plain, *c) || *c == ' ' ? c : "_", 1);
    pq_str_add(&s, "\"; filename*=UTF-8''");
    for (const char *c = name; *c; c++) {
        if (strchr(plain, *c))
            pq_str_add_n(&s, c, 1);
        else
            pq_str_printf(&s, "%%%02X", (unsigned char)*c);
    }
    return pq_str_take(&s);
}

/* This version of the file, so that a download can be taken up again. */
static void version_of(int fd, char *etag, size_t size)
{
    struct stat st;
    etag[0] = '\0';
    if (fstat(fd, &st) == 0)
        snprintf(etag, size, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 ".%lx\"", (uint64_t)st.st_ino,
                 (uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec,
                 (unsigned long)st.st_mtim.tv_nsec);
}

static bool dress_file(struct MHD_Response *r, const struct pq_http_reply *reply, const char *etag)
{
    bool fine = r && add(r, "Cache-Control", "no-store") && add(r, "Content-Type", reply->type);
    if (fine && (reply->attachment || !is_shown(reply->type))) {
        char *value = disposition(reply->attachment);
        fine = value && add(r, "Content-Disposition", value);
        pq_free(value);
    }
    if (fine && reply->accepts_range)
        fine = add(r, "Accept-Ranges", "bytes") && (!*etag || add(r, "ETag", etag));
    return fine;
}

static enum MHD_Result send_outside(struct pq_asked *asked, uint64_t size)
{
    char range[48];
    snprintf(range, sizeof range, "bytes */%" PRIu64, size);
    struct MHD_Response *r = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    return queue(asked, 416, r,
                 r && add(r, "Content-Range", range) && add(r, "Cache-Control", "no-store"));
}

static enum MHD_Result send_file(struct pq_asked *asked, struct pq_http_reply *reply)
{
    const struct pq_head *head = &asked->head;
    uint64_t first, count;
    char etag[80], text[96];
    version_of(reply->fd, etag, sizeof etag);
    /* A part of another version than the one that the client has is of no use to it. */
    const bool same = !head->if_range || strcmp(head->if_range, etag) == 0;
    enum pq_range range =
        pq_range_parse(reply->accepts_range && reply->status == 200 && same ? head->range : NULL,
                       reply->size, &first, &count);
    if (range == PQ_RANGE_OUTSIDE)
        return send_outside(asked, reply->size);
    struct MHD_Response *r = MHD_create_response_from_fd_at_offset64(count, reply->fd, first);
    if (r)
        reply->fd = -1; /* the answer closes it */
    bool fine = dress_file(r, reply, etag);
    if (fine && range == PQ_RANGE_PART) {
        snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first,
                 first + count - 1, reply->size);
        fine = add(r, "Content-Range", text);
    }
    return queue(asked, range == PQ_RANGE_PART ? 206 : reply->status, r, fine);
}

/* ---- what is made while it is sent ---- */

struct made {
    ssize_t (*make)(void *body, void *out, size_t most);
    void (*free_body)(void *body);
    void *body;
};

static ssize_t on_room(void *user, uint64_t at, char *out, size_t most)
{
    const struct made *m = user;
    (void)at;
    const ssize_t n = m->make(m->body, out, most);
    return n > 0    ? n
           : n == 0 ? MHD_CONTENT_READER_END_OF_STREAM
                    : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_made(void *user)
{
    struct made *m = user;
    m->free_body(m->body);
    pq_free(m);
}

static enum MHD_Result send_made(struct pq_asked *asked, struct pq_http_reply *reply)
{
    enum { BLOCK = 1 << 16 };
    struct made *m = pq_malloc(sizeof *m);
    struct MHD_Response *r = NULL;
    if (m) {
        *m = (struct made){reply->make, reply->free_body, reply->body};
        r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_room, m, free_made);
    }
    if (r)
        reply->free_body = NULL; /* the answer's, now */
    else
        pq_free(m);
    return queue(asked, reply->status, r, dress_file(r, reply, ""));
}

enum MHD_Result pq_reply_send(struct pq_asked *asked, struct pq_http_reply *reply)
{
    /* A route that answers nothing is our mistake, and the client is told so. */
    if (reply->status == 0)
        pq_http_refuse(reply, 500, "EINTERNAL", "the server has no answer to this", "none");
    const enum MHD_Result done = reply->make   ? send_made(asked, reply)
                                 : reply->type ? send_file(asked, reply)
                                               : send_text(asked, reply);
    pq_reply_free(reply);
    return done;
}
