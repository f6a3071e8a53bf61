/* SPDX-License-Identifier: MIT */
/* Workers that behave as none of ours does, since a film may have taken them over: whatever they
 * do, whoever listens to them goes on. This program is its own worker: "test-process work FOLDER".
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "base/str.h"
#include "job/process.h"

/* ---- the worker ---- */

static int leave_a_child(void)
{
    const pid_t child = fork();
    if (child == 0) {
        sleep(60);
        _exit(0);
    }
    printf("{\"child\": %d}\n", (int)child);
    fflush(stdout);
    return 7;
}

static int do_task(const char *task)
{
    char here[4096];
    if (strstr(task, "child"))
        return leave_a_child();
    if (strstr(task, "where")) {
        printf("{\"here\": \"%s\"}\n", getcwd(here, sizeof here));
        return 0;
    }
    if (strstr(task, "silent"))
        close(STDOUT_FILENO);
    while (strstr(task, "chat")) {
        printf("{\"event\": \"frames\"}\n");
        fflush(stdout);
    }
    sleep(60);
    return 0;
}

static int work(const char *folder)
{
    char *path = pq_asprintf("%s/task.json", folder), *text = NULL;
    const int status = path && pq_read_text(path, 4096, &text, NULL) == 0 ? do_task(text) : 99;
    pq_free(path);
    pq_free(text);
    return status;
}

/* ---- who listens ---- */

static char folder[] = "/tmp/pique-process-XXXXXX";

struct heard {
    int lines, child, status;
    bool ended, at_home;
};

static void on_line(void *user, json_t *event)
{
    struct heard *h = user;
    const char *here = json_string_value(json_object_get(event, "here"));
    h->lines++;
    h->child = (int)json_integer_value(json_object_get(event, "child"));
    h->at_home = here && strcmp(here, folder) == 0;
}

static void on_end(void *user, int status, const char *last)
{
    struct heard *h = user;
    (void)last;
    h->ended = true;
    h->status = status;
}

static void nothing(void *user)
{
    (void)user;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Listen for so long or until it has ended; no wait may take much longer than it was to. */
static void listen_for(struct pq_processes *all, struct heard *h, double seconds)
{
    const double until = now() + seconds;
    while (!h->ended && now() < until) {
        const double before = now();
        pq_processes_wait(all, 50, nothing, nothing, h);
        assert_true(now() - before < 30);
    }
}

static struct pq_process *begin(struct pq_processes *all, struct heard *h, const char *what)
{
    struct pq_process *process;
    pique_error err;
    json_t *task = json_pack("{s:s}", "do", what);
    const struct pq_process_setup setup = {
        .folder = folder, .task = task, .on_line = on_line, .on_end = on_end, .user = h};
    *h = (struct heard){0};
    assert_int_equal(pq_processes_open(all, NULL), 0);
    if (pq_process_start(all, &setup, &process, &err))
        fail_msg("%s", err.message);
    json_decref(task);
    return process;
}

static void one_that_closes_its_output_is_not_waited_for(void **unused)
{
    struct pq_processes all;
    struct heard h;
    (void)unused;
    struct pq_process *p = begin(&all, &h, "silent");
    listen_for(&all, &h, 1);
    assert_false(h.ended);
    pq_process_end(p);
    listen_for(&all, &h, 60);
    assert_true(h.ended);
    assert_int_equal(h.status, 128 + SIGTERM);
    pq_processes_close(&all);
}

static void one_that_never_stops_talking_lets_others_speak(void **unused)
{
    struct pq_processes all;
    struct heard h;
    (void)unused;
    struct pq_process *p = begin(&all, &h, "chat");
    listen_for(&all, &h, 1);
    assert_true(h.lines > 0);
    pq_process_end(p);
    listen_for(&all, &h, 60);
    assert_true(h.ended);
    pq_processes_close(&all);
}

/* One that is dead and not buried is dead. */
static bool is_alive(int pid)
{
    char path[40], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(f);
    return state != 'Z' && state != 'X';
}

static void what_one_leaves_behind_ends_with_it(void **unused)
{
    struct pq_processes all;
    struct heard h;
    (void)unused;
    begin(&all, &h, "child");
    listen_for(&all, &h, 60);
    assert_true(h.ended);
    assert_int_equal(h.status, 7);
    assert_true(h.child > 0);
    const double until = now() + 60;
    while (is_alive(h.child) && now() < until)
        usleep(10000);
    assert_false(is_alive(h.child));
    pq_processes_close(&all);
}

static void one_that_was_told_to_end_is_not_held(void **unused)
{
    struct pq_processes all;
    struct heard h;
    (void)unused;
    struct pq_process *p = begin(&all, &h, "nothing");
    pq_process_hold(p, true);
    listen_for(&all, &h, 0.3);
    pq_process_end(p);
    pq_process_hold(p, true);
    listen_for(&all, &h, 60);
    assert_true(h.ended);
    pq_processes_close(&all);
}

static void one_works_in_its_own_folder(void **unused)
{
    struct pq_processes all;
    struct heard h;
    (void)unused;
    begin(&all, &h, "where");
    listen_for(&all, &h, 60);
    assert_true(h.ended && h.at_home);
    pq_processes_close(&all);
}

static int set_up(void **unused)
{
    (void)unused;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **unused)
{
    (void)unused;
    return pq_remove_tree(folder, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_closes_its_output_is_not_waited_for),
        cmocka_unit_test(one_that_never_stops_talking_lets_others_speak),
        cmocka_unit_test(what_one_leaves_behind_ends_with_it),
        cmocka_unit_test(one_that_was_told_to_end_is_not_held),
        cmocka_unit_test(one_works_in_its_own_folder),
    };
    if (argc == 3 && strcmp(argv[1], "work") == 0)
        return work(argv[2]);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
