/* SPDX-License-Identifier: MIT */
/* What is uploaded, piece by piece. A piece goes to the end of the file; where the connection
 * breaks in it, what came is kept, and `received` tells the client where to go on. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/str.h"
#include "server/api.h"

/* Left free for everything else that writes. */
static const uint64_t reserve_bytes = 64 << 20;

struct upload {
    char id[PQ_ID_LENGTH + 1];
    struct pq_file file;
    uint64_t left;      /* that may still come */
    uint64_t begun, at; /* where the piece begins, and how far it has come */
    pique_error failure;
};

static void answer(struct pq_http_reply *reply, int status, uint64_t received)
{
    pq_http_json(reply, status, json_pack("{s:I}", "received", (json_int_t)received));
}

static int make_room(const struct pq_entry *e, uint64_t length, pique_error *err)
{
    uint64_t free_bytes;
    char *folder = pq_folder_of(e->input);
    int rc = folder ? pq_make_folders(folder, err) : pq_fail_nomem(err, 256);
    if (!rc)
        rc = pq_disk_free(folder, &free_bytes, err);
    if (!rc && free_bytes < length + reserve_bytes)
        rc = pq_fail(err, PIQUE_ENOSPC, "%s: the disk of the server has no room for the rest of it",
                     e->name);
    pq_free(folder);
    return rc;
}

/* Open the file of an entry where its next piece goes. Where it holds less than was told of, as
 * somebody cut it, that is all that was received: PIQUE_EEXIST. */
static int open_next(struct upload *u, struct pq_entry *e, pique_error *err)
{
    int64_t end;
    int rc = pq_file_resume(e->input, e->input, e->received == 0, &u->file, &end, err);
    if (rc)
        return rc;
    if ((uint64_t)end < e->received) {
        e->received = (uint64_t)end;
        rc = pq_fail(err, PIQUE_EEXIST, "%s: is shorter than what came of it", e->name);
    } else if ((uint64_t)end > e->received) { /* a crash came between */
        rc = pq_file_cut(&u->file, (int64_t)e->received, err);
    }
    if (rc)
        pq_file_close(&u->file);
    return rc;
}

static bool begin(void *user, const struct pq_http_request *request, uint64_t length, void **state,
                  struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    const int64_t offset = pq_http_number(request, "offset", INT64_MAX, -1);
    struct pq_entry *e = pq_api_entry(api, request, reply);
    struct upload *u = NULL;
    if (!e)
        return false;
    if (e->state != PQ_ENTRY_UPLOADING) {
        pq_http_refuse(reply, 409, "EBUSY", "its content is here already", "none");
    } else if (e->receives) { /* two that write to one file would both be wrong */
        pq_http_refuse(reply, 409, "EBUSY", "another request brings its content now", "retry");
    } else if (offset < 0 || (uint64_t)offset != e->received) {
        answer(reply, 409, e->received);
    } else if (length != UINT64_MAX && length > e->bytes - e->received) {
        pq_http_refuse(reply, 413, "EINVAL", "that is more than was announced", "upload");
    } else if (make_room(e, PQ_MIN(length, e->bytes - e->received), &err) != 0) {
        pq_http_fail(reply, &err, "space");
    } else if (!(u = pq_calloc(1, sizeof *u))) {
        pq_http_json(reply, 503, NULL);
    } else {
        memcpy(u->id, e->id, sizeof u->id);
        u->left = PQ_MIN(length, e->bytes - e->received);
        u->begun = u->at = e->received;
        const int rc = open_next(u, e, &err);
        if (rc) {
            if (rc == PIQUE_EEXIST) {
                pq_store_touch(api->store, e);
                answer(reply, 409, e->received);
            } else {
                pq_http_fail(reply, &err, "space");
            }
            pq_free(u);
            u = NULL;
        }
    }
    e->receives |= u != NULL;
    pq_api_unlock(api);
    *state = u;
    return u != NULL;
}

static int take(void *user, void *state, const void *data, size_t size, pique_error *err)
{
    struct upload *u = state;
    (void)user;
    int rc = size <= u->left ? pq_file_write(&u->file, data, size, err)
                             : pq_fail(err, PIQUE_EINVAL, "more came than was announced");
    if (rc) {
        u->failure = *err;
        return rc;
    }
    u->left -= size;
    u->at += size;
    return 0;
}

/* All of it is here. */
static void finish(struct pq_api *api, struct pq_entry *e)
{
    e->wants_look = true;
    pq_store_set(api->store, e, PQ_ENTRY_LOOKING, NULL);
}

static void end(void *user, void *state, bool whole, struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    struct upload *u = state;
    pique_error err = u->failure;
    (void)whole; /* what has come has come */
    int rc = u->failure.code;
    pique_error why;
    const int lost = pq_file_sync(&u->file, &why);
    if (lost) { /* nobody knows what of the piece is on the disk, so none of it is */
        u->at = u->begun;
        pq_file_cut(&u->file, (int64_t)u->begun, NULL);
    }
    if (lost && !rc) {
        rc = lost;
        err = why;
    }
    pq_file_close(&u->file);
    pq_api_lock(api);
    struct pq_entry *e = pq_store_find(api->store, u->id);
    if (e) {
        e->receives = false;
        e->received = u->at;
        if (e->received == e->bytes && !rc)
            finish(api, e);
        else
            pq_store_touch(api->store, e); /* its file tells how much it is, after a crash too */
    }
    if (!e)
        pq_http_refuse(reply, 404, "ENOENT", "the queue has no such entry", "none");
    else if (rc)
        pq_http_fail(reply, &err, rc == PIQUE_ENOSPC ? "space" : "retry");
    else
        answer(reply, 200, e->received);
    pq_api_unlock(api);
    pq_free(u);
}

const struct pq_http_upload pq_content_upload = {.begin = begin, .take = take, .end = end};
