/* SPDX-License-Identifier: MIT */
/* The table of routes, and what all handlers share. docs/http-api.md says what they mean. */
#include "server/api.h"

#include <string.h>

#include "base/alloc.h"
#include "job/settings.h"

enum { SMALL = 4096, LARGE = 1 << 18 };

const struct pq_http_route pq_api_routes[] = {
    {PQ_HTTP_GET, "/api/state", pq_api_get_state, 0, NULL},
    {PQ_HTTP_POST, "/api/items", pq_api_post_items, LARGE, NULL},
    {PQ_HTTP_PUT, "/api/items/*/content", NULL, 0, &pq_content_upload},
    {PQ_HTTP_PATCH, "/api/items/*", pq_api_patch_item, LARGE, NULL},
    {PQ_HTTP_DELETE, "/api/items/*", pq_api_delete_item, 0, NULL},
    {PQ_HTTP_POST, "/api/items/*/start", pq_api_start_item, SMALL, NULL},
    {PQ_HTTP_POST, "/api/items/*/pause", pq_api_pause_item, SMALL, NULL},
    {PQ_HTTP_POST, "/api/items/*/resume", pq_api_start_item, SMALL, NULL},
    {PQ_HTTP_POST, "/api/items/*/stop", pq_api_stop_item, SMALL, NULL},
    {PQ_HTTP_POST, "/api/items/*/retry", pq_api_start_item, SMALL, NULL},
    {PQ_HTTP_POST, "/api/items/*/again", pq_api_again_item, LARGE, NULL},
    {PQ_HTTP_POST, "/api/items/*/move", pq_api_move_item, SMALL, NULL},
    {PQ_HTTP_POST, "/api/items/*/estimate", pq_api_estimate_item, LARGE, NULL},
    {PQ_HTTP_GET, "/api/items/*/thumb", pq_api_get_thumb, 0, NULL},
    {PQ_HTTP_GET, "/api/items/*/source", pq_api_get_source, 0, NULL},
    {PQ_HTTP_GET, "/api/items/*/result", pq_api_get_result, 0, NULL},
    {PQ_HTTP_GET, "/api/items/*/file", pq_api_get_file, 0, NULL},
    {PQ_HTTP_GET, "/api/results.zip", pq_api_get_results, 0, NULL},
    {PQ_HTTP_POST, "/api/queue/run", pq_api_run_queue, LARGE, NULL},
    {PQ_HTTP_POST, "/api/queue/pause", pq_api_pause_queue, SMALL, NULL},
    {PQ_HTTP_POST, "/api/queue/resume", pq_api_resume_queue, SMALL, NULL},
    {PQ_HTTP_POST, "/api/queue/parallel", pq_api_set_parallel, SMALL, NULL},
    {PQ_HTTP_POST, "/api/queue/clear", pq_api_clear_queue, SMALL, NULL},
    {PQ_HTTP_POST, "/api/tests", pq_api_post_test, LARGE, NULL},
    {PQ_HTTP_GET, "/api/tests/*", pq_api_get_test, 0, NULL},
    {PQ_HTTP_GET, "/api/tests/*/*", pq_api_get_test_picture, 0, NULL},
    {PQ_HTTP_DELETE, "/api/tests/*", pq_api_delete_test, 0, NULL},
    {PQ_HTTP_GET, "/api/options", pq_api_get_options, 0, NULL},
    {PQ_HTTP_GET, "/api/models", pq_api_get_models, 0, NULL},
    {PQ_HTTP_POST, "/api/models/*/fetch", pq_api_fetch_model, SMALL, NULL},
    {PQ_HTTP_GET, "/api/codecs", pq_api_get_codecs, 0, NULL},
    {PQ_HTTP_GET, "/api/openapi.json", pq_api_get_openapi, 0, NULL},
    {PQ_HTTP_GET, "/api/presets", pq_api_get_presets, 0, NULL},
    {PQ_HTTP_PUT, "/api/presets/*", pq_api_put_preset, LARGE, NULL},
    {PQ_HTTP_DELETE, "/api/presets/*", pq_api_delete_preset, 0, NULL},
    {PQ_HTTP_GET, "/api/folders", pq_api_get_folders, 0, NULL},
    {PQ_HTTP_GET, "/api/folders/*", pq_api_get_folder, 0, NULL},
    {PQ_HTTP_POST, "/api/watch", pq_api_post_watch, LARGE, NULL},
    {PQ_HTTP_DELETE, "/api/watch/*", pq_api_delete_watch, 0, NULL},
    {PQ_HTTP_POST, "/api/open", pq_api_post_open, SMALL, NULL},
    {PQ_HTTP_POST, "/api/launch", pq_api_post_launch, SMALL, NULL},
};
const size_t pq_api_route_count = PQ_COUNT(pq_api_routes);

void pq_api_lock(struct pq_api *api)
{
    pthread_mutex_lock(&api->store->lock);
}

void pq_api_unlock(struct pq_api *api)
{
    pthread_mutex_unlock(&api->store->lock);
}

struct pq_entry *pq_api_entry(struct pq_api *api, const struct pq_http_request *request,
                              struct pq_http_reply *reply)
{
    pq_api_lock(api);
    struct pq_entry *e = pq_store_find(api->store, request->part[0]);
    if (e)
        return e;
    pq_api_unlock(api);
    pq_http_refuse(reply, 404, "ENOENT", "the queue has no such entry", "none");
    return NULL;
}

void pq_api_show(struct pq_http_reply *reply, int status, const struct pq_entry *entry)
{
    pq_http_json(reply, status, pq_entry_show(entry));
}

json_t *pq_api_settings(const struct pq_http_request *request, struct pq_http_reply *reply)
{
    pique_error err;
    json_t *settings = json_object_get(request->body, "settings");
    if (!settings && request->body &&
        json_object_set_new(request->body, "settings", json_object()) == 0)
        settings = json_object_get(request->body, "settings");
    if (json_is_object(settings) && pq_settings_check(settings, &err) == 0)
        return settings;
    if (!json_is_object(settings))
        pq_http_refuse(reply, 400, "EINVAL", "'settings' is no object", "settings");
    else
        pq_http_fail(reply, &err, "settings");
    return NULL;
}
