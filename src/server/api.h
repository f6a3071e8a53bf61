/* SPDX-License-Identifier: MIT */
/* What the routes of /api do: each file of api_*.c has the handlers of one kind of thing. All run
 * on the server's thread and take the store's lock for as long as they look at it. */
#pragma once

#include "job/look.h"
#include "job/runner.h"
#include "job/trial.h"
#include "server/folders.h"
#include "server/http.h"
#include "server/known.h"

struct pq_api {
    struct pq_store *store;
    struct pq_runner *runner;
    struct pq_trials *trials;
    struct pq_events *events;
    struct pq_folders folders;
    struct pq_http *http;
    /* What only the program knows: JSON texts, pq_free()d; NULL: out of memory or not to be had. */
    char *(*models)(void);
    struct pq_known codecs; /* another process tells them */
    /* Open a folder in the desktop's own program; NULL where there is none. */
    int (*open_folder)(const char *path, pique_error *err);
};

extern const struct pq_http_route pq_api_routes[];
extern const size_t pq_api_route_count;

/* ---- for the files of api_*.c ---- */

/* The entry of the first "*" with the lock taken; or NULL, without the lock and with the answer. */
struct pq_entry *pq_api_entry(struct pq_api *api, const struct pq_http_request *request,
                              struct pq_http_reply *reply);
void pq_api_lock(struct pq_api *api);
void pq_api_unlock(struct pq_api *api);
/* Answer with an entry as it is shown; the lock is held. */
void pq_api_show(struct pq_http_reply *reply, int status, const struct pq_entry *entry);
/* Settings of a body, checked: borrowed; NULL with the answer. Without any, an empty object. */
json_t *pq_api_settings(const struct pq_http_request *request, struct pq_http_reply *reply);

pq_http_handler pq_api_get_state, pq_api_post_items, pq_api_patch_item, pq_api_delete_item;
pq_http_handler pq_api_start_item, pq_api_pause_item, pq_api_stop_item;
pq_http_handler pq_api_again_item, pq_api_move_item, pq_api_estimate_item;
pq_http_handler pq_api_run_queue, pq_api_pause_queue, pq_api_resume_queue, pq_api_set_parallel,
    pq_api_clear_queue;
pq_http_handler pq_api_get_thumb, pq_api_get_source, pq_api_get_result, pq_api_get_file,
    pq_api_get_results;
pq_http_handler pq_api_post_test, pq_api_get_test, pq_api_get_test_picture, pq_api_delete_test;
pq_http_handler pq_api_get_options, pq_api_get_models, pq_api_fetch_model, pq_api_get_codecs,
    pq_api_get_openapi;
pq_http_handler pq_api_get_presets, pq_api_put_preset, pq_api_delete_preset;
pq_http_handler pq_api_get_folders, pq_api_get_folder, pq_api_post_watch, pq_api_delete_watch;
pq_http_handler pq_api_post_open, pq_api_post_launch;
extern const struct pq_http_upload pq_content_upload;
