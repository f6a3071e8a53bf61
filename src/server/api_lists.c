/* SPDX-License-Identifier: MIT */
/* What there is: options, models, codecs, presets, folders; and the few doors to the desktop. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "base/str.h"
#include "job/dump.h"
#include "job/model.h"
#include "job/settings.h"
#include "server/api.h"

enum { MOST_BYTES = 4 << 20, MOST_PRESETS = 200 };

static void answer_text(struct pq_http_reply *reply, char *text)
{
    if (!text) {
        pq_http_refuse(reply, 503, "EIO", "this is not to be had now", "retry");
        return;
    }
    reply->status = 200;
    reply->text = text;
}

void pq_api_get_options(void *user, const struct pq_http_request *request,
                        struct pq_http_reply *reply)
{
    struct pq_str text = {0};
    (void)user;
    (void)request;
    pq_option_list(&text);
    answer_text(reply, pq_str_take(&text));
}

void pq_api_get_models(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    (void)request;
    answer_text(reply, api->models());
}

void pq_api_fetch_model(void *user, const struct pq_http_request *request,
                        struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    pq_api_lock(api);
    int rc = pq_model_fetch(api->runner, request->part[0], request->french, &err);
    pq_api_unlock(api);
    if (rc)
        pq_http_fail(reply, &err, rc == PIQUE_EEXIST ? "none" : "retry");
    else
        pq_http_json(reply, 202, json_pack("{s:s}", "name", request->part[0]));
}

void pq_api_get_codecs(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    char *text;
    (void)request;
    if (pq_known_ask(&api->codecs, &text) == PQ_KNOWN_SOUGHT)
        reply->later = true;
    else
        answer_text(reply, text);
}

extern const char pq_openapi_json[], pq_openapi_json_end[]; /* openapi.S */

void pq_api_get_openapi(void *user, const struct pq_http_request *request,
                        struct pq_http_reply *reply)
{
    (void)user;
    (void)request;
    answer_text(reply,
                pq_strndup(pq_openapi_json, (size_t)(pq_openapi_json_end - pq_openapi_json)));
}

/* ---- presets ---- */

/* A new object; NULL with err. What cannot be read is not taken for none, or the next that is put
 * would be the only one. */
static json_t *read_presets(const struct pq_api *api, pique_error *err)
{
    char *path = pq_asprintf("%s/presets.json", api->store->folder);
    json_t *root = NULL;
    int rc = path ? pq_json_read(path, MOST_BYTES, &root, err) : pq_fail_nomem(err, 256);
    pq_free(path);
    if (rc == PIQUE_ENOENT) {
        if (!(root = json_object()))
            pq_fail_nomem(err, 256);
    } else if (rc == PIQUE_EFORMAT || (!rc && !json_is_object(root))) {
        json_decref(root);
        root = NULL;
        pq_fail(err, PIQUE_EFORMAT, "the file of presets, presets.json, is damaged");
    }
    return root;
}

static void write_presets(const struct pq_api *api, json_t *root, struct pq_http_reply *reply)
{
    pique_error err;
    const size_t flags = JSON_INDENT(1) | JSON_SORT_KEYS;
    char *path = pq_asprintf("%s/presets.json", api->store->folder);
    int rc = path ? 0 : pq_fail_nomem(&err, 256);
    if (!rc && json_dumpb(root, NULL, 0, flags) > MOST_BYTES) /* it could not be read again */
        rc = pq_fail(&err, PIQUE_EINVAL, "there are so many presets already");
    if (!rc)
        rc = pq_json_write(path, root, flags, &err);
    pq_free(path);
    if (rc)
        pq_http_fail(reply, &err, rc == PIQUE_ENOSPC ? "space" : "none");
    else
        pq_http_json(reply, 200, json_pack("{s:O}", "presets", root));
}

void pq_api_get_presets(void *user, const struct pq_http_request *request,
                        struct pq_http_reply *reply)
{
    pique_error err;
    json_t *root = read_presets(user, &err);
    (void)request;
    if (root)
        pq_http_json(reply, 200, json_pack("{s:o}", "presets", root));
    else
        pq_http_fail(reply, &err, "none");
}

void pq_api_put_preset(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    pique_error err;
    json_t *settings = pq_api_settings(request, reply);
    json_t *root = settings ? read_presets(user, &err) : NULL;
    if (!root) {
        if (settings)
            pq_http_fail(reply, &err, "none");
        return;
    }
    const char *title = json_string_value(json_object_get(request->body, "title"));
    json_t *preset =
        json_pack("{s:s, s:O}", "title", title ? title : request->part[0], "settings", settings);
    if (json_object_size(root) >= MOST_PRESETS && !json_object_get(root, request->part[0])) {
        json_decref(preset);
        pq_http_refuse(reply, 409, "EINVAL", "there are so many presets already", "none");
    } else if (!preset || json_object_set_new(root, request->part[0], preset) != 0) {
        pq_http_json(reply, 503, NULL);
    } else {
        write_presets(user, root, reply);
    }
    json_decref(root);
}

void pq_api_delete_preset(void *user, const struct pq_http_request *request,
                          struct pq_http_reply *reply)
{
    pique_error err;
    json_t *root = read_presets(user, &err);
    if (!root)
        pq_http_fail(reply, &err, "none");
    else if (json_object_del(root, request->part[0]) == 0)
        write_presets(user, root, reply);
    else
        pq_http_refuse(reply, 404, "ENOENT", "there is no such preset", "none");
    json_decref(root);
}

/* ---- folders ---- */

void pq_api_get_folders(void *user, const struct pq_http_request *request,
                        struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    (void)request;
    pq_http_json(reply, 200, json_pack("{s:o}", "folders", pq_folders_roots(&api->folders)));
}

void pq_api_get_folder(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    json_t *shown = pq_folders_list(&api->folders, request->part[0], &err);
    if (shown)
        pq_http_json(reply, 200, shown);
    else
        pq_http_fail(reply, &err, "none");
}

void pq_api_post_watch(void *user, const struct pq_http_request *request,
                       struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    char id[17];
    json_t *settings = pq_api_settings(request, reply);
    if (!settings)
        return;
    char *path = pq_folders_folder(
        &api->folders, json_string_value(json_object_get(request->body, "folder")), &err);
    if (!path || pq_folders_watch(&api->folders, path, settings, id, &err) != 0) {
        pq_http_fail(reply, &err, "none");
    } else {
        pq_api_lock(api);
        pq_runner_tell(api->runner, "watched", json_object());
        pq_api_unlock(api);
        pq_http_json(reply, 201, json_pack("{s:s}", "id", id));
    }
    pq_free(path);
}

void pq_api_delete_watch(void *user, const struct pq_http_request *request,
                         struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    if (pq_folders_unwatch(&api->folders, request->part[0], &err) != 0) {
        pq_http_fail(reply, &err, "none");
        return;
    }
    pq_api_lock(api);
    pq_runner_tell(api->runner, "watched", json_object());
    pq_api_unlock(api);
    reply->status = 204;
}

/* ---- the desktop ---- */

void pq_api_post_open(void *user, const struct pq_http_request *request,
                      struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    if (!request->loopback || !api->open_folder)
        pq_http_refuse(reply, 403, "EINVAL", "only the machine of the server can open its folder",
                       "none");
    else if (api->open_folder(api->store->results, &err) != 0)
        pq_http_fail(reply, &err, "none");
    else
        reply->status = 204;
}

/* For a second start of the program: a word that opens the page. */
void pq_api_post_launch(void *user, const struct pq_http_request *request,
                        struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    char word[33];
    (void)request;
    pq_http_launch_word(api->http, word);
    pq_http_json(reply, 200, json_pack("{s:s}", "word", word));
}
