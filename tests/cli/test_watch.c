/* SPDX-License-Identifier: MIT */
/* A models folder in view, with inotify and without: files that are copied slowly, replaced, moved
 * in and out, in pairs and in folders of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/watch.h"

static char folder[64];
static char told[1000];
static struct pq_watch *watch;

static const char *at(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void on_change(void *user, enum pq_watch_kind kind, const struct pq_shelf_file *file)
{
    (void)user;
    size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "%c%s ", "+~-"[kind], file -> name);
}

/* Steps for so long, or until that much was told. */
static const char *steps(int ms, const char *until)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double end = (double)t.tv_sec + (double)t.tv_nsec / 1e9 + ms / 1e3;
    told[0] = '\0';
    do {
        assert_int_equal(pq_watch_step(watch, 50, on_change, NULL, NULL), 0);
        clock_gettime(CLOCK_MONOTONIC, &t);
    } while ((double)t.tv_sec + (double)t.tv_nsec / 1e9 < end && strcmp(told, until) != 0);
    return told;
}

#define expect(text)  assert_string_equal(steps(60000, text), text)
#define expect_none() assert_string_equal(steps(1500, "?"), "")

static void begin(bool poll_only)
{
    strcpy(folder, "/tmp/pique-watch.XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(pq_watch_open(folder, poll_only, &watch, NULL), 0);
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    pq_watch_close(&watch);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void course(bool poll_only)
{
    begin(poll_only);
    put("a.pth", "one");
    expect("+a.pth ");
    assert_int_equal(pq_watch_shelf(watch)->count, 1);
    put("a.pth", "other");
    expect("~a.pth ");
    assert_int_equal(rename(at("a.pth"), "/tmp/pique-watch-moved"), 0);
    expect("-a.pth ");
    assert_int_equal(rename("/tmp/pique-watch-moved", at("a.pth")), 0);
    expect("+a.pth ");
    assert_int_equal(mkdir(at("family"), 0777), 0);
    put("family/b.safetensors", "b");
    expect("+family/b.safetensors ");
    unlink(at("family/b.safetensors"));
    expect("-family/b.safetensors ");
}

static void test_the_course_with_inotify(void **state)
{
    (void)state;
    course(false);
    assert_true(pq_watch_fd(watch) >= 0);
}

static void test_the_course_without_inotify(void **state)
{
    (void)state;
    course(true);
    assert_int_equal(pq_watch_fd(watch), -1);
}

static void a_file_that_is_copied(bool poll_only)
{
    begin(poll_only);
    FILE *f = fopen(at("slow.pth"), "w");
    assert_non_null(f);
    for (int i = 0; i < 3; i++) {
        fputs("more", f);
        fflush(f);
        expect_none(); /* longer than a file must rest: it is still open */
    }
    fclose(f);
    expect("+slow.pth ");
    assert_int_equal(pq_watch_shelf(watch)->files[0].bytes, 12);
}

static void test_a_file_that_is_still_copied_does_not_appear(void **state)
{
    (void)state;
    a_file_that_is_copied(false);
}

static void test_a_file_that_is_still_copied_does_not_appear_without_inotify(void **state)
{
    (void)state;
    a_file_that_is_copied(true);
}

static void test_a_file_that_grows_by_pieces_appears_once(void **state)
{
    (void)state;
    begin(false);
    for (int i = 0; i < 10; i++) {
        FILE *f = fopen(at("grows.pth"), "a");
        fputs("more", f);
        fclose(f);
        assert_string_equal(steps(100, "?"), "");
    }
    expect("+grows.pth ");
    expect_none();
}

static void test_a_pair_appears_with_its_second_file(void **state)
{
    (void)state;
    begin(false);
    put("n.param", "7767517");
    expect_none();
    put("n.bin", "weights");
    expect("+n.param ");
    put("n.bin", "other weights");
    expect("~n.param ");
    unlink(at("n.bin"));
    expect("-n.param ");
}

static void test_what_is_no_model_is_not_told(void **state)
{
    (void)state;
    begin(false);
    put(".hidden.pth", "x");
    put("notes.txt", "x");
    assert_int_equal(mkdir(at("folder.pth"), 0777), 0);
    assert_int_equal(mkfifo(at("pipe.pth"), 0666), 0);
    assert_int_equal(symlink("nowhere", at("link.pth")), 0);
    expect_none();
}

static void test_a_folder_that_comes_later_is_watched_then(void **state)
{
    (void)state;
    begin(false);
    assert_int_equal(rmdir(folder), 0);
    expect_none();
    assert_int_equal(mkdir(folder, 0777), 0);
    put("a.pth", "a");
    expect("+a.pth ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_the_course_with_inotify, tear_down),
        cmocka_unit_test_teardown(test_the_course_without_inotify, tear_down),
        cmocka_unit_test_teardown(test_a_file_that_is_still_copied_does_not_appear, tear_down),
        cmocka_unit_test_teardown(test_a_file_that_is_still_copied_does_not_appear_without_inotify,
                                  tear_down),
        cmocka_unit_test_teardown(test_a_file_that_grows_by_pieces_appears_once, tear_down),
        cmocka_unit_test_teardown(test_a_pair_appears_with_its_second_file, tear_down),
        cmocka_unit_test_teardown(test_what_is_no_model_is_not_told, tear_down),
        cmocka_unit_test_teardown(test_a_folder_that_comes_later_is_watched_then, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
