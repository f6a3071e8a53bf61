/* SPDX-License-Identifier: MIT */
/* Pictures of what came in and what came out, and the result itself. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "job/deliver.h"
#include "server/api.h"
#include "server/zip.h"

enum { MOST_SIDE = 65535 };

/* path is freed. */
static void answer_picture(struct pq_http_reply *reply, enum pq_picture_state state, char *path,
                           const pique_error *err)
{
    if (state == PQ_PICTURE_READY)
        pq_http_file(reply, path, "image/png");
    else if (state == PQ_PICTURE_LATER)
        reply->later = true;
    else
        pq_http_fail(reply, err, "none");
    pq_free(path);
}

void pq_api_get_thumb(void *user, const struct pq_http_request *request,
                      struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    struct pq_entry *e = pq_api_entry(api, request, reply);
    if (!e)
        return;
    char *path = NULL;
    enum pq_picture_state state = PQ_PICTURE_MISSING;
    if (e->state == PQ_ENTRY_LOOKING)
        state = PQ_PICTURE_LATER; /* it comes with what it holds */
    else if (!e->info)
        pq_fail(&err, PIQUE_ENOENT, "there is no such picture");
    else
        state = pq_look_thumb(api->runner, e, &path, &err);
    pq_api_unlock(api);
    answer_picture(reply, state, path, &err);
}

static void get_picture(struct pq_api *api, const struct pq_http_request *request,
                        struct pq_http_reply *reply, enum pq_side_of of)
{
    pique_error err;
    char *path = NULL;
    const int64_t frame = pq_http_number(request, "frame", INT32_MAX, 0);
    const int64_t side = pq_http_number(request, "side", MOST_SIDE, 0);
    struct pq_entry *e = pq_api_entry(api, request, reply);
    if (!e)
        return;
    enum pq_picture_state state = PQ_PICTURE_MISSING;
    if (frame < 0 || side < 0 || side == 1)
        pq_fail(&err, PIQUE_EINVAL, "'frame' and 'side' are whole numbers");
    else if (e->state == PQ_ENTRY_UPLOADING)
        pq_fail(&err, PIQUE_ENOENT, "%s: is not here yet", e->name);
    else
        state = pq_look_picture(api->runner, e, of, frame, (int)side, &path, &err);
    pq_api_unlock(api);
    answer_picture(reply, state, path, &err);
}

void pq_api_get_source(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    get_picture(user, request, reply, PQ_OF_SOURCE);
}

void pq_api_get_result(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    get_picture(user, request, reply, PQ_OF_RESULT);
}

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {{".png", "image/png"},
                                           {".jpg", "image/jpeg"},
                                           {".jpeg", "image/jpeg"},
                                           {".webp", "image/webp"},
                                           {".avif", "image/avif"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < PQ_COUNT(types); i++) {
        if (strcasecmp(dot, types[i][0]) == 0)
            return types[i][1];
    }
    return "application/octet-stream";
}

/* ---- results to keep ---- */

static void free_zip(void *zip)
{
    pq_zip_free(zip);
}

static ssize_t read_zip(void *zip, void *out, size_t most)
{
    return pq_zip_read(zip, out, most);
}

/* Answer with an archive, which is taken; NULL or rc: with a failure. */
static void answer_zip(struct pq_http_reply *reply, struct pq_zip *zip, const char *name, int rc,
                       const pique_error *err)
{
    char *attachment = zip && !rc ? pq_asprintf("%s.zip", name) : NULL;
    if (!attachment) {
        pq_zip_free(zip);
        if (rc)
            pq_http_fail(reply, err, "retry");
        else
            pq_http_json(reply, 503, NULL);
        return;
    }
    reply->status = 200;
    reply->type = "application/zip";
    reply->attachment = attachment;
    reply->make = read_zip;
    reply->free_body = free_zip;
    reply->body = zip;
}

/* By its name below the folder of results, which no other has. */
static int add_result(struct pq_zip *zip, const char *results, const char *path, pique_error *err)
{
    const char *name =
        pq_is_made_in(path, results) ? path + strlen(results) + 1 : strrchr(path, '/') + 1;
    return pq_is_folder(path) ? pq_zip_add_folder(zip, path, name, err)
                              : pq_zip_add(zip, path, name, err);
}

static void send_result(struct pq_http_reply *reply, const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    pique_error err;
    if (pq_is_folder(path)) {
        struct pq_zip *zip = pq_zip_new();
        int rc = zip ? pq_zip_add_folder(zip, path, name, &err) : 0;
        answer_zip(reply, zip, name, rc, &err);
        return;
    }
    pq_http_file(reply, path, type_of(path));
    if (reply->fd < 0)
        return;
    reply->attachment = pq_strdup(name);
    reply->accepts_range = true;
}

void pq_api_get_file(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    const struct pq_entry *e = pq_api_entry(api, request, reply);
    if (!e)
        return;
    const bool there = e->state == PQ_ENTRY_DONE && e->output;
    char *path = there ? pq_strdup(e->output) : NULL;
    pq_api_unlock(api);
    if (path)
        send_result(reply, path);
    else if (there)
        pq_http_json(reply, 503, NULL);
    else
        pq_http_refuse(reply, 404, "ENOENT", "there is no result yet", "none");
    pq_free(path);
}

/* The paths of all results, in the order of the queue; to be freed, each and the list. -1: out of
 * memory. */
static int list_results(struct pq_api *api, char ***out, size_t *count)
{
    pq_api_lock(api);
    char **paths = pq_calloc(api->store->count + 1, sizeof *paths);
    bool fine = paths != NULL;
    *count = 0;
    for (size_t i = 0; fine && i < api->store->count; i++) {
        const struct pq_entry *e = api->store->entries[i];
        if (e->state != PQ_ENTRY_DONE || !e->output || e->removed)
            continue;
        paths[*count] = pq_strdup(e->output);
        fine = paths[*count] != NULL;
        *count += fine;
    }
    pq_api_unlock(api);
    *out = paths;
    return fine ? 0 : -1;
}

/* What lies in folders is looked for without the lock: there may be many thousands of pictures. */
void pq_api_get_results(void *user, const struct pq_http_request *request,
                        struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    char **paths;
    size_t count;
    (void)request;
    int rc = list_results(api, &paths, &count) != 0 ? pq_fail_nomem(&err, 256) : 0;
    struct pq_zip *zip = rc ? NULL : pq_zip_new();
    for (size_t i = 0; i < count; i++) {
        if (zip && !rc)
            rc = add_result(zip, api->store->results, paths[i], &err);
        if (rc == PIQUE_ENOENT)
            rc = 0; /* a folder that somebody took away */
        pq_free(paths[i]);
    }
    pq_free(paths);
    answer_zip(reply, zip, "pique", rc, &err);
}
