/* SPDX-License-Identifier: MIT */
/* The queue on the disk: what comes back is what was put there, in its order, whatever else lies in
 * its folder. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/folder.h"
#include "base/str.h"
#include "job/deliver.h"
#include "job/store.h"

static char folder[] = "/tmp/pique-store-XXXXXX";
static char state[64], results[64];

static int set_up(void **unused)
{
    (void)unused;
    if (!mkdtemp(folder))
        return -1;
    snprintf(state, sizeof state, "%s/state", folder);
    snprintf(results, sizeof results, "%s/results", folder);
    return 0;
}

static int sweep(void **unused)
{
    pique_error err;
    (void)unused;
    return pq_remove_tree(state, &err) || pq_remove_tree(results, &err);
}

static int tear_down(void **unused)
{
    (void)unused;
    return pq_remove_tree(folder, NULL);
}

static void open_store(struct pq_store *s, json_t *problems)
{
    pique_error err;
    if (pq_store_open(s, state, results, problems, &err))
        fail_msg("%s", err.message);
}

static struct pq_entry *add(struct pq_store *s, const char *name)
{
    pique_error err;
    struct pq_entry *e = pq_entry_new(name);
    assert_non_null(e);
    e->input = pq_strdup("/some/where");
    e->state = PQ_ENTRY_PAUSED;
    if (pq_store_add(s, e, &err))
        fail_msg("%s", err.message);
    return e;
}

/* "abc" for entries a, b and c. */
static void assert_order(const struct pq_store *s, const char *names)
{
    assert_int_equal(s->count, strlen(names));
    for (size_t i = 0; i < s->count; i++)
        assert_int_equal(s->entries[i]->name[0], names[i]);
}

static void what_was_put_there_comes_back(void **unused)
{
    struct pq_store s;
    (void)unused;
    open_store(&s, NULL);
    struct pq_entry *e = add(&s, "film \xc3\xa9.mkv");
    char id[PQ_ID_LENGTH + 1];
    memcpy(id, e->id, sizeof id);
    e->kind = PQ_ENTRY_FILM;
    e->bytes = 1234567890123;
    e->received = 99;
    e->stem = pq_strdup("other");
    e->french = true;
    e->info = json_pack("{s:i}", "width", 7);
    json_object_set_new(e->settings, "scale", json_real(1.5));
    json_array_append_new(e->notes, json_string("a note"));
    pq_store_set(&s, e, PQ_ENTRY_FAILED, pq_error_object("EIO", "why", "retry"));
    pq_store_close(&s);

    open_store(&s, NULL);
    assert_int_equal(s.count, 1);
    e = pq_store_find(&s, id);
    assert_non_null(e);
    assert_string_equal(e->name, "film \xc3\xa9.mkv");
    assert_string_equal(e->input, "/some/where");
    assert_string_equal(e->stem, "other");
    assert_int_equal(e->kind, PQ_ENTRY_FILM);
    assert_int_equal(e->state, PQ_ENTRY_FAILED);
    assert_int_equal(e->bytes, 1234567890123);
    assert_int_equal(e->received, 99);
    assert_true(e->french);
    assert_int_equal(json_integer_value(json_object_get(e->info, "width")), 7);
    assert_true(json_real_value(json_object_get(e->settings, "scale")) == 1.5);
    assert_string_equal(json_string_value(json_array_get(e->notes, 0)), "a note");
    assert_string_equal(json_string_value(json_object_get(e->error, "text")), "why");
    pq_store_close(&s);
}

static void no_path_is_shown(void **unused)
{
    struct pq_store s;
    (void)unused;
    open_store(&s, NULL);
    struct pq_entry *e = add(&s, "a");
    e->output = pq_strdup("/some/output");
    e->making = pq_strdup("/some/making");
    e->result = json_object();
    json_t *shown = pq_entry_show(e);
    char *text = json_dumps(shown, 0);
    assert_null(strstr(text, "/some"));
    free(text);
    json_decref(shown);
    pq_store_close(&s);
}

static void what_ran_waits_after_a_restart(void **unused)
{
    struct pq_store s;
    (void)unused;
    open_store(&s, NULL);
    pq_store_set(&s, add(&s, "a"), PQ_ENTRY_RUNNING, NULL);
    pq_store_set(&s, add(&s, "b"), PQ_ENTRY_PAUSED, NULL);
    assert_int_equal(pq_store_set_queue(&s, false, 3, NULL), 0);
    pq_store_close(&s);
    open_store(&s, NULL);
    assert_order(&s, "ab");
    assert_int_equal(s.entries[0]->state, PQ_ENTRY_WAITING);
    assert_int_equal(s.entries[1]->state, PQ_ENTRY_PAUSED);
    assert_false(s.running);
    assert_int_equal(s.parallel, 3);
    pq_store_close(&s);
}

static void entries_move_and_stay_where_they_are_put(void **unused)
{
    struct pq_store s;
    (void)unused;
    open_store(&s, NULL);
    struct pq_entry *a = add(&s, "a"), *b = add(&s, "b"), *c = add(&s, "c"), *d = add(&s, "d");
    assert_int_equal(pq_store_move(&s, d, a, NULL), 0);
    assert_order(&s, "dabc");
    assert_int_equal(pq_store_move(&s, a, NULL, NULL), 0);
    assert_order(&s, "dbca");
    assert_int_equal(pq_store_move(&s, c, b, NULL), 0);
    assert_order(&s, "dcba");
    assert_int_equal(pq_store_move(&s, c, c, NULL), 0);
    assert_order(&s, "dcba");
    for (int i = 0; i < 200; i++) { /* more often than a double can be halved */
        assert_int_equal(pq_store_move(&s, i % 2 ? b : c, i % 2 ? c : b, NULL), 0);
        assert_order(&s, i % 2 ? "dbca" : "dcba");
    }
    pq_store_close(&s);
    open_store(&s, NULL);
    assert_order(&s, "dbca");
    pq_store_close(&s);
}

static void an_entry_goes_with_all_that_is_its_own(void **unused)
{
    struct pq_store s;
    (void)unused;
    open_store(&s, NULL);
    struct pq_entry *a = add(&s, "a"), *b = add(&s, "b");
    char *work = pq_store_work_folder(&s, a), *deep = pq_asprintf("%s/x/y", work);
    char *own = pq_store_path(&s, a, ""), *link = pq_asprintf("%s/link", work);
    assert_int_equal(pq_make_folders(deep, NULL), 0);
    char *of_b = pq_store_path(&s, b, "");
    assert_int_equal(symlink(of_b, link), 0);
    pq_free(of_b);
    char id[PQ_ID_LENGTH + 1];
    assert_int_equal(pq_store_remove(&s, a, NULL), 0);
    assert_order(&s, "b");
    assert_true(pq_exists(work));
    assert_true(pq_store_take_rest(&s, id));
    pq_store_remove_rest(&s, id);
    assert_false(pq_exists(work));
    assert_false(pq_exists(own));
    char *others = pq_store_path(&s, b, "item.json");
    assert_true(pq_exists(others)); /* no link is followed */
    pq_free(others);
    pq_free(work);
    pq_free(deep);
    pq_free(own);
    pq_free(link);
    pq_store_close(&s);
}

static void tests_of_a_server_that_was_killed_go(void **unused)
{
    static const char *const names[] = {"test-0123456789abcdef/task", "look", "in"};
    struct pq_store s;
    (void)unused;
    open_store(&s, NULL);
    struct pq_entry *e = add(&s, "a");
    for (size_t i = 0; i < PQ_COUNT(names); i++) {
        char *path = pq_store_path(&s, e, names[i]);
        assert_int_equal(pq_make_folders(path, NULL), 0);
        pq_free(path);
    }
    pq_store_close(&s);
    open_store(&s, NULL);
    for (size_t i = 0; i < PQ_COUNT(names); i++) {
        char *path = pq_store_path(&s, s.entries[0], names[i]);
        if (i == 0)
            *strrchr(path, '/') = '\0';
        assert_int_equal(pq_exists(path), i > 0);
        pq_free(path);
    }
    pq_store_close(&s);
}

static void write_item(const char *id, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/items/%s", state, id);
    assert_int_equal(pq_make_folders(path, NULL), 0);
    strcat(path, "/item.json");
    assert_int_equal(pq_write_text(path, text, NULL), 0);
}

static void what_is_damaged_is_told_and_left_alone(void **unused)
{
    static const char *const bad[] = {
        "", "{", "[]", "{\"format\": 2}", "null", "{\"format\": 1, \"id\": 7}"};
    struct pq_store s;
    (void)unused;
    open_store(&s, NULL);
    struct pq_entry *e = add(&s, "good");
    char *path = pq_store_path(&s, e, "item.json"), *text = NULL;
    assert_int_equal(pq_read_text(path, 1 << 20, &text, NULL), 0);
    pq_store_close(&s);
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        char id[20];
        snprintf(id, sizeof id, "%016zx", i + 1);
        write_item(id, bad[i]);
    }
    write_item("00000000000000ff", text); /* a copy of another's */
    json_t *problems = json_array();
    open_store(&s, problems);
    assert_int_equal(s.count, 1);
    assert_int_equal(json_array_size(problems), PQ_COUNT(bad) + 1);
    json_decref(problems);
    pq_free(path);
    pq_free(text);
    pq_store_close(&s);
}

static void one_server_at_a_time_has_the_queue(void **unused)
{
    struct pq_store s, other;
    pique_error err;
    (void)unused;
    open_store(&s, NULL);
    assert_int_equal(pq_store_open(&other, state, results, NULL, &err), PIQUE_EEXIST);
    pq_store_close(&other);
    pq_store_close(&s);
    open_store(&s, NULL);
    pq_store_close(&s);
}

static void a_disk_that_refuses_is_no_lost_entry(void **unused)
{
    struct pq_store s;
    pique_error err;
    (void)unused;
    open_store(&s, NULL);
    add(&s, "a");
    pq_fault_arm(PQ_FAULT_WRITE, 1, ENOSPC, true);
    struct pq_entry *e = pq_entry_new("b");
    e->input = pq_strdup("/some/where");
    assert_int_equal(pq_store_add(&s, e, &err), PIQUE_ENOSPC);
    pq_store_set(&s, s.entries[0], PQ_ENTRY_WAITING, NULL);
    assert_non_null(s.entries[0]->error);
    pq_fault_arm(PQ_FAULT_WRITE, 0, 0, false);
    assert_order(&s, "a");
    pq_store_close(&s);
    open_store(&s, NULL);
    assert_order(&s, "a");
    pq_store_close(&s);
}

static void numbers_that_are_new_are_saved_bit_by_bit(void **unused)
{
    struct pq_store s;
    (void)unused;
    for (int stops = 0; stops < 2; stops++) {
        open_store(&s, NULL);
        for (const char *name = "abcdefgh"; *name; name++)
            add(&s, (char[]){*name, '\0'});
        s.entries[4]->position = s.entries[3]->position;
        pq_fault_arm(PQ_FAULT_WRITE, 0, 0, false);
        assert_int_equal(pq_store_move(&s, s.entries[6], s.entries[4], NULL), 0);
        assert_int_equal(pq_fault_count(PQ_FAULT_WRITE), 0);
        assert_order(&s, "abcdgefh");
        if (stops) /* the server is killed in the middle */
            pq_fault_arm(PQ_FAULT_WRITE, 4, EIO, true);
        while (pq_store_save_again(&s))
            ;
        pq_fault_arm(PQ_FAULT_WRITE, 0, 0, false);
        pq_store_close(&s);
        open_store(&s, NULL);
        assert_order(&s, stops ? "abcdefgh" : "abcdgefh");
        pq_store_close(&s);
        assert_int_equal(sweep(NULL), 0);
    }
}

/* While it is full that is told; nothing of it is left when there is room. */
static void a_disk_that_has_room_again_is_forgotten(void **unused)
{
    struct pq_store s;
    (void)unused;
    open_store(&s, NULL);
    struct pq_entry *e = add(&s, "a");
    pq_fault_arm(PQ_FAULT_WRITE, 1, ENOSPC, true);
    pq_store_set(&s, e, PQ_ENTRY_DONE, NULL);
    assert_false(pq_store_save_again(&s));
    assert_non_null(e->error);
    assert_true(e->unsaved && e->disk_error);
    pq_fault_arm(PQ_FAULT_WRITE, 0, 0, false);
    assert_false(pq_store_save_again(&s));
    assert_null(e->error);
    assert_false(e->unsaved || e->disk_error);
    pq_store_close(&s);
    open_store(&s, NULL);
    assert_null(s.entries[0]->error);
    assert_int_equal(s.entries[0]->state, PQ_ENTRY_DONE);
    pq_store_close(&s);
}

static void a_queue_that_goes_on_takes_what_had_no_room(void **unused)
{
    struct pq_store s;
    (void)unused;
    open_store(&s, NULL);
    struct pq_entry *full = add(&s, "full"), *by_hand = add(&s, "by hand"), *bad = add(&s, "bad");
    assert_int_equal(pq_store_set_queue(&s, true, 1, NULL), 0);
    pq_store_set(&s, full, PQ_ENTRY_PAUSED, pq_error_object("ENOSPC", "full", "space"));
    pq_store_set(&s, by_hand, PQ_ENTRY_PAUSED, NULL);
    pq_store_set(&s, bad, PQ_ENTRY_FAILED, pq_error_object("EFORMAT", "bad", "upload"));
    assert_int_equal(pq_store_set_queue(&s, true, 2, NULL), 0); /* it was not held */
    assert_int_equal(full->state, PQ_ENTRY_PAUSED);
    assert_int_equal(pq_store_set_queue(&s, false, 2, NULL), 0);
    assert_int_equal(full->state, PQ_ENTRY_PAUSED);
    assert_int_equal(pq_store_set_queue(&s, true, 2, NULL), 0);
    assert_int_equal(full->state, PQ_ENTRY_WAITING);
    assert_null(full->error);
    assert_int_equal(by_hand->state, PQ_ENTRY_PAUSED);
    assert_int_equal(bad->state, PQ_ENTRY_FAILED);
    pq_store_close(&s);
}

/* ---- a disk that fails once ---- */

/* What stands in memory, as text: entries in their order, and the queue. */
static char *what_is_there(const struct pq_store *s)
{
    struct pq_str text = {0};
    pq_str_printf(&text, "%d %d", s->running, s->parallel);
    for (size_t i = 0; i < s->count; i++)
        pq_str_printf(&text, " %s:%d", s->entries[i]->name, (int)s->entries[i]->state);
    return pq_str_take(&text);
}

static struct pq_entry *spare; /* made before anything fails */

static int do_add(struct pq_store *s)
{
    struct pq_entry *e = spare;
    spare = NULL;
    return pq_store_add(s, e, NULL);
}

static int do_move(struct pq_store *s)
{
    return pq_store_move(s, s->entries[2], s->entries[0], NULL);
}

/* Where no number is left between two. */
static int do_count_anew(struct pq_store *s)
{
    s->entries[1]->position = s->entries[0]->position;
    return pq_store_move(s, s->entries[2], s->entries[1], NULL);
}

static int do_remove(struct pq_store *s)
{
    return pq_store_remove(s, s->entries[1], NULL);
}

static int do_set(struct pq_store *s)
{
    pq_store_set(s, s->entries[1], PQ_ENTRY_WAITING, NULL);
    return s->entries[1]->unsaved ? PIQUE_EIO : 0;
}

static int do_set_queue(struct pq_store *s)
{
    return pq_store_set_queue(s, false, 4, NULL);
}

static const struct {
    const char *what;
    int (*change)(struct pq_store *s);
    bool undone; /* where it fails nothing has changed; else it is made up for */
} changes[] = {{"add", do_add, true},           {"move", do_move, true},
               {"count", do_count_anew, false}, {"remove", do_remove, true},
               {"set", do_set, false},          {"queue", do_set_queue, false}};

static int count_names(void *context, const char *name)
{
    *(int *)context += *name != '.';
    return 0;
}

static void assert_agrees_after_reopening(struct pq_store *s, const char *what)
{
    int folders = 0;
    char *before = what_is_there(s);
    pq_store_close(s);
    json_t *problems = json_array();
    open_store(s, problems);
    char *after = what_is_there(s), *items = pq_asprintf("%s/items", state);
    if (strcmp(before, after) != 0)
        fail_msg("%s: in memory %s, on the disk %s", what, before, after);
    assert_int_equal(json_array_size(problems), 0);
    assert_int_equal(pq_list_folder(items, count_names, &folders, NULL), 0);
    assert_int_equal(folders, s->count); /* and nothing else was left */
    json_decref(problems);
    pq_free(before);
    pq_free(after);
    pq_free(items);
}

/* Whether the N-th call of that kind was one of it. */
static bool fail_once(size_t i, enum pq_fault_kind kind, long n)
{
    struct pq_store s;
    open_store(&s, NULL);
    add(&s, "a");
    add(&s, "b");
    add(&s, "c");
    char *work = pq_store_work_folder(&s, s.entries[1]), *before = what_is_there(&s);
    assert_int_equal(pq_make_folders(work, NULL), 0);
    pq_free(work);
    spare = pq_entry_new("new");
    spare->input = pq_strdup("/some/where");
    spare->state = PQ_ENTRY_PAUSED;
    pq_fault_arm(kind, n, ENOSPC, false);
    const int rc = changes[i].change(&s);
    const bool failed = pq_fault_count(kind) >= n;
    pq_fault_arm(kind, 0, 0, false);
    pq_entry_free(&spare);
    char *after = what_is_there(&s);
    if (!failed)
        assert_int_equal(rc, 0);
    if (rc && changes[i].undone)
        assert_string_equal(before, after);
    while (pq_store_save_again(&s))
        ;
    for (size_t k = 0; k < s.count; k++)
        assert_false(s.entries[k]->unsaved || s.entries[k]->error);
    assert_agrees_after_reopening(&s, changes[i].what);
    pq_store_close(&s);
    pq_free(before);
    pq_free(after);
    assert_int_equal(sweep(NULL), 0);
    return failed;
}

static void memory_and_disk_agree_when_the_disk_fails_once(void **unused)
{
    static const enum pq_fault_kind kinds[] = {PQ_FAULT_ALLOC, PQ_FAULT_OPEN,   PQ_FAULT_WRITE,
                                               PQ_FAULT_SYNC,  PQ_FAULT_RENAME, PQ_FAULT_REMOVE};
    (void)unused;
    for (size_t i = 0; i < PQ_COUNT(changes); i++) {
        for (size_t k = 0; k < PQ_COUNT(kinds); k++) {
            for (long n = 1; fail_once(i, kinds[k], n); n++)
                ;
        }
    }
}

static void a_queue_opens_whole_or_not_at_all(void **unused)
{
    struct pq_store s;
    (void)unused;
    open_store(&s, NULL);
    add(&s, "a");
    add(&s, "b");
    pq_store_close(&s);
    bool failed = true;
    for (long n = 1; failed; n++) {
        pique_error err = {0};
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        const int rc = pq_store_open(&s, state, results, NULL, &err);
        failed = pq_fault_count(PQ_FAULT_ALLOC) >= n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_int_equal(rc, err.code);
        assert_true(rc != 0 || s.count == 2);
        pq_store_close(&s);
    }
}

/* ---- delivering ---- */

static void make_file(const char *path)
{
    char *parent = pq_strdup(path);
    *strrchr(parent, '/') = '\0';
    assert_int_equal(pq_make_folders(parent, NULL), 0);
    assert_int_equal(pq_write_text(path, path, NULL), 0);
    pq_free(parent);
}

/* An entry whose work folder has such files, of which the first is the result. */
static struct pq_entry *made(struct pq_store *s, const char *const *names)
{
    struct pq_entry *e = add(s, "in");
    char *work = pq_store_work_folder(s, e);
    for (size_t i = 0; names[i]; i++) {
        char *path = pq_asprintf("%s/%s", work, names[i]);
        make_file(path);
        if (i == 0)
            e->output = pq_strdup(path);
        pq_free(path);
    }
    pq_free(work);
    e->result = json_object();
    return e;
}

static void assert_there(const char *name, bool there)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", results, name);
    if (pq_exists(path) != there)
        fail_msg("%s: %s", path, there ? "is missing" : "is there");
}

static void a_result_comes_with_all_that_is_named_after_it(void **unused)
{
    struct pq_store s;
    pique_error err;
    const char *const names[] = {"videos/film.mkv", "videos/film.mkv.json",
                                 "videos/film_frames/source/1.png", "videos/film.mkv.job/x", NULL};
    (void)unused;
    open_store(&s, NULL);
    for (int i = 0; i < 2; i++) {
        struct pq_entry *e = made(&s, names);
        if (pq_deliver(&s, e, &err))
            fail_msg("%s", err.message);
        assert_string_equal(json_string_value(json_object_get(e->result, "name")),
                            i ? "film (2).mkv" : "film.mkv");
        assert_true(pq_exists(e->output));
        char *work = pq_store_work_folder(&s, e);
        assert_false(pq_exists(work));
        pq_free(work);
    }
    static const char *const there[] = {
        "videos/film.mkv",     "videos/film.mkv.json",     "videos/film_frames/source/1.png",
        "videos/film (2).mkv", "videos/film (2).mkv.json", "videos/film (2)_frames/source/1.png"};
    for (size_t i = 0; i < PQ_COUNT(there); i++)
        assert_there(there[i], true);
    assert_there("videos/film.mkv.job", false);
    pq_store_close(&s);
}

static void a_result_gets_the_name_that_was_asked_for(void **unused)
{
    struct pq_store s;
    const char *const names[] = {"a.b.png", NULL}, *const folder_of[] = {"film/000001.png", NULL};
    (void)unused;
    open_store(&s, NULL);
    struct pq_entry *e = made(&s, names);
    e->stem = pq_strdup("mine");
    assert_int_equal(pq_deliver(&s, e, NULL), 0);
    assert_there("mine.png", true);
    e = made(&s, folder_of);
    *strrchr(e->output, '/') = '\0'; /* the folder is the result */
    assert_int_equal(pq_deliver(&s, e, NULL), 0);
    assert_there("film/000001.png", true);
    assert_true(json_is_true(json_object_get(e->result, "folder")));
    pq_store_close(&s);
}

/* A worker that was taken over by a film tells of what it never made. */
static void nothing_is_moved_that_was_not_made_in_its_folder(void **unused)
{
    struct pq_store s;
    const char *const names[] = {"a.png", NULL};
    (void)unused;
    open_store(&s, NULL);
    char *secret = pq_asprintf("%s/secret/a.png", state);
    make_file(secret);
    for (int i = 0; i < 4; i++) {
        struct pq_entry *e = made(&s, names);
        char *work = pq_store_work_folder(&s, e), *link = pq_asprintf("%s/link", work);
        char *folder_of = pq_asprintf("%s/secret", state);
        assert_int_equal(symlink(i == 3 ? secret : folder_of, link), 0);
        pq_free(e->output);
        e->output = i == 0   ? pq_asprintf("%s/../../../state/secret/a.png", work)
                    : i == 1 ? pq_strdup(secret)
                    : i == 2 ? pq_asprintf("%s/link/a.png", work)
                             : pq_strdup(link);
        assert_int_equal(pq_deliver(&s, e, NULL), PIQUE_EINTERNAL);
        assert_true(pq_exists(secret));
        assert_there("a.png", false);
        assert_there("link", false);
        pq_free(work);
        pq_free(link);
        pq_free(folder_of);
    }
    pq_free(secret);
    pq_store_close(&s);
}

static void a_result_that_has_arrived_is_no_failure(void **unused)
{
    struct pq_store s;
    const char *const names[] = {"a.png", "a.png.json", NULL};
    (void)unused;
    for (int i = 0; i < 2; i++) {
        open_store(&s, NULL);
        struct pq_entry *e = made(&s, names);
        if (i == 0)
            pq_fault_arm(PQ_FAULT_REMOVE, 1, EIO, true); /* what is left cannot be removed */
        else
            pq_fault_arm(PQ_FAULT_RENAME, 3, EIO, true); /* nor what lies beside it be moved */
        assert_int_equal(pq_deliver(&s, e, NULL), 0);
        pq_fault_arm(PQ_FAULT_REMOVE, 0, 0, false);
        pq_fault_arm(PQ_FAULT_RENAME, 0, 0, false);
        assert_there(i ? "a (2).png" : "a.png", true);
        assert_string_equal(json_string_value(json_object_get(e->result, "name")),
                            i ? "a (2).png" : "a.png");
        pq_store_close(&s);
    }
}

/* ---- a loss of power ---- */

/* This stands before the C library's: notes the folders that are synced. */
static char synced[8][300];
static int sync_count;
static const char *work_of_one;

int fsync(int fd)
{
    char path[40];
    struct stat st;
    if (work_of_one && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && sync_count < 8) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        const ssize_t n = readlink(path, synced[sync_count], sizeof synced[0] - 1);
        synced[sync_count++][n > 0 ? n : 0] = '\0';
        assert_true(pq_exists(work_of_one));
    }
    return (int)syscall(SYS_fsync, fd);
}

static bool was_synced(const char *path)
{
    for (int i = 0; i < sync_count; i++) {
        if (strcmp(synced[i], path) == 0)
            return true;
    }
    return false;
}

static void a_result_is_safe_before_what_it_was_made_in_goes(void **unused)
{
    struct pq_store s;
    const char *const names[] = {"videos/film.mkv", "videos/film.mkv.job/x", NULL};
    (void)unused;
    open_store(&s, NULL);
    struct pq_entry *e = made(&s, names);
    char *work = pq_store_work_folder(&s, e);
    char *from = pq_asprintf("%s/videos", work), *to = pq_asprintf("%s/videos", results);
    work_of_one = work;
    sync_count = 0;
    assert_int_equal(pq_deliver(&s, e, NULL), 0);
    work_of_one = NULL;
    assert_true(was_synced(from) && was_synced(to) && was_synced(results));
    assert_false(pq_exists(work));
    pq_free(work);
    pq_free(from);
    pq_free(to);
    pq_store_close(&s);
}

/* As a file system may leave it: the entry says that it is done, and the move has not happened. */
static void undo_move(const struct pq_store *s, const struct pq_entry *e, const char *name)
{
    char *work = pq_store_work_folder(s, e), *path = pq_asprintf("%s/%s", work, name);
    char *parent = pq_strdup(path), *job = pq_asprintf("%s.job/x", path);
    *strrchr(parent, '/') = '\0';
    assert_int_equal(pq_make_folders(parent, NULL), 0);
    assert_int_equal(rename(e->output, path), 0);
    make_file(job);
    pq_free(work);
    pq_free(path);
    pq_free(parent);
    pq_free(job);
}

static void what_is_done_and_was_not_moved_is_moved_at_the_next_start(void **unused)
{
    struct pq_store s;
    const char *const film[] = {"videos/film.mkv", NULL}, *const numbered[] = {"film/1.png", NULL};
    const char *const gone[] = {"gone.png", NULL};
    (void)unused;
    open_store(&s, NULL);
    struct pq_entry *a = made(&s, film), *b = made(&s, numbered), *c = made(&s, gone);
    a->stem = pq_strdup("mine");
    *strrchr(b->output, '/') = '\0'; /* the folder is the result */
    for (int i = 0; i < 3; i++) {
        struct pq_entry *e = i == 0 ? a : i == 1 ? b : c;
        assert_int_equal(pq_deliver(&s, e, NULL), 0);
        pq_store_set(&s, e, PQ_ENTRY_DONE, NULL);
    }
    undo_move(&s, a, "videos/film.mkv");
    undo_move(&s, b, "film");
    assert_int_equal(unlink(c->output), 0); /* by somebody who wanted that */
    assert_there("videos/mine.mkv", false);
    pq_store_close(&s);
    open_store(&s, NULL);
    assert_there("videos/mine.mkv", true);
    assert_there("film/1.png", true);
    assert_there("gone.png", false);
    for (size_t i = 0; i < 2; i++) {
        char *work = pq_store_work_folder(&s, s.entries[i]);
        assert_false(pq_exists(work));
        assert_true(pq_exists(s.entries[i]->output));
        pq_free(work);
    }
    pq_store_close(&s);
}

static void another_disk_is_told_of_before_the_work(void **unused)
{
    struct pq_store s;
    pique_error err;
    char other[] = "/dev/shm/pique-store-XXXXXX";
    struct stat here, there;
    const char *const names[] = {"videos/film.mkv", NULL};
    (void)unused;
    if (!mkdtemp(other))
        skip();
    assert_int_equal(stat(other, &there), 0);
    open_store(&s, NULL);
    assert_int_equal(stat(results, &here), 0);
    struct pq_entry *e = made(&s, names);
    e->kind = PQ_ENTRY_FILM;
    char *videos = pq_asprintf("%s/videos", results);
    assert_int_equal(symlink(other, videos), 0);
    assert_int_equal(pq_deliver_check(&s, e, &err), 0); /* for nothing goes there */
    json_object_set_new(e->settings, "dedicated", json_true());
    if (here.st_dev != there.st_dev) {
        assert_int_equal(pq_deliver_check(&s, e, &err), PIQUE_ECREATE);
        assert_non_null(strstr(err.message, "'videos'"));
        assert_int_equal(pq_deliver(&s, e, &err), PIQUE_ECREATE);
        assert_non_null(strstr(err.message, "another disk"));
    }
    e->kind = PQ_ENTRY_PICTURE;
    assert_int_equal(pq_deliver_check(&s, e, &err), 0);
    pq_store_close(&s);
    pq_free(videos);
    assert_int_equal(rmdir(other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_was_put_there_comes_back, sweep),
        cmocka_unit_test_teardown(no_path_is_shown, sweep),
        cmocka_unit_test_teardown(what_ran_waits_after_a_restart, sweep),
        cmocka_unit_test_teardown(entries_move_and_stay_where_they_are_put, sweep),
        cmocka_unit_test_teardown(an_entry_goes_with_all_that_is_its_own, sweep),
        cmocka_unit_test_teardown(tests_of_a_server_that_was_killed_go, sweep),
        cmocka_unit_test_teardown(what_is_damaged_is_told_and_left_alone, sweep),
        cmocka_unit_test_teardown(one_server_at_a_time_has_the_queue, sweep),
        cmocka_unit_test_teardown(a_disk_that_refuses_is_no_lost_entry, sweep),
        cmocka_unit_test_teardown(numbers_that_are_new_are_saved_bit_by_bit, sweep),
        cmocka_unit_test_teardown(a_disk_that_has_room_again_is_forgotten, sweep),
        cmocka_unit_test_teardown(a_queue_that_goes_on_takes_what_had_no_room, sweep),
        cmocka_unit_test_teardown(memory_and_disk_agree_when_the_disk_fails_once, sweep),
        cmocka_unit_test_teardown(a_queue_opens_whole_or_not_at_all, sweep),
        cmocka_unit_test_teardown(a_result_comes_with_all_that_is_named_after_it, sweep),
        cmocka_unit_test_teardown(a_result_gets_the_name_that_was_asked_for, sweep),
        cmocka_unit_test_teardown(nothing_is_moved_that_was_not_made_in_its_folder, sweep),
        cmocka_unit_test_teardown(a_result_is_safe_before_what_it_was_made_in_goes, sweep),
        cmocka_unit_test_teardown(what_is_done_and_was_not_moved_is_moved_at_the_next_start, sweep),
        cmocka_unit_test_teardown(another_disk_is_told_of_before_the_work, sweep),
        cmocka_unit_test_teardown(a_result_that_has_arrived_is_no_failure, sweep),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
