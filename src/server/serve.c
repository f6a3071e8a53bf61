/* SPDX-License-Identifier: MIT */
#include "server/serve.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/random.h"
#include "base/str.h"
#include "job/dump.h"
#include "server/api.h"
#include "server/listen.h"

enum { EVENT_BYTES = 4 << 20, LOOK_MS = 2000, TAKE_MS = 200, MOST_BYTES = 4096 };

struct serving {
    const struct pq_serve_setup *setup;
    struct pq_store store;
    struct pq_api api;
    char token[65];
    char address[PQ_ADDRESS_BYTES]; /* that is listened on, as browsers write it; "": loopback */
    int64_t looked;                 /* at watched folders, ms */
    int64_t spent;                  /* at the last look on what came, ms */
    bool has_store, has_folders, told_where;
};

/* ---- the file that tells where we are ---- */

static char *server_file(const char *state)
{
    char *folder = state ? pq_strdup(state) : pq_store_default_folder();
    char *path = folder ? pq_asprintf("%s/server.json", folder) : NULL;
    pq_free(folder);
    return path;
}

static int tell_where(const struct serving *s, pique_error *err)
{
    json_t *root = json_pack("{s:i, s:s, s:s}", "port", pq_http_port(s->api.http), "address",
                             *s->address ? s->address : "127.0.0.1", "token", s->token);
    char *path = server_file(s->setup->state);
    char *text = pq_json_dump(root, 0);
    int rc = path && text ? pq_write_private(path, text, err) : pq_fail_nomem(err, 256);
    pq_free(text);
    pq_free(path);
    json_decref(root);
    return rc;
}

int pq_running_server(const char *state, struct pq_running_server *out, pique_error *err)
{
    char *path = server_file(state);
    json_t *root = NULL;
    const char *address, *token;
    int rc = path ? pq_json_read(path, MOST_BYTES, &root, err) : pq_fail_nomem(err, 256);
    if (rc == PIQUE_ENOENT)
        pq_fail(err, rc, "no server runs; pique serve starts one");
    else if (!rc && (json_unpack(root, "{s:i, s:s, s:s}", "port", &out->port, "address", &address,
                                 "token", &token) != 0 ||
                     strlen(token) != 64 || strlen(address) >= sizeof out->address))
        rc = pq_fail(err, PIQUE_EFORMAT, "%s: is damaged", path);
    if (!rc) {
        snprintf(out->address, sizeof out->address, "%s", address);
        memcpy(out->token, token, sizeof out->token);
    }
    json_decref(root);
    pq_free(path);
    return rc;
}

/* ---- while it runs ---- */

static void tell(void *user, const char *event, const char *data)
{
    struct serving *s = user;
    pq_events_add(s->api.events, event, data);
}

static void made(void *user)
{
    struct serving *s = user;
    pq_http_wake(s->api.http);
}

static bool add_file(struct serving *s, const char *path, const json_t *settings)
{
    struct pq_entry *e;
    if (pq_entry_of_file(path, &e, NULL) != 0)
        return false;
    e->wants_start = true;
    if (json_object_update(e->settings, (json_t *)settings) == 0)
        return pq_store_add(&s->store, e, NULL) == 0;
    pq_entry_free(&e);
    return false;
}

/* A file that came into a watched folder; the store's lock is held, so of thousands that come at
 * once the others have their turn at the next look. */
static bool take_file(void *user, const char *path, const json_t *settings)
{
    struct serving *s = user;
    const int64_t start = pq_clock_ms();
    const bool taken = s->spent < TAKE_MS && add_file(s, path, settings);
    s->spent += pq_clock_ms() - start;
    return taken;
}

static void tick(void *user)
{
    struct serving *s = user;
    const int64_t now = pq_clock_ms();
    if (now - s->looked < LOOK_MS)
        return;
    s->looked = now;
    s->spent = 0;
    pq_folders_look(&s->api.folders, take_file, s);
}

/* ---- begin and end ---- */

static void make_token(struct serving *s)
{
    if (s->setup->token)
        memcpy(s->token, s->setup->token, sizeof s->token);
    else
        pq_random_hex(s->token, sizeof s->token - 1);
}

static int open_store(struct serving *s, pique_error *err)
{
    char *state = s->setup->state ? pq_strdup(s->setup->state) : pq_store_default_folder();
    char *results = s->setup->results ? pq_strdup(s->setup->results) : pq_store_default_results();
    json_t *problems = json_array();
    int rc = state && results && problems
                 ? 0
                 : pq_fail(err, PIQUE_EINVAL, "no home is set; name the folders of the server");
    if (!rc) {
        s->has_store = true;
        rc = pq_store_open(&s->store, state, results, problems, err);
    }
    char *watched = rc ? NULL : pq_asprintf("%s/watched.json", state);
    if (!rc && !watched)
        rc = pq_fail_nomem(err, 256);
    if (!rc) {
        s->has_folders = true;
        rc = pq_folders_open(&s->api.folders, s->setup->folders, s->setup->folder_count, watched,
                             err);
    }
    for (size_t i = 0; i < json_array_size(problems); i++)
        s->setup->problem(s->setup->user, json_string_value(json_array_get(problems, i)));
    if (!rc && s->setup->parallel)
        rc = pq_store_set_queue(&s->store, s->store.running, s->setup->parallel, err);
    json_decref(problems);
    pq_free(watched);
    pq_free(state);
    pq_free(results);
    return rc;
}

static int open_http(struct serving *s, pique_error *err)
{
    static const char *const loopback[] = {"127.0.0.1", "::1"};
    const struct pq_serve_setup *setup = s->setup;
    const char *const other[] = {s->address};
    const struct pq_http_setup http = {
        .addresses = *s->address ? other : loopback,
        .address_count = *s->address ? 1 : 2,
        .port = setup->port,
        .port_tries = setup->port_tries,
        .host_names = setup->host_names,
        .host_name_count = setup->host_name_count,
        .token = s->token,
        .routes = pq_api_routes,
        .route_count = pq_api_route_count,
        .user = &s->api,
        .events = s->api.events,
        .ui_folder = setup->ui_folder,
    };
    int rc = pq_http_open(&http, &s->api.http, err);
    /* Another server of ours is told apart from another program at the port. */
    return rc == PIQUE_EEXIST ? pq_fail(err, PIQUE_ECREATE, "%s", err->message) : rc;
}

static int begin(struct serving *s, pique_error *err)
{
    const char *listen = s->setup->listen;
    int rc = listen ? pq_listen_plain(listen, s->address, err) : 0;
    if (!rc)
        rc = open_store(s, err);
    if (!rc)
        rc = pq_events_new(EVENT_BYTES, &s->api.events, err);
    const struct pq_runner_setup runner = {.store = &s->store,
                                           .tell = tell,
                                           .made = made,
                                           .tick = tick,
                                           .user = s,
                                           .models = s->setup->models};
    /* Requests come as soon as it listens, and find all that they use. */
    if (!rc)
        rc = pq_runner_new(&runner, &s->api.runner, err);
    if (!rc && !(s->api.trials = pq_trials_new(s->api.runner)))
        rc = pq_fail_nomem(err, 256);
    if (!rc)
        rc = open_http(s, err);
    if (!rc) {
        rc = tell_where(s, err);
        s->told_where = !rc;
    }
    if (!rc)
        rc = pq_runner_start(s->api.runner, err);
    return rc;
}

char *pq_serve_address(const char *host, int port, const char *word)
{
    const bool v6 = strchr(host, ':') != NULL;
    return pq_asprintf("http://%s%s%s:%d/?launch=%s", v6 ? "[" : "", host, v6 ? "]" : "", port,
                       word);
}

static void tell_ready(const struct serving *s)
{
    char word[33];
    const int port = pq_http_port(s->api.http);
    pq_http_launch_word(s->api.http, word);
    char *address = pq_serve_address(*s->address ? s->address : "localhost", port, word);
    if (address)
        s->setup->ready(s->setup->user, address, port);
    pq_free(address);
}

static void end(struct serving *s)
{
    /* No worker any more, which may take its time; then no request; then what they used. */
    pq_runner_stop(s->api.runner);
    pq_known_close(&s->api.codecs); /* which wakes the requests */
    pq_http_close(&s->api.http);
    pq_known_free(&s->api.codecs);
    pq_runner_free(&s->api.runner);
    if (s->has_store) {
        char *path = server_file(s->setup->state);
        if (path && s->told_where)
            pq_remove_file(path, NULL);
        pq_free(path);
    }
    pq_trials_free(&s->api.trials);
    pq_events_free(&s->api.events);
    if (s->has_folders)
        pq_folders_close(&s->api.folders);
    if (s->has_store)
        pq_store_close(&s->store);
}

int pq_serve(const struct pq_serve_setup *setup, volatile sig_atomic_t *stop, pique_error *err)
{
    struct serving s = {.setup = setup};
    const struct timespec nap = {.tv_nsec = 100 * 1000 * 1000};
    make_token(&s);
    s.api.store = &s.store;
    s.api.models = setup->models_text;
    pq_known_init(&s.api.codecs, setup->codecs_text, made, &s);
    s.api.open_folder = setup->open_folder;
    int rc = begin(&s, err);
    if (!rc) {
        tell_ready(&s);
        while (!*stop)
            nanosleep(&nap, NULL);
    }
    end(&s);
    return rc;
}
