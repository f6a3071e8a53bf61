/* SPDX-License-Identifier: MIT */
/* Tests of settings on one frame or a piece of it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "server/api.h"

/* [x, y, width, height], or null. */
static bool take_crop(const json_t *value, int crop[4])
{
    memset(crop, 0, 4 * sizeof *crop);
    if (!value || json_is_null(value))
        return true;
    for (size_t i = 0; i < 4; i++) {
        const json_t *one = json_array_get(value, i);
        if (!json_is_integer(one) || json_integer_value(one) < (i < 2 ? 0 : 1) ||
            json_integer_value(one) > 32768)
            return false;
        crop[i] = (int)json_integer_value(one);
    }
    return json_array_size(value) == 4;
}

void pq_api_post_test(void *user, const struct pq_http_request *request,
                      struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pique_error err;
    json_t *answer;
    int crop[4];
    const char *id = json_string_value(json_object_get(request->body, "item"));
    const json_int_t frame = json_integer_value(json_object_get(request->body, "frame"));
    json_t *settings = json_object_get(request->body, "settings");
    if (!id || frame < 0 || !json_is_array(settings) ||
        !take_crop(json_object_get(request->body, "crop"), crop)) {
        pq_http_refuse(reply, 400, "EINVAL",
                       "a test needs 'item', 'frame', 'settings' and perhaps 'crop'", "settings");
        return;
    }
    pq_api_lock(api);
    struct pq_entry *e = pq_store_find(api->store, id);
    if (!e)
        pq_http_refuse(reply, 404, "ENOENT", "the queue has no such entry", "none");
    else if (!e->info)
        pq_http_refuse(reply, 409, "EBUSY", "it is not known yet what it holds", "retry");
    else if (pq_trial_begin(api->trials, e, frame, crop, settings, &answer, &err) != 0)
        pq_http_fail(reply, &err, "settings");
    else
        pq_http_json(reply, 202, answer);
    pq_api_unlock(api);
}

static void refuse_unknown(struct pq_http_reply *reply)
{
    pq_http_refuse(reply, 404, "ENOENT", "there is no such test any more", "none");
}

void pq_api_get_test(void *user, const struct pq_http_request *request, struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pq_api_lock(api);
    json_t *shown = pq_trial_show(api->trials, request->part[0]);
    pq_api_unlock(api);
    if (shown)
        pq_http_json(reply, 200, shown);
    else
        refuse_unknown(reply);
}

void pq_api_get_test_picture(void *user, const struct pq_http_request *request,
                             struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    const char *which = request->part[1];
    const int run = strcmp(which, "before") == 0                      ? -1
                    : which[0] >= '0' && which[0] <= '9' && !which[1] ? which[0] - '0'
                                                                      : PQ_TRIAL_RUNS;
    bool ready;
    pq_api_lock(api);
    char *path = pq_trial_picture(api->trials, request->part[0], run, &ready);
    pq_api_unlock(api);
    if (path && ready)
        pq_http_file(reply, path, "image/png");
    else
        pq_http_refuse(reply, 404, "ENOENT", path ? "it is not made yet" : "there is no such test",
                       "none");
    pq_free(path);
}

void pq_api_delete_test(void *user, const struct pq_http_request *request,
                        struct pq_http_reply *reply)
{
    struct pq_api *api = user;
    pq_api_lock(api);
    const bool was = pq_trial_end(api->trials, request->part[0]);
    pq_api_unlock(api);
    if (was)
        reply->status = 204;
    else
        refuse_unknown(reply);
}
