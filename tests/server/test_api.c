/* SPDX-License-Identifier: MIT */
/* The handlers of the routes without any socket, and without memory: each allocation of each of
 * them fails once. Whatever happens there is an answer, nothing is lost or leaks, and what is in
 * memory is what is on the disk. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/folder.h"
#include "base/str.h"
#include "job/dump.h"
#include "server/api.h"
#include "server/inside.h"
#include "server/zip.h"

static char folder[40]; /* in memory where the system has that: it is written very often */

/* Everything that a handler sees, but no thread. */
struct world {
    struct pq_store store;
    struct pq_api api;
    struct pq_http http;
    struct pq_asked asked;
    char *state, *results, *films;
    bool folder_results;
    char paused[17], done[17], uploading[17], file[17], root[17];
};

static char *text_of(const char *text)
{
    return pq_strdup(text);
}

static char *empty_list(void)
{
    return text_of("{}");
}

static int open_nothing(const char *path, pique_error *err)
{
    (void)path;
    (void)err;
    return 0;
}

static void tell_nobody(void *user, const char *event, const char *data)
{
    (void)user;
    (void)event;
    (void)data;
}

static void add(struct world *w, enum pq_entry_state state, char id[17])
{
    struct pq_entry *e = pq_entry_new("a.png");
    char *in = pq_store_path(&w->store, e, "in"), *work = pq_store_work_folder(&w->store, e);
    assert_int_equal(pq_make_folders(in, NULL), 0);
    assert_int_equal(pq_make_folders(work, NULL), 0);
    e->input = pq_store_path(&w->store, e, "in/a.png");
    e->uploaded = true;
    e->bytes = 10;
    e->state = state;
    if (state != PQ_ENTRY_UPLOADING) {
        e->info = json_pack("{s:s, s:f}", "kind", "film", "fps", 24.0);
        e->received = 10;
        assert_int_equal(pq_write_text(e->input, "0123456789", NULL), 0);
    }
    if (state == PQ_ENTRY_DONE) {
        e->output = pq_asprintf("%s/a.png", w->store.results);
        e->result = json_pack("{s:s}", "hash", "0123");
        char *below = pq_asprintf("%s/x/y.png", e->output);
        *strrchr(below, '/') = '\0'; /* a folder of pictures, which goes into an archive */
        if (w->folder_results)
            assert_int_equal(pq_make_folders(below, NULL), 0);
        if (w->folder_results)
            below[strlen(below)] = '/';
        assert_int_equal(pq_write_text(w->folder_results ? below : e->output, "result", NULL), 0);
        pq_free(below);
    }
    memcpy(id, e->id, 17);
    assert_int_equal(pq_store_add(&w->store, e, NULL), 0);
    pq_free(in);
    pq_free(work);
}

static void take_ids(struct world *w)
{
    json_t *roots = pq_folders_roots(&w->api.folders);
    strcpy(w->root, json_string_value(json_object_get(json_array_get(roots, 0), "id")));
    json_t *list = pq_folders_list(&w->api.folders, w->root, NULL);
    const json_t *first = json_array_get(json_object_get(list, "entries"), 0);
    strcpy(w->file, json_string_value(json_object_get(first, "id")));
    json_decref(roots);
    json_decref(list);
}

static void make_world(struct world *w, bool folder_results)
{
    *w = (struct world){.folder_results = folder_results};
    w->state = pq_asprintf("%s/state", folder);
    w->results = pq_asprintf("%s/results", folder);
    w->films = pq_asprintf("%s/films", folder);
    char *film = pq_asprintf("%s/b.mkv", w->films), *watched = pq_asprintf("%s/w.json", folder);
    assert_int_equal(pq_make_folders(w->films, NULL), 0);
    assert_int_equal(pq_write_text(film, "film", NULL), 0);
    assert_int_equal(pq_store_open(&w->store, w->state, w->results, NULL, NULL), 0);
    const char *const roots[] = {w->films};
    assert_int_equal(pq_folders_open(&w->api.folders, roots, 1, watched, NULL), 0);
    assert_int_equal(pq_events_new(4096, &w->api.events, NULL), 0);
    const struct pq_runner_setup setup = {
        .store = &w->store, .tell = tell_nobody, .models = w->films};
    assert_int_equal(pq_runner_new(&setup, &w->api.runner, NULL), 0);
    w->api.trials = pq_trials_new(w->api.runner);
    assert_non_null(w->api.trials);
    pq_launch_init(&w->http.launch);
    w->api.store = &w->store;
    w->api.http = &w->http;
    w->api.models = empty_list;
    pq_known_init(&w->api.codecs, empty_list, NULL, NULL);
    w->api.open_folder = open_nothing;
    add(w, PQ_ENTRY_PAUSED, w->paused);
    add(w, PQ_ENTRY_DONE, w->done);
    add(w, PQ_ENTRY_UPLOADING, w->uploading);
    take_ids(w);
    pq_free(film);
    pq_free(watched);
}

static void end_world(struct world *w)
{
    pq_known_free(&w->api.codecs);
    pq_runner_free(&w->api.runner);
    pq_trials_free(&w->api.trials);
    pq_events_free(&w->api.events);
    pq_folders_close(&w->api.folders);
    pq_store_close(&w->store);
    pq_launch_destroy(&w->http.launch);
    pq_remove_tree(w->state, NULL);
    pq_remove_tree(w->results, NULL);
    pq_free(w->state);
    pq_free(w->results);
    pq_free(w->films);
}

/* ---- what is asked ---- */

struct asking {
    const char *what;
    pq_http_handler *handle;
    const char *of;   /* of which entry: "paused", "done", "uploading"; or a word as it is */
    const char *body; /* %1: a paused entry, %2: a file of a folder, %3: a folder; or NULL */
    int status;       /* where nothing fails; 0: later */
};

/* clang-format off */
static const struct asking askings[] = {
    {"state", pq_api_get_state, "", NULL, 200},
    {"upload", pq_api_post_items, "",
     "{'name': 'x/long name.png', 'bytes': 5, 'output_name': 'y', 'settings': {'scale': 2}}", 201},
    {"file", pq_api_post_items, "", "{'file': '%2', 'settings': {'scale': 2}}", 201},
    {"again", pq_api_again_item, "done", "{'settings': {'scale': 2}, 'output_name': 'y'}", 201},
    {"patch", pq_api_patch_item, "paused",
     "{'settings': {'scale': 3, 'enc': ['a=b']}, 'output_name': 'z'}", 200},
    {"move", pq_api_move_item, "done", "{'before': '%1'}", 200},
    {"start", pq_api_start_item, "paused", "{}", 200},
    {"start before it is here", pq_api_start_item, "uploading", "{}", 200},
    {"pause", pq_api_pause_item, "uploading", "{}", 200},
    {"stop", pq_api_stop_item, "paused", "{}", 200},
    {"retry what is done", pq_api_start_item, "done", "{}", 409},
    {"estimate", pq_api_estimate_item, "paused", "{'settings': {'scale': 2}}", 202},
    {"run", pq_api_run_queue, "", "{'items': ['%1']}", 200},
    {"run all", pq_api_run_queue, "", "{}", 200},
    {"hold all", pq_api_pause_queue, "", "{}", 200},
    {"go on", pq_api_resume_queue, "", "{}", 200},
    {"parallel", pq_api_set_parallel, "", "{'count': 2}", 200},
    {"clear", pq_api_clear_queue, "", "{}", 200},
    {"delete", pq_api_delete_item, "paused", NULL, 204},
    {"thumb", pq_api_get_thumb, "paused", NULL, 0},
    {"source", pq_api_get_source, "paused", NULL, 0},
    {"result", pq_api_get_result, "done", NULL, 0},
    {"no result", pq_api_get_result, "paused", NULL, 404},
    {"file of it", pq_api_get_file, "done", NULL, 200},
    {"file/folder", pq_api_get_file, "done", NULL, 200},
    {"all files", pq_api_get_results, "", NULL, 200},
    {"all files/folders", pq_api_get_results, "", NULL, 200},
    {"test", pq_api_post_test, "",
     "{'item': '%1', 'frame': 2, 'crop': [0,0,4,4], 'settings': [{'scale': 2}, {}]}", 202},
    {"no test", pq_api_get_test, "0123456789abcdef", NULL, 404},
    {"options", pq_api_get_options, "", NULL, 200},
    {"models", pq_api_get_models, "", NULL, 200},
    {"fetch", pq_api_fetch_model, "tiny", "{}", 202},
    {"description", pq_api_get_openapi, "", NULL, 200},
    {"presets", pq_api_get_presets, "", NULL, 200},
    {"preset", pq_api_put_preset, "p", "{'title': 'P', 'settings': {'scale': 2}}", 200},
    {"folders", pq_api_get_folders, "", NULL, 200},
    {"folder", pq_api_get_folder, "%3", NULL, 200},
    {"watch", pq_api_post_watch, "", "{'folder': '%3', 'settings': {'scale': 2}}", 201},
    {"open", pq_api_post_open, "", "{}", 204},
    {"launch", pq_api_post_launch, "", "{}", 200},
};
/* clang-format on */

/* With the ids in their places, and quotes as JSON has them. */
static char *filled_in(const struct world *w, const char *text)
{
    struct pq_str s = {0};
    for (; text && *text; text++) {
        if (*text == '%')
            pq_str_add(&s, *++text == '1' ? w->paused : *text == '2' ? w->file : w->root);
        else
            pq_str_add_n(&s, *text == '\'' ? "\"" : text, 1);
    }
    return pq_str_take(&s);
}

static const char *part_of(const struct world *w, const char *of, char *filled)
{
    return strcmp(of, "paused") == 0      ? w->paused
           : strcmp(of, "done") == 0      ? w->done
           : strcmp(of, "uploading") == 0 ? w->uploading
                                          : filled;
}

/* What is in memory is on the disk, but for what will be written again. */
static void assert_same_on_disk(const struct world *w, const char *what, long n)
{
    for (size_t i = 0; i < w->store.count; i++) {
        const struct pq_entry *e = w->store.entries[i];
        char *path = pq_store_path(&w->store, e, "item.json"), *text = NULL;
        json_t *kept = pq_entry_store(e);
        char *mine = pq_json_dump(kept, JSON_INDENT(1));
        const int rc = pq_read_text(path, 1 << 20, &text, NULL);
        if (e->removed ? rc == 0 : rc != 0 || (!e->unsaved && strcmp(text, mine) != 0))
            fail_msg("%s, allocation %ld: on the disk %s, in memory %s", what, n, text, mine);
        json_decref(kept);
        pq_free(path);
        pq_free(text);
        pq_free(mine);
    }
}

static int wrong; /* answers; told all before the test fails */

static void assert_answered(const struct asking *a, long n, bool failed,
                            const struct pq_http_reply *reply)
{
    const bool expected = a->status ? reply->status == a->status : reply->later;
    if (!expected && !(failed && reply->status == 503)) {
        print_error("%s, allocation %ld: status %d %s\n", a->what, n, reply->status,
                    reply->text ? reply->text : "");
        wrong++;
    }
    json_t *said = reply->text ? json_loads(reply->text, 0, NULL) : NULL;
    if (reply->text && !json_is_object(said))
        fail_msg("%s, allocation %ld: %s", a->what, n, reply->text);
    const json_t *settings = json_object_get(said, "settings"); /* {"scale": 2}, of all of them */
    if (reply->status == 201 && settings && !json_object_get(settings, "scale")) {
        print_error("%s, allocation %ld: without its settings\n", a->what, n);
        wrong++;
    }
    json_decref(said);
}

/* Whether the N-th allocation was one of it. */
static bool ask(const struct asking *a, long n)
{
    struct world w;
    struct pq_http_reply reply = {.fd = -1};
    make_world(&w, strchr(a->what, '/'));
    char *filled = filled_in(&w, *a->of ? a->of : "x"), *body = filled_in(&w, a->body);
    struct pq_http_request request = {.part = {part_of(&w, a->of, filled)},
                                      .loopback = true,
                                      .connection = &w.asked,
                                      .body = body ? json_loads(body, 0, NULL) : NULL};
    pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
    a->handle(&w.api, &request, &reply);
    const bool failed = pq_fault_count(PQ_FAULT_ALLOC) >= n;
    pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
    assert_answered(a, n, failed, &reply);
    assert_same_on_disk(&w, a->what, n);
    assert_int_equal(pthread_mutex_trylock(&w.store.lock), 0); /* nobody kept it */
    pthread_mutex_unlock(&w.store.lock);
    json_decref(request.body);
    pq_reply_free(&reply);
    pq_free(filled);
    pq_free(body);
    end_world(&w);
    return failed;
}

static void every_request_is_answered_when_memory_runs_out(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < PQ_COUNT(askings); i++) {
        long n = 1;
        while (ask(&askings[i], n))
            n++;
        print_message("%s: %ld allocations\n", askings[i].what, n - 1);
    }
    assert_int_equal(wrong, 0);
}

static bool upload(long n)
{
    struct world w;
    struct pq_http_reply reply = {.fd = -1};
    void *state = NULL;
    pique_error err;
    make_world(&w, false);
    w.asked.query.count = 1;
    w.asked.query.pairs[0].name = "offset";
    w.asked.query.pairs[0].value = "0";
    const struct pq_http_request request = {.part = {w.uploading}, .connection = &w.asked};
    const struct pq_http_upload *u = &pq_content_upload;
    pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
    if (u->begin(&w.api, &request, 10, &state, &reply)) {
        const int rc = u->take(&w.api, state, "0123456789", 10, &err);
        u->end(&w.api, state, rc == 0, &reply);
    }
    const bool failed = pq_fault_count(PQ_FAULT_ALLOC) >= n;
    pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
    assert_true(reply.status == 200 || (failed && reply.status == 503));
    const struct pq_entry *e = pq_store_find(&w.store, w.uploading);
    assert_false(e->receives);
    assert_int_equal(e->state, e->received == 10 ? PQ_ENTRY_LOOKING : PQ_ENTRY_UPLOADING);
    assert_same_on_disk(&w, "upload", n);
    pq_reply_free(&reply);
    end_world(&w);
    return failed;
}

/* A piece of four bytes at `offset`. The status; *received: what the answer tells. */
static int put_piece(struct world *w, const char *offset, json_int_t *received)
{
    struct pq_http_reply reply = {.fd = -1};
    void *state = NULL;
    pique_error err;
    w->asked.query.count = 1;
    w->asked.query.pairs[0].name = "offset";
    w->asked.query.pairs[0].value = offset;
    const struct pq_http_request request = {.part = {w->uploading}, .connection = &w->asked};
    const struct pq_http_upload *u = &pq_content_upload;
    if (u->begin(&w->api, &request, 4, &state, &reply)) {
        const int rc = u->take(&w->api, state, "0123", 4, &err);
        u->end(&w->api, state, rc == 0, &reply);
    }
    json_t *told = reply.text ? json_loads(reply.text, 0, NULL) : NULL;
    const json_t *number = json_object_get(told, "received");
    *received = number ? json_integer_value(number) : -1;
    json_decref(told);
    const int status = reply.status;
    pq_reply_free(&reply);
    return status;
}

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void a_piece_that_is_not_on_the_disk_was_not_received(void **unused)
{
    struct world w;
    json_int_t received;
    (void)unused;
    make_world(&w, false);
    const struct pq_entry *e = pq_store_find(&w.store, w.uploading);
    assert_int_equal(put_piece(&w, "0", &received), 200);
    pq_fault_arm(PQ_FAULT_SYNC, 1, EIO, false);
    assert_int_equal(put_piece(&w, "4", &received), 500);
    pq_fault_arm(PQ_FAULT_SYNC, 0, 0, false);
    assert_int_equal(e->received, 4);
    assert_int_equal(size_of(e->input), 4);
    pq_fault_arm(PQ_FAULT_WRITE, 1, ENOSPC, false);
    assert_int_equal(put_piece(&w, "4", &received), 507);
    pq_fault_arm(PQ_FAULT_WRITE, 0, 0, false);
    assert_int_equal(e->received, 4);
    assert_false(e->receives);
    assert_int_equal(put_piece(&w, "4", &received), 200);
    assert_int_equal(received, 8);
    end_world(&w);
}

static void a_file_that_was_cut_is_received_from_its_end(void **unused)
{
    struct world w;
    json_int_t received;
    (void)unused;
    make_world(&w, false);
    const struct pq_entry *e = pq_store_find(&w.store, w.uploading);
    assert_int_equal(put_piece(&w, "0", &received), 200);
    assert_int_equal(unlink(e->input), 0);
    assert_int_equal(put_piece(&w, "4", &received), 409);
    assert_int_equal(received, 0);
    assert_int_equal(put_piece(&w, "0", &received), 200);
    assert_int_equal(truncate(e->input, 3), 0);
    assert_int_equal(put_piece(&w, "4", &received), 409);
    assert_int_equal(received, 3);
    assert_int_equal(e->received, 3);
    assert_false(e->receives);
    assert_int_equal(put_piece(&w, "3", &received), 200);
    assert_int_equal(received, 7);
    assert_int_equal(size_of(e->input), 7);
    end_world(&w);
}

static int count_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void a_file_that_cannot_be_cut_is_closed(void **unused)
{
    struct world w;
    json_int_t received;
    (void)unused;
    make_world(&w, false);
    const struct pq_entry *e = pq_store_find(&w.store, w.uploading);
    assert_int_equal(put_piece(&w, "0", &received), 200);
    assert_int_equal(truncate(e->input, 6), 0); /* as a crash leaves it */
    const int before = count_files();
    pq_fault_arm(PQ_FAULT_WRITE, 1, EIO, false);
    assert_int_equal(put_piece(&w, "4", &received), 500);
    pq_fault_arm(PQ_FAULT_WRITE, 0, 0, false);
    assert_int_equal(count_files(), before);
    assert_false(e->receives);
    end_world(&w);
}

static void an_upload_is_answered_when_memory_runs_out(void **unused)
{
    long n = 1;
    (void)unused;
    while (upload(n))
        n++;
    assert_true(n > 5);
}

/* Thousands of pictures may lie there; who asks does not wait for them, nor does anybody else. */
static void what_is_removed_is_gone_before_its_files(void **unused)
{
    struct world w;
    char id[PQ_ID_LENGTH + 1];
    (void)unused;
    make_world(&w, false);
    const struct pq_entry *e = pq_store_find(&w.store, w.paused);
    char *input = pq_strdup(e->input), *inside = pq_store_path(&w.store, e, "");
    char *work = pq_store_work_folder(&w.store, e);
    struct pq_http_reply reply = {.fd = -1};
    const struct pq_http_request request = {.part = {w.paused}, .connection = &w.asked};
    pq_api_delete_item(&w.api, &request, &reply);
    assert_int_equal(reply.status, 204);
    assert_null(pq_store_find(&w.store, w.paused));
    assert_true(pq_exists(input) && pq_exists(work));
    assert_true(pq_store_take_rest(&w.store, id));
    assert_string_equal(id, w.paused);
    pq_store_remove_rest(&w.store, id);
    assert_false(pq_exists(inside) || pq_exists(work));
    assert_false(pq_store_take_rest(&w.store, id));
    pq_free(input);
    pq_free(work);
    /* what is left at the end is removed then */
    pq_free(inside);
    inside = pq_store_path(&w.store, pq_store_find(&w.store, w.done), "");
    pq_api_clear_queue(&w.api, &request, &reply);
    assert_int_equal(reply.status, 200);
    assert_true(pq_exists(inside));
    pq_reply_free(&reply);
    pq_store_close(&w.store);
    assert_false(pq_exists(inside));
    assert_int_equal(pq_store_open(&w.store, w.state, w.results, NULL, NULL), 0);
    pq_free(inside);
    end_world(&w);
}

/* ---- what takes long ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int sought, found;

static char *slow_list(void)
{
    atomic_fetch_add(&sought, 1);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return text_of("{}");
}

static char *no_list(void)
{
    atomic_fetch_add(&sought, 1);
    return NULL;
}

static void count_found(void *user)
{
    (void)user;
    atomic_fetch_add(&found, 1);
}

static int codecs_status(struct world *w, bool *later)
{
    struct pq_http_reply reply = {.fd = -1};
    const struct pq_http_request request = {.connection = &w->asked};
    pq_api_get_codecs(&w->api, &request, &reply);
    const int status = reply.status;
    *later = reply.later;
    pq_reply_free(&reply);
    return status;
}

static void until_found(int count)
{
    while (atomic_load(&found) < count)
        usleep(1000);
}

static void codecs_are_found_while_others_are_answered(void **unused)
{
    struct world w;
    bool later;
    (void)unused;
    make_world(&w, false);
    pq_known_free(&w.api.codecs);
    pq_known_init(&w.api.codecs, slow_list, count_found, NULL);
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(codecs_status(&w, &later), 0);
        assert_true(later);
    }
    pthread_mutex_unlock(&gate);
    until_found(1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(codecs_status(&w, &later), 200);
    assert_int_equal(atomic_load(&sought), 1);
    pq_known_free(&w.api.codecs);
    pq_known_init(&w.api.codecs, no_list, count_found, NULL);
    codecs_status(&w, &later);
    until_found(2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(codecs_status(&w, &later), 503);
        assert_false(later);
    }
    assert_int_equal(atomic_load(&sought), 2); /* not again at once */
    end_world(&w);
}

static void an_archive_has_each_name_once(void **unused)
{
    enum { MANY = 3000 };
    struct pq_zip *zip = pq_zip_new();
    char name[32], out[4096];
    size_t ends = 0, all = 0;
    ssize_t n;
    (void)unused;
    char *path = pq_asprintf("%s/one", folder), *below = pq_asprintf("%s/more", folder);
    char *inner = pq_asprintf("%s/a.png", below);
    assert_int_equal(pq_write_text(path, "x", NULL), 0);
    assert_int_equal(pq_make_folders(below, NULL), 0);
    assert_int_equal(pq_write_text(inner, "x", NULL), 0);
    assert_int_equal(pq_zip_add_folder(zip, below, "f", NULL), 0);
    for (int twice = 0; twice < 2; twice++) {
        for (int i = 0; i < MANY; i++) {
            snprintf(name, sizeof name, "%d.png", i);
            assert_int_equal(pq_zip_add(zip, path, name, NULL), 0);
        }
    }
    assert_int_equal(pq_zip_add(zip, path, "f/a.png", NULL), 0);
    while ((n = pq_zip_read(zip, out, sizeof out)) > 0) {
        all += (size_t)n;
        ends = (size_t)n; /* the last record is read in one piece, at the end */
    }
    assert_int_equal(n, 0);
    assert_true(all > MANY && ends >= 98);
    uint64_t count; /* of the 64-bit record, before its locator and the old one */
    memcpy(&count, out + ends - 22 - 20 - 56 + 24, sizeof count);
    assert_int_equal(count, MANY + 1);
    pq_zip_free(zip);
    pq_remove_tree(below, NULL);
    pq_remove_file(path, NULL);
    pq_free(path);
    pq_free(below);
    pq_free(inner);
}

static int set_up(void **unused)
{
    (void)unused;
    json_set_alloc_funcs(pq_malloc, pq_free);
    json_object_seed(1);
    strcpy(folder, "/dev/shm/pique-api-XXXXXX");
    if (!mkdtemp(folder)) {
        strcpy(folder, "/tmp/pique-api-XXXXXX");
        if (!mkdtemp(folder))
            return -1;
    }
    return sodium_init() < 0 ? -1 : 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    return pq_remove_tree(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_is_answered_when_memory_runs_out),
        cmocka_unit_test(an_upload_is_answered_when_memory_runs_out),
        cmocka_unit_test(a_piece_that_is_not_on_the_disk_was_not_received),
        cmocka_unit_test(a_file_that_was_cut_is_received_from_its_end),
        cmocka_unit_test(a_file_that_cannot_be_cut_is_closed),
        cmocka_unit_test(what_is_removed_is_gone_before_its_files),
        cmocka_unit_test(codecs_are_found_while_others_are_answered),
        cmocka_unit_test(an_archive_has_each_name_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
